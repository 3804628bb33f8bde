"""Batches over a corpus: clips with all their sentences, shuffled by a seed or sorted by size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from vcma.batching.clip_store import ClipStore
from vcma.batching.encoder import Encoder, Label
from vcma.model.batch import Batch
from vcma.model.clip import Clip
from vcma.records.sentence import Sentence, grouped

UNTRAINED_CLIPS = 8  # clips of a batch without a model, whose size changes no answer
_WINDOW = 8  # batches among which clips are sorted by size, which bounds the clips in memory

Loaded = tuple[list[Clip], list[Sentence], Batch]  # the clip of each sentence, the sentences in order, the batch


def batches(
    clips: ClipStore,
    encoder: Encoder,
    sentences: Iterable[Sentence],
    size: int,
    seed: tuple[int, ...],
    frames: int = 0,
    labels: Mapping[str, Label] | None = None,
) -> Iterator[Loaded]:
    """Batches of `size` clips with all their sentences, shuffled by the seed; clips without a tube are left out.

    frames and labels as in Encoder.batch; frames are drawn by the seed.
    """
    random = np.random.default_rng((*seed, 1))
    groups = grouped(sentences)
    for part in shuffled(list(groups), size, seed):
        present = [(clip, groups[key]) for key in part if (clip := clips(key)) is not None]
        if present:
            yield _loaded(encoder, present, labels, frames, random)


def batches_by_size(
    clips: ClipStore, encoder: Encoder, sentences: Iterable[Sentence], size: int
) -> Iterator[Loaded]:
    """Batches of `size` clips with all their frames and sentences, those of like size together.

    Padding is work, too: of a batch in the order of the sentences more than half can be padding. The posterior of a
    sentence does not depend on what its clip shares a batch with, but for the last digits.
    """
    groups = grouped(sentences)
    present = ((clip, group) for key, group in groups.items() if (clip := clips(key)) is not None)
    while window := list(islice(present, _WINDOW * size)):
        window.sort(key=lambda pair: pair[0].present.shape)
        for first in range(0, len(window), size):
            yield _loaded(encoder, window[first : first + size])


def _loaded(encoder: Encoder, present: Sequence[tuple[Clip, list[Sentence]]], *how: Any) -> Loaded:
    """The batch of clips with their sentences; how: labels, frames and randomness of Encoder.batch."""
    batch = encoder.batch([c for c, _ in present], [g for _, g in present], *how)
    return [c for c, group in present for _ in group], [s for _, group in present for s in group], batch


def shuffled(keys: Sequence[Any], size: int, seed: tuple[int, ...]) -> Iterator[list[Any]]:
    """Parts of `size` keys in a random order that follows from the seed alone; the last may be shorter."""
    order = np.random.default_rng(seed).permutation(len(keys))
    for i in range(0, len(keys), size):
        yield [keys[j] for j in order[i : i + size]]
