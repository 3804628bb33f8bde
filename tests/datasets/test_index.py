"""The index of any format: ids and text that columns hold, splits, the skip list, and nothing left."""

import json

import numpy as np
import pytest

from tests.datasets.examples import FILES, lay_out, read, reasons, record, vidor
from vcma.datasets.skip_list import SKIP_FILE
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas


@pytest.mark.parametrize("vid", ["a b", 'it\'s "quoted"', "Größe", "..", "x" * 200, "a%2Fb", "#?&"])
def test_strange_ids_round_trip_through_the_artifact(tmp_path, vid):
    data, block = lay_out(tmp_path, {"test": [record(vid)]})
    path = tmp_path / "samples.h5"
    artifact.write(schemas.SAMPLES, path, read(data, block, tmp_path).samples, {}, {})
    samples = artifact.read(schemas.SAMPLES, path)
    assert samples["video"].tolist() == [vid] and samples["video_path"].tolist() == [f"{vid}.mp4"]
    assert samples["sample"].tolist() == [f"{vid}/0/captions/0", f"{vid}/0/questions/0"]


def test_text_that_no_column_can_hold_is_skipped(tmp_path):
    captions = [{"description": text, "target_id": 0} for text in ("a \ud800 dog", "nul \0 dog", "a dog")]
    data, block = lay_out(tmp_path, {"test": [record(captions=captions, questions=[])]})
    index = read(data, block, tmp_path)
    assert index.samples["sentence"].tolist() == ["a dog"]
    assert set(reasons(index).values()) == {"id, sentence or file name is not valid text"}
    artifact.write(schemas.SAMPLES, tmp_path / "samples.h5", index.samples, {}, {})


def test_nothing_usable_is_an_error(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record()]})
    (tmp_path / "vidor" / "video" / "100.mp4").unlink()
    with pytest.raises(InputError, match=r"none of 2 samples is usable; first: 100/0/captions/0: video missing"):
        read(data, block, tmp_path)


def test_one_file_may_serve_several_splits(tmp_path):
    """The test split keeps the ids that others know; ids stay unique."""
    data, block = lay_out(tmp_path, {"val": [record(questions=[])]}, {"100": vidor()})
    block["splits"] = dict.fromkeys(("train", "val", "test"), FILES["val"])
    index = read(data, block, tmp_path)
    ids = dict(zip(index.samples["split"], index.samples["sample"], strict=True))
    assert ids == {"test": "100/0/captions/0", "val": "100/0/captions/0@val", "train": "100/0/captions/0@train"}
    assert index.truths["val"]["sample"].tolist() == ["100/0/captions/0@val"]
    assert index.truths["test"]["sample"].tolist() == ["100/0/captions/0"]
    assert index.samples["video"].tolist() == ["100"]


def test_the_skip_list_is_honoured(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record(), record("200")]})
    (data / SKIP_FILE).write_text(json.dumps({"200": "video truncated", "100/0/captions/0": "dull"}))
    index = read(data, block, tmp_path, strict=True)
    assert index.samples["sample"].tolist() == ["100/0/questions/0"]
    assert reasons(index)["200/1/captions/0"] == "listed in skip.json: video truncated"


def test_a_missing_annotation_file_and_a_wrong_split(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record()]})
    with pytest.raises(InputError, match=r"other\.json: no such file"):
        read(data, block | {"splits": {"test": "other.json"}}, tmp_path)
    for splits in ({"tset": "x.json"}, {}, None, {"test": None}):
        with pytest.raises(InputError, match="no valid 'splits:'"):
            read(data, block | {"splits": splits}, tmp_path)


def test_reading_is_deterministic(tmp_path):
    data, block = lay_out(tmp_path, {"train": [record("1")], "test": [record(), record("200")]}, {"100": vidor()})
    one, two = (read(data, block, tmp_path) for _ in range(2))
    for name, column in one.samples.items():
        np.testing.assert_array_equal(column, two.samples[name])
