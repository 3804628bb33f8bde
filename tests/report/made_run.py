"""A small run, made by hand, to be reported."""

from functools import partial
from pathlib import Path

import numpy as np
import yaml
from click.testing import CliRunner

from stages.render_report import render_report
from tests.conftest import ROOT, make_tubes
from vcma.evaluation.metrics import evaluate
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.paths import file_stem
from vcma.records.answer import Answer, Prediction, prediction_columns
from vcma.records.columns import offsets
from vcma.records.query import Entity, Query, Relation, query_columns
from vcma.records.tubes import Tubes
from vcma.report.loading import read_answers
from vcma.report.names import readable_name

FRAMES, FPS = 36, 12.0
VIDEOS = ("plain", "no/ tubes %2F", "lost")  # usual; an odd name and no tubes; no video file and no frames
EVIL = "the <script>alert('dog')</script> & \"child\" chases {{ 7 * 7 }} a ball"


def draw(frame: int) -> np.ndarray:
    """A picture of the generated video, whose bright bar says which frame it is."""
    picture = np.full((240, 320, 3), 60, np.uint8)
    picture[:, 8 * frame : 8 * frame + 8] = 230
    return picture


def make_query(text: str, words: tuple[str, ...], relations: tuple[Relation, ...]) -> Query:
    entities = tuple(
        Entity(w, w.split()[-1], (), "singular", (text.index(w), text.index(w) + len(w))) for w in words
    )
    return Query(text, "declarative", entities, relations, 0)


SENTENCES = {
    "plain/0": (
        "plain",
        make_query(EVIL, ("the", "child", "a ball"), (Relation(0, "run", None), Relation(0, "chase", 1))),
    ),
    "plain/1": (
        "plain",
        make_query("a dog is above a red ball", ("a dog", "a red ball"), (Relation(0, "above", 1),)),
    ),
    "odd/2": ("no/ tubes %2F", make_query("who runs", ("who",), (Relation(0, "run", None),))),
    "lost/3": ("lost", make_query("a dog", ("a dog",), ())),
}


def write_frames(path: Path, frame: np.ndarray, start: float = 0.0) -> None:
    import cv2

    files = [cv2.imencode(".jpg", draw(int(f)))[1].ravel() for f in frame]
    columns = {
        "frame": frame,
        "time": frame / FPS + start,
        "jpeg_offset": offsets(map(len, files)),
        "jpeg": np.concatenate(files),
        "width": np.int64(320),
        "height": np.int64(240),
        "fps": np.float64(FPS),
        "frame_count": np.int64(FRAMES),
    }
    artifact.write(schemas.FRAMES, path, columns, {"rate": 4}, {})


def write_mp4(path: Path) -> None:
    import av

    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=int(FPS), options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for frame in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(draw(frame), format="bgr24")))
        container.mux(stream.encode())


def write_samples(folder: Path) -> None:
    column = schemas.empty(schemas.SAMPLES)
    n, V = len(SENTENCES), len(VIDEOS)
    text = partial(np.array, dtype=object)
    column |= {
        "video": text(VIDEOS),
        "video_path": text([f"{i}.mp4" for i in range(V)]),
        "video_fps": np.full(V, FPS),
        **{f"video_{key}": np.zeros(V, np.int64) for key in ("frames", "width", "height", "bytes", "modified")},
        "sample": text(list(SENTENCES)),
        "sample_video": np.array([VIDEOS.index(v) for v, _ in SENTENCES.values()], np.int64),
        "split": text(["test"] * n),
        "sentence": text([q.text for _, q in SENTENCES.values()]),
        "query_type": text(["declarative", "declarative", "interrogative", "declarative"]),
        "segment_begin": np.zeros(n, np.int64),
        "segment_end": np.full(n, FRAMES, np.int64),
    }
    artifact.write(schemas.SAMPLES, folder / "samples.h5", column, {"dataset": "clips"}, {})
    columns = {"sample": column["sample"], **query_columns([q for _, q in SENTENCES.values()])}
    artifact.write(schemas.QUERIES, folder / "queries.h5", columns, {"model": "auto"}, {})


