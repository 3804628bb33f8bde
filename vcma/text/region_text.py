"""How well a phrase fits regions, by a region-text encoder: a prior for any word, which needs no training.

A cosine alone tells little: some regions fit any text, some texts any region. What counts is how much better this
phrase fits a region than other words do,

    p(e | n) = exp(s cos(e, n)) / (exp(s cos(e, n)) + sum_b exp(s cos(b, n))),

with s the scale that the encoder was trained with and b the names of the detector's classes, or some common nouns
where the detector names none. The agreement is log(0.01 + p(e | n)): as with labels, a floor keeps a wrong look
from ruling a tube out. "Who" and "what" are the classes that are people, and those that are not.
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
_ASKING = ("who", "what")  # heads that stand for any person, or for any other thing
_SEPARATOR = "|"
_FLOOR = 0.01
_FAINT = np.log(0.25)  # log-odds against the best other word below which a region is hardly what is meant


class TextTower(Protocol):
    """What is needed of an encoder here: see `dual_encoder.DualEncoder`."""

    @property
    def scale(self) -> float: ...

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray: ...

    def cuts(self, text: str) -> bool: ...


class RegionText:
    """Agreement of phrases with regions, by an encoder; every distinct phrase is embedded once.

    prompts: what a phrase is put into, "a photo of {}", several separated by "|"; the vectors of all are averaged.
    class_names: those of the detector; relations: whether relations are to be judged, too, each a phrase more.
    """

    def __init__(self, encoder: TextTower, prompts: str, class_names: Sequence[str], relations: bool = False):
        """Raises InputError where a prompt has no place for the phrase."""
        self._encoder, self._prompts, self.relations = encoder, prompt_list(prompts), relations
        self._names = tuple(class_names) or _COMMON
        self._vector: dict[str, np.ndarray] = {}
        self._others = self._embedded([_noun(name) for name in self._names])
        self._answering = {head: class_weights([(head,)], self._names)[0] for head in _ASKING}

    def prepare(self, phrases: Iterable[str]) -> None:
        """Embed all of some phrases at once."""
        if new := sorted(set(phrases) - set(self._vector)):
            self._vector |= dict(zip(new, self._embedded(new), strict=True))

    def log_agreement(self, phrase: str, seen: np.ndarray) -> np.ndarray:
        """log(0.01 + p(e | n)) of a prepared phrase and regions [n, W]: float32 [n].

        seen: mean vectors of the regions' crops; a region without any, a row of zeros, agrees as the others do on
        average.
        """
        if not len(seen):
            return np.zeros(0, np.float32)
        found = np.log(_FLOOR + self._probability(phrase, seen))
        known = seen.any(axis=1)
        return np.where(known, found, found[known].mean() if known.any() else 0).astype(np.float32)

    def log_shown(self, phrase: str, without: str, seen: np.ndarray) -> np.ndarray:
        """log(0.01 + p) that crops [c, W] show what a prepared phrase says beyond another, `without`: float32 [c].

        p is the sigmoid of how much better the phrase fits: "a man sitting" against "a man".
        """
        gain = self._encoder.scale * (seen @ (self._vector[phrase] - self._vector[without]))
        return np.log(_FLOOR + 1 / (1 + np.exp(-np.clip(gain, -50, 50)))).astype(np.float32)

    def is_unlike(self, phrase: str, seen: np.ndarray) -> bool:
        """Whether another word fits each of the regions far better than a prepared phrase does."""
        if phrase in self._answering:
            return False
        own, others = self._logits(phrase, seen)
        return bool((own - others.max(axis=1) < _FAINT)[seen.any(axis=1)].all())

    def cuts(self, phrase: str) -> bool:
        """Whether the encoder does not read a phrase to its end."""
        return any(self._encoder.cuts(prompt.replace("{}", phrase)) for prompt in self._prompts)

    def _probability(self, phrase: str, seen: np.ndarray) -> np.ndarray:
        own, others = self._logits(phrase, seen)
        highest = np.maximum(own, others.max(axis=1))
        weight, rest = np.exp(own - highest), np.exp(others - highest[:, None])
        if phrase in self._answering:
            return np.clip(rest @ self._answering[phrase] / rest.sum(1), 0, 1)
        return weight / (weight + rest.sum(1))

    def _logits(self, phrase: str, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scaled cosines of regions [n, W] with a phrase [n] and with the other words [n, B]."""
        scaled = self._encoder.scale * seen
        return scaled @ self._vector[phrase], scaled @ self._others.T

    def _embedded(self, phrases: Sequence[str]) -> np.ndarray:
        """The vectors of phrases, averaged over the prompts: [n, W], unit length."""
        texts = [prompt.replace("{}", phrase) for phrase in phrases for prompt in self._prompts]
        vectors = self._encoder.embed_texts(texts)
        mean = vectors.reshape(len(phrases), len(self._prompts), vectors.shape[1]).mean(1)
        return mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-6)


def prompt_list(prompts: str) -> list[str]:
    """The single prompts; raises InputError where one has no place for the phrase."""
    found = [prompt.strip() for prompt in prompts.split(_SEPARATOR)]
    for prompt in found:
        if prompt.count("{}") != 1:
            what = f"the prompt '{prompt}' has no one place for the phrase"
            raise InputError(what, "pipeline.yaml", "write {} where the phrase stands, as in 'a photo of {}'")
    return found


def _noun(name: str) -> str:
    """The name of a class as a phrase: 'ball/sports_ball' -> 'a ball'."""
    noun = name.split("/")[0].replace("_", " ").strip().lower()
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"
