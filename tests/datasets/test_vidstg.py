"""VidSTG's reader: its conventions, weak supervision, bad records and the real annotations."""

import json

import pytest

from tests.datasets.examples import BAD_RECORDS, FILES, lay_out, read, reasons, record, vidor
from vcma.errors import InputError
from vcma.records.columns import rows


def test_vidstg_conventions(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record(), record(questions=[])]}, {"100": vidor()})
    index = read(data, block, tmp_path)
    samples, truth = index.samples, index.truths["test"]
    assert samples["sample"].tolist() == ["100/0/captions/0", "100/0/questions/0", "100/1/captions/0"]
    assert samples["query_type"].tolist() == ["declarative", "interrogative", "declarative"]
    assert samples["split"].tolist() == ["test"] * 3
    # used_segment is inclusive, temporal_gt exclusive; both are half-open here.
    assert (samples["segment_begin"][0], samples["segment_end"][0]) == (5, 40)
    assert (truth["span_begin"][0], truth["span_end"][0]) == (10, 30)
    assert truth["format"] == "vidstg" and truth["video"].tolist() == ["100"] * 3
    assert truth["category"].tolist() == ["adult", "dog", "adult"] and truth["target_id"].tolist() == [0, 2, 0]
    assert truth["predicate"][0] == "hold" and truth["frame_count"][0] == 50 and truth["fps"][0] == 25
    own = rows(truth["box_offset"], 0)
    assert truth["box_frame"][own].tolist() == list(range(10, 30))
    assert truth["box"][own][0].tolist() == [10, 1, 20, 21]
    assert samples["video"].tolist() == ["100"] and samples["video_path"].tolist() == ["100.mp4"]
    assert samples["video_bytes"].tolist() == [5]
    assert samples["video_modified"][0] == int((tmp_path / "vidor/video/100.mp4").stat().st_mtime)
    assert len(index.truths["val"]["sample"]) == 0 and "train" not in index.truths


def test_distractors_are_those_of_the_category_seen_in_the_segment(tmp_path):
    # The rival adult is seen in frames 0..3 only; the segment begins at 5.
    data, block = lay_out(tmp_path, {"test": [record(), record("200")]}, {"100": vidor(), "200": vidor(rival=[39])})
    truth = read(data, block, tmp_path).truths["test"]
    assert truth["distractors"].tolist() == [0, 0, 1, 0]
    truth = read(data, block | {"boxes": None}, tmp_path).truths["test"]
    assert truth["distractors"].tolist() == [1, 0, 1, 0] and len(truth["box"]) == 0


def test_of_train_only_sentences_videos_and_segments_are_known(tmp_path):
    """Weak supervision by construction: even a record whose truth is nonsense reads the same."""
    hidden = {"temporal_gt": None, "used_relation": 7, "subject/objects": "none"}
    blind = [{"description": c["description"]} for c in record()["captions"]]
    one = lay_out(tmp_path / "a", {"train": [record(questions=[])]}, {"100": vidor()})
    two = lay_out(tmp_path / "b", {"train": [record(questions=[], captions=blind) | hidden]}, {"100": vidor()})
    first, second = read(*one, tmp_path / "a"), read(*two, tmp_path / "b")
    for name in set(first.samples) - {"video_modified"}:
        assert first.samples[name].tolist() == second.samples[name].tolist()
    assert not first.samples["skipped"].tolist() and "train" not in first.truths


def test_train_truth_is_there_only_if_asked_for(tmp_path):
    data, block = lay_out(tmp_path, {"train": [record()]}, {"100": vidor()})
    assert read(data, block | {"train_truth": True}, tmp_path).truths["train"]["sample"].size == 2
    assert "train" not in read(data, block | {"train_truth": False}, tmp_path).truths


