"""Readers of the three formats on fabricated data sets, and on VidSTG's real annotations."""

import json
import os
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.video.test_decoding import IRREGULAR, write
from vcma.datasets.formats import READERS, annotated_truth
from vcma.datasets.hcstvg import carve, source_video
from vcma.datasets.index import SKIP_FILE
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.paths import file_stem, video_root
from vcma.records.columns import rows

FILES = {"train": "train_annotations.json", "val": "val_annotations.json", "test": "test_annotations.json"}


def record(vid="100", **changes):
    """A valid VidSTG record of a video of 50 frames: adult 0 holds dog 2 in frames 10..29; adult 1 is a rival."""
    things = [{"tid": 0, "category": "adult"}, {"tid": 1, "category": "adult"}, {"tid": 2, "category": "dog"}]
    return {
        "vid": vid,
        "fps": 25.0,
        "frame_count": 50,
        "width": 64,
        "height": 48,
        "used_segment": {"begin_fid": 5, "end_fid": 39},
        "subject/objects": things,
        "used_relation": {
            "subject_tid": 0,
            "object_tid": 2,
            "predicate": "hold",
            "begin_fid": 10,
            "end_fid": 30,
        },
        "temporal_gt": {"begin_fid": 10, "end_fid": 30},
        "captions": [{"description": "an adult holds a dog.", "type": "person", "target_id": 0}],
        "questions": [{"description": "what does the adult hold?", "type": "object", "target_id": 2}],
    } | changes


def vidor(vid="100", path=None, frames=50, rival=range(0, 4), **changes):
    """VidOR's annotation of it: target and dog throughout, the rival in some frames."""

    def seen(frame):
        boxes = {0: [frame, 1, frame + 10, 21], 2: [30, 20, 40, 30]}
        if frame in rival:
            boxes[1] = [0, 0, 5, 5]
        return [
            {"tid": t, "bbox": dict(zip(("xmin", "ymin", "xmax", "ymax"), b, strict=True)), "generated": 0}
            for t, b in boxes.items()
        ]

    content = {"video_id": vid, "frame_count": frames, "fps": 25.0, "width": 64, "height": 48}
    content |= {"trajectories": [seen(f) for f in range(frames)], "relation_instances": []}
    return content | ({"video_path": path} if path else {}) | changes


def lay_out(root, records, boxes=None, files=None):
    """Write a VidSTG data set below root: {split: [records]}, a video for each vid, VidOR files {vid: content}."""
    data, videos = root / "data" / "vidstg", root / "vidor" / "video"
    data.mkdir(parents=True)
    videos.mkdir(parents=True)
    for split, items in records.items():
        (data / FILES[split]).write_text(json.dumps(items))
        vids = {item["vid"] for item in items if isinstance(item, dict) and isinstance(item.get("vid"), str)}
        for vid in vids:
            if "/" not in vid:
                (videos / f"{vid}.mp4").write_bytes(b"video")
    block = {"format": "vidstg", "videos": "vidor/video", "boxes": None}
    block["splits"] = {split: FILES[split] for split in records}
    for vid, content in (boxes or {}).items():
        place = root / "vidor" / "annotation" / "training" / "0042" / f"{vid}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(content))
        block["boxes"] = "vidor/annotation"
    return data, block


def read(data, block, root, **options):
    index = READERS[block.get("format", "vidstg")](data, block, root, **options)
    artifact.lengths(schemas.SAMPLES, index.samples, "samples")
    for truth in index.truths.values():
        artifact.lengths(schemas.TRUTH, truth, "truth")
    return index


def reasons(index):
    return dict(zip(index.samples["skipped"].tolist(), index.samples["skipped_reason"].tolist(), strict=True))


# Names.


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
    with pytest.raises(InputError, match=r"nowhere: no such folder; make it, or set 'videos:'"):
        video_root({"videos": "nowhere"}, tmp_path)
    with pytest.raises(InputError, match=r"has no 'videos:' folder"):
        video_root({}, tmp_path)


# VidSTG.


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


