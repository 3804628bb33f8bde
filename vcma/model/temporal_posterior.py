"""The latent y of a sentence, when it shows: two families of q(y), one interface.

`Spans`: y is one contiguous run of frames [b, e), as every annotated span is; q(y) is a distribution over all runs,
updated exactly. `Frames`: the paper's product over frames, each with log-odds of its own [S, eq. 4, 7]. `Whole`: no
temporal latent, the sentence shows throughout (an ablation).

Axes: S sentences, T frames; runs are [S, T + 1, T + 1] by begin and end. Each family has `y`, the marginals
q(y_t = 1) [S, T], 0 on padding; `runs`, log q(b, e), of frames restricted to runs; `bound`, its part of F,
E_q[log p(y)] + H[q(y)] [S]; and `updated(time, a, evidence)`, the closed-form coordinate update for evidence
[S, T] = beta sum_k E[psi_k], in nat a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

NEVER = -1e9  # log-probability of a run that is none
CELLS = 10  # the prior over runs is a table over tenths of the segment


@dataclass(frozen=True)
class Time:
    """What a batch knows of time: frame bool [S, T], gamma [S] (how much of an observation each frame counts) and
    log_prior [S, T + 1, T + 1], log p(b, e) before any evidence, NEVER for what is no run.
    """

    frame: Tensor
    gamma: Tensor
    log_prior: Tensor


@dataclass(frozen=True)
class Spans:
    """q(y) over runs: log_q and log_p [S, T + 1, T + 1], log q(b, e) and log p(b, e) with the offset a in it."""

    log_q: Tensor
    log_p: Tensor

    @classmethod
    def updated(cls, time: Time, a: Tensor, evidence: Tensor) -> Spans:
        """log q(b, e) = log p(b, e) + gamma sum_{b <= t < e} evidence_t + const.

        p(b, e) is the prior times exp(gamma a (e - b)), normalised.
        """
        log_p = _normal(time.log_prior + _sums(time, a.expand_as(evidence)))
        return cls(_normal(log_p + _sums(time, evidence)), log_p)

    @property
    def y(self) -> Tensor:
        q = self.log_q.exp()
        begun, ended = q.sum(2).cumsum(1), q.sum(1).cumsum(1)
        return (begun - ended)[:, :-1].clamp(0, 1)

    @property
    def runs(self) -> Tensor:
        return self.log_q

    @property
    def bound(self) -> Tensor:
        return (self.log_q.exp() * (self.log_p - self.log_q)).sum((1, 2))

    def cross_entropy(self, guess: Spans) -> Tensor:
        """-E_q[log guess], mean over sentences, in nat."""
        return -(self.log_q.exp() * guess.log_q.clamp(min=-50)).sum((1, 2)).mean()

    def chosen(self, first: Tensor, other: Spans) -> Spans:
        """This where first [S] holds, elsewhere the other."""
        pick = first[:, None, None]
        return Spans(torch.where(pick, self.log_q, other.log_q), torch.where(pick, self.log_p, other.log_p))


@dataclass(frozen=True)
class Frames:
    """q(y) as a product over frames: log_odds [S, T], the offset a [S, 1] they hold, and the batch's time."""

    log_odds: Tensor
    a: Tensor
    time: Time

    @classmethod
    def updated(cls, time: Time, a: Tensor, evidence: Tensor) -> Frames:
        """log-odds q(y_t) = a + evidence_t [S, eq. 7]."""
        return cls(a + evidence, a, time)

    @property
    def y(self) -> Tensor:
        return torch.sigmoid(self.log_odds) * self.time.frame

    @property
    def runs(self) -> Tensor:
        return _normal(_sums(self.time, self.log_odds) + self.time.log_prior)

    @property
    def bound(self) -> Tensor:
        y, odds = torch.sigmoid(self.log_odds), self.log_odds
        each = y * (F.logsigmoid(self.a) - F.logsigmoid(odds))
        each = each + (1 - y) * (F.logsigmoid(-self.a) - F.logsigmoid(-odds))
        return self.time.gamma * (each * self.time.frame).sum(1)

    def cross_entropy(self, guess: Frames) -> Tensor:
        """-E_q[log guess], mean over frames, in nat."""
        frame = self.time.frame
        return F.binary_cross_entropy_with_logits(guess.log_odds[frame], torch.sigmoid(self.log_odds)[frame])

    def chosen(self, first: Tensor, other: Frames) -> Frames:
        """This where first [S] holds, elsewhere the other."""
        pick = first[:, None]
        return Frames(
            torch.where(pick, self.log_odds, other.log_odds), torch.where(pick, self.a, other.a), self.time
        )


