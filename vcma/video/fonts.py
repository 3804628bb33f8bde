"""Fonts for captions in any script: the first that has all characters of a text, or the one that lacks fewest."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

_SHOWN = 5  # characters that a note names


class Font(NamedTuple):
    """A font's file, and which characters of the text it was chosen for it has no picture of."""

    path: str
    missing: str = ""


def font_for(text: str, files: Sequence[str] | None = None) -> Font:
    """The font to write a text with; files: those to choose from, the preferred first, else all that are here."""
    wanted = dict.fromkeys(c for c in text if not c.isspace() and unicodedata.category(c) not in ("Cf", "Mn"))
    best: Font | None = None
    for path in _installed() if files is None else files:
        missing = "".join(c for c in wanted if ord(c) not in _characters(path))
        if best is None or len(missing) < len(best.missing):
            best = Font(path, missing)
        if not missing:
            break
    assert best is not None  # matplotlib brings one along
    return best


def pillow_font(text: str, size: int) -> Any:
    """A Pillow font to write a text with: Pillow's own for plain English, which needs no search."""
    from PIL import ImageFont

    return ImageFont.load_default(size) if text.isascii() else ImageFont.truetype(font_for(text).path, size - 1)


def lacking(texts: Iterable[str]) -> str:
    """A line for the user where no font here has all characters of the texts; empty where all can be written."""
    missing = "".join(dict.fromkeys(c for text in texts if not text.isascii() for c in font_for(text).missing))
    if not missing:
        return ""
    named = ", ".join(f"{c} (U+{ord(c):04X})" for c in missing[:_SHOWN]) + " …" * (len(missing) > _SHOWN)
    remedy = "install one, e.g. apt-get install fonts-noto-core fonts-noto-cjk"
    return f"no font here has {named}: captions show boxes for them; {remedy}"


@cache
def _installed() -> tuple[str, ...]:
    """matplotlib's own DejaVu Sans, then the machine's fonts by name, plain ones first."""
    from matplotlib import font_manager

    own = font_manager.findfont("DejaVu Sans", fallback_to_default=True)
    plain = ("-regular", "regular.", "-book", "-medium")
    found = sorted(font_manager.findSystemFonts(), key=lambda p: (not any(word in p.lower() for word in plain), p))
    return (str(own), *found)


@cache
def _characters(path: str) -> frozenset[int]:
    """The code points that a font has a picture of; none of a file that is no font."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
