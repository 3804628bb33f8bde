"""How well a phrase fits regions, by a region-text encoder: a prior for any word, which needs no training.

A cosine alone tells little: some regions fit any text, some texts any region. What counts is how much better this
phrase fits a region than other words do,

    p(e | n) = exp(s cos(e, n)) / (exp(s cos(e, n)) + sum_b exp(s cos(b, n))),

with s the scale that the encoder was trained with and b the names of the detector's classes, or some common nouns
where the detector names none. The agreement is log(0.03 + p(e | n)): as with labels, a floor keeps a wrong look
from ruling a tube out. "Who" and "what" are the classes that are people, and those that are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from vcma.errors import InputError
from vcma.text.label_matching import class_weights, log_agreement

_COMMON = (
    "person", "man", "woman", "child", "animal", "dog", "cat", "bird", "horse", "vehicle", "car", "bicycle", "ball",
    "toy", "bag", "chair", "table", "food", "plant", "building", "wall", "floor", "sky", "water", "thing",
)  # fmt: skip
_ASKING = ("who", "what")  # heads that stand for any person, or for any other thing
_SEPARATOR = "|"


class TextTower(Protocol):
    """What is needed of an encoder here: see `dual_encoder.DualEncoder`."""

    @property
    def scale(self) -> float: ...

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray: ...

    def cuts(self, text: str) -> bool: ...


class RegionText:
    """Agreement of phrases with regions, by an encoder; every distinct phrase is embedded once.

    prompts: what a phrase is put into, "a photo of {}", several separated by "|"; the vectors of all are averaged.
    class_names: those of the detector.
    """

    def __init__(self, encoder: TextTower, prompts: str, class_names: Sequence[str]):
        """Raises InputError where a prompt has no place for the phrase."""
        self._encoder, self._prompts = encoder, prompt_list(prompts)
        self._names = tuple(class_names) or _COMMON
        self._vector: dict[str, np.ndarray] = {}
        self._others = self._embedded([_noun(name) for name in self._names])
        self._answering = {head: class_weights([(head,)], self._names)[0] for head in _ASKING}

    def prepare(self, phrases: Iterable[str]) -> None:
        """Embed all of some phrases at once."""
        if new := sorted(set(phrases) - set(self._vector)):
            self._vector |= dict(zip(new, self._embedded(new), strict=True))

    def log_agreement(self, phrase: str, seen: np.ndarray) -> np.ndarray:
        """log(0.03 + p(e | n)) of a prepared phrase and regions [n, W]: float32 [n].

        seen: mean vectors of the regions' crops; a region without any, a row of zeros, agrees as the others do on
        average.
        """
        if not len(seen):
            return np.zeros(0, np.float32)
        found = log_agreement(self._probability(phrase, seen))
        known = seen.any(axis=1)
        return np.where(known, found, found[known].mean() if known.any() else 0).astype(np.float32)

    def cuts(self, phrase: str) -> bool:
        """Whether the encoder does not read a phrase to its end."""
        return any(self._encoder.cuts(prompt.replace("{}", phrase)) for prompt in self._prompts)

    def _probability(self, phrase: str, seen: np.ndarray) -> np.ndarray:
        others = self._encoder.scale * seen @ self._others.T
        if phrase in self._answering:
            weight = np.exp(others - others.max(axis=1, keepdims=True))
            return np.clip(weight @ self._answering[phrase] / weight.sum(1), 0, 1)
        own = self._encoder.scale * seen @ self._vector[phrase][:, None]
        highest = np.maximum(own, others.max(axis=1, keepdims=True))
        weight = np.exp(own - highest)[:, 0]
        return weight / (weight + np.exp(others - highest).sum(1))

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
