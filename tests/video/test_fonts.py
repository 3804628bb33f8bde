"""Captions in any script, or a line that says what cannot be written."""

from pathlib import Path

import numpy as np
from PIL import ImageFont

from vcma.video.annotated_film import _MAX_LINES, _caption, _wrapped
from vcma.video.fonts import Font, _installed, font_for, lacking, pillow_font


def bundled(name: str) -> str:
    """One of the fonts that matplotlib brings along."""
    return str(Path(_installed()[0]).with_name(name))


def test_the_first_font_that_has_every_character_is_taken_else_the_one_that_lacks_fewest(tmp_path):
    latin, more = bundled("cmr10.ttf"), bundled("DejaVuSans.ttf")
    (broken := tmp_path / "broken.ttf").write_bytes(b"no font")
    assert font_for("a dog", [latin, more]) == Font(latin)
    assert font_for("собака", [str(broken), latin, more]) == Font(more)
    assert font_for("соба狗", [latin, more]) == Font(more, "狗")
    assert font_for(" \n", [latin]) == Font(latin)


def test_what_no_font_has_is_told_with_what_helps():
    unassigned = chr(0x1FFF0)
    assert lacking(["a dog", "ein Hündchen läuft", "собака"]) == ""
    told = lacking([f"a {unassigned} and {unassigned}"])
    assert (
        told.startswith(f"no installed font has {unassigned} (U+1FFF0): captions")
        and "apt-get install fonts-noto" in told
    )


def test_captions_of_scripts_without_blanks_are_broken_and_long_ones_end_in_an_ellipsis():
    font = pillow_font("", 14)
    for text in ("the man in a black coat turns round " * 9, "собака" * 60, "a" * 300):
        font = pillow_font(text, 14)
        lines = _wrapped(text, font.getlength, 200)
        assert max(map(font.getlength, lines[:_MAX_LINES])) <= 200 and lines[_MAX_LINES - 1].endswith(" …")
    assert _wrapped("a small dog", font.getlength, 200) == ["a small dog"]
    assert _wrapped("", font.getlength, 200) == [""]


def test_a_caption_in_another_script_is_drawn_with_ink_of_its_own():
    """Pillow's own font has the same box for every letter that it lacks."""
    one, other = (_caption(text, 200)[1] for text in ("собака", "кошкам"))
    assert not np.array_equal(one, other) and one.max() == 1
    lacking_both = [ImageFont.load_default(14).getmask(c) for c in "сб"]
    assert bytes(lacking_both[0]) == bytes(lacking_both[1])