BAD = {
    "zero-length span": {"temporal_gt": {"begin_fid": 10, "end_fid": 10}},
    "span outside its segment": {"temporal_gt": {"begin_fid": 40, "end_fid": 45}},
    "names an absent object: 9": {
        "used_relation": {"subject_tid": 0, "object_tid": 9, "predicate": "hold", "begin_fid": 10, "end_fid": 30}
    },
    "names an absent object: 3": {"captions": [{"description": "x y", "target_id": 3}]},
    "empty sentence": {"captions": [{"description": " \t", "target_id": 0}]},
    "malformed record: sentence without description": {"captions": [{"target_id": 0}]},
    "malformed record: fps": {"fps": 0},
    "malformed record: frame_count": {"frame_count": "50"},
    "malformed record: width": {"width": 1e400},
    "malformed record: no used_segment": {"used_segment": [5, 39]},
    "malformed record: used_segment 60..70": {"used_segment": {"begin_fid": 60, "end_fid": 70}},
    "malformed record: used_segment 30..20": {"used_segment": {"begin_fid": 30, "end_fid": 20}},
    "malformed record: temporal_gt.end_fid": {"temporal_gt": {"begin_fid": 10, "end_fid": 20.5}},
    "malformed record: no valid subject/objects": {"subject/objects": [{"category": "adult"}]},
    "malformed record: captions is no list": {"captions": "a dog"},
    "malformed record: no vid": {"vid": None},
    "no boxes: VidOR has no annotation": {"vid": "300"},
    "video missing": {"vid": "sub/400"},
}


@pytest.mark.parametrize("reason", BAD)
def test_one_bad_record_is_skipped_with_its_reason(tmp_path, reason):
    bad = record(**{"questions": []} | BAD[reason])
    boxes = {"100": vidor()} if "no boxes" in reason else None
    data, block = lay_out(tmp_path, {"test": [record(), bad]}, boxes)
    index = read(data, block, tmp_path)
    assert index.samples["sample"].tolist() == ["100/0/captions/0", "100/0/questions/0"]
    assert len(reasons(index)) == 1 and next(iter(reasons(index).values())).startswith(reason)
    with pytest.raises(InputError, match=reason.split(":", maxsplit=1)[0]):
        read(data, block, tmp_path, strict=True)


def test_a_record_that_is_no_object_is_skipped(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record(), 7]})
    assert reasons(read(data, block, tmp_path)) == {"test_annotations.json#1": "malformed record: no object"}


def test_an_action_alone_has_no_object(tmp_path):
    relation = {"subject_tid": 0, "object_tid": None, "predicate": "jump", "begin_fid": 10, "end_fid": 30}
    data, block = lay_out(tmp_path, {"test": [record(used_relation=relation)]})
    truth = read(data, block, tmp_path).truths["test"]
    assert truth["predicate"].tolist() == ["jump", "jump"]


NOT_FINITE = "no boxes: VidOR's annotation of the video is broken (a box is not finite)"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "no boxes: VidOR's annotation of the video is broken"),
        ("[]", "no boxes: VidOR's annotation of the video is broken"),
        (json.dumps(vidor(trajectories=[[{"tid": 0}]])), "no boxes: VidOR's annotation of the video is broken"),
        (json.dumps(vidor(frames=5)), "no boxes: object 0 has none in its span"),
        # Python's own reader takes these; as a box each would score 0 without a word.
        (json.dumps(vidor()).replace('"xmin": 12,', '"xmin": NaN,', 1), NOT_FINITE),
        (json.dumps(vidor()).replace('"xmin": 12,', '"xmin": null,', 1), NOT_FINITE),
        (json.dumps(vidor()).replace('"xmin": 12,', '"xmin": 1e39,', 1), NOT_FINITE),
    ],
)
def test_broken_boxes_skip_their_video(tmp_path, content, reason):
    good = {"100": vidor(), "200": vidor()}
    data, block = lay_out(tmp_path, {"test": [record(questions=[]), record("200", questions=[])]}, good)
    (tmp_path / "vidor/annotation/training/0042/200.json").write_text(content)
    index = read(data, block, tmp_path)
    assert index.samples["video"].tolist() == ["100"]
    assert reasons(index)["200/1/captions/0"].startswith(reason)


