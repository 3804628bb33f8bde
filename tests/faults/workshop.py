"""A small project to break things in: tiny drawn videos, a tiny network for a detector, stages run as commands."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.conftest import ROOT
from tests.detection.networks import constant_network
from vcma.pipeline import artifact, schemas

PER_VIDEO = {"extract_frames": "frames", "detect_proposals": "proposals", "link_tubes": "tubes"}
ORDER = ("index_dataset", "extract_frames", "detect_proposals", "link_tubes", "parse_queries", "train_em")
SENTENCES = (
    "a person walks next to a dog.",
    "who follows the red ball?",
    "the small dog runs away from a person.",
    "a ball lies in front of the dog.",
)
QUICK = {"rounds": 6, "warm_up": 1, "width": 16, "max_frames": 12, "patience": 6}
FULL = os.environ.get("VCMA_FAULTS") == "all"  # `make faults`; else a seeded part of it
slow = pytest.mark.skipif(not FULL, reason="run by `make faults`")


def draw_video(path: Path, seed: int, frames: int = 24, size: tuple[int, int] = (96, 64), codec="mpeg4") -> None:
    """A few coloured boxes that wander over a noisy ground."""
    import av

    random = np.random.default_rng(seed)
    ground = random.integers(60, 120, (size[1], size[0], 3), dtype=np.uint8)
    place, speed = random.uniform(0, 40, (3, 2)), random.uniform(-2, 2, (3, 2))
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=12)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.thread_count = 1
        for t in range(frames):
            picture = ground.copy()
            for i, (x, y) in enumerate(np.abs(place + t * speed).astype(int)):
                picture[y : y + 16, x : x + 16] = np.eye(3, dtype=np.uint8)[i] * 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def tiny_network(folder: Path) -> dict:
    """The `detector:` block of a network that always sees the same four things."""
    random = np.random.default_rng(0)
    boxes = random.uniform(0, 0.5, (4, 2))
    rows = np.concatenate([np.zeros((4, 1)), [[1], [2], [3], [1]], [[0.9], [0.8], [0.7], [0.6]]], axis=1)
    answer = np.concatenate([rows, boxes, boxes + random.uniform(0.2, 0.5, (4, 2))], axis=1)
    constant_network(folder / "net.onnx", answer.reshape(1, 1, 4, 7).astype(np.float32), 64)
    (folder / "names").write_text("person\ndog\nball\n")
    return {
        "backend": "opencv_dnn",
        "layout": "ssd",
        "weights": str(folder / "net.onnx"),
        "classes": str(folder / "names"),
        "input_size": 64,
    }


def make_project(folder: Path, videos: int, frames: int = 24, **sections: dict) -> Path:
    """The project's own stages and library beside a data set of `videos` drawn clips with a sentence each."""
    for name in ("stages", "vcma"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", folder)
    data = folder / "data" / "clips"
    for i in range(videos):
        draw_video(data / f"clip{i:03}.mp4", i, frames)
    rows = [f'clip{i:03}.mp4,"{SENTENCES[i % len(SENTENCES)]}"' for i in range(videos)]
    (data / "clips.csv").write_text("\n".join(["video,sentence", *rows]) + "\n")
    config = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    config["dataset"] = "clips"
    config["datasets"] = {"clips": config["datasets"]["clips"] | {"detector": tiny_network(folder)}}
    config["train_em"] |= QUICK
    config["extract_frames"] |= {"rate": 12}
    for name, values in sections.items():
        config[name] = config.get(name, {}) | values
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(config))
    return folder


def make_extracted_project(folder: Path, videos: int, frames: int = 24) -> Path:
    """A project as by `make_project`, up to its extracted frames."""
    project = make_project(folder, videos, frames)
    for stage in ("index_dataset", "extract_frames"):
        run(project, stage)
    return project


def artifacts(project: Path) -> Path:
    return project / "artifacts" / "clips"


def start(project: Path, stage: str, *options: str, **settings) -> subprocess.Popen:
    """Start a stage in a process group of its own; what it says goes to told.txt of the project."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with open(project / "told.txt", "w") as told:
        return subprocess.Popen(
            [sys.executable, f"stages/{stage}.py", *options],
            cwd=project,
            env=os.environ | {"PYTHONPATH": str(project), "PATH": path, "OMP_NUM_THREADS": "1"},
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **settings,
        )


def finish(process: subprocess.Popen, project: Path, code: int = 0) -> str:
    """Wait for the end of what `start` began and return what it said."""
    process.wait(300)
    told = (project / "told.txt").read_text()
    assert process.returncode == code, told
    return told


def run(project: Path, stage: str, *options: str, code: int = 0, **settings) -> str:
    """Run a stage to its end and return what it said."""
    process = start(project, stage, *options, **settings)
    try:
        return finish(process, project, code)
    finally:
        end(process)


def end(process: subprocess.Popen) -> None:
    """Kill what is left of a process group that `start` began."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def errors(told: str) -> list[str]:
    """The error lines of what a command said, which must not be a traceback."""
    assert "Traceback" not in told, told
    return [line for line in told.splitlines() if line.startswith("error: ")]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".ledger" not in path.parts
    }


def without_privilege() -> None:
    """Make a child that root starts heed permissions like anybody else's (for `preexec_fn`)."""
    import ctypes

    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def schema_file(schema: schemas.Schema, path: Path, seed: int = 0, rows: int = 3) -> Path:
    """An artifact of any schema with made-up content: `rows` long along every axis."""
    random = np.random.default_rng(seed)
    data = {}
    for name, column in schema.columns.items():
        shape = [int(axis) if axis.isdigit() else rows for axis in column.axes]
        if column.offsets:
            data[name] = np.arange(rows + 1, dtype=np.int64)
        elif column.unit == "entity":
            data[name] = np.zeros(shape, np.int64)
        elif column.rule == "rising":
            data[name] = np.arange(rows, dtype=np.int64)
        elif column.rule == "box":
            data[name] = np.tile(np.float32([0, 0, 1, 1]), (rows, 1))
        elif column.rule == "probability" or name in ("width", "height"):
            data[name] = np.ones(shape, column.dtype)
        elif column.dtype == "str":
            data[name] = np.array([f"word {n}" for n in range(rows)], object) if shape else "word"
        else:
            data[name] = random.uniform(0, rows - 0.01, shape).astype(column.dtype)
    artifact.write(schema, path, data, {"seed": seed}, {"from": "nothing"})
    return path
