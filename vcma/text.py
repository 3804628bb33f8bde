"""Words as numbers: static vectors of any word, and what a detector's labels say about a phrase without training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

# Basic colour terms (Berlin and Kay) and the words people use for them.
COLOURS = {
    "black": "black", "white": "white", "grey": "grey", "gray": "grey", "red": "red", "orange": "orange",
    "yellow": "yellow", "green": "green", "blue": "blue", "navy": "blue", "purple": "purple", "violet": "purple",
    "pink": "pink", "brown": "brown", "beige": "brown", "tan": "brown", "golden": "yellow", "crimson": "red",
    "scarlet": "red", "silver": "grey",
}  # fmt: skip
# Which part of a thing a garment covers; the parts are those that attribute names begin with ('upper:red').
GARMENTS = {
    **dict.fromkeys(
        [
            "shirt",
            "t-shirt",
            "top",
            "jacket",
            "coat",
            "sweater",
            "hoodie",
            "vest",
            "blouse",
            "jersey",
            "upper",
            "pullover",
        ],
        "upper",
    ),
    **dict.fromkeys(["pants", "trousers", "jeans", "shorts", "skirt", "legging", "leggings", "lower"], "lower"),
    **dict.fromkeys(["hat", "cap", "helmet", "beanie", "bonnet", "headgear"], "hat"),
}
# What a head stands for among the classes of detectors (COCO, Visual Genome, VidOR): any of these, by name.
PEOPLE = ("adult", "child", "baby", "person", "man", "woman", "boy", "girl", "people", "lady", "guy", "kid")
HYPERNYMS = {
    "who": PEOPLE,
    "someone": PEOPLE,
    "person": PEOPLE,
    "people": PEOPLE,
    "human": PEOPLE,
    "adult": ("adult", "person", "man", "woman", "people", "lady", "guy"),
    "man": ("man", "adult", "person", "guy", "people"),
    "woman": ("woman", "adult", "person", "lady", "people"),
    "grown-up": ("adult", "person", "man", "woman"),
    "child": ("child", "person", "boy", "girl", "kid"),
    "kid": ("child", "person", "boy", "girl", "kid"),
    "boy": ("boy", "child", "person", "kid"),
    "girl": ("girl", "child", "person", "kid"),
    "baby": ("baby", "child", "person"),
    "infant": ("baby", "child", "person"),
    "toddler": ("baby", "child", "person"),
    "bike": ("bicycle", "bike"),
    "motorbike": ("motorcycle", "motorbike"),
    "puppy": ("dog",),
    "kitten": ("cat",),
    "vehicle": ("car", "truck", "bus", "van"),
    "automobile": ("car",),
    "bag": ("bag", "handbag", "backpack", "suitcase"),
    "watercraft": ("boat", "watercraft"),
    "animal": ("dog", "cat", "horse", "bird", "cow", "sheep", "elephant", "bear", "zebra", "giraffe", "rabbit"),
}  # fmt: skip

_SIMILAR = 0.15  # temperature of the softmax that turns cosines of static vectors into class weights


@lru_cache(maxsize=1)
def _wordllama() -> Any:
    import importlib.util
    import logging
    from pathlib import Path

    logging.getLogger("wordllama").setLevel(logging.ERROR)
    from wordllama import WordLlama

    spec = importlib.util.find_spec("wordllama")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    return WordLlama.load(cache_dir=folder, disable_download=True)


def static_vectors(words: Sequence[str]) -> np.ndarray:
    """Static vectors of words or short phrases: float32 [len(words), 256], unit length, 0 for an empty text.

    They come from the weights inside the wordllama package, so that no word is unknown and nothing is fetched.
    """
    if not len(words):
        return np.zeros((0, 256), np.float32)
    vectors = np.asarray(_wordllama().embed(list(words)), dtype=np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > 1e-6, vectors / np.maximum(length, 1e-6), 0).astype(np.float32)


def class_weights(heads: Sequence[str], class_names: Sequence[str]) -> np.ndarray:
    """How far each detector class answers to each head: float32 [len(heads), C] in [0, 1].

    By name or known kind where there is one, else by the likeness of static vectors, which guesses softly.
    """
    names = [_parts(name) for name in class_names]
    weights = np.zeros((len(heads), len(names)), np.float32)
    unknown = []
    for row, head in enumerate(heads):
        kinds = {head, *HYPERNYMS.get(head, ())}
        weights[row] = [bool(kinds & parts) for parts in names]
        if head == "what":
            weights[row] = [not parts & set(PEOPLE) for parts in names]
        if not weights[row].any():
            unknown.append(row)
    if unknown and names:
        cosine = (
            static_vectors([heads[row] for row in unknown])
            @ static_vectors([" ".join(sorted(parts)) for parts in names]).T
        )
        likely = np.exp((cosine - cosine.max(axis=1, keepdims=True)) / _SIMILAR)
        weights[unknown] = likely / likely.max(axis=1, keepdims=True) * 0.5
    return weights


def _parts(name: str) -> set[str]:
    """'ball/sports_ball' -> {ball, sports ball}."""
    return {part.replace("_", " ").strip().lower() for part in name.split("/")}


def attribute_weights(attributes: Sequence[Iterable[str]], attribute_names: Sequence[str]) -> list[np.ndarray]:
    """For each phrase, one row an attribute that the detector knows: float32 [k, A], which names satisfy it.

    'red' is satisfied by red anywhere ('upper:red', 'lower:red', 'red'), 'blue hat' only by 'hat:blue' where such
    names exist, else by blue anywhere; 'in white' by white. An attribute the detector does not know says nothing.
    """
    names = [(*reversed(name.lower().rsplit(":", 1)),) for name in attribute_names]
    return [
        np.array([row for text in phrase if (row := _satisfied(text, names)) is not None], np.float32).reshape(
            -1, len(names)
        )
        for phrase in attributes
    ]


def _satisfied(text: str, names: list[tuple[str, ...]]) -> list[bool] | None:
    words = text.lower().replace("-", " ").split()
    colours = {COLOURS[word] for word in words if word in COLOURS}
    parts = {GARMENTS[word] for word in words if word in GARMENTS}
    wanted = colours or set(words)
    row = [name[0] in wanted and (not parts or name[-1] in parts) for name in names]
    if not any(row) and parts:
        row = [name[0] in wanted or (not colours and name[0] in parts) for name in names]
    return row if any(row) else None


def label_prior(
    class_weight: np.ndarray, attribute_weight: np.ndarray, class_prob: np.ndarray, attribute_prob: np.ndarray
) -> np.ndarray:
    """label(e, n): log-agreement of one phrase with the labels of N tubes, float32 [N], no training needed.

    class_weight [C] and attribute_weight [k, A] belong to the phrase, class_prob [N, C] and attribute_prob [N, A]
    to the tubes. The floors keep a wrong label from ruling a tube out.
    """
    agreement = np.log(0.03 + np.clip(class_prob @ class_weight, 0, 1))
    if len(attribute_weight) and attribute_prob.shape[1]:
        strength = (attribute_prob[:, None, :] * attribute_weight[None]).max(axis=2)
        agreement = agreement + np.log(0.05 + np.clip(strength, 0, 1)).sum(axis=1)
    return agreement.astype(np.float32)
