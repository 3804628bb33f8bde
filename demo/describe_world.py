"""Describe a drawn data set: difficulty, results of shortcuts, and upper bounds of detection and linking."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from vcma.boxes import pairwise_iou
from vcma.detector_training.detection_metrics import detection_metrics
from vcma.detector_training.pictures import AnnotatedPicture
from vcma.errors import InputError
from vcma.evaluation.baselines import identity_oracle, oracle
from vcma.evaluation.metrics import score
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.video_artifacts import read_regions, tubes_reader, video_file
from vcma.records.columns import rows
from vcma.records.regions import Regions
from world.grammar import NOUNS, TEST_NOUNS

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Sample:
    """A sentence with its ground truth: half-open frames, boxes {tid: (frames, 4) xyxy, NaN where absent}."""

    name: str
    split: str
    kind: str
    text: str
    target: int
    predicate: str
    span: tuple[int, int]
    segment: tuple[int, int]
    frames: int
    boxes: dict[int, np.ndarray]
    categories: dict[int, str]
    size: tuple[int, int]
    hardness: dict[str, int | bool]

    @property
    def video(self) -> str:
        return self.name.split("/")[0]

    @property
    def candidates(self) -> list[int]:
        """The objects that are visible at any time in the segment."""
        first, last = self.segment
        return [tid for tid, boxes in self.boxes.items() if np.isfinite(boxes[first:last, 0]).any()]


def load_samples(root: Path) -> list[Sample]:
    """Load every caption and question of a drawn data set."""
    world = json.loads((root / "world.json").read_text())
    paths = {p.stem: p for p in (root / "vidor" / "annotation").rglob("*.json")}
    samples = []
    for split in SPLITS:
        for number, record in enumerate(json.loads((root / f"{split}_annotations.json").read_text())):
            boxes = _tubes(json.loads(paths[record["vid"]].read_text()))
            samples += _samples(record, number, split, boxes, world["samples"])
    return samples


def _tubes(annotation: dict) -> dict[int, np.ndarray]:
    frames = annotation["frame_count"]
    out = {thing["tid"]: np.full((frames, 4), np.nan) for thing in annotation["subject/objects"]}
    for t, boxes in enumerate(annotation["trajectories"]):
        for box in boxes:
            out[box["tid"]][t] = [box["bbox"][side] for side in ("xmin", "ymin", "xmax", "ymax")]
    return out


def _samples(
    record: dict, number: int, split: str, boxes: dict[int, np.ndarray], hardness: dict
) -> Iterator[Sample]:
    span, segment = record["temporal_gt"], record["used_segment"]
    for kind in ("captions", "questions"):
        for index, sentence in enumerate(record[kind]):
            name = f"{record['vid']}/{number}/{kind}/{index}"
            yield Sample(
                name=name,
                split=split,
                kind=kind,
                text=sentence["description"],
                target=sentence["target_id"],
                predicate=record["used_relation"]["predicate"],
                span=(span["begin_fid"], span["end_fid"]),
                segment=(segment["begin_fid"], segment["end_fid"] + 1),
                frames=record["frame_count"],
                boxes=boxes,
                categories={o["tid"]: o["category"].split("/")[0] for o in record["subject/objects"]},
                size=(record["width"], record["height"]),
                hardness=hardness[name],
            )


# --- shortcuts -------------------------------------------------------------------------------------


def v_iou(sample: Sample, boxes: np.ndarray, span: tuple[int, int]) -> float:
    """Return the vIoU of a tube (frames, 4) over a span with the sample's ground truth."""
    begin, end = max(span[0], sample.span[0]), min(span[1], sample.span[1])
    union = (span[1] - span[0]) + (sample.span[1] - sample.span[0]) - max(0, end - begin)
    if end <= begin:
        return 0.0
    return float(pairwise_iou(boxes[begin:end], sample.boxes[sample.target][begin:end]).sum() / union)


