"""Your own videos, whatever they are and are called: odd files under strange names, all stages, `vcma ground`."""

import json
from importlib import import_module
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from tests.conftest import ROOT, STAGES, make_tubes
from tests.faults.workshop import QUICK, SENTENCES, tiny_network
from tests.video.test_decoding import hurt
from tests.video.videos import ODD, turned, write
from vcma.commands.ground import ground_command
from vcma.errors import RefusedError
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.paths import file_stem
from vcma.records.answer import Answer
from vcma.records.tubes import Tubes
from vcma.video import annotated_film
from vcma.video.annotated_film import Film, write_films
from vcma.video.decoding import FrameReader, read_frames
from vcma.video.timeline import read_timeline

NAMES = (
    "plain",
    'in a folder/it\'s "quoted", & <b>bold</b>',
    "größe 大きさ 🐕",
    "..hidden",
    "-rf",
    "a:b|c*?",
    "100%41",
    "%03d",
    "line\nbreak\ttab",
    "back\\slash",
    "$(reboot) `x` ;#",
    "in a folder/" + "long" * 50,
    "e\u0301",
    "\u00e9",
)


LONG = "no file has a name so long" * 20
KINDS = {
    **ODD,
    "phone": ("a.mp4", {}),
    "4K": ("a.mp4", {"size": (3840, 2160), "preset": "ultrafast", "frames": 2}),
}


def place(i: int) -> str:
    """Where below the video root, so its id, the i-th odd video lies."""
    return f"{NAMES[i % len(NAMES)]}{i // len(NAMES) or ''}{Path(list(KINDS.values())[i][0]).suffix}"


