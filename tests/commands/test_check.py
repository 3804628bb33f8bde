"""The data doctor on data sets with one thing wrong each, and what a data set will take on disk."""

import csv
import json
import time

import numpy as np
import pytest
from click.testing import CliRunner

from tests.conftest import ROOT
from tests.datasets.test_formats import BAD, FILES, lay_out, lay_out_clips, lay_out_hcstvg, record, tube, vidor
from vcma.commands.check import BLOCKING, NOTES, Plan, check, check_command, estimate, skip_list
from vcma.datasets.formats import READERS, WALKS
from vcma.datasets.index import SKIP_FILE
from vcma.pipeline import schemas


def write_video(path, frames=50, size=(64, 48), fps=25, container="mp4"):
    """A little H.264 file of noise, its table of contents in front, so that a cut one still opens."""
    import av

    random = np.random.default_rng(0)
    options = {"movflags": "faststart"} if container == "mp4" else {}
    with av.open(str(path), "w", format={"mp4": "mp4", "mkv": "matroska"}[container], options=options) as file:
        stream = file.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = *size, "yuv420p", 1
        for _ in range(frames):
            picture = random.integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        file.mux(stream.encode())


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "good.mp4"
    write_video(path)
    return path.read_bytes()


def healthy(root, clip, records=None, **boxes):
    """A VidSTG data set with real little videos and nothing wrong but its number of sentences."""
    records = records or {"test": [record(questions=[])]}
    data, block = lay_out(root, records, boxes or {vid: vidor(vid) for vid in ("100", "200")})
    for path in (root / "vidor" / "video").iterdir():
        path.write_bytes(clip)
    return data, block


def findings(data, block, root, **options):
    return list(check(block["format"], data, block, root, **options))


def kinds(found):
    return [f.kind for f in found]


def test_nothing_is_wrong_with_a_healthy_data_set(tmp_path, clip):
    data, block = healthy(tmp_path, clip)
    assert findings(data, block, tmp_path) == []
    assert findings(data, block, tmp_path, decode=True) == []


@pytest.mark.parametrize("reason", [r for r in BAD if "video" not in r and "VidOR" not in r])
def test_bad_records_are_found_like_index_finds_them(tmp_path, clip, reason):
    bad = record(**{"questions": []} | BAD[reason])
    data, block = healthy(tmp_path, clip, {"test": [record(questions=[]), bad]})
    found = findings(data, block, tmp_path)
    assert kinds(found) == [reason.split(":")[0]] and found[0].blocks
    assert found[0].id in READERS["vidstg"](data, block, tmp_path).samples["skipped"]


