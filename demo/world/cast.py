"""Objects of the drawn world: categories, colours, sizes and appearance. NumPy only.

Lengths are in pixels at scale 1 (a thing in the middle of the ground).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PERSONS = ("adult", "child")
CATEGORIES = (
    "adult",
    "child",
    "baby",
    "dog",
    "cat",
    "horse",
    "bird",
    "ball",
    "toy",
    "backpack",
    "chair",
    "table",
    "bicycle",
    "car",
)
#: Categories that VidSTG asks for with "who"; all others with "what".
WHO = ("adult", "child", "baby")
#: VidOR's names where they differ.
VIDOR_NAMES = {"ball": "ball/sports_ball"}

COLOURS: dict[str, tuple[int, int, int]] = {  # BGR
    "red": (45, 40, 215),
    "orange": (35, 130, 245),
    "yellow": (60, 220, 245),
    "green": (65, 155, 50),
    "blue": (210, 105, 35),
    "purple": (165, 50, 125),
    "pink": (190, 140, 250),
    "brown": (40, 75, 125),
    "black": (38, 35, 35),
    "white": (242, 242, 242),
    "gray": (142, 140, 138),
}
_PARTS = ("top", "trousers", "hat")
_KINDS = ("hat", "skirt", "man", "woman", "boy", "girl")
#: Attributes of the still images: colour of the thing, of its upper or lower clothes, of its hat; kinds.
ATTRIBUTES = (*COLOURS, *(f"{colour} {part}" for part in _PARTS for colour in COLOURS), *_KINDS)

HEIGHTS = {
    "adult": 86.0,
    "child": 58.0,
    "baby": 33.0,
    "dog": 38.0,
    "cat": 31.0,
    "horse": 80.0,
    "bird": 25.0,
    "ball": 25.0,
    "toy": 32.0,
    "backpack": 31.0,
    "chair": 50.0,
    "table": 44.0,
    "bicycle": 46.0,
    "car": 50.0,
}
#: Half of the usual width: the minimum distance from a thing's centre at which others stand beside it.
HALF_WIDTHS = {
    "adult": 13.0,
    "child": 11.0,
    "baby": 20.0,
    "dog": 27.0,
    "cat": 22.0,
    "horse": 44.0,
    "bird": 18.0,
    "ball": 12.5,
    "toy": 13.0,
    "backpack": 13.0,
    "chair": 17.0,
    "table": 35.0,
    "bicycle": 36.0,
    "car": 56.0,
}

_BODY_COLOURS = {
    "dog": ("brown", "black", "white", "gray"),
    "cat": ("orange", "black", "white", "gray"),
    "horse": ("brown", "black", "white"),
    "bird": ("red", "blue", "yellow", "green", "white", "black"),
    "ball": ("red", "blue", "yellow", "green", "orange", "purple", "white", "pink"),
    "toy": ("pink", "yellow", "blue", "brown", "purple", "white"),
    "backpack": ("red", "blue", "green", "purple", "black", "orange"),
    "chair": ("red", "blue", "brown", "white", "green"),
    "table": ("brown", "white", "gray", "blue"),
    "bicycle": ("red", "blue", "green", "yellow", "black"),
    "car": ("red", "blue", "white", "green", "yellow", "gray"),
}
_TOPS = ("red", "blue", "green", "yellow", "white", "black", "pink", "orange", "purple", "gray")
_TROUSERS = ("black", "blue", "gray", "brown", "white", "red", "green")
_HATS = ("red", "blue", "yellow", "green", "white", "black", "purple")
SKINS = ((150, 190, 235), (120, 165, 215), (85, 120, 165), (55, 80, 115))
HAIRS = ((30, 30, 35), (40, 60, 95), (70, 130, 185), (35, 50, 130))


@dataclass(frozen=True)
class Thing:
    """An object of a video. `colour` is that of the body, or of a person's upper clothes."""

    tid: int
    category: str
    colour: str
    trousers: str | None = None
    hat: str | None = None
    woman: bool = False
    size: float = 1.0
    skin: int = 0
    hair: int = 0

    @property
    def is_person(self) -> bool:
        return self.category in WHO

    @property
    def height(self) -> float:
        return HEIGHTS[self.category] * self.size

    @property
    def half_width(self) -> float:
        return HALF_WIDTHS[self.category] * self.size

    def attributes(self) -> tuple[str, ...]:
        """Return the members of ATTRIBUTES that are true of this thing."""
        if not self.is_person:
            return (self.colour,)
        words = [f"{self.colour} top"]
        if self.trousers:
            words.append(f"{self.trousers} trousers")
        if self.hat:
            words += [f"{self.hat} hat", "hat"]
        if self.category == "adult":
            words.append("woman" if self.woman else "man")
        if self.category == "child":
            words.append("girl" if self.woman else "boy")
        return (*words, "skirt") if self.woman else tuple(words)


def draw_cast(rng: np.random.Generator, categories: Sequence[str]) -> list[Thing]:
    """Draw things at random, with tids in order. Things of the same category share a small pool of colours, so that
    the colour often does not identify a thing."""
    pools = {
        category: _pool(rng, category, list(categories).count(category)) for category in set_in_order(categories)
    }
    return [_look(rng, tid, category, pools[category]) for tid, category in enumerate(categories)]


def set_in_order(values: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _pool(rng: np.random.Generator, category: str, count: int) -> list[str]:
    palette = _TOPS if category in WHO else _BODY_COLOURS[category]
    size = min(len(palette), max(2, count - int(rng.random() < 0.7)))
    colours = [str(c) for c in rng.choice(palette, size=size, replace=False)]
    drawn = [colours[i % size] for i in range(max(count, size))]
    return [drawn[i] for i in rng.permutation(len(drawn))]


def _look(rng: np.random.Generator, tid: int, category: str, pool: list[str]) -> Thing:
    colour = pool.pop()
    size = float(rng.uniform(0.94, 1.08)) * (0.86 if category == "horse" else 1.0)
    if category not in PERSONS:
        skin = int(rng.integers(len(SKINS))) if category == "baby" else 0
        return Thing(tid, category, colour, size=size, skin=skin)
    trousers = str(rng.choice([c for c in _TROUSERS if c != colour]))
    hat = str(rng.choice(_HATS)) if rng.random() < 0.35 else None
    woman = bool(rng.random() < 0.5)
    return Thing(
        tid,
        category,
        colour,
        trousers,
        hat,
        woman,
        size,
        int(rng.integers(len(SKINS))),
        int(rng.integers(len(HAIRS))),
    )
