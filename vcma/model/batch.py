"""A batch: V clips and all their sentences, flattened.

Axes: V clips, N tubes, T frames, D appearance; S sentences, M entities, K pair relations and L actions are flat
lists with indices of their clip or sentence, so that all sentences of a clip share its pair features.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

NO_CANDIDATE = -1e9  # log-probability of padding


@dataclass(frozen=True, eq=False)
class Batch:
    """Clips and sentences as tensors; index columns refer to rows of this batch.

    single, pair: geometry and motion features of tubes and pairs of tubes, float16 until `to`. present: mask of the
    frames in which a tube is present; frame, tube: masks of entries that are not padding. appearance: feature,
    class and attribute probabilities of each tube. prominence, reliability: see prominence.py.

    target: row of the entity to be grounded. labels: ground-truth tube, first and end slot; -1 for unknown, always
    except for the supervised ceiling. entity_rank: index of an entity in its sentence. entity_words: words with a
    learned vector, -1 for none. entity_label: label(e, n). entity_region_text: agreement by a region-text encoder,
    0 without one. entity_present: probability that an entity has a tube, 0 if it is unknown. phrase: equal numbers
    for equal phrases, to exclude false negatives in contrastive training.

    For pairs and actions, *_predicate: index in the vocabulary, -1 if unseen in training; *_static: text features;
    *_cue: feature weights of the predicate's cue; *_region_text: how well the subject's crops show the relation, by
    tube and frame, by the region-text encoder.
    """

    single: Float[Tensor, "V N T single"]
    pair: Float[Tensor, "V N N T pair"]
    present: Bool[Tensor, "V N T"]
    frame: Bool[Tensor, "V T"]
    tube: Bool[Tensor, "V N"]
    appearance: Float[Tensor, "V N D"]
    prominence: Float[Tensor, "V N"]
    reliability: Float[Tensor, " V"]
    sentence_clip: Int[Tensor, " S"]
    target: Int[Tensor, " S"]
    labels: Int[Tensor, "S 3"]
    entity_sentence: Int[Tensor, " M"]
    entity_rank: Int[Tensor, " M"]
    entity_words: Int[Tensor, "M words"]
    entity_static: Float[Tensor, "M text"]
    entity_label: Float[Tensor, "M N"]
    entity_region_text: Float[Tensor, "M N"]
    entity_present: Float[Tensor, " M"]
    phrase: Int[Tensor, " M"]
    pair_sentence: Int[Tensor, " K"]
    pair_subject: Int[Tensor, " K"]
    pair_object: Int[Tensor, " K"]
    pair_predicate: Int[Tensor, " K"]
    pair_static: Float[Tensor, "K text"]
    pair_cue: Float[Tensor, "K pair"]
    pair_region_text: Float[Tensor, "K N T"]
    action_sentence: Int[Tensor, " L"]
    action_subject: Int[Tensor, " L"]
    action_predicate: Int[Tensor, " L"]
    action_static: Float[Tensor, "L text"]
    action_cue: Float[Tensor, "L single"]
    action_region_text: Float[Tensor, "L N T"]

    def pinned(self) -> Batch:
        """Return the batch in pinned memory, for asynchronous copies to a GPU; itself without a GPU."""
        if not torch.accelerator.is_available():
            return self
        return Batch(*(getattr(self, f.name).pin_memory() for f in fields(self)))

    def to(self, device: str) -> Batch:
        """Return the batch on a device, in float32; asynchronous if it is pinned."""
        moved = (getattr(self, f.name).to(device, non_blocking=True) for f in fields(self))
        return Batch(*(t.float() if t.dtype == torch.float16 else t for t in moved))

    @property
    def entity_clip(self) -> Int[Tensor, " M"]:
        return self.sentence_clip[self.entity_sentence]

    @property
    def candidates(self) -> Bool[Tensor, "M N"]:
        """Mask of the candidate tubes of each entity."""
        return self.tube[self.entity_clip]

    @property
    def usable(self) -> Bool[Tensor, "V N T"]:
        """Mask of the frames, without padding, in which each tube is present."""
        return self.present & self.frame[:, None]

    def over_candidates(self, score: Float[Tensor, "M N"]) -> Float[Tensor, "M N"]:
        """Return the log-softmax of scores over each entity's candidates; NO_CANDIDATE for other tubes."""
        return score.masked_fill(~self.candidates, NO_CANDIDATE).log_softmax(-1).clamp(min=NO_CANDIDATE)
