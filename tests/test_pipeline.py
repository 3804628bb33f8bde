"""The pipeline end to end at a reduced size: a tiny drawn world through every stage under DVC, and real clips."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from demo import describe_world
from tests.conftest import ROOT, STAGES
from vcma.commands import ablation_table, ablation_variants
from vcma.commands.ablate import ablate_command
from vcma.pipeline import artifact, schemas, workers
from vcma.pipeline.project import Project
from vcma.pipeline.stage_run import StageRun
from vcma.report.palette import PALETTE
from world import dataset

FIX = """

_link = link


def link(data, **parameters):
    found = _link(data, **parameters)
    return found | {"tube_score": found["tube_score"] * 0}
"""
QUICK = {"rounds": 2, "warm_up": 1, "width": 16, "max_frames": 12}


def run(project: Path, *command: str, code: int = 0) -> str:
    """Run a command in a project whose own copy of the library is the one that is imported."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command,
        cwd=project,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def stage(project: Path, name: str, *options: str, code: int = 0) -> str:
    return run(project, sys.executable, f"stages/{name}.py", *options, code=code)


def make_project(folder: Path) -> Path:
    for name in ("stages", "vcma", "envs/detectors", "envs/encoders", "demo"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "dvc.*"))
    for name in ("pipeline.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def configure(project: Path, **sections) -> None:
    path = project / "pipeline.yaml"
    config = yaml.safe_load(path.read_text())
    for name, values in sections.items():
        config[name] = config[name] | values if isinstance(values, dict) else values
    path.write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project with a tiny drawn world, run once through the whole DAG."""
    folder = make_project(tmp_path_factory.mktemp("project"))
    patch = pytest.MonkeyPatch()
    patch.setitem(dataset.SIZES, "tiny", {"train": 4, "val": 2, "test": 2})
    (folder / "data").mkdir()
    dataset.draw_world(folder / "data" / "demo", "tiny", 5, 1)
    patch.undo()
    configure(folder, train_em=QUICK)
    run(folder, "dvc", "init", "--no-scm", "-q")
    run(folder, "dvc", "config", "core.analytics", "false")
    run(folder, "dvc", "repro")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and ".ledger" not in p.parts
    }


def test_every_test_sentence_gets_an_answer_and_a_score(project):
    artifacts = project / "artifacts" / "demo"
    predictions = json.loads((artifacts / "predictions.json").read_text())
    metrics = json.loads((artifacts / "scores.json").read_text())["stcat"]
    assert sum(kind["n"] for kind in metrics.values()) == len(predictions) > 0
    assert all(kind["missing"] == 0 for kind in metrics.values())
    for answer in predictions.values():
        begin, end = answer["span"]
        assert begin < end and all(str(frame) in answer["boxes"] for frame in range(begin, end))
    points = json.loads((artifacts / "reference_points.json").read_text())
    assert {"chance", "contrast", "labels", "untrained", "oracle", "identity_oracle"} <= set(points)
    assert (artifacts / "report" / "index.html").stat().st_size > 1000
    assert "VCMA" in run(project, sys.executable, "-m", "vcma", "summary")


def test_the_world_is_described_with_its_detector_and_oracles(project, tmp_path):
    artifacts = project / "artifacts" / "demo"
    options = ["--artifacts", artifacts, "--output", tmp_path, "--seconds", "draw", "9.5"]
    told = CliRunner().invoke(describe_world.main, [str(o) for o in (project / "data" / "demo", *options)])
    assert told.exit_code == 0, told.output
    facts = json.loads((tmp_path / "world.json").read_text())
    assert facts["seconds"] == {"draw": 9.5}
    detector = facts["detector"]
    assert 0.9 < detector["recall"] <= 1 and 0.5 < detector["ap"] < detector["ap50"] <= 1
    assert min(detector["recall_by_category"].values()) <= detector["recall"]
    points = json.loads((artifacts / "reference_points.json").read_text())
    for name in ("oracle", "identity_oracle"):
        kinds = points[name]["stcat"].values()
        mean = sum(k["n"] * k["m_vIoU"]["value"] for k in kinds) / sum(k["n"] for k in kinds)
        assert facts[name] == pytest.approx(mean, abs=1e-4) and facts["chance"] < mean < 1


def test_truth_is_drawn_as_strips_with_boxes_in_the_span_alone(project, tmp_path):
    truth = artifact.read(schemas.TRUTH, project / "artifacts" / "demo" / "truth_test.h5")
    row = int(np.flatnonzero(truth["span_begin"] - truth["segment_begin"] > 5)[0])
    vcma = (sys.executable, "-m", "vcma", "show", "artifacts/demo/truth_test.h5", "--png")
    run(project, *vcma, str(tmp_path / "one.png"), "--sentence", truth["sample"][row])
    strip = np.asarray(Image.open(tmp_path / "one.png").convert("RGB")).astype(int)
    assert strip.shape == (170, 1200, 3)
    red = np.abs(strip - PALETTE[1]).max(2) < 3
    assert [bool(red[:, x : x + 200].sum() > 20) for x in range(0, 1000, 200)] == [False, *[True] * 4]
    run(project, *vcma, str(tmp_path / "some.jpg"), "--rows", "2")
    with Image.open(tmp_path / "some.jpg") as sheet:
        assert sheet.format == "JPEG" and sheet.size == (1200, 340)
    told = run(project, *vcma, str(tmp_path / "none.png"), "--sentence", "nobody", code=1)
    assert "no sample 'nobody'" in told and not (tmp_path / "none.png").exists()


def test_the_same_seed_gives_the_same_bytes(project, tmp_path):
    artifacts = project / "artifacts" / "demo"
    before = contents(artifacts)
    kept = tmp_path / "kept"
    shutil.move(artifacts, kept)
    try:
        for name in STAGES[:-1]:
            stage(project, name)
        after = contents(artifacts)
        assert all(before[name] == after[name] for name in after)
    finally:
        shutil.rmtree(artifacts)
        shutil.move(kept, artifacts)


def test_a_second_run_does_nothing(project):
    assert "didn't change, skipping" in run(project, "dvc", "repro")
    assert "Running stage" not in run(project, "dvc", "repro")
    assert "stages/train_em.py" not in stage(project, "link_tubes")
    assert "8 up to date" in stage(project, "link_tubes")


def test_alpha_reruns_linking_and_what_follows_not_detection(project):
    configure(project, link_tubes={"alpha": 0.25})
    try:
        told = run(project, "dvc", "repro", "link_tubes")
        assert "Running stage 'link_tubes'" in told and "Running stage 'detect_proposals'" not in told
        status = run(project, "dvc", "status")
        assert "train_em" in status and "detect_proposals:" not in status
    finally:
        configure(project, link_tubes={"alpha": 0.5})
        run(project, "dvc", "repro", "link_tubes")


def test_a_comment_reruns_its_stage_and_stops_there_and_a_fix_leaves_nothing_stale(project):
    file = project / "vcma" / "linking" / "linker.py"
    source = file.read_text()
    try:
        file.write_text(source + "\n# a comment\n")
        assert "Running stage 'link_tubes'" in run(project, "dvc", "repro", "link_tubes")
        assert "train_em" not in run(project, "dvc", "status", "train_em")
        # A "fix": every tube loses its score. No artifact of the unfixed code may survive.
        file.write_text(source + FIX)
        stage(project, "link_tubes")
        shown = run(
            project,
            sys.executable,
            "-m",
            "vcma",
            "show",
            str(next((project / "artifacts/demo/tubes").glob("*.h5"))),
        )
        assert "tube_score=0" in shown
    finally:
        file.write_text(source)
        run(project, "dvc", "repro", "link_tubes")


def test_one_bad_video_among_many_is_reported_skipped_and_counted(project):
    frames = sorted((project / "artifacts/demo/frames").glob("*.h5"))
    good = frames[0].read_bytes()
    try:
        frames[0].write_bytes(good[:1000])
        told = stage(project, "detect_proposals")
        assert "skipped " + frames[0].stem in told and "1 skipped" in told and "7 up to date" in told
        assert "error: " in stage(project, "detect_proposals", "--strict", code=1)
        # Its tubes are pruned, and its sentences get a flagged answer if they are tested.
        assert "7 videos" in stage(project, "link_tubes")
    finally:
        frames[0].write_bytes(good)
        stage(project, "detect_proposals")
        stage(project, "link_tubes")


@pytest.mark.parametrize(
    ("name", "options", "code", "told"),
    [
        ("link_tubes", ("--alpha", "2"), 2, "--alpha"),
        ("link_tubes", ("--gamma", "2"), 2, "No such option"),
        ("link_tubes", ("--config", "none.yaml"), 1, "no such file"),
        ("evaluate", ("--predictions", "pipeline.yaml"), 1, "pipeline.yaml"),
        ("parse_queries", ("--text", "x"), 2, "--json"),
    ],
)
def test_bad_usage_and_bad_files_are_one_line(project, name, options, code, told):
    text = stage(project, name, *options, code=code)
    assert told in text and "Traceback" not in text


def test_keys_and_options_must_agree(project, tmp_path):
    for section, told in (({"alpah": 1}, "has the key 'alpah'"), (None, "has no section 'link_tubes:'")):
        config = yaml.safe_load((project / "pipeline.yaml").read_text())
        config["link_tubes"] = section
        (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(config))
        text = stage(project, "link_tubes", "--config", str(tmp_path / "pipeline.yaml"), code=1)
        assert told in text and text.count("\n") == 1


def test_a_missing_detector_is_told_before_any_work(project):
    weights = project / "demo" / "detector.pth"
    kept = weights.read_bytes()
    try:
        weights.unlink()
        text = stage(project, "detect_proposals", code=1)
        assert "detector.pth" in text and text.startswith("error: ") and text.count("\n") == 1
        assert len(list((project / "artifacts/demo/proposals").glob("*.h5"))) == 8
    finally:
        weights.write_bytes(kept)


@pytest.mark.parametrize("options", [(), ("--untrained",)])
def test_one_video_of_your_own_is_grounded_beside_the_pipeline(project, tmp_path, options):
    video = str(next((project / "data/demo/vidor/video").rglob("*.mp4")))
    before = (project / "dvc.lock").read_bytes()
    ask = ("--query", "a child walks.", "--query", "who is next to the dog?", "--out", str(tmp_path), *options)
    told = run(project, sys.executable, "-m", "vcma", "ground", video, *ask)
    found = json.loads((tmp_path / "predictions.json").read_text())
    assert set(found) == {"a child walks.", "who is next to the dog?"} and told.count(" -> ") == 2
    for answer in found.values():
        begin, end = answer["span"]
        assert begin < end and all(str(frame) in answer["boxes"] for frame in range(begin, end))
    assert (tmp_path / "00.mp4").stat().st_size > 1000 and (tmp_path / "01.mp4").is_file()
    assert (project / "dvc.lock").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("none.mp4", "--query", "x"), "no such video"),
        (("pipeline.yaml", "--query", "x"), "cannot be decoded"),
        (("pipeline.yaml", "--queries", "none.txt"), "none.txt"),
    ],
)
def test_bad_input_of_ground_is_one_line(project, words, told):
    text = run(project, sys.executable, "-m", "vcma", "ground", *words, code=1)
    assert told in text and text.startswith("error: ") and text.count("\n") == 1


def hcstvg_records(source: Path, split: str, videos: Path, sentence: str) -> dict:
    """The drawn world's first caption of each video as HC-STVG's records, their videos copied under its names."""
    records = {}
    for number, record in enumerate(json.loads((source / f"{split}_annotations.json").read_text())):
        key = f"{number}_{record['vid']}.mp4"
        if not record["captions"] or any(k.endswith(f"_{record['vid']}.mp4") for k in records):
            continue
        shutil.copy(next((source / "vidor" / "video").rglob(f"{record['vid']}.mp4")), videos / key)
        drawn = json.loads(next((source / "vidor" / "annotation").rglob(f"{record['vid']}.json")).read_text())
        caption, begin = record["captions"][0], record["temporal_gt"]["begin_fid"]
        seen = drawn["trajectories"][begin : record["temporal_gt"]["end_fid"]]
        boxes = [thing["bbox"] for things in seen for thing in things if thing["tid"] == caption["target_id"]]
        records[key] = {
            "bbox": [[b["xmin"], b["ymin"], b["xmax"] - b["xmin"], b["ymax"] - b["ymin"]] for b in boxes],
            "st_frame": begin + 1,
            "img_num": record["frame_count"],
            "width": record["width"],
            "height": record["height"],
            sentence: caption["description"],
        }
    return records


def test_hcstvg_goes_through_every_stage(project):
    """Version 1, whose validation split is carved; then version 2's key for the sentence gives the same samples."""
    kept = (project / "pipeline.yaml").read_text()
    data = project / "data" / "hcstvg"
    (data / "video").mkdir(parents=True)
    try:
        for split in ("train", "test"):
            records = hcstvg_records(project / "data" / "demo", split, data / "video", "caption")
            (data / f"{split}.json").write_text(json.dumps(records))
            second = {
                k: {("English" if f == "caption" else f): v for f, v in r.items()} for k, r in records.items()
            }
            (data / f"{split}_v2.json").write_text(json.dumps(second))
        config = yaml.safe_load(kept)
        block = config["datasets"]["hcstvg"] | {
            "detector": config["datasets"]["demo"]["detector"],
            "val_share": 0.3,
        }
        configure(project, dataset="hcstvg", datasets={"hcstvg": block}, extract_frames={"rate": 2})
        for name in STAGES[:-1]:
            told = stage(project, name)
        assert "official: n = 2, missing 0" in told and "published" not in told
        metrics = json.loads((project / "artifacts/hcstvg/scores.json").read_text())
        assert metrics["official"]["declarative"]["m_vIoU"]["value"] >= 0
        splits = {"train": "train_v2.json", "val": None, "test": "test_v2.json"}
        configure(project, datasets={"hcstvg": block | {"splits": splits}})
        path = project / "artifacts" / "hcstvg" / "truth_test.h5"
        first = artifact.read(schemas.TRUTH, path)
        path.unlink()
        assert "6 videos, 6 sentences (2 test, 2 val, 2 train), 0 skipped" in stage(project, "index_dataset")
        second = artifact.read(schemas.TRUTH, path)
        assert len(first["box"]) > 40 and all(np.array_equal(first[name], second[name]) for name in first)
    finally:
        (project / "pipeline.yaml").write_text(kept)


@pytest.mark.parametrize("dataset", ["vidstg", "clips"])
def test_real_clips_go_through_with_the_opencv_detector(tmp_path, test_data, dataset):
    project = make_project(tmp_path)
    detector = {
        "backend": "opencv_dnn",
        "layout": "fastestdet",
        "weights": str(test_data / "fastestdet" / "FastestDet.onnx"),
        "classes": str(test_data / "fastestdet" / "coco.names"),
        "input_size": 352,
    }
    block = {"format": dataset, "videos": str(test_data / "vidstg" / "videos"), "detector": detector}
    data = project / "data" / dataset
    data.mkdir(parents=True)
    if dataset == "vidstg":
        annotations = json.loads((test_data / "vidstg" / "val_annotations.json").read_text())
        kept = [r for r in annotations if r["vid"] in ("4240545211", "8665030691")]
        (data / "val.json").write_text(json.dumps(kept))
        block |= {"boxes": None, "splits": {"train": "val.json", "val": "val.json", "test": "val.json"}}
    else:
        lines = "video,sentence\n4240545211.mp4,a man rides a bicycle\n8665030691.mp4,who is walking?\n"
        (data / "clips.csv").write_text(lines)
        block |= {"splits": {"train": "clips.csv", "test": "clips.csv"}}
    configure(project, dataset=dataset, datasets={dataset: block}, train_em=QUICK, extract_frames={"rate": 2})
    run(project, "dvc", "init", "--no-scm", "-q")
    told = run(project, "dvc", "repro")
    assert "too few training sentences" in told
    artifacts = project / "artifacts" / dataset
    predictions = json.loads((artifacts / "predictions.json").read_text())
    if dataset == "vidstg":
        assert len(predictions) == 34
        metrics = json.loads((artifacts / "scores.json").read_text())["stcat"]["declarative"]
        assert metrics["n"] == 15 and metrics["m_vIoU"]["value"] is None and metrics["m_tIoU"]["value"] >= 0
        assert "unavailable" in told
    else:
        assert len(predictions) == 2
    # A detector that knows people finds one in footage of people, and boxes stay inside the picture.
    assert any(answer["boxes"] for answer in predictions.values())


@pytest.mark.parametrize(("device", "alone"), [("cpu", False), ("cuda:0", True)])
def test_videos_go_to_workers_on_a_cpu_and_to_one_process_on_a_gpu(tmp_path, device, alone):
    how = StageRun("any", tmp_path, Project(tmp_path, {}), {}, jobs=2, device=device)
    seen = dict(workers.parallel(how, lambda video: (video, os.getpid()), [("a",), ("b",), ("c",)]))
    assert set(seen) == {"a", "b", "c"}
    assert (set(seen.values()) == {os.getpid()}) is alone


def test_grounding_without_a_model(project, tmp_path):
    artifacts = project / "artifacts" / "demo"
    kept = {
        name: (artifacts / name).read_bytes()
        for name in (
            "predictions.h5",
            "predictions.json",
            "references.h5",
            "metrics.json",
            "scores.json",
            "reference_points.json",
        )
    }
    (artifacts / "model").rename(tmp_path / "model")
    try:
        run(project, sys.executable, "stages/ground_queries.py", "--untrained")
        found = artifact.read(schemas.PREDICTIONS, artifacts / "predictions.h5")
        answers = artifact.read(schemas.REFERENCES, artifacts / "references.h5")
        assert len(found["sample"]) == len(json.loads(kept["predictions.json"])) and (found["tube"] >= 0).all()
        assert set(answers["method"]) == {"untrained"} and (answers["tube"] == found["tube"]).all()
        told = stage(project, "evaluate")
        assert "\n  untrained (labels and cues) " in told and "\n  VCMA " not in told
    finally:
        (tmp_path / "model").rename(artifacts / "model")
        for name, content in kept.items():
            (artifacts / name).write_bytes(content)


def test_the_ablation_makes_its_table_and_resumes(project, tmp_path, monkeypatch):
    monkeypatch.setattr(ablation_variants, "ALPHAS", (0.0, 0.5))
    monkeypatch.setattr(ablation_variants, "BETAS", (0.0, 1.0))
    monkeypatch.setattr(ablation_variants, "SHORT", {"rounds": 2, "patience": 1})
    names = ("em", "supervised", "contrast", "label_prior", "oracle", "chance", "untrained")
    options = ["--config", project / "pipeline.yaml", "--dataset", "demo", "--seeds", "1", "--jobs", "1"]
    options += ["--out", tmp_path, *(word for name in names for word in ("--only", name))]

    def ablated() -> str:
        told = CliRunner().invoke(ablate_command, list(map(str, options)))
        assert told.exit_code == 0, told.output
        return told.output

    assert "9 runs, 0 made before" in ablated()
    table = (tmp_path / "ablation.csv").read_bytes()
    assert "9 runs, 9 made before" in (told := ablated())
    assert (tmp_path / "ablation.csv").read_bytes() == table
    rows = list(csv.DictReader(table.decode().splitlines()))
    assert tuple(rows[0]) == ablation_table.COLUMNS
    assert {r["variant"] for r in rows} == {*names, "p", "q", "no_relations"}
    assert {(r["alpha"], r["beta"]) for r in rows if r["variant"] == "em"} == {
        ("0.0", "1.0"), ("0.5", "0.0"), ("0.5", "1.0"),
    }  # fmt: skip
    best = {r["variant"]: float(r["m_vIoU"]) for r in rows if (r["split"], r["query_type"]) == ("test", "all")}
    assert best["chance"] < best["oracle"] < 1
    assert "supervised ceiling" in told and "calibration error" in told
    with Image.open(tmp_path / "ablation.png") as picture:
        assert picture.size[0] > 500
    options = [*options[: -2 * len(names)], "--only", "oracle"]
    assert "1 runs, 1 made before" in (told := ablated()) and "| oracle" in told and "supervised" not in told
    told = CliRunner().invoke(ablate_command, ["--only", "q", *map(str, options)])
    assert told.exit_code == 2 and "no variant q; choose from em, no_none," in told.output.replace("\n", " ")
