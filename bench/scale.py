"""Growth of time and memory with the number of videos, frames, regions, tubes and sentences; no-op `dvc repro`.

    python bench/scale.py [--videos 5000 10000 20000] [--no-dvc] [--json FILE]

Videos: a temporary project with that many tiny artifacts per stage, in the real schemas; every per-video stage
lists them, skips all, and prunes those of a removed half. All other measurements run the actual computation. The
exponent is the slope of log(cost) over log(size), after subtracting the cost of the smallest size (start-up). One
thread.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import turns  # first: it sets the number of threads

from vcma.pipeline import schemas
from vcma.records.columns import Columns
from vcma.text.features import WORDLLAMA

# isort: split
import numpy as np
import yaml
from train_em import NAMES, generate

from artifacts import proposals
from vcma.pipeline import artifact
from vcma.pipeline.video_artifacts import video_file

LATER = (  # outputs of the stages after the per-video ones
    *("queries.h5", "em_history.json", "model/model.json", "predictions.h5", "predictions.json", "references.h5"),
    *("metrics.json", "scores.json", "reference_points.json", "report/index.html"),
)
PER_VIDEO = {"extract_frames": "frames", "detect_proposals": "proposals", "link_tubes": "tubes"}
SENTENCES = (
    "a dog chases the red ball.",
    "who pushes the toy car next to a child?",
    "the adult in black rides towards a cat and then watches the dog.",
    "what does the small child hold above the chair?",
)
_LITTLE = 0.05  # relative to the cost of the smallest size; less growth is noise
Cost = tuple[float, float]  # seconds, MB


def project(root: Path) -> Path:
    """Copy the stages and the library to an empty folder, as a project with the data set `clips`."""
    from tests.faults.workshop import tiny_network

    for name in ("stages", "vcma", "envs/detectors", "envs/encoders"):
        shutil.copytree(turns.ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(turns.ROOT / "dvc.yaml", root)
    config = yaml.safe_load((turns.ROOT / "pipeline.yaml").read_text())
    config["dataset"] = "clips"
    config["datasets"] = {"clips": config["datasets"]["clips"] | {"detector": tiny_network(root)}}
    (root / "pipeline.yaml").write_text(yaml.safe_dump(config))
    for name in ("demo/detector.pth", "demo/encoder/config.json", "data/clips/clips.csv"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def run(root: Path, *command: str, saying: str = "") -> Cost:
    """Run a command in a project; returns seconds and peak MB. It must succeed and print `saying`."""
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    code += "print('\\n', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PYTHONPATH": str(root), "PATH": path}
    words = [sys.executable, "-c", code, *command]
    begin = time.perf_counter()
    done = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode or saying not in done.stdout:
        sys.exit(f"{' '.join(command[-4:])}: {done.stderr[-800:]}")
    return time.perf_counter() - begin, float(done.stdout.split()[-1])


def stage(root: Path, name: str) -> Cost:
    jobs = ["--jobs", "1"] if name in PER_VIDEO else []
    return run(root, sys.executable, f"stages/{name}.py", *jobs)


# ---- videos: listing, skipping, pruning --------------------------------------------------------------------

# Runs a stage that registers existing artifacts in its ledger instead of computing them.
ADOPT = """
import runpy, sys
from vcma.pipeline import per_video
from vcma.pipeline.ledger import file_entry
def adopted(run, make, jobs, isolated):
    for video, path, *_ in jobs:
        yield video, {"counts": {}, "notes": [], **file_entry(path)}
per_video.results = adopted
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def small_tubes() -> Columns:
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), 1, 2, 4, 8)
        return artifact.read(schemas.TUBES, Path(folder) / "v0.h5")


def name_videos(root: Path, videos: Iterable[str]) -> None:
    lines = [f"{video},{SENTENCES[i % len(SENTENCES)]}\n" for i, video in enumerate(videos)]
    (root / "data/clips/clips.csv").write_text("video,sentence\n" + "".join(lines))


def fill(root: Path, count: int) -> list[str]:
    """Create `count` videos with artifacts and ledgers; returns their names."""
    videos = [f"video{i:06}.mp4" for i in range(count)]
    name_videos(root, videos)
    for video in videos:
        (root / "data/clips" / video).write_bytes(b"tiny")
    stage(root, "index_dataset")
    frames = schemas.empty(schemas.FRAMES, width=64, height=48, fps=10.0, frame_count=0)
    made = {"frames": frames, "proposals": proposals(4, 3, 8), "tubes": small_tubes()}
    for name, folder in PER_VIDEO.items():
        first, *others = (video_file(root / "artifacts/clips" / folder, video) for video in videos)
        artifact.write(schemas.SCHEMAS[folder], first, made[folder], {}, {})
        image = first.read_bytes()
        free = image.index(b"\n") + 1  # bytes between the seal and the HDF5 data are not read
        for path in others:
            mark = path.name.encode()  # makes every file unique
            path.write_bytes(image[:free] + mark + image[free + len(mark) :])
        run(root, sys.executable, "-c", ADOPT, f"stages/{name}.py", "--jobs", "1")
    return videos


