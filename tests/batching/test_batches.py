"""Batches of clips of like size: every sentence once, little padding, and the same posteriors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.conftest import make_tubes
from tests.model.test_em import SETTINGS, sentence
from vcma.batching import batches as module
from vcma.batching.batches import batches_by_size
from vcma.batching.clip_store import ClipStore
from vcma.batching.encoder import Encoder
from vcma.model.clip import crop
from vcma.model.evidence import build
from vcma.model.sentence_posteriors import posteriors
from vcma.model.vocabulary import vocabulary
from vcma.records.tubes import Tubes
from vcma.text.features import WORDLLAMA
from vcma.text.static_vectors import static_vectors

SHAPES = [(2, 6), (7, 30), (2, 9), (6, 25), (0, 4), (3, 5), (7, 28), (1, 3)]  # tubes and frames of each video
SENTENCES = [sentence(f"v{i}") for i in range(len(SHAPES))]


class _InMemory(ClipStore):
    """Clips of SHAPES, in no file; of a video without tubes None."""

    def __init__(self):
        super().__init__(Path(), 40, ())
        self.asked = 0

    def __call__(self, key):
        self.asked += 1
        number = int(key[0][1:])
        tubes, frames = SHAPES[number]
        return crop(Tubes.of(make_tubes(number, tubes, frames)), 0, -1, 40) if tubes else None


def loaded(size):
    words = vocabulary([*SENTENCES, *SENTENCES], ["adult", "dog", "ball"], ["red", "blue"], 6, WORDLLAMA)
    encoder = Encoder(words)
    encoder.prepare(SENTENCES)
    clips = _InMemory()
    return words, clips, batches_by_size(clips, encoder, SENTENCES, size)


def share_of_padding(size):
    found = [(batch.tube.sum().item(), batch.tube.numel()) for *_, batch in loaded(size)[2]]
    return 1 - sum(real for real, _ in found) / sum(total for _, total in found)


def test_every_sentence_with_a_tube_comes_once_with_its_clip():
    found = [pair for clips, told, _ in loaded(3)[2] for pair in zip(clips, told, strict=True)]
    assert sorted(s.sample for _, s in found) == [s.sample for s in SENTENCES if s.video != "v4"]
    for clip, s in found:
        assert len(clip.tube) == SHAPES[int(s.video[1:])][0]


def test_clips_of_like_size_share_a_batch_and_a_window_bounds_how_many_are_loaded(monkeypatch):
    sorted_by_size = share_of_padding(2)
    monkeypatch.setattr(module, "_WINDOW", 1)
    assert share_of_padding(2) > 2 * sorted_by_size
    _, clips, found = loaded(2)
    next(found)
    assert clips.asked == 2


def test_a_posterior_does_not_depend_on_what_shares_its_batch():
    def by_sample(size):
        words, _, found = loaded(size)
        model = build(words, static_vectors, SETTINGS)
        pairs = [
            pair for _, told, batch in found for pair in zip(told, posteriors(model, batch, "cpu"), strict=True)
        ]
        return {s.sample: found.both for s, found in pairs}

    alone, together = by_sample(1), by_sample(4)
    for sample, p in alone.items():
        for name, value in vars(p).items():
            np.testing.assert_allclose(getattr(together[sample], name), value, 1e-4, 1e-4)