def write_truth(folder: Path, tubes: Tubes) -> None:
    """The truth of all but the last sentence: tube 1 of the first video over frames 9 to 24."""
    column = schemas.empty(schemas.TRUTH, format="vidstg")
    frame = np.arange(9, 24)
    box = tubes.boxes_at(1, frame).astype(np.float32)
    known = list(SENTENCES)[:3]
    n = len(known)
    text = partial(np.array, dtype=object)
    column |= {
        "sample": text(known),
        "video": text([SENTENCES[s][0] for s in known]),
        "query_type": text(["declarative", "declarative", "interrogative"]),
        **{name: np.full(n, value, np.int64) for name, value in {"span_begin": 9, "span_end": 24}.items()},
        "segment_begin": np.zeros(n, np.int64),
        "segment_end": np.full(n, FRAMES, np.int64),
        "frame_count": np.full(n, FRAMES, np.int64),
        "fps": np.full(n, FPS),
        "target_id": np.zeros(n, np.int64),
        "category": text(["dog"] * n),
        "predicate": text(["chase", "above", "run"]),
        "distractors": np.arange(n, dtype=np.int64),
        **{name: np.full(n, value, np.int64) for name, value in {"width": 320, "height": 240}.items()},
        "box_offset": offsets([len(frame)] * n),
        "box_frame": np.tile(frame, n),
        "box": np.tile(box, (n, 1)),
    }
    artifact.write(schemas.TRUTH, folder / "truth_test.h5", column, {}, {})


def write_predictions(folder: Path, tubes: dict, tube: int, **inputs: str) -> None:
    frame, N = tubes["frame"], len(tubes["tube_score"])
    found = []
    for sample, (video, told) in SENTENCES.items():
        M, seen = len(told.entities), video == "plain"
        shape = len(told.relations), len(frame) * seen
        evidence = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape) / 10
        found.append(
            Prediction(
                answer=Answer(sample, tube if seen else -1, 10, 25),
                video=video,
                flags=() if seen else ("no_tube",),
                target=0,
                entity_tube=np.array([tube, *range(2, 1 + M)] if seen else [-1] * M, np.int64),
                candidate=np.arange(N if seen else 0),
                posterior=np.full((M, N if seen else 0), 1 / N, np.float32),
                moment=frame if seen else frame[:0],
                moment_prob=np.linspace(0, 1, len(frame) if seen else 0, dtype=np.float32),
                evidence=evidence,
            )
        )
    params = {"split": "test", "posterior": "p"}
    artifact.write(schemas.PREDICTIONS, folder / "predictions.h5", prediction_columns(found), params, inputs)


def write_results(folder: Path) -> None:
    truth = artifact.read(schemas.TRUTH, folder / "truth_test.h5")
    ours = evaluate(truth, read_answers(folder)[1], "stcat")
    ours["declarative"]["vIoU@0.5"] = {"value": None, "low": None, "high": None}
    storage.write_json(folder / "scores.json", {"stcat": ours})
    storage.write_json(folder / "reference_points.json", {"chance": {"stcat": ours}})
    rounds = [
        {
            "round": k,
            "score_p": 0.1 * k,
            "score_q": None,
            "elbo": -k,
            "contrast": 1,
            "none": 1,
            "cross_entropy": 0,
            "best": k < 2,
        }
        for k in (0, 1, 2)
    ]
    storage.write_json(folder / "model" / "model.json", {"settings": {"beta": 1.0}})
    storage.write_json(folder / "em_history.json", {"score": "m_vIoU", "sentences": 4, "rounds": rounds})


def make_run(root: Path, tube: int = 1, start: float = 0.0) -> Path:
    """A project whose first video is answered by `tube`; returns its artifacts. start: when its picture begins."""
    folder = root / "artifacts" / "clips"
    config = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    config |= {"dataset": "clips", "datasets": {"clips": {"format": "clips", "videos": "videos"}}}
    root.mkdir(parents=True, exist_ok=True)
    (root / "pipeline.yaml").write_text(yaml.safe_dump(config))
    write_mp4(root / "videos" / "0.mp4")
    tubes = make_tubes(3, frames=FRAMES // 3)
    tubes["time"] = tubes["time"] + start
    own = slice(*tubes["point_offset"][1:3])
    tubes["interpolated"][own] = tubes["position"][own] >= 6  # of tube 1 the later half is not detected
    artifact.write(schemas.TUBES, folder / "tubes" / "plain.h5", tubes, {"alpha": 0.5}, {})
    for video in VIDEOS[:2]:
        write_frames(folder / "frames" / f"{file_stem(video)}.h5", tubes["frame"], start)
    write_samples(folder)
    write_truth(folder, Tubes.of(tubes))
    write_predictions(folder, tubes, tube, model="1234")
    write_results(folder)
    return folder


def render(project: Path, *options: str) -> str:
    """Run the stage; returns what it says. A failure of any kind fails the test."""
    result = CliRunner().invoke(
        render_report, ["--config", str(project / "pipeline.yaml"), "--jobs", "1", *options]
    )
    assert result.exit_code == 0, result.output + str(result.exception)
    return result.output


def page(rendered: Path, sample: str) -> Path:
    return rendered / "samples" / f"{readable_name(sample)}.html"