def test_boxes_that_begin_late_leave_gaps(tmp_path):
    late = vidor()
    late["trajectories"][:15] = [[]] * 15
    data, block = lay_out(tmp_path, {"test": [record(questions=[])]}, {"100": late})
    truth = read(data, block, tmp_path).truths["test"]
    assert truth["box_frame"].tolist() == list(range(15, 30)) and truth["span_begin"].tolist() == [10]


def test_videos_lie_flat_in_group_folders_or_where_vidor_says(tmp_path):
    records = {"test": [record("100", questions=[]), record("200", questions=[]), record("300", questions=[])]}
    boxes = {vid: vidor(vid, f"0001/{vid}.mp4") for vid in ("100", "200", "300")}
    data, block = lay_out(tmp_path, records, boxes)
    videos = tmp_path / "vidor" / "video"
    for folder in ("0000", "0001"):
        (videos / folder).mkdir()
    (videos / "200.mp4").rename(videos / "0000" / "200.mp4")
    (videos / "300.mp4").rename(videos / "0000" / "300.mp4")
    (videos / "0001" / "300.mp4").write_bytes(b"the right one")
    samples = read(data, block, tmp_path).samples
    assert samples["video_path"].tolist() == ["100.mp4", "0000/200.mp4", "0001/300.mp4"]


def test_a_video_path_never_leaves_the_video_root(tmp_path):
    boxes = {"100": vidor(path="../outside.mp4"), "200": vidor(path=str(tmp_path / "vidor" / "outside.mp4"))}
    data, block = lay_out(tmp_path, {"test": [record(), record("200"), record("../outside")]}, boxes)
    (tmp_path / "vidor" / "outside.mp4").write_bytes(b"secret")
    (tmp_path / "vidor" / "annotation" / "outside.json").write_text(json.dumps(vidor()))
    index = read(data, block, tmp_path)
    assert index.samples["video_path"].tolist() == ["100.mp4", "200.mp4"]
    assert set(reasons(index)) == {"../outside/2/captions/0", "../outside/2/questions/0"}


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
    assert set(reasons(index).values()) == {"id, sentence or file name is no valid text"}
    artifact.write(schemas.SAMPLES, tmp_path / "samples.h5", index.samples, {}, {})


def test_unreadable_videos_are_skipped(tmp_path):
    records = [record(vid, questions=[]) for vid in ("100", "200", "300", "400")]
    data, block = lay_out(tmp_path, {"test": records})
    videos = tmp_path / "vidor" / "video"
    (videos / "200.mp4").write_bytes(b"")
    (videos / "300.mp4").unlink()
    (videos / "400.mp4").unlink()
    (videos / "400.mp4").mkdir()
    index = read(data, block, tmp_path)
    assert index.samples["video"].tolist() == ["100"]
    assert reasons(index) == {
        "200/1/captions/0": "video unreadable: empty file",
        "300/2/captions/0": "video missing",
        "400/3/captions/0": "video missing",
    }


def test_nothing_usable_is_an_error(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record()]})
    (tmp_path / "vidor" / "video" / "100.mp4").unlink()
    with pytest.raises(
        InputError, match=r"none of 2 samples is usable; the first: 100/0/captions/0: video missing"
    ):
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


def test_truth_needs_annotations_alone(tmp_path):
    """What scores somebody else's predictions: the same truth, with no video and no other split's file there."""
    bad = record(temporal_gt={"begin_fid": 10, "end_fid": 10}, questions=[])
    data, block = lay_out(tmp_path, {"train": [record()], "test": [record(), bad]}, {"100": vidor()})
    indexed = read(data, block, tmp_path).truths["test"]
    (tmp_path / "vidor" / "video" / "100.mp4").unlink()
    (tmp_path / "vidor" / "video").rmdir()
    (data / FILES["train"]).unlink()
    alone = annotated_truth(data, block, tmp_path, "test")
    for name, column in indexed.items():
        np.testing.assert_array_equal(column, alone[name])
    assert alone["skipped"].tolist() == ["100/1/captions/0"]
    assert alone["skipped_reason"].tolist() == ["zero-length span: 10..10"] and len(alone["box"]) == 40
    with pytest.raises(InputError, match="no usable 'splits:'"):
        annotated_truth(data, block, tmp_path, "val")


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


