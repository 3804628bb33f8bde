"""A batch: V clips and all their sentences, flat.

Axes: V clips, N tubes, T frames, D appearance; S sentences, M entities, K pair relations and L actions stand flat,
each with the row of what it belongs to, so that a clip's pair features serve all its sentences.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

NO_CANDIDATE = -1e9  # log-probability of padding


@dataclass(frozen=True, eq=False)
class Batch:
    """Clips and sentences as tensors; index columns are rows of this batch.

    single and pair: geometry and motion of tubes and of pairs of tubes, float16 until `to`; present, frame, tube:
    what is no padding; appearance: feature, classes and attributes of each tube; prominence and reliability: see
    prominence.py. entity_rank: number of an entity within its sentence; entity_words: words with a learned vector,
    -1 for none; entity_label: label(e, n); entity_region_text: agreement by a region-text encoder, 0 without one;
    phrase: equal numbers for equal phrases, for the contrast's false negatives. target: row of the entity asked
    for. labels: true tube, first and end slot of a sentence, -1: unknown, as all but for the supervised ceiling.
    *_region_text: by that encoder, how well the subject's crops show the relation, for each tube and frame;
    *_predicate: index in the vocabulary, -1: unseen in training; *_static: text features; *_cue: weights of what
    the predicate's words say of geometry and motion.
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
        """The batch in memory that a GPU copies from while it computes; the same where there is none."""
        if not torch.accelerator.is_available():
            return self
        return Batch(*(getattr(self, f.name).pin_memory() for f in fields(self)))

    def to(self, device: str) -> Batch:
        """The batch on a device, in float32; a pinned one without waiting for the device."""
        moved = (getattr(self, f.name).to(device, non_blocking=True) for f in fields(self))
        return Batch(*(t.float() if t.dtype == torch.float16 else t for t in moved))

    @property
    def entity_clip(self) -> Int[Tensor, " M"]:
        return self.sentence_clip[self.entity_sentence]

    @property
    def candidates(self) -> Bool[Tensor, "M N"]:
        """Which tubes each entity may be."""
        return self.tube[self.entity_clip]

    @property
    def usable(self) -> Bool[Tensor, "V N T"]:
        """Where a tube is present in a frame that is no padding."""
        return self.present & self.frame[:, None]

    def over_candidates(self, score: Float[Tensor, "M N"]) -> Float[Tensor, "M N"]:
        """log-softmax of scores over each entity's candidates, NO_CANDIDATE for the others."""
        return score.masked_fill(~self.candidates, NO_CANDIDATE).log_softmax(-1).clamp(min=NO_CANDIDATE)
