"""Spatial and ordinal attributes as demands on a tube: "on the left", "second from the left", "tallest"."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

# Words for the two ends of each axis, and superlatives for being nearest to an end.
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
    """A demand that a tube is at an end of an axis. rank 0: on that side; k: the k-th counted from that end.

    end: left, right, top, bottom or middle of the frame; large or small, tall or short, near or far.
    """

    end: str
    rank: int = 0


def is_rank(word: str) -> bool:
    """Return whether a word selects one of several objects: "second", "tallest", "smaller"."""
    return word in ORDINALS or word in _SUPERLATIVES


@lru_cache(maxsize=4096)
def demands_of(attributes: tuple[str, ...]) -> tuple[tuple[Demand, ...], tuple[str, ...]]:
    """Return the demands in attributes, and the ordinals among them that no measure can rank ("last")."""
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
    """Return the ends named by "on far left", "in top left corner" or "left"; none if other words occur, too."""
    words = [w for w in attribute.replace("-", " ").split() if w not in _IDLE]
    # "in upper clothes" is not a place.
    return [_PLACES[w] for w in words] if words and all(w in _PLACES for w in words) else []