def _mean_over(sample: Sample, tids: list[int], span: tuple[int, int]) -> float:
    """Return the expected vIoU of a random choice among these tubes."""
    return float(np.mean([v_iou(sample, sample.boxes[tid], span) for tid in tids])) if tids else 0.0


def _best(sample: Sample, score: Callable[[np.ndarray], float]) -> list[int]:
    """Return the tubes with the highest score in the segment, including ties."""
    first, last = sample.segment
    scores = {tid: score(sample.boxes[tid][first:last]) for tid in sample.candidates}
    return [tid for tid, value in scores.items() if value >= max(scores.values()) - 1e-9]


def _centre_distance(sample: Sample, boxes: np.ndarray) -> float:
    centre = np.nanmean((boxes[:, :2] + boxes[:, 2:]) / 2, axis=0)
    return float(np.hypot(*(centre - np.array(sample.size) / 2)))


def first_mentioned(sample: Sample) -> list[int]:
    """Return the objects of the category that the sentence mentions first."""
    where = {}
    for category in set(sample.categories.values()):
        words = {category, *NOUNS.get(category, ()), *TEST_NOUNS.get(category, ())}
        found = re.search(rf"\b({'|'.join(words)})\b", sample.text)  # "car", but not in "carries"
        where[category] = found.start() if found else len(sample.text)
    first = min(where, key=lambda category: where[category])
    return [tid for tid in sample.candidates if sample.categories[tid] == first]


TUBES: dict[str, Callable[[Sample], list[int]]] = {
    "chance": lambda s: s.candidates,
    "position (nearest the middle)": lambda s: _best(s, lambda b: -_centre_distance(s, b)),
    "size (largest)": lambda s: _best(s, lambda b: float(np.nanmean((b[:, 2:] - b[:, :2]).prod(1)))),
    "size (smallest)": lambda s: _best(s, lambda b: -float(np.nanmean((b[:, 2:] - b[:, :2]).prod(1)))),
    "longest tube": lambda s: _best(s, lambda b: float(np.isfinite(b[:, 0]).sum())),
    "first mentioned category": first_mentioned,
}


def shortcuts(samples: list[Sample]) -> dict[str, float]:
    """Return the m_vIoU on test of methods that do not ground the sentence, given the true tubes.

    The span is the whole segment or the window of the median training span, whichever scores higher.
    """
    test = [s for s in samples if s.split == "test"]
    window = _window([s for s in samples if s.split == "train"])
    out = {}
    for name, choose in TUBES.items():
        tubes = [choose(s) for s in test]
        whole = np.mean([_mean_over(s, t, s.segment) for s, t in zip(test, tubes, strict=True)])
        part = np.mean([_mean_over(s, t, _part(s, window)) for s, t in zip(test, tubes, strict=True)])
        out[name] = float(max(whole, part))
    out["sentence without video"] = _blind(samples)
    return out


def _part(sample: Sample, window: tuple[float, float]) -> tuple[int, int]:
    first, last = sample.segment
    begin = first + int(window[0] * (last - first))
    return begin, max(begin + 1, first + round(window[1] * (last - first)))


def _shares(sample: Sample) -> tuple[float, float]:
    first, last = sample.segment
    return (sample.span[0] - first) / (last - first), (sample.span[1] - first) / (last - first)


def _window(train: list[Sample]) -> tuple[float, float]:
    begins, ends = zip(*(_shares(s) for s in train), strict=True)
    return float(np.median(begins)), float(np.median(ends))


def _blind(samples: list[Sample]) -> float:
    """Predict the median training box and window for each predicate and type of sentence."""
    rows = defaultdict(list)
    for s in samples:
        if s.split == "train":
            rows[s.predicate, s.kind].append(
                [*np.nanmedian(s.boxes[s.target][slice(*s.span)], axis=0), *_shares(s)]
            )
    usual = {key: np.median(values, axis=0) for key, values in rows.items()}
    scores = []
    for s in samples:
        if s.split != "test":
            continue
        prior = usual.get((s.predicate, s.kind))
        scores.append(
            0.0 if prior is None else v_iou(s, np.tile(prior[:4], (s.frames, 1)), _part(s, (prior[4], prior[5])))
        )
    return float(np.mean(scores))


