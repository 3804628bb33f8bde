"""Variational EM: the posterior q over the tube of each entity and the frames that show the sentence.

    q(Z)  = prod_i q(z_i) prod_t q(y_t)                                              [S, eq. 3]
    F(q)  = sum_i { E_q[log p(z_i | E, V)] + H[q(z_i)] }                             [S, eq. 5]
            + gamma sum_t { E_q[log p(y_t)] + H[q(y_t)] + beta q(y_t = 1) sum_k E_q[psi_k] }
    log q(z_i = n)  = log p(z_i = n) + beta gamma sum_t q(y_t) E_{z_o}[psi_k] + const     [S, eq. 6]
    log-odds q(y_t) = a + beta sum_k E[psi_k]                                        [S, eq. 7]

with psi_k = log p(pi_k | n, m, t) - log p0(pi_k), plus the geometric cues of the predicate (relation_cues, weighted
by relation_prior; 0 = the paper), and gamma = kappa / T, because adjacent frames are not independent evidence. This
is the paper's q(y), `time: frames`. With `time: span`, y is one contiguous interval of frames and q(y) is a
distribution over intervals, also updated in closed form (temporal_posterior); the other terms of F are unchanged.
The offset a is minus the video's mean evidence and a margin, so that time is judged relative to the video. It is
updated between E-steps and fixed within one, so that F remains an objective. [S] is the paper's supplement. The
derivation starts in evidence.py (p) and continues through this module (posterior, E-step, F) to losses.py (M-step);
training/trainer.py contains the fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vcma.model.batch import NO_CANDIDATE, Batch
from vcma.model.evidence import Evidence, Model, ThetaOutput, has_relation
from vcma.model.temporal_posterior import Frames, Spans, Whole

# Two starts that converge to one optimum have the same F up to this, nats; rounding must not choose between them.
_SAME_F = 1e-2


@dataclass(frozen=True, eq=False)
class Posterior:
    """q(Z): log q(z_i = n), the temporal factor q(y), and the offset a of its prior."""

    log_z: Float[Tensor, "M N"]
    time: Spans | Frames | Whole
    a: Float[Tensor, "S 1"]

    @property
    def z(self) -> Float[Tensor, "M N"]:
        return self.log_z.exp()

    @property
    def y(self) -> Float[Tensor, "S T"]:
        return self.time.y


def by_relation(
    e: Evidence, batch: Batch, z: Float[Tensor, "M N"]
) -> tuple[Float[Tensor, "K T"], Float[Tensor, "L T"]]:
    """Return E_q[psi_k] of every relation and frame under q(z), for pairs and for actions."""
    pair = torch.einsum("knmt,kn,km->kt", e.pair, z[batch.pair_subject], z[batch.pair_object])
    return pair, torch.einsum("knt,kn->kt", e.action, z[batch.action_subject])


def expected(e: Evidence, batch: Batch, z: Float[Tensor, "M N"]) -> Float[Tensor, "S T"]:
    """Return sum_k E_q[psi_k] of every frame under q(z)."""
    pair, action = by_relation(e, batch, z)
    total = torch.zeros_like(e.frame, dtype=z.dtype)
    return total.index_add(0, batch.pair_sentence, pair).index_add(0, batch.action_sentence, action)


def offset(e: Evidence, batch: Batch, z: Float[Tensor, "M N"]) -> Float[Tensor, "S 1"]:
    """Return the offset a: -beta times the sum of the video's mean evidence under q(z) and the margin.

    The margin applies only to sentences with a relation.
    """
    evidence = expected(e, batch, z)
    mean = (evidence * e.frame).sum(1, keepdim=True) / e.frame.sum(1, keepdim=True)
    return -e.beta * (mean + e.margin * has_relation(batch)[:, None])


@dataclass(frozen=True, eq=False)
class Messages:
    """Expected evidence of pairs and actions, summed over time under q(y) and weighted by beta gamma."""

    pair: Float[Tensor, "K N N"]
    action: Float[Tensor, "L N"]

    @classmethod
    def of(cls, e: Evidence, batch: Batch, y: Float[Tensor, "S T"]) -> Messages:
        weighted = (e.beta * e.gamma)[:, None] * y * e.frame
        return cls(
            torch.einsum("knmt,kt->knm", e.pair, weighted[batch.pair_sentence]),
            torch.einsum("knt,kt->kn", e.action, weighted[batch.action_sentence]),
        )


def update_z(e: Evidence, batch: Batch, q: Posterior, messages: Messages, rank: int) -> Posterior:
    """Coordinate update of entity number `rank` in every sentence [S, eq. 6]; does not decrease F.

    messages: computed from q(y), the same for every rank.
    """
    z, subject, other = q.z, batch.pair_subject, batch.pair_object
    score = e.log_prior
    score = score.index_add(0, subject, torch.einsum("knm,km->kn", messages.pair, z[other]))
    score = score.index_add(0, other, torch.einsum("knm,kn->km", messages.pair, z[subject]))
    score = score.index_add(0, batch.action_subject, messages.action)
    fresh = batch.over_candidates(score)
    return replace(q, log_z=torch.where((batch.entity_rank == rank)[:, None], fresh, q.log_z))


def update_y(e: Evidence, batch: Batch, q: Posterior) -> Posterior:
    """Coordinate update of y given q(z) [S, eq. 7]; does not decrease F."""
    return replace(q, time=e.family.updated(e.time, q.a, e.beta * expected(e, batch, q.z)))


def e_step(e: Evidence, batch: Batch, start: Posterior, rounds: int) -> Posterior:
    """Run `rounds` sweeps of coordinate updates from `start`, over every z_i and then all y_t, with a fixed."""
    q = start
    ranks = int(batch.entity_rank.max()) + 1 if len(batch.entity_rank) else 0
    for _ in range(rounds):
        messages = Messages.of(e, batch, q.y)
        for rank in range(ranks):
            q = update_z(e, batch, q, messages, rank)
        q = update_y(e, batch, q)
    return q


def objective(e: Evidence, batch: Batch, q: Posterior) -> Float[Tensor, " S"]:
    """Return F of every sentence, in nats: the tempered ELBO, up to log p0(R).

    Values are comparable only at equal beta, kappa, margin, priors and family. Exact ELBO at gamma = beta = 1.
    """
    return objective_parts(e, batch, q).sum(1)


def objective_parts(e: Evidence, batch: Batch, q: Posterior) -> Float[Tensor, "S 3"]:
    """Return the terms of F, in nats: alignment, E[log p(z)] + H[q(z)]; time, the same for y; relations."""
    z = q.z
    of_entity = (z * (e.log_prior - q.log_z)).masked_fill(~batch.candidates, 0).sum(1)
    alignment = torch.zeros(len(e.frame), device=z.device).index_add(0, batch.entity_sentence, of_entity)
    relations = e.gamma * e.beta * (q.y * expected(e, batch, z) * e.frame).sum(1)
    return torch.stack([alignment, q.time.bound, relations], 1)


def infer(model: Model, batch: Batch, output: ThetaOutput) -> tuple[Posterior, Posterior]:
    """Return (p, q): p_theta(Z | E, R, V) by coordinate updates, and the amortised q_phi(Z | E, V). No gradient.

    Mean-field inference has local optima: the updates start from both q_phi and the prior, and the result with the
    higher F at a common offset is used, that of q_phi if both reach nearly the same.
    """
    with torch.no_grad():
        e = output.evidence.given_labels(batch)
        q = amortised(model, batch, output)
        if model.settings.refinements == 0:
            return q, q
        found = [refined(e, batch, log_z, model.settings.refinements) for log_z in (q.log_z, e.log_prior)]
        a = (found[0].a + found[1].a) / 2  # F is comparable only at equal offsets
        reached = [objective(e, batch, update_y(e, batch, replace(posterior, a=a))) for posterior in found]
        first = reached[1] > reached[0] + _SAME_F
        entity = first[batch.entity_sentence][:, None]
        chosen = Posterior(
            torch.where(entity, found[1].log_z, found[0].log_z),
            found[1].time.chosen(first, found[0].time),  # type: ignore[arg-type]
            torch.where(first[:, None], found[1].a, found[0].a),
        )
        return chosen, q


def refined(e: Evidence, batch: Batch, log_z: Float[Tensor, "M N"], rounds: int) -> Posterior:
    """Return q after E-steps that start at log_z and y = 1 in all frames."""
    # Two E-steps, because a is updated in between: the second uses the offset for the tubes found by the first.
    for _ in range(2):
        a = offset(e, batch, log_z.exp())
        q = update_y(e, batch, Posterior(log_z, Whole(e.time), a))
        q = e_step(e, batch, q, rounds)
        log_z = q.log_z
    return q


def given_tubes(e: Evidence, batch: Batch, q: Posterior, tube: Int[Tensor, " M"]) -> Posterior:
    """Return the posterior with every entity at the given tube: its y is the span of these tubes.

    q(y) averages over tubes; the span of one prediction should be that of its own tubes.
    """
    log_z = torch.full_like(q.log_z, NO_CANDIDATE).scatter(1, tube[:, None], 0.0)
    e = replace(e, time=replace(e.time, log_prior=e.span_prior.given(batch, log_z)))
    return update_y(e, batch, Posterior(log_z, q.time, offset(e, batch, log_z.exp())))


def amortised(model: Model, batch: Batch, output: ThetaOutput) -> Posterior:
    """Return q_phi(Z | E, V), with gradient for phi only."""
    f, e = (output.features[0].detach(), output.features[1].detach()), output.evidence
    log_z, log_odds = model.phi(batch, f)
    a = torch.zeros_like(log_odds[:, :1])
    return Posterior(log_z, e.family.updated(e.time, a, log_odds), a)
