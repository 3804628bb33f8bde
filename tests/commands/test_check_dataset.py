"""The data doctor's findings on data sets with one thing wrong each."""

import time

import pytest

from tests.commands.real_videos import damage, healthy, write_video
from tests.datasets.examples import (
    BAD_RECORDS,
    FILES,
    lay_out,
    lay_out_clips,
    lay_out_hcstvg,
    record,
    segment,
    tube,
    vidor,
)
from vcma.commands.check_dataset import check_dataset
from vcma.commands.findings import BLOCKING, NOTES, skip_list
from vcma.datasets.formats import READERS


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "good.mp4"
    write_video(path)
    return path.read_bytes()


def findings(data, block, root, **options):
    return list(check_dataset(block["format"], data, block, root, **options))


def kinds(found):
    return [f.kind for f in found]


def test_nothing_is_wrong_with_a_healthy_data_set(tmp_path, clip):
    data, block = healthy(tmp_path, clip)
    assert findings(data, block, tmp_path) == []
    assert findings(data, block, tmp_path, decode=True) == []


@pytest.mark.parametrize("reason", [r for r in BAD_RECORDS if "video" not in r and "VidOR" not in r])
def test_bad_records_are_found_like_index_finds_them(tmp_path, clip, reason):
    bad = record(**{"questions": []} | BAD_RECORDS[reason])
    data, block = healthy(tmp_path, clip, {"test": [record(questions=[]), bad]})
    found = findings(data, block, tmp_path)
    assert kinds(found) == [reason.split(":")[0]] and found[0].blocks
    assert found[0].id in READERS["vidstg"](data, block, tmp_path).samples["skipped"]


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("empty", "video unreadable"),
        ("junk", "video unreadable"),
        ("headless", "video unreadable"),
        ("cut", "video truncated"),
    ],
)
def test_broken_videos(tmp_path, clip, how, kind):
    data, block = healthy(tmp_path, clip)
    (tmp_path / "vidor" / "video" / "100.mp4").write_bytes(damage(clip, how))
    found = findings(data, block, tmp_path)
    assert kinds(found) == [kind] and found[0].id == "100" and found[0].blocks


@pytest.mark.parametrize(
    ("how", "kind", "blocks"), [("broken", "damaged frames", False), ("ruined", "video damaged", True)]
)
def test_damage_inside_is_found_by_decoding_and_blocks_where_it_takes_most(tmp_path, clip, how, kind, blocks):
    data, block = healthy(tmp_path, clip)
    (tmp_path / "vidor" / "video" / "100.mp4").write_bytes(damage(clip, how))
    assert findings(data, block, tmp_path) == []
    found = findings(data, block, tmp_path, decode=True)
    assert kinds(found) == [kind] and found[0].blocks == blocks


def test_a_cut_matroska_file_is_found_by_its_length(tmp_path):
    block = lay_out_clips(tmp_path, "clips.csv", "video,sentence\na.mkv,a dog\n", ("a.mkv",))
    path = tmp_path / "clips" / "a.mkv"
    write_video(path, frames=100, container="mkv")
    assert findings(tmp_path, block, tmp_path) == []
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    found = findings(tmp_path, block, tmp_path)
    assert kinds(found) == ["video truncated"] and "of the 4.0 s" in found[0].detail


def test_missing_videos(tmp_path, clip):
    data, block = healthy(tmp_path, clip)
    (tmp_path / "vidor" / "video" / "100.mp4").unlink()
    found = findings(data, block, tmp_path)
    assert kinds(found) == ["video missing"] and found[0].id == "100"


@pytest.mark.parametrize(
    ("options", "kind", "detail"),
    [
        ({"frames": 48}, "frame count differs", "48, annotated 50"),
        ({"size": (48, 64)}, "size differs", "48x64, annotated 64x48"),
        ({"fps": 24}, "frame rate differs", "24, annotated 25"),
    ],
)
def test_videos_that_are_not_as_annotated(tmp_path, clip, options, kind, detail):
    data, block = healthy(tmp_path, clip)
    write_video(tmp_path / "vidor" / "video" / "100.mp4", **options)
    found = findings(data, block, tmp_path)
    assert [(f.kind, f.detail, f.blocks) for f in found] == [(kind, detail, False)]


def test_boxes_outside_the_picture_and_missing_ones(tmp_path, clip):
    boxes = vidor()
    boxes["trajectories"][12][0]["bbox"]["xmax"] = 70
    boxes["trajectories"][13] = []
    data, block = healthy(tmp_path, clip, **{"100": boxes})
    outside, missing = findings(data, block, tmp_path)
    assert outside.kind == "box outside the picture" and "[12, 1, 70, 21] in frame 12 of 64x48" in outside.detail
    assert (missing.kind, missing.detail) == ("frame without a box", "1 of 20")