def by_videos(counts: list[int], dvc: bool) -> dict[str, dict[int, Cost]]:
    """Cost of listing, skipping and pruning by number of videos; for the largest also of a no-op `dvc repro`."""
    found: dict[str, dict[int, Cost]] = {}
    for n in (10, *counts):
        with tempfile.TemporaryDirectory() as folder:
            root = project(Path(folder))
            videos = fill(root, n)
            for name in ("index_dataset", *PER_VIDEO):
                found.setdefault(f"{name}, {'list' if name == 'index_dataset' else 'skip'}", {})[n] = stage(
                    root, name
                )
            if dvc and n in (10, counts[-1]):
                found.setdefault("dvc repro, nothing to do", {})[n] = no_op(root)
            name_videos(root, videos[::2])
            stage(root, "index_dataset")
            for name, made in PER_VIDEO.items():
                found.setdefault(f"{name}, prune", {})[n] = stage(root, name)
                assert len(list((root / "artifacts/clips" / made).iterdir())) == len(videos[::2])
    return found


def no_op(root: Path) -> Cost:
    """Cost of `dvc repro` in an up-to-date project; outputs of the later stages are placeholders."""
    (root / "artifacts/clips/embeddings").mkdir()
    for out in LATER:
        path = root / "artifacts/clips" / out
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    dvc = sys.executable, "-m", "dvc"
    run(root, *dvc, "init", "--no-scm", "-q")
    with open(root / ".dvc/config", "a") as file:  # its only section is core
        file.write("    analytics = false\n    check_update = false\n")
    run(root, *dvc, "commit", "-q", "-f", "--no-relink")
    return run(root, *dvc, "repro", saying="Data and pipelines are up to date.")


# ---- sentences, tubes and frames of grounding ---------------------------------------------------------------


