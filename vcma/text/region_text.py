"""Region-text prior: how well a phrase matches regions, by a region-text encoder, without training.

A cosine alone is not comparable: some regions match any text, some texts any region. What counts is how much better
a phrase matches a region than other words do,

    p(e | n) = exp(s cos(e, n)) / (exp(s cos(e, n)) + sum_b exp(s cos(b, n))),

where s is the scale that the encoder was trained with and b the names of the detector's classes, or some common
nouns if the detector has no class names. The agreement is log(0.01 + p(e | n)); as with labels, the floor keeps a
misleading embedding from ruling out a tube. "Who" and "what" are the classes that are people, and those that are
not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from vcma.errors import InputError
from vcma.text.label_matching import class_weights

_COMMON = (
    "person", "man", "woman", "child", "animal", "dog", "cat", "bird", "horse", "vehicle", "car", "bicycle", "ball",
    "toy", "bag", "chair", "table", "food", "plant", "building", "wall", "floor", "sky", "water", "thing",
)  # fmt: skip
_ASKING = ("who", "what")  # heads that denote any person, or any other object
_SEPARATOR = "|"
_FLOOR = 0.01
_FAINT = np.log(0.25)  # log-odds against the best other word below which a phrase does not match a region


class TextTower(Protocol):
    """The part of an encoder that is needed here; see `dual_encoder.DualEncoder`."""

    @property
    def scale(self) -> float: ...

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray: ...

    def truncates(self, text: str) -> bool: ...


class RegionText:
    """Agreement of phrases with regions by an encoder; each distinct phrase is embedded once.

    prompts: templates for the phrase, "a photo of {}", separated by "|"; the embeddings of all are averaged.
    class_names: those of the detector. relations: whether to embed a phrase for each relation, too.
    """

    def __init__(self, encoder: TextTower, prompts: str, class_names: Sequence[str], relations: bool = False):
        """Raises InputError if a prompt does not contain {} exactly once."""
        self._encoder, self._prompts, self.relations = encoder, prompt_list(prompts), relations
        self._names = tuple(class_names) or _COMMON
        self._vector: dict[str, np.ndarray] = {}
        self._others = self._embedded([_noun(name) for name in self._names])
        self._class_weight = {head: class_weights([(head,)], self._names)[0] for head in _ASKING}

    def prepare(self, phrases: Iterable[str]) -> None:
        """Embed phrases in one batch."""
        if new := sorted(set(phrases) - set(self._vector)):
            self._vector |= dict(zip(new, self._embedded(new), strict=True))

    def log_agreement(self, phrase: str, regions: np.ndarray) -> np.ndarray:
        """Return log(0.01 + p(e | n)) of a prepared phrase and regions [n, W]: float32 [n].

        regions: mean embeddings of the regions' crops. A region without a crop, a row of zeros, gets the mean of
        the others.
        """
        if not len(regions):
            return np.zeros(0, np.float32)
        agreement = np.log(_FLOOR + self._probability(phrase, regions))
        embedded = regions.any(axis=1)
        return np.where(embedded, agreement, agreement[embedded].mean() if embedded.any() else 0).astype(np.float32)

    def log_shown(self, phrase: str, without: str, crops: np.ndarray) -> np.ndarray:
        """Return log(0.01 + p) that crops [c, W] show what a prepared phrase adds to `without`: float32 [c].

        p is the sigmoid of how much better the phrase matches, e.g. "a man sitting" than "a man".
        """
        gain = self._encoder.scale * (crops @ (self._vector[phrase] - self._vector[without]))
        return np.log(_FLOOR + 1 / (1 + np.exp(-np.clip(gain, -50, 50)))).astype(np.float32)

    def is_unlike(self, phrase: str, regions: np.ndarray) -> bool:
        """Return whether another word matches every region far better than a prepared phrase does."""
        if phrase in self._class_weight:
            return False
        own, others = self._logits(phrase, regions)
        return bool((own - others.max(axis=1) < _FAINT)[regions.any(axis=1)].all())

    def truncates(self, phrase: str) -> bool:
        """Return whether the encoder truncates a phrase in any of the prompts."""
        return any(self._encoder.truncates(prompt.replace("{}", phrase)) for prompt in self._prompts)

    def _probability(self, phrase: str, regions: np.ndarray) -> np.ndarray:
        own, others = self._logits(phrase, regions)
        highest = np.maximum(own, others.max(axis=1))
        weight, rest = np.exp(own - highest), np.exp(others - highest[:, None])
        if phrase in self._class_weight:
            return np.clip(rest @ self._class_weight[phrase] / rest.sum(1), 0, 1)
        return weight / (weight + rest.sum(1))

    def _logits(self, phrase: str, regions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the scaled cosines of regions [n, W] with a phrase [n] and with the other words [n, B]."""
        scaled = self._encoder.scale * regions
        return scaled @ self._vector[phrase], scaled @ self._others.T

    def _embedded(self, phrases: Sequence[str]) -> np.ndarray:
        """Return the embeddings of phrases, averaged over the prompts: [n, W], unit length."""
        texts = [prompt.replace("{}", phrase) for phrase in phrases for prompt in self._prompts]
        vectors = self._encoder.embed_texts(texts)
        mean = vectors.reshape(len(phrases), len(self._prompts), vectors.shape[1]).mean(1)
        return mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-6)


def prompt_list(prompts: str) -> list[str]:
    """Split the prompts; raises InputError if one does not contain {} exactly once."""
    found = [prompt.strip() for prompt in prompts.split(_SEPARATOR)]
    for prompt in found:
        if prompt.count("{}") != 1:
            what = f"the prompt '{prompt}' does not contain {{}} exactly once"
            raise InputError(what, "pipeline.yaml", "write {} in place of the phrase, as in 'a photo of {}'")
    return found


def _noun(name: str) -> str:
    """Return a class name as a phrase: 'ball/sports_ball' -> 'a ball'."""
    noun = name.split("/")[0].replace("_", " ").strip().lower()
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"
