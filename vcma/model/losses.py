"""M-step: the loss terms of theta and phi, given the posterior q of the E-step."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from vcma.model.batch import NO_CANDIDATE, Batch
from vcma.model.em import Posterior, amortised, by_relation
from vcma.model.evidence import Model, ThetaOutput
from vcma.model.networks import unusable_pairs


def expected_log_joint(output: ThetaOutput, batch: Batch, q: Posterior) -> Float[Tensor, ""]:
    """E_q[log p(Z | E, V) + log p(R | Z, E, V)] summed over the batch, up to a constant in theta."""
    e, z, y = output.evidence, q.z, q.y * output.evidence.frame
    prior = (z * e.log_prior.clamp(min=-50)).sum()
    weight = (e.beta * e.gamma)[:, None] * y
    pair, action = by_relation(e, batch, z)
    return prior + (pair * weight[batch.pair_sentence]).sum() + (action * weight[batch.action_sentence]).sum()


def background_loss(model: Model, output: ThetaOutput, batch: Batch) -> Float[Tensor, ""]:
    """-log p(none) on random pairs and frames of the batch, most of which no sentence describes."""
    usable = batch.usable
    pairs = ~unusable_pairs(~usable)
    loss = torch.zeros((), device=batch.frame.device)
    for emission, f, mask in (
        (model.theta.pair, output.features[0], pairs),
        (model.theta.action, output.features[1], usable),
    ):
        rows = f[mask]
        if len(rows) and len(emission.base):
            some = torch.randint(len(rows), (min(len(rows), 2048),), device=rows.device)
            loss = loss - emission.log_background(rows[some]).mean()
    return loss


def contrast_loss(similarity: Float[Tensor, "M V N"], batch: Batch, scale: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """InfoNCE loss: identify the clip of each phrase in the batch, by the log-mean-exp over the clip's tubes.

    Clips with the same phrase are not used as negatives. 0 for a batch with one clip.
    """
    V = len(batch.tube)
    score = (similarity * scale.exp()).masked_fill(~batch.tube[None], NO_CANDIDATE)
    score = score.logsumexp(-1) - batch.tube.sum(1).log()
    own = F.one_hot(batch.entity_clip, V).bool()
    has = torch.zeros(int(batch.phrase.max()) + 1, V, dtype=torch.bool, device=score.device)
    has[batch.phrase, batch.entity_clip] = True
    score = score.masked_fill(has[batch.phrase] & ~own, NO_CANDIDATE)
    return F.cross_entropy(score, batch.entity_clip)


def amortisation_loss(
    model: Model, output: ThetaOutput, batch: Batch, q: Posterior, with_time: bool
) -> Float[Tensor, ""]:
    """Cross-entropy from q* to q_phi, over entities and, if with_time, over time."""
    guess = amortised(model, batch, output)
    loss = -(q.z * guess.log_z.clamp(min=-50)).sum(1).mean()
    return loss + q.time.cross_entropy(guess.time) if with_time else loss  # type: ignore[arg-type]
