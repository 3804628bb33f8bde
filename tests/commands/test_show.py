"""`vcma show` and `vcma summary`: what they draw and say, and one line where they cannot."""

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import make_tubes
from tests.report.made_run import FRAMES, make_run, write_predictions
from vcma.__main__ import main
from vcma.commands import show
from vcma.pipeline import storage


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


def drawn(path, png, *words, code=0):
    done = CliRunner().invoke(main, ["show", str(path), "--png", str(png), *words])
    assert done.exit_code == code, done.output
    assert not code or (done.stderr.startswith("error: ") and done.stderr.count("\n") == 1)
    return done.stderr


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("/", "/: ends in neither .png nor .jpg"),
        ("x.gif", "x.gif: ends in neither .png nor .jpg; name the picture so"),
        ("x", "x: ends in neither .png nor .jpg"),
        ("folder.png", "folder.png: is a folder; name a picture in it"),
        ("file/x.png", "x.png: cannot write: "),
    ],
)
def test_where_no_picture_can_be_is_one_line(artifacts, tmp_path, name, told):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("kept")
    assert told in drawn(artifacts / "tubes" / "plain.h5", tmp_path / name, code=1)
    assert {p.name for p in tmp_path.iterdir()} == {"folder.png", "file"}


@pytest.mark.parametrize(("name", "kind"), [("a.PNG", "PNG"), ("a.jpg", "JPEG"), ("a.jpeg", "JPEG")])
def test_a_picture_is_what_its_name_says(artifacts, tmp_path, name, kind):
    drawn(artifacts / "tubes" / "plain.h5", tmp_path / name)
    with Image.open(tmp_path / name) as picture:
        assert picture.format == kind


@pytest.mark.parametrize("words", ["plain/1", "A dog is above a red ball", "above a red"])
def test_a_sample_is_chosen_by_its_id_its_sentence_or_a_part_of_it(artifacts, tmp_path, words):
    told = drawn(artifacts / "predictions.h5", tmp_path / "a.png", "--sentence", words)
    assert told.startswith("plain/1: frames 10 to 25, tube 1")
    drawn(artifacts / "truth_test.h5", tmp_path / "b.png", "--sentence", words)
    drawn(artifacts / "truth_test.h5", tmp_path / "c.png", "--sentence", "plain/1")
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "c.png").read_bytes()


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("predictions", "plan/1", "no sample 'plan/1'; did you mean 'plain/1'? name an id or words of a sentence"),
        ("truth_test", "zebra", "no sample 'zebra'; ids are like 'plain/0'; name an id or words of a sentence"),
        ("predictions", "a dog", "lost.h5: no such artifact"),  # chosen: it is all of one, and a part of another
        ("predictions", "ball", "2 samples have 'ball'; choose one by its id: 'plain/0', 'plain/1' …"),
        ("samples", "ball", "samples/1 holds no pictures"),
        ("tubes/plain", "ball", "tubes/1 has no samples to choose from"),
    ],
)
def test_what_names_no_sample_is_told(artifacts, tmp_path, name, words, told):
    assert told in drawn(artifacts / f"{name}.h5", tmp_path / "a.png", "--sentence", words, code=1)


def test_a_sample_without_a_picture_to_draw_is_bad_usage(artifacts):
    done = CliRunner().invoke(main, ["show", str(artifacts / "predictions.h5"), "--sentence", "plain/1"])
    assert done.exit_code == 2 and "--sentence belongs to --png" in done.output


@given(st.lists(st.tuples(st.integers(-20, 400), st.integers(-20, 300), st.integers(10, 90)), max_size=20))
def test_labels_lie_in_the_picture_and_never_over_each_other(wanted):
    boxes = np.array([(x, y, x + 60, y + 80) for x, y, _ in wanted], float).reshape(-1, 4)
    found: list = []
    for box, (_, _, width) in zip(boxes, wanted, strict=True):
        found.append(show._free_spot(box[:2], width, (320, 240), boxes, found))
    for i, (x1, y1, x2, y2) in enumerate(found):
        assert 0 <= x1 < x2 <= 320 and 0 <= y1 < y2 <= 240
        assert all(x1 >= right or x2 <= left or y1 >= low or y2 <= high for left, high, right, low in found[:i])


def test_a_label_alone_stands_on_its_box():
    spot = show._free_spot(np.array([50.0, 60.0]), 40, (320, 240), np.array([[50.0, 60, 90, 99]]), [])
    assert spot == (50, 46, 90, 60)


def test_the_summary_says_whose_the_scores_are_and_why_there_are_none(tmp_path):
    folder = make_run(tmp_path)

    def told() -> str:
        done = CliRunner().invoke(main, ["summary", "--config", str(tmp_path / "pipeline.yaml")])
        assert done.exit_code == 0, done.output
        return done.output

    assert "\n  VCMA " in told()
    write_predictions(folder, make_tubes(3, frames=FRAMES // 3), 1)
    assert "\n  untrained (labels and cues) " in told() and "VCMA" not in told()
    for name in ("metrics", "reference_points"):
        storage.write_json(folder / f"{name}.json", {})
    assert told().startswith("nothing is annotated, so nothing is scored\n\nreport: ")
