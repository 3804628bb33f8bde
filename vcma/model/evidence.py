"""The model, one forward pass of theta over a batch, and the evidence it gives: what precedes any posterior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vcma.model.batch import NO_CANDIDATE, Batch
from vcma.model.networks import PSI_FLOOR, Phi, Theta, cue_evidence, unusable_pairs
from vcma.model.settings import Settings
from vcma.model.temporal_posterior import CELLS, FAMILIES, NEVER, Frames, Spans, Time, Whole, interval_prior
from vcma.model.vocabulary import Vocabulary

_UNTRAINED_KAPPA = 2.0  # effective number of independent frames where nothing has been trained
_THROUGHOUT = 0.3  # how often a sentence shows in all of its segment


@dataclass(frozen=True)
class Model:
    """theta and phi with the vocabulary they were built for."""

    theta: Theta
    phi: Phi
    vocabulary: Vocabulary
    settings: Settings

    def to(self, device: str) -> Model:
        return replace(self, theta=self.theta.to(device), phi=self.phi.to(device))


def build(vocabulary: Vocabulary, static: Callable[[tuple[str, ...]], np.ndarray], settings: Settings) -> Model:
    """A model with fresh parameters, which follow from settings.seed. static(texts) are their text features."""
    # Two threads on contended cores are far slower than one, and one gives the same bytes everywhere.
    torch.set_num_threads(1)
    torch.manual_seed(settings.seed)
    theta = Theta(
        vocabulary,
        width=settings.width,
        bottleneck=settings.bottleneck,
        dropout=settings.dropout,
        label_prior=settings.label_prior,
    )
    for emission, names in ((theta.pair, vocabulary.pairs), (theta.action, vocabulary.actions)):
        emission.static.copy_(torch.as_tensor(static(names)))
    phi = Phi(vocabulary, width=settings.width, label_prior=settings.label_prior)
    return Model(theta, phi, vocabulary, settings)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What theta says of a batch, with everything the updates need and no parameter of the model.

    log p(z_i = n); psi of pairs and of actions, in nats; time, what is known of y before.
    """

    log_prior: Float[Tensor, "M N"]
    pair: Float[Tensor, "K N N T"]
    action: Float[Tensor, "L N T"]
    time: Time
    beta: float
    margin: float
    family: type[Spans] | type[Frames] | type[Whole]

    @property
    def frame(self) -> Bool[Tensor, "S T"]:
        return self.time.frame

    @property
    def gamma(self) -> Float[Tensor, " S"]:
        return self.time.gamma

    def detached(self) -> Evidence:
        """Without gradient."""
        return replace(
            self, log_prior=self.log_prior.detach(), pair=self.pair.detach(), action=self.action.detach()
        )

    def given_labels(self, batch: Batch) -> Evidence:
        """With the truth that the batch is told as a prior that rules the rest out; it is told none but for the
        supervised ceiling.
        """
        if not (batch.labels >= 0).any():
            return self
        tube, begin, end = batch.labels.T
        log_prior, log_intervals = self.log_prior.clone(), self.time.log_prior.clone()
        labelled = tube >= 0
        log_prior[batch.target[labelled]] = NO_CANDIDATE
        log_prior[batch.target[labelled], tube[labelled]] = 0
        timed = begin >= 0
        log_intervals[timed] = NEVER
        log_intervals[timed.nonzero()[:, 0], begin[timed], end[timed]] = 0
        return replace(self, log_prior=log_prior, time=replace(self.time, log_prior=log_intervals))


@dataclass(frozen=True, eq=False)
class ThetaOutput:
    """One forward pass of theta over a batch: similarities, features of pairs and of single tubes, evidence."""

    similarity: Float[Tensor, "M V N"]
    features: tuple[Tensor, Tensor]
    evidence: Evidence


def forward(model: Model, batch: Batch) -> ThetaOutput:
    """Run theta on a batch."""
    theta = model.theta
    similarity = theta.similarity(batch)
    features = theta.features(batch)
    clip = batch.sentence_clip
    pair = theta.pair(features[0], clip[batch.pair_sentence], batch.pair_predicate, batch.pair_static)
    action = theta.action(features[1], clip[batch.action_sentence], batch.action_predicate, batch.action_static)
    log_prior = theta.log_prior(batch, similarity)
    evidence = _evidence(model.settings, batch, log_prior, _log_ratio(*pair), _log_ratio(*action), theta.runs)
    return ThetaOutput(similarity, features, evidence)


def untrained_evidence(settings: Settings, batch: Batch) -> Evidence:
    """What is known before any training: the detector's labels and the cues.

    Cues are little trusted, and a sentence may show throughout (which only intervals can say); one without a
    relation is taken to. Both numbers are from the drawn world's validation and 34 sentences of two real videos.
    """
    nothing = torch.zeros((), device=batch.frame.device)
    log_prior = batch.over_candidates(settings.label_prior * batch.entity_label)
    cautious = replace(settings, kappa=min(settings.kappa, _UNTRAINED_KAPPA))
    e = _evidence(cautious, batch, log_prior, nothing, nothing, batch.single.new_zeros(CELLS, CELLS))
    throughout = torch.where(has_relation(batch), _THROUGHOUT, 1.0)
    log_intervals = e.time.log_prior + (1 - throughout).log().clamp(min=NEVER)[:, None, None]
    row, end = torch.arange(len(log_intervals), device=log_intervals.device), e.frame.sum(1)
    log_intervals[row, 0, end] = torch.logaddexp(log_intervals[row, 0, end], throughout.log())
    return replace(e, time=replace(e.time, log_prior=log_intervals))


def has_relation(batch: Batch) -> Bool[Tensor, " S"]:
    """Which sentences state a relation or an action."""
    found = torch.zeros_like(batch.sentence_clip, dtype=torch.bool)
    found[batch.pair_sentence] = found[batch.action_sentence] = True
    return found


def _evidence(
    settings: Settings,
    batch: Batch,
    log_prior: Float[Tensor, "M N"],
    pair: Tensor,
    action: Tensor,
    interval_table: Float[Tensor, "c c"],
) -> Evidence:
    """pair [K, N, N, T] and action [L, N, T], or 0: log p - log p0 of the emission, to which the cues are added."""
    clip = batch.sentence_clip
    pair_clip, action_clip = clip[batch.pair_sentence], clip[batch.action_sentence]
    absent = ~batch.usable
    frame = batch.frame[clip]
    no_pair, no_action = unusable_pairs(absent)[pair_clip], absent[action_clip]
    pair = pair + settings.relation_prior * cue_evidence(batch.pair_cue, batch.pair, pair_clip, no_pair)
    action = action + settings.relation_prior * cue_evidence(batch.action_cue, batch.single, action_clip, no_action)
    return Evidence(
        log_prior=log_prior,
        pair=pair.clamp(min=PSI_FLOOR).masked_fill(no_pair, PSI_FLOOR),
        action=action.clamp(min=PSI_FLOOR).masked_fill(no_action, PSI_FLOOR),
        time=Time(frame, settings.kappa / frame.sum(1), interval_prior(frame, interval_table)),
        beta=settings.beta,
        margin=settings.margin,
        family=FAMILIES[settings.time],
    )


def _log_ratio(log_p: Float[Tensor, "K *axes"], log_p0: Float[Tensor, " K"]) -> Float[Tensor, "K *axes"]:
    return log_p - log_p0.view(-1, *[1] * (log_p.ndim - 1))
