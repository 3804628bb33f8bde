"""Posteriors of individual sentences, extracted from a batch without padding, as input of decoding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from vcma.model.batch import Batch
from vcma.model.em import Posterior, by_relation, infer, objective_parts, refined
from vcma.model.evidence import Evidence, Model, forward, untrained_evidence
from vcma.model.settings import UntrainedSettings


@dataclass(frozen=True, eq=False)
class SentencePosterior:
    """Posteriors of one sentence, float32, without padding.

    log_z: log q(z_i = n). y: q(y_t = 1). log_intervals: log q(b, e) of intervals of frames. evidence: E_q[psi] of
    each relation, pairs first, then actions. objective: terms of F (`objective_parts`).
    """

    log_z: Float[np.ndarray, "M N"]
    y: Float[np.ndarray, " T"]
    log_intervals: Float[np.ndarray, "B B"]
    evidence: Float[np.ndarray, "R T"]
    objective: Float[np.ndarray, " 3"]


def posteriors(model: Model, batch: Batch, device: str) -> Iterator[tuple[SentencePosterior, SentencePosterior]]:
    """Yield (p, q) for every sentence of a batch, in order."""
    model.theta.eval()
    model.phi.eval()
    with torch.no_grad():
        moved = batch.to(device)
        output = forward(model, moved)
        both = [_by_sentence(moved, output.evidence, q) for q in infer(model, moved, output)]
    yield from zip(*both, strict=True)


def untrained_posteriors(settings: UntrainedSettings, batch: Batch, device: str) -> list[SentencePosterior]:
    """Return the posterior of every sentence of a batch without a trained model: E-steps on labels and cues."""
    with torch.no_grad():
        moved = batch.to(device)
        e = untrained_evidence(settings, moved)
        return _by_sentence(moved, e, refined(e, moved, e.log_prior, settings.refinements))


def log_priors(model: Model, batch: Batch, device: str) -> list[Float[np.ndarray, "M N"]]:
    """Return log p(z_i = n | E, V) for every sentence of a batch: the prior without relations."""
    model.theta.eval()
    with torch.no_grad():
        moved = batch.to(device)
        prior = model.theta.log_prior(moved, model.theta.similarity(moved)).cpu().numpy()
    owner = batch.entity_sentence.numpy()
    tubes = batch.tube.sum(1)[batch.sentence_clip].tolist()
    return [prior[owner == s][:, :n] for s, n in enumerate(tubes)]


def _by_sentence(batch: Batch, e: Evidence, q: Posterior) -> list[SentencePosterior]:
    pair, action = (evidence.cpu().numpy() for evidence in by_relation(e, batch, q.z))
    log_z, y, log_intervals = (x.cpu().numpy() for x in (q.log_z, q.y, q.time.intervals))
    terms = objective_parts(e, batch, q).cpu().numpy()
    owner = batch.entity_sentence.cpu().numpy()
    pair_owner, action_owner = batch.pair_sentence.cpu().numpy(), batch.action_sentence.cpu().numpy()
    tubes, frames = batch.tube.sum(1).tolist(), batch.frame.sum(1).tolist()
    found = []
    for s, clip in enumerate(batch.sentence_clip.tolist()):
        n, t = tubes[clip], frames[clip]
        evidence = np.concatenate([pair[pair_owner == s], action[action_owner == s]])[:, :t]
        intervals = log_intervals[s, : t + 1, : t + 1]
        found.append(SentencePosterior(log_z[owner == s][:, :n], y[s, :t], intervals, evidence, terms[s]))
    return found
