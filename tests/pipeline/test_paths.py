"""Names: any video id is one safe file name, and a folder that is not there names its key."""

from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vcma.errors import InputError
from vcma.pipeline.paths import file_stem, video_root


@given(st.text(), st.text())
@example("a/b", "a%2Fb")
@example("..", "%2E.")
@example("", "%")
@example("a" * 180, "a" * 181)
@example("é" * 90, "é" * 91)
@example("e\u0301", "\u00e9")
def test_file_stem_is_injective_bounded_and_safe(a, b):
    assert (file_stem(a) == file_stem(b)) == (a == b)
    stem = file_stem(a)
    assert 1 <= len(stem) <= 180 and stem.isascii() and stem.isprintable()
    assert Path(stem).name == stem and not stem.startswith(".") and not set(stem) & set(" /\\'\"*?<>|:")
    if "~" not in stem and a:
        assert unquote_to_bytes(stem) == a.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("vid", ["10712559773", "55_vfjywN5CN0Y.mp4", "a-b_c.d"])
def test_ordinary_ids_stand_for_themselves(vid):
    assert file_stem(vid) == vid


@pytest.mark.parametrize(
    "vid", ["../../etc/passwd", "a b'c\"d.mp4", "..", "sub/clip.mp4", "Größe\n.mp4", "." * 300]
)
def test_strange_ids_make_files_in_their_folder(tmp_path, vid):
    path = tmp_path / f"{file_stem(vid)}.h5"
    path.write_bytes(b"x")
    assert path.resolve().parent == tmp_path.resolve() and list(tmp_path.iterdir()) == [path]


def test_a_missing_video_root_names_itself_and_the_key(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder; create it, or set 'videos:'"):
        video_root({"videos": "nowhere"}, tmp_path)
    with pytest.raises(InputError, match=r"has no 'videos:' folder"):
        video_root({}, tmp_path)
