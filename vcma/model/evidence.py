"""The model p: a forward pass of theta over a batch, and its evidence (log-prior, psi, temporal prior)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vcma.model.batch import NO_CANDIDATE, Batch
from vcma.model.networks import PSI_FLOOR, Phi, Theta, cue_evidence, less_its_mean, unusable_pairs
from vcma.model.presence import co_presence
from vcma.model.settings import AlignmentSettings, Settings, UntrainedSettings
from vcma.model.temporal_posterior import CELLS, FAMILIES, NEVER, Frames, Spans, Time, Whole, interval_prior
from vcma.model.vocabulary import Vocabulary

_UNTRAINED_FLOOR = -1.0  # lower bound of psi without a model, nats: prominence already penalises absence


@dataclass(frozen=True)
class Model:
    """theta and phi with their vocabulary and settings."""

    theta: Theta
    phi: Phi
    vocabulary: Vocabulary
    settings: Settings

    def to(self, device: str) -> Model:
        return replace(self, theta=self.theta.to(device), phi=self.phi.to(device))


def build(vocabulary: Vocabulary, static: Callable[[tuple[str, ...]], np.ndarray], settings: Settings) -> Model:
    """Build a model with initial parameters, determined by settings.seed. static(texts): their text features."""
    torch.manual_seed(settings.seed)
    priors = {name: getattr(settings, name) for name in ("label_prior", "score_prior", "region_text_prior")}
    theta = Theta(
        vocabulary,
        width=settings.width,
        bottleneck=settings.bottleneck,
        dropout=settings.dropout,
        **priors,
    )
    for emission, names in ((theta.pair, vocabulary.pairs), (theta.action, vocabulary.actions)):
        emission.static.copy_(torch.as_tensor(static(names)))
    phi = Phi(vocabulary, width=settings.width, train_frames=settings.train_frames, **priors)
    return Model(theta, phi, vocabulary, settings)


@dataclass(frozen=True, eq=False)
class SpanPrior:
    """p(b, e): with probability `throughout` the presence of the target, otherwise the table of intervals.

    table: log-probabilities of intervals. throughout: 1 for sentences whose span is the presence of their target.
    """

    table: Float[Tensor, "S B B"]
    throughout: Float[Tensor, " S"]

    def given(self, batch: Batch, log_z: Float[Tensor, "M N"]) -> Float[Tensor, "S B B"]:
        """Return log p(b, e) under q(z), without gradient."""
        throughout = self.throughout[:, None, None]
        anywhere = self.table + (1 - throughout).log().clamp(min=NEVER)
        return torch.logaddexp(anywhere, presence_prior(batch, log_z.detach()) + throughout.log()).clamp(min=NEVER)


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything the coordinate updates need for a batch; contains no model parameters.

    log_prior: log p(z_i = n). pair, action: psi of relations, nats. time: temporal prior. span_prior: p(b, e) given
    q(z), from which it was made. beta, margin: see em.py. family: class of q(y).
    """

    log_prior: Float[Tensor, "M N"]
    pair: Float[Tensor, "K N N T"]
    action: Float[Tensor, "L N T"]
    time: Time
    span_prior: SpanPrior
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
        """Return the evidence without gradient."""
        return replace(
            self, log_prior=self.log_prior.detach(), pair=self.pair.detach(), action=self.action.detach()
        )

    def tempered(self, factor: Float[Tensor, " S"]) -> Evidence:
        """Return the evidence with gamma multiplied by a factor; uncertain boxes say little about relations."""
        return replace(self, time=replace(self.time, gamma=self.time.gamma * factor))

    def given_labels(self, batch: Batch) -> Evidence:
        """Return the evidence with the batch's ground-truth labels as a hard prior.

        Batches have no labels except for the supervised ceiling.
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
    """Output of theta for a batch: similarities, features of pairs and of single tubes, evidence."""

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
    ratios = _log_ratio(*pair), _log_ratio(*action)
    # Learned evidence shortens spans only as far as it is trusted: with a small corpus, spans stay close to the
    # presence of the target.
    full = model.settings
    settings = replace(full, margin=theta.trust * full.margin, kappa=theta.independence * full.kappa)
    evidence = _evidence(settings, batch, log_prior, *ratios, theta.runs, has_relation(batch))
    # Weaker tempering than without a model, because the emission was trained on such boxes.
    return ThetaOutput(similarity, features, evidence.tempered(batch.reliability[clip].sqrt()))


def untrained_evidence(settings: UntrainedSettings, batch: Batch) -> Evidence:
    """Return the evidence without a trained model: detector labels, prominence, region-text agreement and cues.

    The cues are tempered by the reliability of the boxes. The span of a sentence is the interval in which its
    target is present or, with probability 1 - `throughout` and only if a relation can be scored, any interval.
    Related entities are expected to be visible together.
    """
    nothing = torch.zeros((), device=batch.frame.device)
    score = settings.label_prior * batch.entity_label + settings.score_prior * batch.prominence[batch.entity_clip]
    score = score + settings.region_text_prior * batch.entity_region_text
    log_prior = batch.over_candidates(score)
    log_prior = batch.over_candidates(log_prior + settings.co_presence * co_presence(batch, log_prior))
    no_table = batch.single.new_zeros(CELLS, CELLS)
    e = _evidence(settings, batch, log_prior, nothing, nothing, no_table, has_cue(batch), _UNTRAINED_FLOOR)
    e = replace(e, pair=e.pair * known_pairs(batch)[:, None, None, None])
    return e.tempered(batch.reliability[batch.sentence_clip])


def presence_prior(batch: Batch, log_z: Float[Tensor, "M N"]) -> Float[Tensor, "S B B"]:
    """Return log p(b, e) if the span is the interval of the target's presence: extents of tubes, weighted by z."""
    usable = batch.usable.long()
    T = usable.shape[2]
    begin, end = usable.argmax(2), T - usable.flip(2).argmax(2)
    clip, p = batch.sentence_clip, log_z[batch.target].exp() * (usable.sum(2) > 0)[batch.sentence_clip]
    total = p.new_zeros(len(p), (T + 1) * (T + 1))
    total = total.scatter_add(1, begin[clip] * (T + 1) + end[clip], p)
    return total.log().clamp(min=NEVER).view(-1, T + 1, T + 1)


