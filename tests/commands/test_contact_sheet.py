"""Contact sheets: what is drawn of which artifact, and one line where nothing can be."""

import pytest
from click.testing import CliRunner
from PIL import Image

from tests.report.made_run import make_run
from vcma.__main__ import main


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
        ("x.gif", "x.gif: ends in neither .png nor .jpg; use one of these suffixes"),
        ("x", "x: ends in neither .png nor .jpg"),
        ("folder.png", "folder.png: is a folder; give a file in it"),
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
        ("predictions", "plan/1", "no sample 'plan/1'; did you mean 'plain/1'? give an id or words of a sentence"),
        ("truth_test", "zebra", "no sample 'zebra'; ids are like 'plain/0'; give an id or words of a sentence"),
        ("predictions", "a dog", "lost.h5: no such artifact"),  # chosen: it is all of one, and a part of another
        ("predictions", "ball", "2 samples match 'ball'; choose one by its id: 'plain/0', 'plain/1' …"),
        ("samples", "ball", "samples/1 artifacts cannot be drawn"),
        ("tubes/plain", "ball", "tubes/1 has no samples to choose from"),
    ],
)
def test_what_names_no_sample_is_told(artifacts, tmp_path, name, words, told):
    assert told in drawn(artifacts / f"{name}.h5", tmp_path / "a.png", "--sentence", words, code=1)
