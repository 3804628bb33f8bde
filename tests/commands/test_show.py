"""`vcma show` in text: artifacts, their ids, one prediction with its sentence, and JSON files."""

import json

import pytest
from click.testing import CliRunner

from tests.datasets.examples import record, tube
from tests.report.made_run import EVIL, make_run
from vcma.__main__ import main


def test_the_text_names_schema_columns_and_as_many_rows_as_asked_for(tmp_path):
    artifacts = make_run(tmp_path)
    done = CliRunner().invoke(main, ["show", str(artifacts / "tubes" / "plain.h5"), "--rows", "1"])
    assert done.exit_code == 0 and ": tubes/1, by link_tubes" in done.output
    assert "first of 4 tube:\n    0: " in done.output and "    1: " not in done.output


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


def show(*arguments, code=0):
    done = CliRunner().invoke(main, ["show", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.stdout if not code else done.stderr


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("samples.h5", f"plain/0\ttest\t{EVIL}"),
        ("queries.h5", f"plain/0\t{EVIL}"),
        ("truth_test.h5", f"plain/0\t{EVIL}"),
        ("predictions.h5", f"plain/0\t{EVIL}"),
    ],
)
def test_ids_are_listed_with_their_sentences(artifacts, name, first):
    lines = show(artifacts / name, "--ids").splitlines()
    assert lines[0] == first and len(lines) == (3 if name == "truth_test.h5" else 4)


def test_a_prediction_is_shown_with_its_sentence(artifacts):
    found = artifacts / "predictions.h5"
    assert 'plain/1: "a dog is above a red ball" -> frames 10 to 25, tube 1 (probability 0.25)' in show(found)
    one = show(found, "--sentence", "above a red").splitlines()
    assert one[0] == 'plain/1: "a dog is above a red ball"'
    assert one[1] == "  video plain, frames 10 to 25, tube 1 (probability 0.25)"
    assert one[2] == "  entity 0: tube 0 0.25, tube 1 0.25, tube 2 0.25, tube 3 0.25"
    assert one[4].startswith("  most likely of 12 frames: ")
    assert "doubts: no_tube" in show(found, "--sentence", "who runs")


def test_predictions_in_json_are_shown_with_their_sentences(artifacts, tmp_path, monkeypatch):
    plain = {"plain/1": {"span": [1, 5], "boxes": {"2": [0, 0, 1, 1]}, "doubts": ["few"]}, "x": {"span": [0, 1]}}
    for path in (artifacts / "theirs.json", tmp_path / "theirs.json"):
        path.write_text(json.dumps(plain))
        monkeypatch.chdir(artifacts.parent.parent)  # a file elsewhere is of the project one stands in
        told = show(path).splitlines()
        assert told[0].endswith("theirs.json: predictions of 2 sentences, 1 boxes; score them with vcma score")
        assert told[1] == '  plain/1: "a dog is above a red ball"' and told[3] == "  x"
        assert told[2] == '    frames 1 to 5; 1 boxes, of frames 2 to 2: [0, 0, 1, 1] first; doubts ["few"]'
        assert show(path, "--ids") == "plain/1\ta dog is above a red ball\nx\t\n"
        assert show(path, "--sentence", "above a red").splitlines()[1] == told[1]
    monkeypatch.chdir(tmp_path)
    assert show(tmp_path / "theirs.json").splitlines()[1] == "  plain/1"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([record()], '  100/0/questions/0: "what does the adult hold?"'),
        ({"1_a.mp4": tube()}, '  1_a.mp4: "The man walks."'),
        (
            {"videos": [{"id": 1, "name": "a"}], "annotations": []},
            "  video 1 a",
        ),
        (
            {"test_x": {"predictions": {"0_5": {}}, "video_predictions": {"0": {"sted": [1, 2]}}}},
            "results of TubeDETR: 1 spans, 1 entries of boxes",
        ),
        (
            {"predictions": {"0": {}}, "video_predictions": {"0": {"sted": [1, 2]}}},
            "--from stcat",
        ),
        ({"a": [1, 2], "b": {"c": list(range(100))}}, "    c: list of 100"),
        ([], "JSON"),
        (3, "  3"),
    ],
)
def test_other_json_is_known_by_its_shape(tmp_path, content, told):
    path = tmp_path / "file.json"
    path.write_text(json.dumps(content))
    assert told in show(path)


def test_metrics_are_shown_as_a_table(artifacts):
    assert "declarative, protocol stcat: n = 2" in show(artifacts / "scores.json")


def test_bad_use_is_told(artifacts, tmp_path):
    (tmp_path / "a.json").write_text("{")
    assert "not readable as JSON" in show(tmp_path / "a.json", code=1)
    assert "no such file" in show(tmp_path / "none.json", code=1)
    (tmp_path / "b.json").write_text("[1]")
    assert "holds no predictions by sample" in show(tmp_path / "b.json", "--ids", code=1)
    assert "holds no predictions by sample" in show(tmp_path / "b.json", "--sentence", "dog", code=1)
    assert "--png draws artifacts" in show(tmp_path / "b.json", "--png", "x.png", code=2)
    assert "tubes/1 lists no samples" in show(artifacts / "tubes" / "plain.h5", "--ids", code=1)
    assert "tubes/1 holds no predictions" in show(artifacts / "tubes" / "plain.h5", "--sentence", "dog", code=1)
    assert "--ids cannot be combined" in show(artifacts / "samples.h5", "--ids", "--sentence", "dog", code=2)
