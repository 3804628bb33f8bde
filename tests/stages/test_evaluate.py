"""The stage `evaluate` on annotations and a predictions file alone."""

import json
import shutil
from importlib import import_module

import pytest
from click.testing import CliRunner

from tests.datasets.examples import lay_out_hcstvg, tube
from tests.evaluation.predictions_files import annotate, answer, configure, perfect, write
from vcma.datasets.formats import READERS
from vcma.pipeline import artifact, schemas

MEASURES = ("m_tIoU", "m_vIoU", "vIoU@0.3", "vIoU@0.5")


def evaluate(root, *options, code=0):
    stage = import_module("stages.evaluate").evaluate
    done = CliRunner().invoke(stage, ["--config", str(root / "pipeline.yaml"), *map(str, options)])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def data(tmp_path):
    return annotate(tmp_path)


def test_somebody_elses_predictions_need_the_annotations_alone(tmp_path, data):
    theirs = write(tmp_path / "theirs.json", perfect(other=answer(0, 1, lambda f: [0, 0, 1, 1])))
    told = evaluate(tmp_path, "--predictions", theirs, "--json", tmp_path / "m.json", "--protocol", "all")
    metrics = json.loads((tmp_path / "m.json").read_text())
    assert set(metrics) == {"stcat", "tubedetr"}
    for kinds in metrics.values():
        assert {kind: value["n"] for kind, value in kinds.items()} == {"declarative": 2, "interrogative": 1}
        for value in kinds.values():
            assert set(value) == {"n", "missing", "missing_boxes", *MEASURES} and value["missing"] == 0
            for name in MEASURES:
                assert set(value[name]) == {"value", "low", "high"} and value[name]["value"] == 1
    # One block a kind of sentence, the protocols below one another in it.
    assert "declarative, protocols stcat, tubedetr: n = 2 (3 of 4 samples of test are scored), missing 0" in told
    assert told.index("theirs.json, stcat") < told.index("theirs.json, tubedetr") < told.index("interrogative")
    assert "left out of test: 1 (1 zero-length span); 1 predictions match no sample of test" in told
    # Nothing of the project's own is made.
    assert not (tmp_path / "artifacts").exists()


def test_a_missing_answer_and_missing_boxes_count_zero_and_are_told(tmp_path, data):
    theirs = perfect()
    del theirs["200/1/captions/0"]
    for frame in range(5, 11):  # boxes between two others would be interpolated
        del theirs["100/0/captions/0"]["boxes"][frame]
    path = write(tmp_path / "theirs.json", theirs)
    told = evaluate(tmp_path, "--predictions", path, "--json", tmp_path / "m.json", "--compare", path)
    metrics = json.loads((tmp_path / "m.json").read_text())["stcat"]["declarative"]
    assert (metrics["n"], metrics["missing"], metrics["missing_boxes"]) == (2, 1, 1)
    assert metrics["m_tIoU"]["value"] == 0.5 and metrics["m_vIoU"]["value"] == pytest.approx(0.5 * 19 / 20)
    assert f"declarative, {path} minus {path}: n = 2, missing 1 and 1 (count 0)" in told
    assert "0.0 [0.0, 0.0]" in told


def test_what_a_comparison_lacks_is_told(tmp_path, data):
    """Else one that left samples out would only look worse."""
    some = {name: value for name, value in perfect().items() if name.startswith("100")}
    full, part = write(tmp_path / "full.json", perfect()), write(tmp_path / "part.json", some)
    told = evaluate(tmp_path, "--predictions", full, "--json", tmp_path / "m.json", "--compare", part)
    assert f"declarative, {full} minus {part}: n = 2, missing 0 and 1 (count 0)" in told
    assert f"interrogative, {full} minus {part}: n = 1, missing 0 and 0 (count 0)" in told


def test_boxes_that_cannot_be_xyxy_are_told(tmp_path, data):
    theirs = perfect()
    theirs["100/0/questions/0"]["boxes"] = {f: [30, 40, 10, 20] for f in range(10, 20)}  # x, y, w, h
    path = write(tmp_path / "theirs.json", theirs)
    told = evaluate(tmp_path, "--predictions", path, "--json", tmp_path / "m.json")
    assert "10 of 80 predicted boxes are empty, probably [x, y, width, height]; [x1, y1, x2, y2]" in told


def test_predictions_for_what_was_left_out_are_not_foreign(tmp_path, data):
    path = write(tmp_path / "theirs.json", perfect(**{"200/2/captions/0": answer(0, 1, lambda f: [0, 0, 1, 1])}))
    told = evaluate(tmp_path, "--predictions", path, "--json", tmp_path / "m.json")
    assert "left out of test: 1 (1 zero-length span)\n" in told


