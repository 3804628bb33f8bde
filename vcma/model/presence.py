"""Presence of entities: whether an entity has a tube at all, and which tubes are in the video at the same time."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vcma.model.batch import Batch

# Intercept and slope of the log-odds that an entity is present, given the agreement of the best tube with it plus
# its log mean score. From a logistic regression on real clips, with their own sentences as positives and sentences
# of clips with other classes as negatives; videos of three concatenated clips gave the same values within 0.2.
# Colours were not informative.
_PRESENT, _BY_FIT = 2.4, 1.3
_MIN_SCORE = 0.01


def presence(agreement: Float[np.ndarray, " N"], score: Float[np.ndarray, " N"]) -> float:
    """Return the probability that one of a clip's tubes is an entity.

    agreement: log-agreement of each tube with the entity. score: mean detection score of each tube.
    """
    fit = float((agreement + np.log(np.maximum(score, _MIN_SCORE))).max())
    return float(1 / (1 + np.exp(-(_PRESENT + _BY_FIT * fit))))


def co_presence(batch: Batch, log_z: Float[Tensor, "M N"]) -> Float[Tensor, "M N"]:
    """Return the log-probability that each tube of an entity meets the entities related to it.

    For an entity i and a related entity j that has a tube with probability a_j, it is
    log(1 - a_j + a_j sum_m p(z_j = m) share(n, m)), summed over all j, where share(n, m) is the share of the
    shorter tube's frames in which both tubes are present. A rider and his motorbike are visible together; an entity
    that the detector does not know says nothing (a_j = 0).
    """
    present = batch.usable.float()
    both, frames = torch.einsum("vnt,vmt->vnm", present, present), present.sum(2)
    share = both / torch.minimum(frames[:, :, None], frames[:, None]).clamp(min=1)
    pair_share, z = share[batch.sentence_clip[batch.pair_sentence]], log_z.exp()
    total = torch.zeros_like(log_z)
    pair = batch.pair_subject, batch.pair_object
    for entity, other in (pair, pair[::-1]):
        found = batch.entity_present[other][:, None]
        meets = torch.einsum("knm,km->kn", pair_share, z[other])
        total = total.index_add(0, entity, (1 - found + found * meets).clamp(min=1e-6).log())
    return total