def test_missing_boxes_block_their_samples(tmp_path, clip):
    data, block = healthy(tmp_path, clip, {"test": [record(), record("200", questions=[])]}, **{"100": vidor()})
    found = findings(data, block, tmp_path)
    assert [(f.kind, f.id, f.blocks) for f in found] == [("no boxes", "200/1/captions/0", True)]


def test_duplicates_and_disagreeing_annotations(tmp_path, clip):
    twice = {"test": [record(questions=[]), record(questions=[]), record(questions=[], width=65)]}
    data, block = healthy(tmp_path, clip, twice)
    found = findings(data, block, tmp_path)
    assert kinds(found) == ["duplicate", "duplicate", "annotations disagree"]
    assert found[0].detail == "of 100/0/captions/0"


def test_samples_that_other_evaluators_drop(tmp_path, clip):
    # The span ends behind its segment, and the segment before the video does.
    late = record(questions=[], temporal_gt={"begin_fid": 10, "end_fid": 45})
    at_end = record(questions=[], temporal_gt={"begin_fid": 10, "end_fid": 50}, used_segment=segment(5, 49))
    data, block = healthy(tmp_path, clip, {"test": [late, at_end]})
    found = findings(data, block, tmp_path)
    assert [(f.kind, f.detail) for f in found] == [("dropped by evaluators", "span ends at 45, its segment at 39")]


def test_train_truth_is_not_looked_at(tmp_path, clip):
    broken = record(temporal_gt=None, used_relation=None)
    data, block = healthy(tmp_path, clip, {"train": [broken]})
    assert findings(data, block, tmp_path) == []


def test_counts_against_the_published_ones(tmp_path, clip):
    data, block = healthy(tmp_path, clip, {"test": [record()] * 600})
    found = [f for f in check_dataset("vidstg", data, block, tmp_path) if f.kind == "count differs"]
    assert [f.detail for f in found] == [
        "600 declarative sentences, published 4,610",
        "600 interrogative sentences, published 5,693",
    ]
    assert not any(f.blocks for f in found)


def test_a_small_data_set_of_the_format_is_not_counted_against_another(tmp_path, clip):
    data, block = healthy(tmp_path, clip, {"test": [record()]})
    assert list(check_dataset("vidstg", data, block, tmp_path)) == []


def test_hcstvg_findings(tmp_path):
    beyond = tube(n=30, start=380, width=64, height=48, st_time=None)
    outside = tube(bbox=[[50, 0, 20, 20]], width=64, height=48, st_time=None)
    block = lay_out_hcstvg(tmp_path, {"test": {"1_a.mp4": beyond, "2_b.mp4": outside}})
    for path in (tmp_path / "videos").iterdir():
        write_video(path, frames=400, fps=20) if path.name == "1_a.mp4" else path.unlink()
    found = findings(tmp_path, block, tmp_path)
    assert [(f.id, f.kind) for f in found] == [
        ("1_a.mp4", "dropped by evaluators"),
        ("2_b.mp4", "box outside the picture"),
        ("2_b.mp4", "video missing"),
    ]


def test_true_boxes_that_nothing_meets(tmp_path):
    """Of negative width, of no area, wholly outside, and a record of which nothing is left (HC-STVG issue 18)."""
    good, inverted, flat, away = [1, 2, 10, 20], [9, 9, -3, -4], [1, 2, 0, 20], [64, 2, 5, 5]
    records = {
        "1_a.mp4": tube(bbox=[good] * 30, width=64, height=48),
        "2_b.mp4": tube(bbox=[good] * 25 + [inverted] * 2 + [flat] * 3, width=64, height=48),
        "3_c.mp4": tube(bbox=[away] * 29 + [flat], width=64, height=48),
    }
    block = lay_out_hcstvg(tmp_path, {"test": records})
    for path in (tmp_path / "videos").iterdir():
        path.unlink()
    found = [f for f in findings(tmp_path, block, tmp_path) if f.kind != "video missing"]
    assert not any(f.blocks for f in found)
    assert [(f.id, f.kind, f.detail) for f in found] == [
        ("2_b.mp4", "empty box", "5 of 30 boxes, e.g. [9, 9, 6, 5] in frame 35 of 64x48"),
        ("3_c.mp4", "empty box", "1 of 30 boxes, e.g. [1, 2, 1, 22] in frame 39 of 64x48"),
        ("3_c.mp4", "box wholly outside the picture", "29 of 30 boxes, e.g. [64, 2, 69, 7] in frame 10 of 64x48"),
        ("3_c.mp4", "cannot score", "1 empty, 29 outside"),
    ]