VIDEOS = {kind: place(i) for i, kind in enumerate(KINDS)}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project whose clips are all odd videos, each under a strange name with its own sentence."""
    folder = tmp_path_factory.mktemp("odd")
    config = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    block = {"format": "clips", "videos": "data/clips", "splits": {"train": "clips.jsonl", "test": "clips.jsonl"}}
    config |= {"dataset": "clips", "datasets": {"clips": block | {"detector": tiny_network(folder)}}}
    config["train_em"] |= QUICK | {"rounds": 1}
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(config))
    root = folder / "data" / "clips"
    for kind, video in VIDEOS.items():
        (root / video).parent.mkdir(parents=True, exist_ok=True)
        write(root / video, **KINDS[kind][1])
    phone = root / VIDEOS["phone"]
    phone.write_bytes(turned(phone.read_bytes(), 1))
    write(folder / "data" / "secret.mp4", frames=2)
    useless = "../secret.mp4", str(folder / "data" / "secret.mp4"), LONG
    lines = [{"video": v, "sentence": s} for v, s in zip([*VIDEOS.values(), *useless], cycle(SENTENCES))]
    (root / "clips.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def call(command, *words) -> str:
    done = CliRunner().invoke(command, list(map(str, words)))
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done.output


def snapshot(folder: Path) -> dict[Path, int]:
    """Every file that is no artifact, with its time of change."""
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p: p.stat().st_mtime_ns for p in files if "artifacts" not in p.parts}


def test_they_go_through_every_stage(project):
    before, told = snapshot(project.parent), {}
    for name in STAGES:
        command = getattr(import_module(f"stages.{name}"), name)
        told[name] = call(command, "--config", project / "pipeline.yaml")
    assert snapshot(project.parent) == before
    artifacts, V = project / "artifacts" / "clips", len(VIDEOS)
    samples = artifact.read(schemas.SAMPLES, artifacts / "samples.h5")
    assert samples["video"].tolist()[:V] == list(VIDEOS.values()) and len(samples["skipped"]) == 3 * 2
    frames = [KINDS[kind][1].get("frames", 60) for kind in VIDEOS]
    assert samples["segment_end"].tolist()[: 2 * V] == 2 * frames
    for folder in ("frames", "proposals", "tubes"):
        assert {p.name for p in (artifacts / folder).iterdir()} == {f"{file_stem(v)}.h5" for v in VIDEOS.values()}
    found = json.loads((artifacts / "predictions.json").read_text())
    assert list(found) and set(found) == {f"{video}/{i}" for i, video in enumerate(VIDEOS.values(), start=1)}
    for i, (kind, video) in enumerate(VIDEOS.items(), start=1):
        answer, n = found[f"{video}/{i}"], KINDS[kind][1].get("frames", 60)
        width, height = (48, 64) if kind == "phone" else KINDS[kind][1].get("size", (64, 48))
        assert 0 <= answer["span"][0] < answer["span"][1] <= n
        boxes = np.array([answer["boxes"][str(frame)] for frame in range(n)])
        assert (boxes >= 0).all() and (boxes <= [width, height, width, height]).all()
    assert f"{V} samples, 0 videos without frames" in told["render_report"]


@pytest.mark.parametrize("kind", VIDEOS)
def test_each_is_grounded_and_drawn(project, tmp_path, kind):
    queries = 'who is "../../it\'s"?', "größe; rm -rf / a dog, " + "and a dog " * 30
    before = snapshot(project)
    out = tmp_path / "a:b" / 'it\'s "there" ö'
    words = [word for query in queries for word in ("--query", query)]
    video = project / "data" / "clips" / VIDEOS[kind]
    told = call(
        ground_command, *words, "--untrained", "--config", project / "pipeline.yaml", "--out", out, "--", video
    )
    assert told.count(" -> ") == 2 and snapshot(project) == before
    assert {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()} == {
        (out / name).relative_to(tmp_path) for name in ("predictions.json", "00.mp4", "01.mp4")
    }
    found, n = json.loads((out / "predictions.json").read_text()), KINDS[kind][1].get("frames", 60)
    assert list(found) == list(queries) and [answer["film"] for answer in found.values()] == ["00.mp4", "01.mp4"]
    time = [time for _, time, _ in read_frames(video, np.arange(n))]
    for answer in found.values():
        begin, end = answer["span"]  # where the tube is: the pictures' bits change, which looks like cuts
        assert 0 <= begin < end <= n and 0 < answer["tube_probability"] <= 1
        assert answer["boxes"] and answer["class"] in told and answer["video"] == str(video)
        assert np.allclose(
            answer["seconds"],
            [time[begin], time[end] if end < n else time[-1] + 1 / read_timeline(video).fps],
            atol=0.2 if "variable" in kind else 0.01,
        )
    for name in ("00.mp4", "01.mp4"):
        shown = [picture for *_, picture in read_frames(out / name, np.arange(n))]
        assert len(shown) == (n if "variable" in kind else -(-n // 2))  # at most 15 a second
        film = read_timeline(out / name)
        assert film.elapsed == pytest.approx(np.array(time)[:: 1 if "variable" in kind else 2] - time[0], abs=2e-3)
        height, width = shown[0].shape[:2]
        assert max(height, width) <= 640 and (height > width) == (kind == "phone")
        coloured = [bool((np.ptp(picture.astype(int), axis=2) > 60).any()) for picture in shown]
        assert any(coloured)  # the box, in a picture of greys


def test_a_film_shows_the_span_with_its_box_and_some_seconds_around(tmp_path, monkeypatch):
    video = write(tmp_path / "a.mkv", frames=400, size=(1280, 96), preset="ultrafast")
    tubes = make_tubes(0, gaps=False) | {
        "frame": np.arange(12) * 40,
        "width": np.int64(1280),
        "height": np.int64(96),
    }
    tubes["box"][:] = [40, 30, 120, 90]
    spans = {"late": (301, 340), "early": (2, 4), "whole": (0, 400)}
    films = [Film(tmp_path / f"{name}.mp4", Answer("", 0, *span), name) for name, span in spans.items()]
    write_films(FrameReader(video), films, Tubes.of(tubes))
    for path, answer in ((film.path, film.answer) for film in films):
        shown = [picture for *_, picture in read_frames(path, np.arange(400))]
        native = np.arange(max(answer.begin % 2, answer.begin - 124), min(answer.end + 125, 400), 2)
        assert len(shown) == len(native) and shown[0].shape == (48, 640, 3)
        # Below the caption, and where the pictures' bits tell their number.
        coloured = [bool((np.ptp(picture[20:].astype(int), axis=2) > 60).any()) for picture in shown]
        assert coloured == [answer.begin <= frame < answer.end for frame in native.tolist()]
        high = [picture[30:40, 250:630].mean(axis=(0, 2)) > 125 for picture in shown]
        assert [int(h[[30, 110, 190, 270, 350]] @ [8, 16, 32, 64, 128]) for h in high] == (
            native % 256 & 248
        ).tolist()
    monkeypatch.setattr(annotated_film, "_PICTURES", 100)
    write_films(FrameReader(video), films[2:], Tubes.of(tubes))
    assert (
        len(list(read_frames(films[2].path, np.arange(400)))) == 400 // 7 + 1
    )  # of 400 frames and 250 around them


def test_a_truncated_clip_is_searched_as_far_as_it_goes_and_said_to_be(project, tmp_path):
    video = write(tmp_path / "a.mp4", frames=200)
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    words = ["--query", "a dog", "--untrained", "--config", project / "pipeline.yaml", "--out", tmp_path / "out"]
    told = call(ground_command, *words, video)
    assert "of the 8.0 s that its header declares; the rest of it is searched" in told
    begin, end = json.loads((tmp_path / "out" / "predictions.json").read_text())["a dog"]["span"]
    assert 0 <= begin < end <= len(read_timeline(video)) < 150


def test_interpolated_boxes_are_drawn_dashed(tmp_path):
    video = write(tmp_path / "a.mkv", frames=100, size=(320, 240), preset="ultrafast")
    tubes = make_tubes(0, tubes=1, frames=11, gaps=False) | {"frame": np.arange(11) * 10}
    tubes["box"][:] = [60, 60, 260, 200]
    tubes["interpolated"][4:7] = True
    write_films(FrameReader(video), [Film(tmp_path / "a.mp4", Answer("", 0, 0, 100), "x")], Tubes.of(tubes))
    shown = [picture for *_, picture in read_frames(tmp_path / "a.mp4", np.arange(100))]
    outline = [int((np.ptp(picture[100:160, 57:63].astype(int), axis=2) > 60).sum()) for picture in shown]
    solid, dashed = outline[5], outline[25]  # every second frame is shown: native frames 10 and 50
    assert 0.4 * solid < dashed < 0.85 * solid


@pytest.mark.parametrize(("lost", "searched"), [(range(200, 300), (0, 200)), (range(60), (63, 300))])
def test_no_answer_lies_where_nothing_could_be_decoded(project, tmp_path, lost, searched):
    video = hurt(write(tmp_path / "a.mp4", frames=300, bf="0", gop=20, sc_threshold="0"), *lost)
    words = ["--query", "a dog", "--untrained", "--config", project / "pipeline.yaml", "--out", tmp_path / "out"]
    told = call(ground_command, *words, video)
    assert "of its 300 frames cannot be decoded" in told and "the rest of it is searched" in told
    found = json.loads((tmp_path / "out" / "predictions.json").read_text())["a dog"]
    begin, end = found["span"]
    # Of the sampled frames, four a second, the first that is lost is number 200, the first that is found number 63.
    assert searched[0] <= begin < end <= searched[1]
    assert found["seconds"] == pytest.approx([begin / 25, end / 25], abs=0.01)


def test_doubts_are_told_once_beside_the_answers_and_in_their_file(project, tmp_path):
    video = write(tmp_path / "a.mp4")
    words = ["--query", "a zebra", "--query", "the zebra runs", "--untrained", "--out", tmp_path / "out"]
    told = call(ground_command, *words, "--config", project / "pipeline.yaml", video)
    assert told.count("note: the detector has no class 'zebra'") == 1
    found = json.loads((tmp_path / "out" / "predictions.json").read_text())["a zebra"]
    assert "no_class:zebra" in found["doubts"] and 0 < found["absent"] < 1 and 0 <= found["interpolated"] <= 1


@pytest.mark.parametrize("words", [("--query", " "), ()])
def test_ground_without_a_sentence_is_bad_usage(project, words):
    done = CliRunner().invoke(ground_command, [*words, "none.mp4", "--config", str(project / "pipeline.yaml")])
    assert done.exit_code == 2 and "give --query TEXT or --queries FILE" in done.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("none.mp4", "--model", "none"), "none: no trained model"),
        (("none.mp4", "--model", LONG), "long: no trained model"),
        (("none.mp4", "--device", "cuda:99", "--untrained"), "torch finds no cuda:99"),
        (("none.mp4", "--untrained"), "none.mp4: no such video; check its path"),
        (("none.mp4", "--untrained", "--model", "old"), "--untrained cannot be combined with --model"),
        ((LONG, "--untrained"), "long: no such video; check its path"),
        ((__file__, "--untrained", "--out", "/dev/null/out"), "/dev/null/out: is not a writable folder"),
        ((__file__, "--untrained", "--out", LONG), "long: is not a writable folder"),
        ((__file__, "--model", "old"), "old/model.json: has format vcma-model/4, not vcma-model/"),
    ],
)
def test_what_is_missing_is_told_before_the_video_is_looked_at(project, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    storage.write_json(tmp_path / "old" / "model.json", {"format": "vcma-model/4"})
    options = ["--query", "who?", "--config", project / "pipeline.yaml", "--out", tmp_path / "out"]
    done = CliRunner().invoke(ground_command, [*map(str, options), *words])
    assert told in str(done.exception) + done.output and not (tmp_path / "out").exists()


def test_a_film_that_cannot_be_written_is_told(tmp_path):
    video = write(tmp_path / "a.mp4", frames=4)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / ".b.mp4.partial").symlink_to("/dev/full")
    for folder, told in (("full", "No space left"), ("a.mp4", "Not a directory|File exists")):
        films = [Film(tmp_path / folder / "b.mp4", Answer("", 0, 0, 4), "who?")]
        with pytest.raises(RefusedError, match=told):
            write_films(FrameReader(video), films, Tubes.of(make_tubes(0, gaps=False)))
    assert {p.name for p in tmp_path.rglob("*")} == {"a.mp4", "full"}


def test_no_box_is_drawn_where_its_tube_is_not(tmp_path):
    video = write(tmp_path / "a.mp4", frames=40)
    tubes = make_tubes(0, tubes=1, frames=3, gaps=False) | {
        "frame": np.arange(0, 40, 5),
        "point_offset": np.array([0, 3]),
        "position": np.array([2, 3, 4]),
        "box": np.full((3, 4), [8.0, 8, 30, 30], np.float32),
        "width": np.array(64),
    }
    films = [Film(tmp_path / "b.mp4", Answer("a", 0, 0, 40), "who?")]
    write_films(FrameReader(video), films, Tubes.of(tubes))
    shown = [picture.astype(int) for *_, picture in read_frames(tmp_path / "b.mp4", np.arange(40))]
    coloured = [bool((np.ptp(picture, axis=2) > 60).any()) for picture in shown]
    step = 40 // len(shown)
    assert coloured == [8 <= frame < 23 for frame in range(0, 40, step)]  # halfway to the sampled frames beside


def test_a_value_that_no_stage_takes_is_told_before_anything_is_read(project, tmp_path):
    config = yaml.safe_load((project / "pipeline.yaml").read_text())
    config["extract_frames"]["rate"] = "x"
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(config))
    words = ["none.mp4", "--untrained", "--query", "who?", "--config", str(tmp_path / "pipeline.yaml")]
    done = CliRunner().invoke(ground_command, words)
    assert done.exit_code == 2
    assert "'x' is not a valid float range" in done.output and "section 'extract_frames'" in done.output