def damage(clip, how):
    moov = clip.find(b"mdat")
    if how == "broken":
        hurt = bytearray(clip)
        for i in range(len(clip) // 2, len(clip) * 2 // 3):
            hurt[i] ^= 0x5A
        return bytes(hurt)
    return {"empty": b"", "junk": b"no video" * 99, "cut": clip[: len(clip) // 2], "headless": clip[moov:]}[how]


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


def test_damage_inside_is_found_by_decoding(tmp_path, clip):
    data, block = healthy(tmp_path, clip)
    (tmp_path / "vidor" / "video" / "100.mp4").write_bytes(damage(clip, "broken"))
    assert findings(data, block, tmp_path) == []
    found = findings(data, block, tmp_path, decode=True)
    assert kinds(found) == ["video damaged"] and found[0].blocks


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


def segment(begin, end):
    return {"begin_fid": begin, "end_fid": end}


def test_train_truth_is_not_looked_at(tmp_path, clip):
    broken = record(temporal_gt=None, used_relation=None)
    data, block = healthy(tmp_path, clip, {"train": [broken]})
    assert findings(data, block, tmp_path) == []


def test_counts_against_the_published_ones(tmp_path, clip):
    data, block = healthy(tmp_path, clip, {"test": [record()] * 600})
    found = [f for f in check("vidstg", data, block, tmp_path) if f.kind == "count differs"]
    assert [f.detail for f in found] == [
        "600 declarative sentences, published 4,610",
        "600 interrogative sentences, published 5,693",
    ]
    assert not any(f.blocks for f in found)


def test_a_small_data_set_of_the_format_is_not_counted_against_another(tmp_path, clip):
    data, block = healthy(tmp_path, clip, {"test": [record()]})
    assert list(check("vidstg", data, block, tmp_path)) == []


def test_hcstvg_findings(tmp_path):
    beyond = tube(n=30, start=380, width=64, height=48)
    outside = tube(bbox=[[50, 0, 20, 20]], width=64, height=48)
    block = lay_out_hcstvg(tmp_path, {"test": {"1_a.mp4": beyond, "2_b.mp4": outside}})
    for path in (tmp_path / "videos").iterdir():
        write_video(path, frames=400, fps=20) if path.name == "1_a.mp4" else path.unlink()
    found = findings(tmp_path, block, tmp_path)
    assert [(f.id, f.kind) for f in found] == [
        ("1_a.mp4", "dropped by evaluators"),
        ("2_b.mp4", "box outside the picture"),
        ("2_b.mp4", "video missing"),
    ]


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
    stream = check("vidstg", data, block, tmp_path)
    while next(stream).kind != "count differs":
        pass
    assert time.perf_counter() - begin < 5


def test_real_annotations(test_data, tmp_path):
    root = test_data / "vidstg"
    block = {"videos": str(root / "videos"), "splits": {"val": FILES["val"]}, "files": {"val": "val_files.json"}}
    found = list(check("vidstg", root, block, root, jobs=2))
    counted = {kind: kinds(found).count(kind) for kind in set(kinds(found))}
    assert counted.pop("video missing") == 600
    # Both clips are as annotated, the counts are the published ones, and no span leaves its segment.
    assert set(counted) == {"duplicate"}


# The command.


def project(root, block, **changes):
    import yaml

    config = {"dataset": "vidstg", "datasets": {"vidstg": block}}
    config |= {"extract_frames": {"rate": 5.0, "max_frames": 64, "max_side": 640, "quality": 90}}
    config |= {"detect_proposals": {"top_k": 100}, "link_tubes": {"max_tubes": 20}} | changes
    (root / "pipeline.yaml").write_text(yaml.safe_dump(config))
    return ["--config", str(root / "pipeline.yaml")]


def test_the_command_writes_a_table_and_its_exit_code_tells(tmp_path, clip):
    _, block = healthy(tmp_path, clip, {"test": [record(questions=[]), record("200", questions=[])]})
    arguments = project(tmp_path, block)
    assert CliRunner().invoke(check_command, arguments).exit_code == 0
    (tmp_path / "vidor" / "video" / "200.mp4").write_bytes(damage(clip, "cut"))
    result = CliRunner().invoke(check_command, [*arguments, "--table", str(tmp_path / "t.tsv")])
    assert result.exit_code == 1 and "video truncated" in result.stdout
    rows = list(csv.DictReader((tmp_path / "t.tsv").read_text().splitlines(), delimiter="\t"))
    assert [row["id"] for row in rows if row["blocks"] == "yes"] == ["200"]
    assert not list(tmp_path.glob(".*partial"))


def test_fix_index_writes_what_the_reader_then_skips(tmp_path, clip):
    data, block = healthy(tmp_path, clip, {"test": [record(questions=[]), record("200", questions=[])]})
    (tmp_path / "vidor" / "video" / "200.mp4").write_bytes(damage(clip, "cut"))
    result = CliRunner().invoke(check_command, project(tmp_path, block))
    assert result.exit_code == 1 and "--fix-index writes a list" in result.stderr
    result = CliRunner().invoke(check_command, [*project(tmp_path, block), "--fix-index"])
    assert result.exit_code == 0 and "1 are left out by" in result.stderr
    assert CliRunner().invoke(check_command, project(tmp_path, block)).exit_code == 0
    assert list(json.loads((data / SKIP_FILE).read_text())) == ["200"]
    samples = READERS["vidstg"](data, block, tmp_path, strict=True).samples
    assert samples["video"].tolist() == ["100"]
    assert samples["skipped_reason"][0].startswith("listed in skip.json: video truncated: ")
    # A mended video leaves the list at the next run.
    (tmp_path / "vidor" / "video" / "200.mp4").write_bytes(clip)
    result = CliRunner().invoke(check_command, [*project(tmp_path, block), "--fix-index"])
    assert result.exit_code == 0 and json.loads((data / SKIP_FILE).read_text()) == {}


def test_a_split_that_nothing_is_left_of_blocks(tmp_path, clip):
    data, block = healthy(tmp_path, clip, {"train": [record("200", questions=[])], "test": [record(questions=[])]})
    (data / "list.json").write_text('["none"]')
    found = findings(data, block | {"files": {"train": "list.json"}}, tmp_path)
    assert [f.detail for f in found if f.kind == "split is empty"] == [
        "none of 1 sentences is left; see `splits:` and `files:`"
    ]
    assert skip_list(found) == {} and not any(f.kind == "split is empty" for f in findings(data, block, tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "none"}, "has no block under 'datasets:'"),
        (
            {"datasets": {"vidstg": {"format": "coco"}}},
            "unknown format 'coco'; choose one of vidstg, hcstvg, clips",
        ),
        ({"datasets": {"vidstg": {"format": "vidstg", "videos": "nowhere"}}}, "nowhere: no such folder"),
    ],
)
def test_the_command_on_bad_configuration(tmp_path, clip, changes, message):
    _, block = healthy(tmp_path, clip)
    result = CliRunner().invoke(check_command, project(tmp_path, block, **changes))
    assert result.exit_code == 1 and result.stderr.startswith("error: ") and message in result.stderr
    assert result.stderr.count("\n") == 1


def test_estimate_command(tmp_path, clip):
    _, block = healthy(tmp_path, clip)
    (tmp_path / "vidor" / "video" / "100.mp4").unlink()  # needs no video
    result = CliRunner().invoke(check_command, [*project(tmp_path, block), "--estimate"])
    assert result.exit_code == 0 and result.stdout.splitlines()[-1].startswith("together")
    result = CliRunner().invoke(check_command, [*project(tmp_path, block, link_tubes={}), "--estimate"])
    assert result.exit_code == 1 and "section 'link_tubes' lacks the key 'max_tubes'" in result.stderr


def test_the_detector_is_examined_too(tmp_path, clip):
    """Missing weights end a run after hours of extraction; those of a URL are fetched when they are needed."""
    _, block = healthy(tmp_path, clip, {"test": [record(questions=[])]})
    detector = {"backend": "detectron2", "config": str(ROOT / "envs/detectors/coco_r50_fpn.yaml")}
    block["detector"] = detector | {"weights": "no.pkl"}
    result = CliRunner().invoke(check_command, [*project(tmp_path, block), "--fix-index"])
    assert (
        result.exit_code == 1 and "no.pkl: detector weights not found; put the file there (public" in result.stdout
    )
    assert "model_final_280758.pkl) or correct the detector" in result.stdout
    assert json.loads((tmp_path / "data" / "vidstg" / SKIP_FILE).read_text()) == {}
    result = CliRunner().invoke(check_command, [*project(tmp_path, block), "--estimate"])
    assert result.exit_code == 0 and "assuming 1,024 features" in result.stderr
    block["detector"] = detector | {"weights": None}
    assert CliRunner().invoke(check_command, project(tmp_path, block)).exit_code == 0


PLAN = Plan(
    rate=5,
    max_frames=64,
    max_side=640,
    quality=90,
    proposals=100,
    features=1024,
    classes=80,
    attributes=0,
    tubes=20,
)


def test_estimate_of_one_video(tmp_path):
    """100 regions of 1,024 half floats in 64 frames are 13 MB; boxes, scores and classes come on top."""
    long = record(frame_count=900, used_segment=segment(0, 899), temporal_gt=segment(10, 30), width=640, height=480)
    data, block = lay_out(tmp_path, {"test": [long]})
    size = {f.artifact: f for f in estimate(WALKS["vidstg"](data, block, ()), PLAN)}
    assert size["proposals"].files == 1
    assert size["proposals"].bytes == pytest.approx(13.1e6 * (1 + (160 + 20) / 2048), rel=0.01)
    assert size["frames"].bytes == pytest.approx(64 * 640 * 480 * 0.26, rel=0.05)
    assert size["tubes"].bytes < size["proposals"].bytes
    assert size["predictions.json"].bytes == pytest.approx(2 * 900 * 42, rel=0.01)


def test_estimate_grows_with_what_is_asked_for(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record(frame_count=900, used_segment=segment(0, 899))]})
    fewer = estimate(WALKS["vidstg"](data, block, ()), PLAN)
    more = estimate(WALKS["vidstg"](data, block, ()), Plan(**{**vars(PLAN), "max_frames": 128, "rate": 25}))
    assert all(b.bytes >= a.bytes for a, b in zip(fewer, more, strict=True))
    assert sum(f.bytes for f in more) > 1.5 * sum(f.bytes for f in fewer)