def corpus(root: Path, sentences: int, tubes: int, frames: int) -> Path:
    """Create a project with ten sentences per video, tubes, ground truth, and an untrained model."""
    from vcma.model.evidence import build
    from vcma.model.settings import Settings
    from vcma.model.vocabulary import vocabulary
    from vcma.text.static_vectors import static_vectors
    from vcma.training.model_files import save_model

    project(root)
    folder, videos = root / "artifacts/clips", max(sentences // 10, 1)
    generate(folder / "tubes", videos, tubes, frames, 64)
    row, end = np.arange(sentences), frames * 6

    def named(letter: str, n: int) -> np.ndarray:
        return np.array([f"{letter}{i}" for i in range(n)], object)

    def all_equal(value: object) -> np.ndarray:
        return np.full(sentences, value, object if isinstance(value, str) else None)

    sample, begin = named("s", sentences), all_equal(0)
    samples = schemas.empty(schemas.SAMPLES) | {"video": named("v", videos), "video_path": named("v", videos)}
    samples |= {"video_fps": np.zeros(videos), "sample": sample, "sample_video": row % videos}
    samples |= {
        f"video_{name}": np.zeros(videos, np.int64) for name in ("frames", "width", "height", "bytes", "modified")
    }
    samples |= {"split": all_equal("test"), "query_type": all_equal("unknown"), "segment_begin": begin}
    samples |= {"segment_end": all_equal(end), "sentence": np.array(SENTENCES, object)[row % len(SENTENCES)]}
    artifact.write(schemas.SAMPLES, folder / "samples.h5", samples, {}, {})
    box = np.tile(np.float32([100, 100, 200, 200]), (8 * sentences, 1))
    truth = schemas.empty(schemas.TRUTH, format="vidstg") | {
        "sample": sample,
        "video": named("v", videos)[row % videos],
    }
    truth |= {name: all_equal("") for name in ("category", "predicate")} | {"query_type": all_equal("declarative")}
    truth |= {"span_begin": begin, "span_end": all_equal(8), "segment_begin": begin, "segment_end": all_equal(end)}
    truth |= {
        "width": all_equal(640),
        "height": all_equal(480),
        "frame_count": all_equal(end),
        "fps": all_equal(24.0),
        "target_id": begin,
        "distractors": begin,
    }
    truth |= {"box": box, "box_frame": np.tile(np.arange(8), sentences), "box_offset": np.arange(sentences + 1) * 8}
    artifact.write(schemas.TRUTH, folder / "truth_test.h5", truth, {}, {})
    settings = Settings.of(yaml.safe_load((turns.ROOT / "pipeline.yaml").read_text())["train_em"])
    model = build(vocabulary([], NAMES, (), 64, WORDLLAMA), static_vectors, settings)
    for name in ("model", "model/contrast"):
        extra = {"max_frames": frames, "temperature": 1.0, "brevity": 0.0, "window": [0.0, 1.0]}
        save_model(folder / name, model, "bench", extra)
    return root


def by_sentences(counts: Iterable[int]) -> dict[str, dict[int, Cost]]:
    found: dict[str, dict[int, Cost]] = {}
    for n in (10, *counts):
        with tempfile.TemporaryDirectory() as folder:
            root = corpus(Path(folder), n, 6, 16)
            for name in ("parse_queries", "ground_queries", "evaluate"):
                found.setdefault(f"{name} over sentences", {})[n] = stage(root, name)
    return found


def grounding(what: str, counts: Iterable[int]) -> dict[str, dict[int, Cost]]:
    """Cost of ground_queries by the number of tubes of a video, or of its frames."""
    found: dict[int, Cost] = {}
    for n in (2, *counts):
        with tempfile.TemporaryDirectory() as folder:
            size = {"tubes": 6, "frames": 16} | {what: n}
            root = corpus(Path(folder), 100, **size)
            stage(root, "parse_queries")
            found[n] = stage(root, "ground_queries")
    return {f"ground_queries over {what}": found}


# ---- one video: its frames and regions ---------------------------------------------------------------------


def one(what: str, n: int) -> None:
    """Run the work `what` of size n in this process; prints its seconds and its peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        work = WORKS[what](Path(folder), n)
        # Memory freed by the preparation must count neither as peak nor as available.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before, begin = memory("VmRSS"), time.perf_counter()
        work()
        print(time.perf_counter() - begin, memory("VmHWM") - before)


def memory(what: str) -> float:
    """Current (VmRSS) or peak (VmHWM) memory of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def extraction(folder: Path, frames: int) -> Callable[[], object]:
    from tests.faults.workshop import draw_video
    from vcma.video.sampling import extract

    draw_video(folder / "a.mp4", 0, frames, (320, 240))
    return lambda: extract(folder / "a.mp4", [(0, -1)], rate=4, max_frames=10**6, max_side=640, quality=90)


def linking(frames: int, regions: int) -> Callable[[], object]:
    from scenes import crossing

    from vcma.linking.linker import link

    section = yaml.safe_load((turns.ROOT / "pipeline.yaml").read_text())["link_tubes"]
    data = crossing(0, noisy=True, frames=frames, detections=regions).data
    return lambda: link(data, **section)


WORKS: dict[str, Callable[[Path, int], Callable[[], object]]] = {
    "extract_frames over frames": extraction,
    "link_tubes over frames": lambda _, n: linking(n, 20),
    "link_tubes over regions": lambda _, n: linking(64, n),
}
SIZES = {
    "extract_frames over frames": (500, 1000, 2000),
    "link_tubes over frames": (250, 500, 1000),
    "link_tubes over regions": (25, 50, 100),
}


def by_size() -> dict[str, dict[int, Cost]]:
    found = {}
    for what, sizes in SIZES.items():
        for n in (8, *sizes):
            command = [sys.executable, __file__, "--one", what, str(n)]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            found.setdefault(what, {})[n] = float(told[0]), float(told[1])
    return found


# ---- report -------------------------------------------------------------------------------------------------


def exponent(cost: dict[int, float]) -> float | None:
    """Slope of log(cost) over log(size), less the cost of the smallest size; None if the growth is negligible."""
    (_, start), *rows = sorted(cost.items())
    size, more = np.array([n for n, _ in rows]), np.array([c - start for _, c in rows])
    if len(rows) < 2 or (more < _LITTLE * start).any():
        return None
    return float(np.polyfit(np.log(size), np.log(more), 1)[0])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--videos", type=int, nargs="+", default=[5000, 10000, 20000], help="numbers of videos")
    options.add_argument("--sentences", type=int, nargs="+", default=[500, 1000, 2000], help="numbers of sentences")
    options.add_argument("--no-dvc", action="store_true", help="skip the no-op `dvc repro`")
    options.add_argument("--json", type=Path, help="write the results to this file")
    options.add_argument("--one", nargs=2, metavar=("WORK", "SIZE"), help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.one:
        return one(args.one[0], int(args.one[1]))
    figures = {}
    costs = by_size() | grounding("tubes", (5, 10, 20)) | grounding("frames", (16, 32, 64))
    costs |= by_sentences(args.sentences) | by_videos(args.videos, not args.no_dvc)
    for name, row in costs.items():
        seconds, memory = ({n: cost[k] for n, cost in sorted(row.items())} for k in (0, 1))
        found = {"seconds": seconds, "MB": memory}
        if len(row) > 1:
            found |= {"time_exponent": exponent(seconds), "memory_exponent": exponent(memory)}
        figures[name] = found
        print(tell(name, found))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


def tell(name: str, found: dict) -> str:
    values = ", ".join(f"{n:,}: {s:.2f} s, {found['MB'][n]:.0f} MB" for n, s in found["seconds"].items())
    power = "".join(
        f", {what} n^{found[f'{what}_exponent']:.2f}"
        for what in ("time", "memory")
        if found.get(f"{what}_exponent")
    )
    return f"{name:30}{power}; {values}"


if __name__ == "__main__":
    main()
