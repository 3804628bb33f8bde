"""Choose fonts for captions in any script: the first with all characters of a text, or with the fewest missing."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

_SHOWN = 5  # maximum number of characters listed in a note


class Font(NamedTuple):
    """A font file, with the characters that it lacks of the text it was chosen for."""

    path: str
    missing: str = ""


def font_for(text: str, files: Sequence[str] | None = None) -> Font:
    """Choose the font for a text; files: candidates in order of preference, by default all installed fonts."""
    wanted = dict.fromkeys(c for c in text if not c.isspace() and unicodedata.category(c) not in ("Cf", "Mn"))
    best: Font | None = None
    for path in _installed() if files is None else files:
        missing = "".join(c for c in wanted if ord(c) not in _characters(path))
        if best is None or len(missing) < len(best.missing):
            best = Font(path, missing)
        if not missing:
            break
    assert best is not None  # matplotlib includes one
    return best


def pillow_font(text: str, size: int) -> Any:
    """Return a Pillow font for a text: Pillow's default for ASCII, which needs no search."""
    from PIL import ImageFont

    return ImageFont.load_default(size) if text.isascii() else ImageFont.truetype(font_for(text).path, size - 1)


def lacking(texts: Iterable[str]) -> str:
    """Return a note for the user if no installed font has all characters of the texts, else an empty string."""
    missing = "".join(dict.fromkeys(c for text in texts if not text.isascii() for c in font_for(text).missing))
    if not missing:
        return ""
    named = ", ".join(f"{c} (U+{ord(c):04X})" for c in missing[:_SHOWN]) + " …" * (len(missing) > _SHOWN)
    remedy = "install one, e.g. apt-get install fonts-noto-core fonts-noto-cjk"
    return f"no installed font has {named}: captions show boxes instead; {remedy}"


@cache
def _installed() -> tuple[str, ...]:
    """List font files: matplotlib's DejaVu Sans, then the system's fonts by name, regular ones first."""
    from matplotlib import font_manager

    own = font_manager.findfont("DejaVu Sans", fallback_to_default=True)
    plain = ("-regular", "regular.", "-book", "-medium")
    found = sorted(font_manager.findSystemFonts(), key=lambda p: (not any(word in p.lower() for word in plain), p))
    return (str(own), *found)


@cache
def _characters(path: str) -> frozenset[int]:
    """Return the code points that a font has glyphs for; empty if the file is not a font."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