def test_estimate_matches_what_is_written(test_data, tmp_path):
    """The frames of the two real clips, made and weighed."""
    from vcma.pipeline import artifact
    from vcma.video.sampling import extract

    root = test_data / "vidstg"
    total = 0
    videos = {"4240545211": 485, "8665030691": 830}
    for vid, frames in videos.items():
        columns = extract(
            root / "videos" / f"{vid}.mp4", [(0, frames)], rate=5, max_frames=64, max_side=640, quality=90
        )
        artifact.write(schemas.FRAMES, tmp_path / f"{vid}.h5", columns, {}, {})
        total += (tmp_path / f"{vid}.h5").stat().st_size
    block = {"splits": {"test": FILES["val"]}}
    entries = [e for e in WALKS["vidstg"](root, block, ()) if e.id.split("/")[0] in videos]
    size = {f.artifact: f.bytes for f in estimate(entries, PLAN)}
    assert size["frames"] == pytest.approx(total, rel=0.15)


def test_the_skip_list_names_what_blocks(tmp_path, clip):
    data, block = healthy(tmp_path, clip, {"test": [record(), record(questions=[], fps=0)]})
    listed = skip_list(findings(data, block, tmp_path))
    assert listed == {"test_annotations.json#1": "malformed record: fps is no positive number"}