def test_the_skip_list_is_honoured(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record(), record("200")]})
    (data / SKIP_FILE).write_text(json.dumps({"200": "video truncated", "100/0/captions/0": "dull"}))
    index = read(data, block, tmp_path, strict=True)
    assert index.samples["sample"].tolist() == ["100/0/questions/0"]
    assert reasons(index)["200/1/captions/0"] == "listed in skip.json: video truncated"


@pytest.mark.parametrize("content", ["", "{}", "[]", "[1, 2]", '[{"video": "a"}]', "nonsense", '"text"'])
def test_a_file_that_is_not_vidstg_names_itself_and_the_remedy(tmp_path, content):
    data, block = lay_out(tmp_path, {"test": [record()]})
    (data / FILES["test"]).write_text(content)
    with pytest.raises(InputError, match=r"test_annotations\.json: .*another file under 'splits:'"):
        read(data, block, tmp_path)


def test_a_missing_annotation_file_and_a_wrong_split(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record()]})
    with pytest.raises(InputError, match=r"other\.json: no such file"):
        read(data, block | {"splits": {"test": "other.json"}}, tmp_path)
    for splits in ({"tset": "x.json"}, {}, None, {"test": None}):
        with pytest.raises(InputError, match="no usable 'splits:'"):
            read(data, block | {"splits": splits}, tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_video_without_permission_is_skipped(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record(), record("200", questions=[])]})
    (tmp_path / "vidor" / "video" / "200.mp4").chmod(0)
    assert reasons(read(data, block, tmp_path)) == {
        "200/1/captions/0": "video unreadable: no permission, or no file"
    }


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


# HC-STVG.


def tube(n=30, start=11, frames=400, **changes):
    boxes = [[i, 2, 10, 20] for i in range(n)]
    return {
        "bbox": boxes,
        "st_frame": start,
        "st_time": 0.5,
        "ed_time": 2.0,
        "img_num": frames,
        "width": 640,
        "height": 360,
        "caption": "The man walks.",
    } | changes


def lay_out_hcstvg(root, records, **block):
    videos = root / "videos"
    videos.mkdir(parents=True)
    for split, items in records.items():
        (root / f"{split}.json").write_text(json.dumps(items))
        for key in items:
            if ".." not in key:
                (videos / key).write_bytes(b"video")
    splits = {split: f"{split}.json" for split in records}
    return {"format": "hcstvg", "videos": "videos", "splits": splits} | block


def test_hcstvg_conventions(tmp_path):
    block = lay_out_hcstvg(tmp_path, {"test": {"55_vfjywN5CN0Y.mp4": tube()}})
    index = read(tmp_path, block, tmp_path)
    truth = index.truths["test"]
    assert index.samples["sample"].tolist() == ["55_vfjywN5CN0Y.mp4"] == index.samples["video"].tolist()
    assert (truth["span_begin"][0], truth["span_end"][0]) == (10, 40) and truth["format"] == "hcstvg"
    assert (truth["segment_begin"][0], truth["segment_end"][0]) == (0, 400)
    assert truth["fps"][0] == 20 and truth["query_type"][0] == "declarative"
    assert truth["box"][1].tolist() == [1, 2, 11, 22] and truth["box_frame"][:2].tolist() == [10, 11]
    assert truth["distractors"].tolist() == [-1] and truth["category"].tolist() == ["person"]