@dataclass(frozen=True)
class Whole:
    """y_t = 1 throughout: nothing to update, nothing to bound."""

    time: Time

    @classmethod
    def updated(cls, time: Time, a: Tensor, evidence: Tensor) -> Whole:
        return cls(time)

    @property
    def y(self) -> Tensor:
        return self.time.frame.to(self.time.gamma.dtype)

    @property
    def runs(self) -> Tensor:
        runs = torch.full_like(self.time.log_prior, NEVER)
        runs[torch.arange(len(runs), device=runs.device), 0, self.time.frame.sum(1)] = 0
        return runs

    @property
    def bound(self) -> Tensor:
        return torch.zeros_like(self.time.gamma)

    def cross_entropy(self, guess: Whole) -> Tensor:
        return self.time.gamma.new_zeros(())

    def chosen(self, first: Tensor, other: Whole) -> Whole:
        return self


FAMILIES: dict[str, type[Spans] | type[Frames] | type[Whole]] = {"span": Spans, "frames": Frames, "whole": Whole}


def _sums(time: Time, each: Tensor) -> Tensor:
    """gamma times the sum of each [S, T] over every run: [S, T + 1, T + 1]."""
    total = F.pad((time.gamma[:, None] * each * time.frame).cumsum(1), (1, 0))
    return total[:, None, :] - total[:, :, None]


def _normal(score: Tensor) -> Tensor:
    flat = score.flatten(1)
    return flat.log_softmax(1).view_as(score).clamp(min=NEVER)


def run_prior(frame: Tensor, table: Tensor) -> Tensor:
    """log p(b, e) [S, T + 1, T + 1] of a table [CELLS, CELLS] of log-probabilities over begin and end, in shares
    of the segment; spread evenly over the runs of a cell, NEVER where e <= b or past the last of frame [S, T].
    """
    length = frame.sum(1)
    at = torch.arange(frame.shape[1] + 1, device=frame.device)
    begin, end = _cells(at, length, 0), _cells(at, length, -1)
    valid = (at[:, None] < at) & (at <= length[:, None])[:, None, :]
    cell = begin[:, :, None] * CELLS + end[:, None, :]
    count = torch.zeros(len(frame), CELLS * CELLS, device=frame.device)
    count = count.scatter_add(1, cell.flatten(1), valid.flatten(1).to(count.dtype))
    spread = torch.gather(count, 1, cell.flatten(1)).view(cell.shape).clamp(min=1).log()
    return _normal((table.flatten()[cell] - spread).masked_fill(~valid, NEVER))


def _cells(at: Tensor, length: Tensor, shift: int) -> Tensor:
    """Cells [S, T + 1] of borders: begins count from below, ends (shift -1) from above."""
    share = (at[None] * CELLS + shift) // length[:, None]
    return share.clamp(0, CELLS - 1)


def cell_counts(q: Tensor, frame: Tensor) -> Tensor:
    """Expected counts [CELLS, CELLS] of a batch of q(b, e) [S, T + 1, T + 1]: what the table's M-step adds up."""
    length = frame.sum(1)
    at = torch.arange(frame.shape[1] + 1, device=frame.device)
    cell = _cells(at, length, 0)[:, :, None] * CELLS + _cells(at, length, -1)[:, None, :]
    total = torch.zeros(CELLS * CELLS, device=q.device)
    return total.index_add(0, cell.flatten(), q.flatten()).view(CELLS, CELLS)
