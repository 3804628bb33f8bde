"""Demands of place and rank, typed: "on the left", "second from the left", "tallest"."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

# What people call the two ends of each axis, and the words for being at an end of it more than all others.
_PLACES = {
    "left": "left",
    "right": "right",
    "top": "top",
    "upper": "top",
    "bottom": "bottom",
    "lower": "bottom",
    "middle": "middle",
    "center": "middle",
    "centre": "middle",
    "foreground": "near",
    "background": "far",
}
_SUPERLATIVES = {
    **dict.fromkeys(("leftmost",), "left"),
    **dict.fromkeys(("rightmost",), "right"),
    **dict.fromkeys(("topmost", "uppermost", "highest", "higher"), "top"),
    **dict.fromkeys(("bottommost", "lowest"), "bottom"),
    **dict.fromkeys(("biggest", "largest", "bigger", "larger"), "large"),
    **dict.fromkeys(("smallest", "littlest", "tiniest", "smaller"), "small"),
    **dict.fromkeys(("tallest", "taller"), "tall"),
    **dict.fromkeys(("shortest", "shorter"), "short"),
    **dict.fromkeys(("closest", "nearest", "closer", "nearer", "foremost"), "near"),
    **dict.fromkeys(("farthest", "furthest", "farther", "further", "rearmost"), "far"),
}
ORDINALS = {word: i for i, word in enumerate(("first", "second", "third", "fourth", "fifth", "sixth"), 1)}
_IDLE = frozenset(("on", "in", "at", "from", "the", "of", "side", "hand", "most", "far", "part", "half", "corner"))


@dataclass(frozen=True)
class Demand:
    """A tube is to be at an end of an axis: rank 0, on that side; k, the k-th counted from that end.

    end: left, right, top, bottom or middle of the picture; large or small, tall or short, near or far.
    """

    end: str
    rank: int = 0


def is_rank(word: str) -> bool:
    """Whether a word picks one of several: "second", "tallest", "smaller"."""
    return word in ORDINALS or word in _SUPERLATIVES


@lru_cache(maxsize=4096)
def demands_of(attributes: tuple[str, ...]) -> tuple[tuple[Demand, ...], tuple[str, ...]]:
    """The demands of attributes, and the ordinals and superlatives among them that nothing measures."""
    counted = next((ORDINALS[a] for a in attributes if a in ORDINALS), 0)
    places = [_ends(a) for a in attributes]
    supers = [_SUPERLATIVES[a] for a in attributes if a in _SUPERLATIVES]
    found = [Demand(end, counted or 1) for end in supers]
    for attribute, ends in zip(attributes, places, strict=True):
        rank = max(counted, 1) if attribute.startswith("from ") else counted  # "the second man on the left"
        found += [Demand(end, rank) for end in ends]
    ranked = any(d.rank for d in found)
    unmeasured = [a for a in attributes if (a in ORDINALS or a == "last") and not ranked]
    return tuple(dict.fromkeys(found)), tuple(unmeasured)


def _ends(attribute: str) -> list[str]:
    """The ends that "on far left", "in top left corner" or "left" name; none if it says anything else."""
    words = [w for w in attribute.replace("-", " ").split() if w not in _IDLE]
    # "in upper" clothes are no place.
    return [_PLACES[w] for w in words] if words and all(w in _PLACES for w in words) else []
