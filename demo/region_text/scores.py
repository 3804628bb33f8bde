"""Evaluation of an encoder on objects of the drawn world, loaded from its files with its processor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from region_text.crops import cut
from region_text.phrases import thing_of
from vcma.detector_training.pictures import AnnotatedPicture
from world.cast import CATEGORIES, COLOURS, WHO, Thing
from world.grammar import Description, Writer, attribute_sets

PROMPT = "a photo of {}"
CONTEXT = 0.15  # context margin, share of each side of a box
_BATCH = 256


def embed_crops(model: Any, processor: Any, crops: Sequence[np.ndarray]) -> np.ndarray:
    """Return unit vectors float32 [n, d] of BGR crops."""
    rgb = [np.ascontiguousarray(crop[..., ::-1]) for crop in crops]
    return _embed(rgb, lambda some: model.get_image_features(**processor(images=some, return_tensors="pt")))


def embed_texts(model: Any, processor: Any, texts: Sequence[str]) -> np.ndarray:
    """Return unit vectors float32 [n, d] of texts, without prompts."""
    words = {"return_tensors": "pt", "padding": True, "truncation": True}
    return _embed(list(texts), lambda some: model.get_text_features(**processor(text=some, **words)))


def _embed(items: list[Any], features: Any) -> np.ndarray:
    with torch.inference_mode():
        found = [features(items[k : k + _BATCH]).pooler_output for k in range(0, len(items), _BATCH)]
    return torch.nn.functional.normalize(torch.cat(found), dim=1).numpy()


def things_of(picture: AnnotatedPicture) -> list[Thing]:
    return [thing_of(c, a) for c, a in zip(picture.labels, picture.attributes, strict=True)]


def phrase_accuracy(
    model: Any, processor: Any, pictures: Sequence[AnnotatedPicture], square: bool = False
) -> dict[str, float]:
    """Return the share of crops whose best phrase of all (category x colour) is right: both, category, colour.

    For people, the colour is that of the upper clothes.
    """
    pairs = [(category, colour) for category in CATEGORIES for colour in COLOURS]
    texts = [f"{category} in {colour}" if category in WHO else f"{colour} {category}" for category, colour in pairs]
    words = embed_texts(model, processor, [PROMPT.format(f"{_a(text)} {text}") for text in texts])
    looks = embed_crops(model, processor, _crops(pictures, square))
    found = [pairs[k] for k in (looks @ words.T).argmax(1)]
    true = [(t.category, t.colour) for picture in pictures for t in things_of(picture)]
    right = np.array([[f == t, f[0] == t[0], f[1] == t[1]] for f, t in zip(found, true, strict=True)])
    return dict(zip(("phrase", "category", "colour"), right.mean(0).tolist(), strict=True))


def picking_accuracy(
    model: Any, processor: Any, pictures: Sequence[AnnotatedPicture], seed: int = 0, square: bool = False
) -> dict[str, float]:
    """Return the share of descriptions that select the only object of the image that they fit.

    picked_hard: on descriptions of objects with another one of the same category in the image. chance, chance_hard:
    expected shares of a random choice among all objects.
    """
    rng, embedded = np.random.default_rng(seed), embed_crops(model, processor, _crops(pictures, square))
    right, guesses, hard, texts, choices, start = [], [], [], [], [], 0
    for picture in pictures:
        things = things_of(picture)
        for which, text in unambiguous(rng, things):
            alike = sum(t.category == things[which].category for t in things)
            texts.append(PROMPT.format(f"the {text}"))
            choices.append((start, start + len(things), which))
            hard.append(alike > 1)
            guesses.append(1 / len(things))
        start += len(things)
    for vector, (begin, end, which) in zip(embed_texts(model, processor, texts), choices, strict=True):
        right.append(int((embedded[begin:end] @ vector).argmax()) == which)
    return {
        "picked": float(np.mean(right)),
        "picked_hard": float(np.mean(np.array(right)[hard])),
        "chance": float(np.mean(guesses)),
        "chance_hard": float(np.mean(np.array(guesses)[hard])),
    }


def unambiguous(rng: np.random.Generator, things: Sequence[Thing]) -> list[tuple[int, str]]:
    """Return a random description of each object that it fits alone, in the words of the world's grammar."""
    writer, found = Writer(rng, test=True), []
    for which, thing in enumerate(things):
        sets = attribute_sets(thing)
        d = Description(thing, sets[int(rng.integers(len(sets)))])
        if sum(d.fits(other) for other in things) == 1:
            found.append((which, writer.noun(d)))
    return found


def _crops(pictures: Sequence[AnnotatedPicture], square: bool) -> list[np.ndarray]:
    out = []
    for picture in pictures:
        pixels = picture.pixels()
        out += [cut(pixels, box, CONTEXT, square) for box in picture.boxes]
    return out


def _a(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
