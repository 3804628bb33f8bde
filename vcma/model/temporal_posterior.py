"""Temporal posterior: three families of q(y), where y_t = 1 if frame t shows the sentence, with one interface.

`Spans`: y is one contiguous interval of frames [b, e), like every annotated span; q(y) is a distribution over all
intervals, updated exactly. `Frames`: the paper's product over frames, each with its own log-odds [S, eq. 4, 7].
`Whole`: no temporal latent variable, all frames show the sentence (an ablation).

Axes: S sentences, T frames; intervals are [S, T+1, T+1] by begin and end. Each family has `y`, the marginals
q(y_t = 1), 0 on padding; `intervals`, log q(b, e) (for `Frames`, restricted to intervals); `bound`, its part of F,
E_q[log p(y)] + H[q(y)]; `updated(time, a, evidence)`, the closed-form coordinate update for evidence
beta sum_k E[psi_k], in nats per frame; and `mixed(other, weight)`, the geometric mean with another posterior.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

NEVER = -1e9  # log-probability of impossible intervals
CELLS = 10  # the prior over intervals is a table over tenths of the segment


@dataclass(frozen=True, eq=False)
class Time:
    """Temporal prior of a batch.

    frame: mask of frames that are not padding. gamma: weight of a frame as an independent observation. log_prior:
    log p(b, e), NEVER for impossible intervals.
    """

    frame: Bool[Tensor, "S T"]
    gamma: Float[Tensor, " S"]
    log_prior: Float[Tensor, "S T+1 T+1"]


@dataclass(frozen=True, eq=False)
class Spans:
    """q(y) over intervals: log q(b, e), and log p(b, e) including the offset a."""

    log_q: Float[Tensor, "S B B"]
    log_p: Float[Tensor, "S B B"]

    @classmethod
    def updated(cls, time: Time, a: Float[Tensor, "S 1"], evidence: Float[Tensor, "S T"]) -> Spans:
        """log q(b, e) = log p(b, e) + gamma sum_{b <= t < e} evidence_t + const.

        p(b, e) is the prior times exp(gamma a (e - b)), normalised.
        """
        log_p = _normalised(time.log_prior + _interval_sums(time, a.expand_as(evidence)))
        return cls(_normalised(log_p + _interval_sums(time, evidence)), log_p)

    @property
    def y(self) -> Float[Tensor, "S T"]:
        q = self.log_q.exp()
        begun, ended = q.sum(2).cumsum(1), q.sum(1).cumsum(1)
        return (begun - ended)[:, :-1].clamp(0, 1)

    @property
    def intervals(self) -> Float[Tensor, "S B B"]:
        return self.log_q

    @property
    def bound(self) -> Float[Tensor, " S"]:
        return (self.log_q.exp() * (self.log_p - self.log_q)).sum((1, 2))

    def cross_entropy(self, guess: Spans) -> Float[Tensor, ""]:
        """-E_q[log guess], mean over sentences, in nats."""
        return -(self.log_q.exp() * guess.log_q.clamp(min=-50)).sum((1, 2)).mean()

    def mixed(self, other: Spans, weight: float) -> Spans:
        """Normalised weighted geometric mean; weight: that of the other, in [0, 1]."""
        return Spans(_normalised((1 - weight) * self.log_q + weight * other.log_q), self.log_p)

    def chosen(self, first: Bool[Tensor, " S"], other: Spans) -> Spans:
        """This where `first` holds, elsewhere the other."""
        pick = first[:, None, None]
        return Spans(torch.where(pick, self.log_q, other.log_q), torch.where(pick, self.log_p, other.log_p))


@dataclass(frozen=True, eq=False)
class Frames:
    """q(y) as a product over frames: log-odds, which include the offset a, and the temporal prior."""

    log_odds: Float[Tensor, "S T"]
    a: Float[Tensor, "S 1"]
    time: Time

    @classmethod
    def updated(cls, time: Time, a: Float[Tensor, "S 1"], evidence: Float[Tensor, "S T"]) -> Frames:
        """log-odds q(y_t) = a + evidence_t [S, eq. 7]."""
        return cls(a + evidence, a, time)

    @property
    def y(self) -> Float[Tensor, "S T"]:
        return torch.sigmoid(self.log_odds) * self.time.frame

    @property
    def intervals(self) -> Float[Tensor, "S B B"]:
        """The product over frames restricted to intervals, tempered by gamma like all evidence of frames."""
        return _normalised(_interval_sums(self.time, self.log_odds) + self.time.log_prior)

    @property
    def bound(self) -> Float[Tensor, " S"]:
        y, odds = torch.sigmoid(self.log_odds), self.log_odds
        each = y * (F.logsigmoid(self.a) - F.logsigmoid(odds))
        each = each + (1 - y) * (F.logsigmoid(-self.a) - F.logsigmoid(-odds))
        return self.time.gamma * (each * self.time.frame).sum(1)

    def cross_entropy(self, guess: Frames) -> Float[Tensor, ""]:
        """-E_q[log guess], mean over frames, in nats."""
        frame = self.time.frame
        return F.binary_cross_entropy_with_logits(guess.log_odds[frame], torch.sigmoid(self.log_odds)[frame])

    def mixed(self, other: Frames, weight: float) -> Frames:
        return replace(self, log_odds=(1 - weight) * self.log_odds + weight * other.log_odds)

    def chosen(self, first: Bool[Tensor, " S"], other: Frames) -> Frames:
        """This where `first` holds, elsewhere the other."""
        pick = first[:, None]
        return Frames(
            torch.where(pick, self.log_odds, other.log_odds), torch.where(pick, self.a, other.a), self.time
        )


@dataclass(frozen=True, eq=False)
class Whole:
    """y_t = 1 in all frames: nothing to update, and a temporal term of F that is 0."""

    time: Time

    @classmethod
    def updated(cls, time: Time, a: Float[Tensor, "S 1"], evidence: Float[Tensor, "S T"]) -> Whole:
        return cls(time)

    @property
    def y(self) -> Float[Tensor, "S T"]:
        return self.time.frame.to(self.time.gamma.dtype)

    @property
    def intervals(self) -> Float[Tensor, "S B B"]:
        whole = torch.full_like(self.time.log_prior, NEVER)
        whole[torch.arange(len(whole), device=whole.device), 0, self.time.frame.sum(1)] = 0
        return whole

    @property
    def bound(self) -> Float[Tensor, " S"]:
        return torch.zeros_like(self.time.gamma)

    def cross_entropy(self, guess: Whole) -> Float[Tensor, ""]:
        return self.time.gamma.new_zeros(())

    def mixed(self, other: Whole, weight: float) -> Whole:
        return self

    def chosen(self, first: Bool[Tensor, " S"], other: Whole) -> Whole:
        return self


FAMILIES: dict[str, type[Spans] | type[Frames] | type[Whole]] = {"span": Spans, "frames": Frames, "whole": Whole}


def _interval_sums(time: Time, each: Float[Tensor, "S T"]) -> Float[Tensor, "S T+1 T+1"]:
    """gamma times the sum of `each` over every interval."""
    total = F.pad((time.gamma[:, None] * each * time.frame).cumsum(1), (1, 0))
    return total[:, None, :] - total[:, :, None]


def _normalised(score: Float[Tensor, "S B B"]) -> Float[Tensor, "S B B"]:
    flat = score.flatten(1)
    return flat.log_softmax(1).view_as(score).clamp(min=NEVER)


def interval_prior(frame: Bool[Tensor, "S T"], table: Float[Tensor, "c c"]) -> Float[Tensor, "S T+1 T+1"]:
    """Return log p(b, e), given a table of log-probabilities over begin and end relative to the segment.

    A cell's probability is distributed evenly over its intervals; NEVER where e <= b or beyond the last frame.
    """
    length = frame.sum(1)
    at = torch.arange(frame.shape[1] + 1, device=frame.device)
    begin, end = _cells(at, length, 0), _cells(at, length, -1)
    valid = (at[:, None] < at) & (at <= length[:, None])[:, None, :]
    cell = begin[:, :, None] * CELLS + end[:, None, :]
    count = torch.zeros(len(frame), CELLS * CELLS, device=frame.device)
    count = count.scatter_add(1, cell.flatten(1), valid.flatten(1).to(count.dtype))
    spread = torch.gather(count, 1, cell.flatten(1)).view(cell.shape).clamp(min=1).log()
    return _normalised((table.flatten()[cell] - spread).masked_fill(~valid, NEVER))


def _cells(at: Int[Tensor, " B"], length: Int[Tensor, " S"], shift: int) -> Int[Tensor, "S B"]:
    """Table cells of frame borders: shift 0 for begins, -1 for ends (the last border is in the last cell)."""
    share = (at[None] * CELLS + shift) // length[:, None]
    return share.clamp(0, CELLS - 1)


def cell_counts(q: Float[Tensor, "S B B"], frame: Bool[Tensor, "S T"]) -> Float[Tensor, "c c"]:
    """Return the expected counts of table cells under q(b, e), summed over a batch, for the table's M-step."""
    length = frame.sum(1)
    at = torch.arange(frame.shape[1] + 1, device=frame.device)
    cell = _cells(at, length, 0)[:, :, None] * CELLS + _cells(at, length, -1)[:, None, :]
    total = torch.zeros(CELLS * CELLS, device=q.device)
    return total.index_add(0, cell.flatten(), q.flatten()).view(CELLS, CELLS)