# --- hardness --------------------------------------------------------------------------------------


def describe(samples: list[Sample]) -> dict:
    """Return all facts that the tables show."""
    hard = [s.hardness for s in samples]
    share = [(s.span[1] - s.span[0]) / s.frames for s in samples]
    in_segment = [(s.span[1] - s.span[0]) / (s.segment[1] - s.segment[0]) for s in samples]
    found = shortcuts(samples)
    return {
        "samples": {
            f"{split} {kind}": sum(s.split == split and s.kind == kind for s in samples)
            for split in SPLITS
            for kind in ("captions", "questions")
        },
        "distractors": dict(sorted(Counter(str(min(6, h["distractors"])) for h in hard).items())),
        "decides": {
            kind: _decides([s.hardness for s in samples if s.kind == kind]) for kind in ("captions", "questions")
        },
        "impossible_share": float(np.mean([h["impossible"] for h in hard])),
        "spread": {
            "span, share of the video": _quantiles(share),
            "span, share of the segment": _quantiles(in_segment),
            "things in the segment": _quantiles([float(len(s.candidates)) for s in samples]),
        },
        "predicates": dict(Counter(s.predicate for s in samples if s.kind == "captions").most_common()),
        "targets": dict(Counter(s.categories[s.target] for s in samples).most_common()),
        "chance": found.pop("chance"),
        "shortcuts": found,
    }


def _decides(hard: list[dict]) -> dict[str, float]:
    """Return shares of sentences by what determines the answer: the words for the target alone, the relation of
    bare categories alone, either of them, only both together, or nothing."""
    out = Counter(
        "nothing (impossible)"
        if h["impossible"]
        else "either"
        if h["attribute_decides"] and h["relation_decides"]
        else "attribute alone"
        if h["attribute_decides"]
        else "relation alone"
        if h["relation_decides"]
        else "both together"
        for h in hard
    )
    names = ("attribute alone", "relation alone", "either", "both together", "nothing (impossible)")
    return {name: out[name] / max(1, len(hard)) for name in names}


def _quantiles(values: list[float]) -> dict[str, float]:
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    return {"p10": float(low), "median": float(middle), "p90": float(high)}


# --- upper bounds of detection and linking ---------------------------------------------------------


def oracles(artifacts: Path) -> dict[str, float]:
    """Return the m_vIoU on test, by stcat, over the true spans: of the best linked tube, and of the detections that
    match the target, linked by its true identity."""
    truth = artifact.read(schemas.TRUTH, artifacts / "truth_test.h5")
    answers = {
        "oracle": oracle(truth, tubes_reader(artifacts / "tubes")),
        "identity_oracle": identity_oracle(truth, partial(read_regions, artifacts / "proposals")),
    }
    return {name: float(score(truth, found, "stcat").viou.mean()) for name, found in answers.items()}


def detection(samples: list[Sample], proposals: Path) -> dict[str, Any]:
    """Return AP and recall at IoU 0.5 of the pipeline's regions in the sampled frames of the test videos.

    Ground truth are all of VidOR's boxes, including those of occluded objects.
    """
    names, pairs = (), []
    for video, sample in {s.video: s for s in samples if s.split == "test"}.items():
        data = artifact.read(schemas.PROPOSALS, video_file(proposals, video))
        names = tuple(data["class_name"])
        regions = Regions(**{field.name: data[field.name] for field in fields(Regions)})
        for row, frame in enumerate(data["frame"]):
            pairs.append((_annotated(sample, int(frame)), regions[rows(data["box_offset"], row)]))
    found = detection_metrics(names, (), pairs)
    return {"frames": len(pairs)} | {k: found[k] for k in ("ap", "ap50", "recall", "recall_by_category")}