def test_hcstvg_second_version_and_part_folders(tmp_path):
    record = tube(English="The man runs.", img_size=[720, 1280])
    del record["width"], record["height"]
    block = lay_out_hcstvg(tmp_path, {"val": {"1_abc.mkv": record}})
    (tmp_path / "videos" / "part_1").mkdir()
    (tmp_path / "videos" / "1_abc.mkv").rename(tmp_path / "videos" / "part_1" / "1_abc.mkv")
    samples = read(tmp_path, block, tmp_path).samples
    assert samples["sentence"].tolist() == ["The man runs."] and samples["video_path"].tolist() == [
        "part_1/1_abc.mkv"
    ]
    assert (samples["video_width"][0], samples["video_height"][0]) == (1280, 720)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (tube(n=0), "zero-length span: no box"),
        (tube(caption=""), "empty sentence"),
        (tube(caption=None), "malformed record: no caption"),
        (tube(start=0), "malformed record: st_frame is below 1"),
        (tube(img_num=0), "malformed record: video has no frames"),
        (tube(bbox=[[1, 2, 3]]), "malformed record: bbox is no list of [x, y, w, h]"),
        (tube(bbox=[[1, 2, 3, float("nan")]]), "malformed record: a box is not finite"),
        (7, "malformed record: no object"),
    ],
)
def test_bad_hcstvg_records_are_skipped(tmp_path, bad, reason):
    block = lay_out_hcstvg(tmp_path, {"test": {"1_a.mp4": tube(), "2_b.mp4": bad}})
    index = read(tmp_path, block, tmp_path)
    assert index.samples["sample"].tolist() == ["1_a.mp4"] and reasons(index) == {"2_b.mp4": reason}


def test_hcstvg_keys_never_leave_the_video_root(tmp_path):
    block = lay_out_hcstvg(tmp_path, {"test": {"1_a.mp4": tube(), "../2_b.mp4": tube()}})
    (tmp_path / "2_b.mp4").write_bytes(b"secret")
    assert reasons(read(tmp_path, block, tmp_path)) == {"../2_b.mp4": "video outside its folder: ../2_b.mp4"}


def test_hcstvg_train_hides_its_truth(tmp_path):
    broken = tube(bbox="none", st_frame=None)
    block = lay_out_hcstvg(tmp_path, {"train": {"1_a.mp4": broken, "2_b.mp4": tube()}})
    index = read(tmp_path, block, tmp_path)
    assert len(index.samples["sample"]) == 2 and "train" not in index.truths


def test_a_validation_split_is_carved_by_source_video(tmp_path):
    train = {f"{i}_film{i // 3:03d}.mp4": tube() for i in range(60)}
    block = lay_out_hcstvg(tmp_path, {"train": train}, val_share=0.2, val_seed=3)
    block["splits"]["val"] = None
    index = read(tmp_path, block, tmp_path)
    split = dict(zip(index.samples["sample"], index.samples["split"], strict=True))
    val = {key for key in split if split[key] == "val"}
    assert len(val) == 12 and len(split) == 60
    assert not {source_video(k) for k in val} & {source_video(k) for k in set(split) - val}
    assert index.truths["val"]["sample"].size == 12 and "train" not in index.truths
    assert val == carve(reversed(list(train)), 0.2, 3) != carve(train, 0.2, 4)


def test_carving_needs_its_share_and_seed(tmp_path):
    block = lay_out_hcstvg(tmp_path, {"train": {"1_a.mp4": tube()}})
    block["splits"]["val"] = None
    with pytest.raises(InputError, match=r"'val_share:' between 0 and 1 and a whole 'val_seed:'"):
        read(tmp_path, block, tmp_path)


@pytest.mark.parametrize("content", ["[]", "{}", "{", '{"a": {"caption": "x"}}'])
def test_a_file_that_is_not_hcstvg(tmp_path, content):
    block = lay_out_hcstvg(tmp_path, {"test": {"1_a.mp4": tube()}})
    (tmp_path / "test.json").write_text(content)
    with pytest.raises(InputError, match=r"test\.json: .*'splits:'"):
        read(tmp_path, block, tmp_path)


# Your own videos.