@pytest.mark.parametrize("reason", BAD_RECORDS)
def test_one_bad_record_is_skipped_with_its_reason(tmp_path, reason):
    bad = record(**{"questions": []} | BAD_RECORDS[reason])
    boxes = {"100": vidor()} if "no boxes" in reason else None
    data, block = lay_out(tmp_path, {"test": [record(), bad]}, boxes)
    index = read(data, block, tmp_path)
    assert index.samples["sample"].tolist() == ["100/0/captions/0", "100/0/questions/0"]
    assert len(reasons(index)) == 1 and next(iter(reasons(index).values())).startswith(reason)
    with pytest.raises(InputError, match=reason.split(":", maxsplit=1)[0]):
        read(data, block, tmp_path, strict=True)


def test_a_record_that_is_no_object_is_skipped(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record(), 7]})
    assert reasons(read(data, block, tmp_path)) == {"test_annotations.json#1": "malformed record: not an object"}


def test_an_action_alone_has_no_object(tmp_path):
    relation = {"subject_tid": 0, "object_tid": None, "predicate": "jump", "begin_fid": 10, "end_fid": 30}
    data, block = lay_out(tmp_path, {"test": [record(used_relation=relation)]})
    truth = read(data, block, tmp_path).truths["test"]
    assert truth["predicate"].tolist() == ["jump", "jump"]


def test_official_lists_choose_the_videos(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record(), record("200", questions=[])]})
    (data / "test_files.json").write_text('["100", "999"]')
    block["files"] = {"test": "test_files.json", "val": "none.json"}
    index = read(data, block, tmp_path, strict=True)
    assert index.samples["video"].tolist() == ["100"]
    assert reasons(index) == {"200/1/captions/0": "not in the official list: of test"}
    (data / "test_files.json").unlink()
    with pytest.raises(InputError, match=r"test_files\.json: no such file; .* under 'files:'"):
        read(data, block, tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", "[1, 2]", '[{"video": "a"}]', "nonsense", '"text"'])
def test_a_file_that_is_not_vidstg_names_itself_and_the_remedy(tmp_path, content):
    data, block = lay_out(tmp_path, {"test": [record()]})
    (data / FILES["test"]).write_text(content)
    with pytest.raises(InputError, match=r"test_annotations\.json: .*another file under 'splits:'"):
        read(data, block, tmp_path)


def test_real_annotations_of_two_real_clips(test_data):
    root = test_data / "vidstg"
    splits = dict.fromkeys(("train", "val", "test"), "val_annotations.json")
    index = read(root, {"videos": str(root / "videos"), "boxes": None, "splits": splits}, root)
    samples, truth = index.samples, index.truths["test"]
    assert sorted(samples["video"]) == ["4240545211", "8665030691"]
    assert len(samples["sample"]) == 3 * 34 and len(samples["skipped"]) == 3 * (8956 - 34)
    assert set(samples["skipped_reason"]) == {"video missing"}
    assert len({name.rsplit("/", 2)[0] for name in truth["sample"]}) == 15
    assert len(set(samples["sample"])) == len(samples["sample"])
    assert sorted(zip(samples["video"], samples["video_frames"], strict=True))[0] == ("4240545211", 485)
    assert len(truth["box"]) == 0 and (truth["span_end"] > truth["span_begin"]).all()


def test_real_annotations_agree_with_the_published_counts(test_data, tmp_path):
    root = test_data / "vidstg"
    records = json.loads((root / "val_annotations.json").read_bytes())
    for vid in {r["vid"] for r in records}:
        (tmp_path / f"{vid}.mp4").write_bytes(b"x")
    block = {"videos": str(tmp_path), "splits": {"val": "val_annotations.json"}, "files": {"val": "val_files.json"}}
    index = read(root, block, root, strict=True)
    kinds = index.truths["val"]["query_type"].tolist()
    assert (kinds.count("declarative"), kinds.count("interrogative")) == (3996, 4960)
    assert len(index.samples["video"]) == 602 and not len(index.samples["skipped"])