def _annotated(sample: Sample, frame: int) -> AnnotatedPicture:
    there = {tid: boxes[frame] for tid, boxes in sample.boxes.items() if np.isfinite(boxes[frame, 0])}
    return AnnotatedPicture(
        b"",
        np.array(list(there.values()), np.float32).reshape(-1, 4),
        tuple(sample.categories[tid] for tid in there),
        ((),) * len(there),
    )


# --- writing ---------------------------------------------------------------------------------------

TITLES = {
    "videos": "Videos",
    "samples": "Sentences",
    "distractors": "Sentences by number of other objects of the target's category in the segment (6: 6 or more)",
    "decides": "What determines the answer, share of sentences",
    "spread": "Spans and objects",
    "predicates": "Predicates, number of captions",
    "targets": "Categories of the targets, number of sentences",
    "shortcuts": "Shortcuts on test, m_vIoU given the true tubes, with chance for comparison",
    "oracles": "Upper bounds on test, m_vIoU by stcat over the true span",
    "detector": "The detector on frames of the test videos, at most 20 regions each",
    "seconds": "Seconds on two cores, entered by hand: drawing `demo` and `demo_full`, training the detector",
}


def table(facts: dict) -> str:
    """Format the facts as Markdown."""
    lines = [f"# The drawn world, version {facts['version']}"]
    shown = dict(facts)
    shown["shortcuts"] = {"chance": facts["chance"]} | facts["shortcuts"]
    shown["oracles"] = {k: facts[k] for k in ("oracle", "identity_oracle") if k in facts}
    for name, title in TITLES.items():
        if values := shown.get(name):
            lines += ["", f"## {title}", "", *_rows(values)]
    return "\n".join(lines) + "\n"


def _rows(values: dict) -> list[str]:
    """Format one row per name; dictionaries of the same keys become columns, other ones separate tables."""
    if all(isinstance(v, dict) for v in values.values()):
        columns = list(next(iter(values.values())))
        cells = [[name, *(_number(v[c]) for c in columns)] for name, v in values.items()]
        return _grid(["", *columns], cells)
    flat = {k: v for k, v in values.items() if not isinstance(v, dict)}
    inner = {k: v for k, v in values.items() if isinstance(v, dict)}
    lines = (
        _grid(list(flat), [[_number(v) for v in flat.values()]])
        if len(flat) <= 5
        else _grid(["", ""], [[k, _number(v)] for k, v in flat.items()])
    )
    for name, v in inner.items():
        lines += ["", f"{name.replace('_', ' ')}:", "", *_rows(v)]
    return lines


def _grid(head: list[str], cells: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *cells)]


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("root", type=_FOLDER)
@click.option(
    "--artifacts", type=_FOLDER, help="Artifacts up to link_tubes; adds the upper bounds and the detector."
)
@click.option("--seconds", type=(str, float), multiple=True, help="Measured time to include: NAME SECONDS.")
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), help="Folder for world.json and world.md."
)
def main(root: Path, artifacts: Path | None, seconds: tuple[tuple[str, float], ...], output: Path | None) -> None:
    """Describe the drawn data set in ROOT as Markdown tables."""
    if not (root / "world.json").exists():
        raise click.ClickException(f"{root} has no world.json: generate it with demo/draw_world.py first.")
    samples = load_samples(root)
    world = json.loads((root / "world.json").read_text())
    facts = {"version": world["version"], "videos": world["videos"]} | describe(samples)
    if artifacts is not None:
        try:
            facts |= oracles(artifacts) | {"detector": detection(samples, artifacts / "proposals")}
        except InputError as error:
            raise click.ClickException(str(error)) from error
    facts["seconds"] = dict(seconds)
    if output is not None:
        storage.write_bytes(output / "world.json", (json.dumps(_rounded(facts), indent=1) + "\n").encode())
        storage.write_bytes(output / "world.md", table(facts).encode())
    click.echo(table(facts))


if __name__ == "__main__":
    main()
