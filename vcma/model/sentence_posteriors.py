"""Posteriors of individual sentences, extracted from a batch without padding, as input of decoding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vcma.model.batch import Batch
from vcma.model.em import Posterior, by_relation, given_tubes, infer, objective_parts, refined
from vcma.model.evidence import Evidence, Model, forward, untrained_evidence
from vcma.model.settings import UntrainedSettings
from vcma.model.temporal_posterior import Frames, Spans, Whole

_TIE = 1e-4  # weight of the posterior itself in the assignment, so that entities of unknown presence get their best


@dataclass(frozen=True, eq=False)
class SentencePosterior:
    """Posteriors of one sentence, float32, without padding.

    log_z: log q(z_i = n). tube: the tubes assigned to the entities. y: q(y_t = 1), by p given these tubes.
    log_intervals: log q(b, e) of intervals of frames, likewise. evidence: E_q[psi] of each relation, pairs first,
    then actions. objective: terms of F (`objective_parts`).
    """

    log_z: Float[np.ndarray, "M N"]
    tube: Int[np.ndarray, " M"]
    y: Float[np.ndarray, " T"]
    log_intervals: Float[np.ndarray, "B B"]
    evidence: Float[np.ndarray, "R T"]
    objective: Float[np.ndarray, " 3"]


class Posteriors(NamedTuple):
    """Posteriors of one sentence: p_theta(Z | E, R, V), q_phi(Z | E, V), and their weighted geometric mean.

    p and q approximate the same posterior, one by coordinate updates and one by a network, and their errors differ.
    On a small corpus the network has learned less, so the weight of q is n / (n + 100) / 2 for n training clips.
    Without coordinate updates (`refinements: 0`) all three are q.
    """

    p: SentencePosterior
    q: SentencePosterior
    both: SentencePosterior


def posteriors(model: Model, batch: Batch, device: str) -> Iterator[Posteriors]:
    """Yield the posteriors of every sentence of a batch, in order."""
    model.theta.eval()
    model.phi.eval()
    with torch.no_grad():
        moved = batch.to(device)
        output = forward(model, moved)
        (p, q), e = infer(model, moved, output), output.evidence
        by_q = _by_sentence(moved, e, q, _assigned(moved, q.log_z), q.time)  # phi predicts y independently of z
        by_p = by_both = by_q
        if model.settings.refinements:
            weight = model.theta.trust / 2
            log_z = moved.over_candidates((1 - weight) * p.log_z + weight * q.log_z)
            of_p, of_both = _assigned(moved, p.log_z), _assigned(moved, log_z)
            both = replace(p, log_z=log_z, time=given_tubes(e, moved, p, of_both).time.mixed(q.time, weight))  # type: ignore[arg-type]
            by_p = _by_sentence(moved, e, p, of_p, given_tubes(e, moved, p, of_p).time)
            by_both = _by_sentence(moved, e, both, of_both, both.time)
    yield from map(Posteriors, by_p, by_q, by_both)


def untrained_posteriors(settings: UntrainedSettings, batch: Batch, device: str) -> list[SentencePosterior]:
    """Return the posterior of every sentence of a batch without a trained model: E-steps on labels and cues."""
    with torch.no_grad():
        moved = batch.to(device)
        e = untrained_evidence(settings, moved)
        p = refined(e, moved, e.log_prior, settings.refinements)
        tube = _assigned(moved, p.log_z)
        return _by_sentence(moved, e, p, tube, given_tubes(e, moved, p, tube).time)


def log_priors(model: Model, batch: Batch, device: str) -> list[Float[np.ndarray, "M N"]]:
    """Return log p(z_i = n | E, V) for every sentence of a batch: the prior without relations."""
    model.theta.eval()
    with torch.no_grad():
        moved = batch.to(device)
        prior = model.theta.log_prior(moved, model.theta.similarity(moved)).cpu().numpy()
    owner = batch.entity_sentence.numpy()
    tubes = batch.tube.sum(1)[batch.sentence_clip].tolist()
    return [prior[owner == s][:, :n] for s, n in enumerate(tubes)]


def _assigned(batch: Batch, log_z: Float[Tensor, "M N"]) -> Int[Tensor, " M"]:
    """Return the tubes assigned to the entities of every sentence; see `assign`.

    An entity other than the target may have no tube: the less likely that it has one, the less can it take the
    target's best tube away.
    """
    found = batch.entity_present.clone()
    found[batch.target] = 1
    score = torch.logaddexp((1 - found).log()[:, None], found.log()[:, None] + log_z) + _TIE * log_z
    counts = torch.bincount(batch.entity_sentence, minlength=len(batch.target)).tolist()
    of_sentence = np.split(score.cpu().numpy(), np.cumsum(counts)[:-1])
    tubes = batch.tube.sum(1)[batch.sentence_clip].tolist()
    tube = np.concatenate([assign(own[:, :n]) for own, n in zip(of_sentence, tubes, strict=True)])
    return torch.as_tensor(tube, device=log_z.device)


def _by_sentence(
    batch: Batch, e: Evidence, q: Posterior, tube: Int[Tensor, " M"], time: Spans | Frames | Whole
) -> list[SentencePosterior]:
    """Split a batch's posterior q into sentences; time: temporal posterior given the assigned tubes."""
    pair, action = (evidence.cpu().numpy() for evidence in by_relation(e, batch, q.z))
    log_z, y, log_intervals = (x.cpu().numpy() for x in (q.log_z, time.y, time.intervals))
    assigned = tube.cpu().numpy()
    terms = objective_parts(e, batch, q).cpu().numpy()
    owner = batch.entity_sentence.cpu().numpy()
    pair_owner, action_owner = batch.pair_sentence.cpu().numpy(), batch.action_sentence.cpu().numpy()
    tubes, frames = batch.tube.sum(1).tolist(), batch.frame.sum(1).tolist()
    found = []
    for s, clip in enumerate(batch.sentence_clip.tolist()):
        n, t = tubes[clip], frames[clip]
        evidence = np.concatenate([pair[pair_owner == s], action[action_owner == s]])[:, :t]
        intervals = log_intervals[s, : t + 1, : t + 1]
        mine = owner == s
        found.append(SentencePosterior(log_z[mine][:, :n], assigned[mine], y[s, :t], intervals, evidence, terms[s]))
    return found


def assign(log_posterior: Float[np.ndarray, "M N"]) -> Int[np.ndarray, " M"]:
    """Assign a different tube to each entity such that the sum of log-posteriors is maximal.

    log_posterior: finite, with at least one tube. If there are more entities than tubes, the remaining ones get
    their own best tube.
    """
    from scipy.optimize import linear_sum_assignment  # slow import (0.5 s), not needed for --help

    chosen = log_posterior.argmax(axis=1).astype(np.int64)
    entity, tube = linear_sum_assignment(log_posterior, maximize=True)
    chosen[entity] = tube
    return chosen
