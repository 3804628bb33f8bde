"""Iteration over a corpus in batches of clips with all their sentences, shuffled by a seed or sorted by size."""

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

UNTRAINED_CLIPS = 8  # clips per batch without a model; does not affect predictions
_WINDOW = 8  # number of batches over which clips are sorted by size; bounds the clips in memory

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
    """Yield batches of `size` clips with all their sentences, shuffled by the seed; skips clips without tubes.

    frames and labels as in Encoder.batch; the seed also determines the sampled frames.
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
    """Yield batches of `size` clips with all their frames and sentences, grouping clips of similar size.

    This reduces padding, which can be more than half of a batch in the order of the sentences. The posterior of a
    sentence does not depend on the other clips of the batch, except for rounding.
    """
    groups = grouped(sentences)
    present = ((clip, group) for key, group in groups.items() if (clip := clips(key)) is not None)
    while window := list(islice(present, _WINDOW * size)):
        window.sort(key=lambda pair: pair[0].present.shape)
        for first in range(0, len(window), size):
            yield _loaded(encoder, window[first : first + size])


def _loaded(encoder: Encoder, present: Sequence[tuple[Clip, list[Sentence]]], *how: Any) -> Loaded:
    """Build the batch of clips and sentences; how: labels, frames and random of Encoder.batch."""
    batch = encoder.batch([c for c, _ in present], [g for _, g in present], *how)
    return [c for c, group in present for _ in group], [s for _, group in present for s in group], batch


def shuffled(keys: Sequence[Any], size: int, seed: tuple[int, ...]) -> Iterator[list[Any]]:
    """Yield parts of `size` keys in a random order determined by the seed; the last part can be shorter."""
    order = np.random.default_rng(seed).permutation(len(keys))
    for i in range(0, len(keys), size):
        yield [keys[j] for j in order[i : i + size]]