def test_one_file_for_two_splits_takes_ids_with_and_without_the_split(tmp_path):
    """HC-STVG v2: whoever indexed has `key@val` where somebody else, or who reads one split alone, has `key`."""
    records = {f"{i}_film{i}.mp4": tube(n=40, start=11) for i in range(3)}
    data = tmp_path / "data" / "hcstvg"
    block = lay_out_hcstvg(data, {"test": records})
    block |= {"videos": str(data / "videos"), "splits": {"val": "test.json", "test": "test.json"}}
    configure(tmp_path, block, "hcstvg")
    boxes = {10 + i: [x, y, x + w, y + h] for i, (x, y, w, h) in enumerate(records["0_film0.mp4"]["bbox"])}
    for suffix in ("", "@val"):
        theirs = {f"{key}{suffix}": {"span": [10, 50], "boxes": boxes} for key in records}
        path = write(tmp_path / "theirs.json", theirs)
        for indexed in (False, True):
            if indexed:
                truth = READERS["hcstvg"](data, block, tmp_path).truths["val"]
                assert truth["sample"].tolist() == [f"{key}@val" for key in records]
                artifact.write(schemas.TRUTH, tmp_path / "artifacts" / "hcstvg" / "truth_val.h5", truth, {}, {})
            told = evaluate(tmp_path, "--predictions", path, "--json", tmp_path / "m.json", "--split", "val")
            metrics = json.loads((tmp_path / "m.json").read_text())["official"]["declarative"]
            assert (metrics["n"], metrics["missing"], metrics["m_vIoU"]["value"]) == (3, 0, 1)
            assert "no sample of val" not in told
        shutil.rmtree(tmp_path / "artifacts")


def test_a_truth_that_was_indexed_wins_over_the_annotations(tmp_path, data):
    """So that ours and theirs are scored on the same samples."""
    theirs = write(tmp_path / "theirs.json", perfect())
    empty = schemas.empty(schemas.TRUTH, format="vidstg")
    artifact.write(schemas.TRUTH, tmp_path / "artifacts" / "vidstg" / "truth_test.h5", empty, {}, {})
    told = evaluate(tmp_path, "--predictions", theirs, code=1)
    assert "split test has no annotated sample" in told and told.count("\n") == 1


def test_hcstvg_of_both_versions_and_a_carved_validation_split(tmp_path):
    records = {f"{i}_film{i}.mp4": tube(n=40, start=11 + i) for i in range(4)}
    second = {
        key: {k: v for k, v in r.items() if k != "caption"} | {"English": "he runs"} for key, r in records.items()
    }
    for version, content in (("1", records), ("2", second)):
        root = tmp_path / version
        block = lay_out_hcstvg(root, {"train": content}, val_share=0.5, val_seed=0)
        (root / "data").mkdir()
        (root / "train.json").rename(root / "data" / "train.json")
        (root / "data").rename(root / "hcstvg")
        (root / "data").mkdir()
        (root / "hcstvg").rename(root / "data" / "hcstvg")
        configure(root, block | {"splits": {"train": "train.json", "val": None}, "videos": "none"}, "hcstvg")
        theirs = {
            key: {
                "span": [r["st_frame"] - 1, r["st_frame"] + 39],
                "boxes": {r["st_frame"] - 1 + i: [x, y, x + w, y + h] for i, (x, y, w, h) in enumerate(r["bbox"])},
            }
            for key, r in content.items()
        }
        path = write(root / "theirs.json", theirs)
        evaluate(root, "--predictions", path, "--json", root / "m.json", "--split", "val", "--protocol", "all")
        metrics = json.loads((root / "m.json").read_text())
        assert metrics["official"]["declarative"]["n"] == 2
        assert metrics["official"]["declarative"]["m_vIoU"]["value"] == pytest.approx(1)
        assert metrics["stcat"]["declarative"]["m_vIoU"]["value"] == pytest.approx(39 / 40)


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--predictions", "none.json"), 1, "none.json: no such file"),
        (("--json", "m.json"), 2, "--json needs --predictions"),
        ((), 1, "truth_test.h5: no such artifact"),
        (("--predictions", "theirs.json", "--protocol", "official"), 1, "not defined for vidstg"),
        (("--predictions", "theirs.json", "--split", "val"), 1, "no valid 'splits:'"),
    ],
)
def test_bad_use_is_one_line(tmp_path, data, monkeypatch, options, code, told):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "theirs.json", perfect())
    text = evaluate(tmp_path, *options, code=code)
    assert told in text and (code == 2 or text.count("\n") == 1)
    assert not (tmp_path / "m.json").exists()
    # Nothing is written but the lock of a run that could have written.
    assert {p.suffix for p in tmp_path.rglob("artifacts/**/*") if p.is_file()} <= {".lock"}
