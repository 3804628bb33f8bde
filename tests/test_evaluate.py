"""The stage `evaluate` on annotations and a predictions file alone, and the text it prints."""

import json
import shutil
from importlib import import_module

import pytest
import yaml
from click.testing import CliRunner

from tests.conftest import ROOT
from tests.test_datasets import lay_out, lay_out_hcstvg, record, tube, vidor
from vcma import artifact
from vcma.tables import left_out, metrics_table

MEASURES = ("m_tIoU", "m_vIoU", "vIoU@0.3", "vIoU@0.5")


def configure(root, block, dataset="vidstg"):
    config = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    config |= {"dataset": dataset, "datasets": {dataset: block}}
    (root / "pipeline.yaml").write_text(yaml.safe_dump(config))


def evaluate(root, *options, code=0):
    stage = import_module("stages.evaluate").evaluate
    done = CliRunner().invoke(stage, ["--config", str(root / "pipeline.yaml"), *map(str, options)])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def data(tmp_path):
    """A VidSTG data set without any video: three captions and a question of the test split, one of them broken."""
    broken = record("200", questions=[], temporal_gt={"begin_fid": 9, "end_fid": 9})
    folder, block = lay_out(tmp_path, {"test": [record(), record("200", questions=[]), broken]})
    shutil.rmtree(tmp_path / "vidor")
    boxes = tmp_path / "vidor" / "annotation" / "validation" / "7"
    boxes.mkdir(parents=True)
    for vid in ("100", "200"):
        (boxes / f"{vid}.json").write_text(json.dumps(vidor(vid)))
    configure(tmp_path, block | {"boxes": "vidor/annotation"})
    return folder


def answer(begin, end, box):
    return {"span": [begin, end], "boxes": {f: box(f) for f in range(5, 40)}}


def perfect(**more):
    walker = answer(10, 30, lambda f: [f, 1, f + 10, 21])
    dog = answer(10, 30, lambda f: [30, 20, 40, 30])
    return {"100/0/captions/0": walker, "100/0/questions/0": dog, "200/1/captions/0": walker} | more


def write(path, predictions):
    path.write_text(json.dumps(predictions))
    return path


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
    assert "declarative, protocol tubedetr: n = 2, missing 0" in told and "theirs.json" in told
    assert "left out of test: 1 (1 zero-length span); 1 predictions are for no sample of test" in told
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
    assert "0.0 [0.0, 0.0]" in told  # beside itself


def test_a_truth_that_was_indexed_wins_over_the_annotations(tmp_path, data):
    """So that ours and theirs are scored on the same samples."""
    theirs = write(tmp_path / "theirs.json", perfect())
    empty = artifact.empty(artifact.TRUTH, format="vidstg")
    artifact.write(artifact.TRUTH, tmp_path / "artifacts" / "vidstg" / "truth_test.h5", empty, {}, {})
    told = evaluate(tmp_path, "--predictions", theirs, code=1)
    assert "nothing is annotated in the split test" in told and told.count("\n") == 1


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
        (("--json", "m.json"), 2, "--json belongs to --predictions"),
        ((), 1, "truth_test.h5: no such artifact"),
        (("--predictions", "theirs.json", "--protocol", "official"), 1, "not defined for vidstg"),
        (("--predictions", "theirs.json", "--split", "val"), 1, "no usable 'splits:'"),
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


def test_published_results_are_printed_only_where_they_belong():
    value = {"value": 0.1, "low": 0.05, "high": 0.2}
    found = {"n": 4610, "missing": 0, "missing_boxes": 0} | dict.fromkeys(MEASURES, value)
    ours = {name: {"declarative": found} for name in ("tubedetr", "stcat")}
    text = metrics_table(ours, {}, "vidstg", "test")
    sampled, native = text.split("\n\n")
    assert "published" not in sampled and "TA-STVG (ICLR 2025), full, published" in native
    assert "VCMA (ECCV 2024), weak, published, protocol not stated" in native
    # A single protocol that is not the data set's default gets none of those whose protocol is unknown.
    assert "published" not in metrics_table({"tubedetr": ours["tubedetr"]}, {}, "vidstg", "test")
    assert "published" not in metrics_table(ours, {}, "vidstg", "val")
    assert left_out("test", [], 0) == "left out of test: 0"