def known_pairs(batch: Batch) -> Bool[Tensor, " K"]:
    """Return the mask of relations whose entities, other than the target, may have a tube.

    The relation to an entity that the detector does not know would be measured to some other object.
    """
    known = batch.entity_present > 0
    known[batch.target] = True
    return known[batch.pair_subject] & known[batch.pair_object]


def has_cue(batch: Batch) -> Bool[Tensor, " S"]:
    """Return the mask of sentences with a relation or action that a cue or the region-text encoder can score."""
    pair = known_pairs(batch) & (batch.pair_cue.any(1) | batch.pair_region_text.flatten(1).any(1))
    return _stating(batch, pair, batch.action_cue.any(1) | batch.action_region_text.flatten(1).any(1))


def has_relation(batch: Batch) -> Bool[Tensor, " S"]:
    """Return the mask of sentences with a relation or an action."""
    every = slice(None)
    return _stating(batch, every, every)


def _stating(batch: Batch, pair: Tensor | slice, action: Tensor | slice) -> Bool[Tensor, " S"]:
    """Mask of sentences with one of the selected relations or actions."""
    found = torch.zeros_like(batch.sentence_clip, dtype=torch.bool)
    found[batch.pair_sentence[pair]] = found[batch.action_sentence[action]] = True
    return found


def _evidence(
    settings: AlignmentSettings,
    batch: Batch,
    log_prior: Float[Tensor, "M N"],
    pair: Tensor,
    action: Tensor,
    interval_table: Float[Tensor, "c c"],
    changes: Bool[Tensor, " S"],
    floor: float = PSI_FLOOR,
) -> Evidence:
    """Combine the terms of the evidence.

    pair [K, N, N, T], action [L, N, T]: log p - log p0 of the emission, or 0; the cues are added. changes: mask of
    the sentences whose span can differ from the presence of their target. floor: lower bound of psi, which is also
    its value for absent tubes.
    """
    clip = batch.sentence_clip
    pair_clip, action_clip = clip[batch.pair_sentence], clip[batch.action_sentence]
    absent = ~batch.usable
    frame = batch.frame[clip]
    no_pair, no_action = unusable_pairs(absent)[pair_clip], absent[action_clip]
    pair = pair + settings.relation_prior * cue_evidence(batch.pair_cue, batch.pair, pair_clip, no_pair)
    action = action + settings.relation_prior * cue_evidence(batch.action_cue, batch.single, action_clip, no_action)
    if settings.region_text_time:
        shown = batch.pair_region_text[:, :, None].expand_as(no_pair)
        pair = pair + settings.region_text_time * less_its_mean(shown, no_pair)
        action = action + settings.region_text_time * less_its_mean(batch.action_region_text, no_action)
    # Without a change in its words, a sentence's span is the presence of its target.
    throughout = torch.where(changes, settings.throughout, 1.0 if settings.throughout else 0.0)
    span_prior = SpanPrior(interval_prior(frame, interval_table), throughout)
    return Evidence(
        log_prior=log_prior,
        pair=pair.clamp(min=floor).masked_fill(no_pair, floor),
        action=action.clamp(min=floor).masked_fill(no_action, floor),
        time=Time(frame, settings.kappa / frame.sum(1), span_prior.given(batch, log_prior)),
        span_prior=span_prior,
        beta=settings.beta,
        margin=settings.margin,
        family=FAMILIES[settings.time],
    )


def _log_ratio(log_p: Float[Tensor, "K *axes"], log_p0: Float[Tensor, " K"]) -> Float[Tensor, "K *axes"]:
    return log_p - log_p0.view(-1, *[1] * (log_p.ndim - 1))
