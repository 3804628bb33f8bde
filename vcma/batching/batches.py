"""Batches over a corpus: clips with all their sentences, in the order of the sentences or shuffled by a seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vcma.batching.clip_store import ClipStore
from vcma.batching.encoder import Encoder, Label
from vcma.model.batch import Batch
from vcma.model.clip import Clip
from vcma.records.sentence import Sentence, grouped

UNTRAINED_CLIPS = 8  # clips of a batch without a model, whose size changes no answer


def batches(
    clips: ClipStore,
    encoder: Encoder,
    sentences: Iterable[Sentence],
    size: int,
    seed: tuple[int, ...] | None,
    frames: int = 0,
    labels: Mapping[str, Label] | None = None,
) -> Iterator[tuple[list[Clip], list[Sentence], Batch]]:
    """Batches of `size` clips with all their sentences, shuffled by the seed if there is one; each with tubes.

    frames and labels as in Encoder.batch; frames are drawn by the seed.

    Yields the clip of each sentence, the sentences in the batch's order, and the batch.
    """
    random = None if seed is None else np.random.default_rng((*seed, 1))
    groups = grouped(sentences)
    keys: Sequence = list(groups)
    parts = (keys[i : i + size] for i in range(0, len(keys), size)) if seed is None else shuffled(keys, size, seed)
    for part in parts:
        present = [(clip, groups[key]) for key in part if (clip := clips(key)) is not None]
        if present:
            batch = encoder.batch([c for c, _ in present], [g for _, g in present], labels, frames, random)
            yield [c for c, group in present for _ in group], [s for _, group in present for s in group], batch


def shuffled(keys: Sequence[Any], size: int, seed: tuple[int, ...]) -> Iterator[list[Any]]:
    """Parts of `size` keys in a random order that follows from the seed alone; the last may be shorter."""
    order = np.random.default_rng(seed).permutation(len(keys))
    for i in range(0, len(keys), size):
        yield [keys[j] for j in order[i : i + size]]