def test_an_inverted_box_of_vidor_is_told(tmp_path, clip):
    boxes = vidor()
    for frame in range(10, 15):
        boxes["trajectories"][frame][0]["bbox"]["xmin"] = 40
    data, block = healthy(tmp_path, clip, {"test": [record(questions=[])]}, **{"100": boxes})
    (found,) = findings(data, block, tmp_path)
    assert (found.kind, found.detail) == ("empty box", "5 of 20 boxes, e.g. [40, 1, 20, 21] in frame 10 of 64x48")


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        (
            {"ed_frame": 60, "n": 20},
            "20 boxes, but 50 frames up to ed_frame 60; 20 boxes, but 30 frames from st_time to ed_time",
        ),
        ({"ed_frame": 40}, None),
        ({"ed_time": 1.9}, None),
        ({"ed_time": 3.0}, "30 boxes, but 50 frames from st_time to ed_time"),
        ({"st_time": 1.0, "ed_time": 2.5}, "st_frame is 11, but st_time is that of frame 20"),
        ({"st_time": None, "ed_time": "x", "ed_frame": True}, None),
    ],
)
def test_times_and_frames_that_disagree_with_the_boxes(tmp_path, changes, detail):
    changes = dict(changes)
    record = tube(n=changes.pop("n", 30)) | changes
    block = lay_out_hcstvg(tmp_path, {"test": {"1_a.mp4": record}})
    found = [f for f in findings(tmp_path, block, tmp_path) if not f.kind.startswith("video")]
    assert [(f.kind, f.detail) for f in found] == ([("span disagrees", detail)] if detail else [])


def test_real_boxes_are_fewer_than_their_times_say(test_data, tmp_path):
    source = test_data / "hcstvg"
    (tmp_path / "videos").mkdir()
    block = {"format": "hcstvg", "videos": "videos", "splits": {"test": "test_v1_five_records.json"}}
    found = list(check_dataset("hcstvg", source, block, tmp_path))
    told = [f.detail for f in found if f.kind == "span disagrees"]
    assert len(told) == 5 and told[0] == "89 boxes, but 98 frames from st_time to ed_time"


def test_the_findings_do_not_depend_on_the_workers(tmp_path, clip):
    records = [record(str(i), questions=[]) for i in range(100, 108)]
    data, block = healthy(tmp_path, clip, {"test": records}, **{r["vid"]: vidor() for r in records})
    for vid in ("103", "106"):
        (tmp_path / "vidor" / "video" / f"{vid}.mp4").write_bytes(damage(clip, "cut"))
    assert findings(data, block, tmp_path, jobs=2) == findings(data, block, tmp_path) != []


def test_kinds_are_either_blocking_or_notes():
    assert not set(BLOCKING) & set(NOTES)


def test_ten_thousand_records_take_seconds(tmp_path):
    """The annotations' findings come first, before any video is opened."""
    data, block = lay_out(tmp_path, {"test": [record(str(i % 700)) for i in range(10_000)]})
    begin = time.perf_counter()
    stream = check_dataset("vidstg", data, block, tmp_path)
    while next(stream).kind != "count differs":
        pass
    assert time.perf_counter() - begin < 5


def test_real_annotations(test_data, tmp_path):
    root = test_data / "vidstg"
    block = {"videos": str(root / "videos"), "splits": {"val": FILES["val"]}, "files": {"val": "val_files.json"}}
    found = list(check_dataset("vidstg", root, block, root, jobs=2))
    counted = {kind: kinds(found).count(kind) for kind in set(kinds(found))}
    assert counted.pop("video missing") == 600
    # Both clips are as annotated, the counts are the published ones, and no span leaves its segment.
    assert set(counted) == {"duplicate"}


def test_a_split_that_nothing_is_left_of_blocks(tmp_path, clip):
    data, block = healthy(tmp_path, clip, {"train": [record("200", questions=[])], "test": [record(questions=[])]})
    (data / "list.json").write_text('["none"]')
    found = findings(data, block | {"files": {"train": "list.json"}}, tmp_path)
    assert [f.detail for f in found if f.kind == "split is empty"] == [
        "none of 1 sentences can be used; see `splits:`, `files:` and skip.json"
    ]
    assert skip_list(found) == {} and not any(f.kind == "split is empty" for f in findings(data, block, tmp_path))


def test_the_skip_list_names_what_blocks(tmp_path, clip):
    data, block = healthy(tmp_path, clip, {"test": [record(), record(questions=[], fps=0)]})
    listed = skip_list(findings(data, block, tmp_path))
    assert listed == {"test_annotations.json#1": "malformed record: fps is not a positive number"}