def lay_out_clips(root, name, content, videos=("a.mp4",)):
    for video in videos:
        (root / "clips" / video).parent.mkdir(parents=True, exist_ok=True)
        (root / "clips" / video).write_bytes(b"video")
    (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return {"format": "clips", "videos": "clips", "splits": {"test": name}}


def test_clips_of_a_table(tmp_path):
    content = 'video,sentence\na.mp4,a dog runs\nin/b c.mp4,"a man, who sits"\n'
    block = lay_out_clips(tmp_path, "clips.csv", content, ("a.mp4", "in/b c.mp4"))
    index = read(tmp_path, block, tmp_path)
    samples = index.samples
    assert samples["sample"].tolist() == ["a.mp4/2", "in/b c.mp4/3"]
    assert samples["sentence"].tolist() == ["a dog runs", "a man, who sits"]
    assert samples["video"].tolist() == ["a.mp4", "in/b c.mp4"] == samples["video_path"].tolist()
    assert samples["segment_end"].tolist() == [-1, -1] and set(samples["query_type"]) == {"unknown"}
    assert all(len(truth["sample"]) == 0 for truth in index.truths.values())


def test_a_clip_is_searched_to_its_last_frame(tmp_path):
    """Of Matroska's irregular frames too, whose number its header only lets one guess."""
    block = lay_out_clips(tmp_path, "clips.csv", "video,sentence\na.mkv,x\na.mkv,y\nb.mp4,x\n", ("b.mp4",))
    write(tmp_path / "clips" / "a.mkv", times=IRREGULAR)
    samples = read(tmp_path, block, tmp_path).samples
    assert samples["segment_begin"].tolist() == [0, 0, 0] and samples["segment_end"].tolist() == [60, 60, -1]
    assert samples["video_frames"].tolist() == [0, 0]  # nothing is annotated
    assert len(annotated_truth(tmp_path, block, tmp_path, "test")["sample"]) == 0


def test_clips_of_json_lines(tmp_path):
    lines = ['{"video": "a.mp4", "sentence": "a dog"}', "", '{"video": "a.mp4", "sentence": 3}', "7"]
    block = lay_out_clips(tmp_path, "clips.jsonl", "\n".join(lines))
    index = read(tmp_path, block, tmp_path)
    assert index.samples["sample"].tolist() == ["a.mp4/1"]
    assert set(reasons(index)) == {"clips.jsonl#3", "clips.jsonl#4"}


def test_a_spreadsheets_csv_is_read(tmp_path):
    content = b"\xef\xbb\xbfvideo,sentence,comment\r\na.mp4,ein Hund l\xc3\xa4uft,x\r\na.mp4\r\n"
    index = read(tmp_path, lay_out_clips(tmp_path, "clips.csv", content), tmp_path)
    assert index.samples["sentence"].tolist() == ["ein Hund läuft"] and set(reasons(index)) == {"clips.csv#3"}


def test_clips_never_leave_their_folder(tmp_path):
    content = f"video,sentence\na.mp4,x\n../secret.mp4,x\n{tmp_path}/secret.mp4,x\nnone.mp4,x\n,x\n"
    block = lay_out_clips(tmp_path, "clips.csv", content)
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    index = read(tmp_path, block, tmp_path)
    assert index.samples["video"].tolist() == ["a.mp4"]
    found = [reason.split(":")[0] for reason in reasons(index).values()]
    assert found == [
        "video outside its folder",
        "video outside its folder",
        "video missing",
        "video outside its folder",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("clips.csv", "file,text\na,b\n", "has no columns 'video' and 'sentence'"),
        ("clips.csv", "", "has no columns 'video' and 'sentence'"),
        ("clips.csv", b"video,sentence\n\xff\xfe,b\n", "not readable as UTF-8"),
        ("clips.jsonl", '{"video": "a"\n', "line 1 is no JSON"),
    ],
)
def test_a_table_that_is_none(tmp_path, name, content, message):
    block = lay_out_clips(tmp_path, name, content)
    with pytest.raises(InputError, match=message):
        read(tmp_path, block, tmp_path)


def test_reading_is_deterministic(tmp_path):
    data, block = lay_out(tmp_path, {"train": [record("1")], "test": [record(), record("200")]}, {"100": vidor()})
    one, two = (read(data, block, tmp_path) for _ in range(2))
    for name, column in one.samples.items():
        np.testing.assert_array_equal(column, two.samples[name])
