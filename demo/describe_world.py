"""How hard a drawn data set is, and what shortcuts reach on it: statistics from its files alone."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from vcma.world_grammar import NOUNS, TEST_NOUNS

SPLITS = ("train", "val", "test")
Rows = dict[str, dict[str, object]]


@dataclass(frozen=True)
class Sample:
    """A sentence with its truth: half-open frames, boxes {tid: (frames, 4) xyxy, NaN where absent}."""

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
    def candidates(self) -> list[int]:
        """The things that are in the segment at all."""
        first, last = self.segment
        return [tid for tid, boxes in self.boxes.items() if np.isfinite(boxes[first:last, 0]).any()]


def load_samples(root: Path) -> list[Sample]:
    """Every caption and question of a drawn data set."""
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


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of boxes (frames, 4), 0 where one is absent."""
    shared = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - shared
    return np.nan_to_num(shared / np.maximum(union, 1e-9))


def v_iou(sample: Sample, boxes: np.ndarray, span: tuple[int, int]) -> float:
    """vIoU of a tube (frames, 4) over a span with the sample's truth."""
    begin, end = max(span[0], sample.span[0]), min(span[1], sample.span[1])
    union = (span[1] - span[0]) + (sample.span[1] - sample.span[0]) - max(0, end - begin)
    if end <= begin:
        return 0.0
    return float(overlaps(boxes[begin:end], sample.boxes[sample.target][begin:end]).sum() / union)


def _mean_over(sample: Sample, tids: list[int], span: tuple[int, int]) -> float:
    """Expected vIoU when one of these tubes is taken by lot."""
    return float(np.mean([v_iou(sample, sample.boxes[tid], span) for tid in tids])) if tids else 0.0


def _best(sample: Sample, score: Callable[[np.ndarray], float]) -> list[int]:
    """The tubes with the highest score in the segment, all of them where several tie."""
    first, last = sample.segment
    scores = {tid: score(sample.boxes[tid][first:last]) for tid in sample.candidates}
    return [tid for tid, value in scores.items() if value >= max(scores.values()) - 1e-9]


def _centre_distance(sample: Sample, boxes: np.ndarray) -> float:
    centre = np.nanmean((boxes[:, :2] + boxes[:, 2:]) / 2, axis=0)
    return float(np.hypot(*(centre - np.array(sample.size) / 2)))


def first_mentioned(sample: Sample) -> list[int]:
    """The things of the category that the sentence names first."""
    where = {}
    for category in set(sample.categories.values()):
        words = {category, *NOUNS.get(category, ()), *TEST_NOUNS.get(category, ())}
        found = [sample.text.find(f" {word}") for word in words]
        where[category] = min((f for f in found if f >= 0), default=len(sample.text))
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
    """m_vIoU on test of answers that do not ground the sentence, true tubes given; the span is the whole segment
    or the window that training's spans share best, whichever is better."""
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
    """One box and window for each predicate and kind of sentence: the medians of training."""
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
    """Everything that the table shows."""
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
        "span_share_of_video": _quantiles(share),
        "span_share_of_segment": _quantiles(in_segment),
        "things_in_segment": _quantiles([float(len(s.candidates)) for s in samples]),
        "predicates": dict(Counter(s.predicate for s in samples if s.kind == "captions").most_common()),
        "targets": dict(Counter(s.categories[s.target] for s in samples).most_common()),
        "chance": found.pop("chance"),
        "shortcuts": found,
    }


def _decides(hard: list[dict]) -> dict[str, float]:
    """Shares of what leaves one answer: the words for the target alone, the relation between bare categories alone,
    either of them, only both together, nothing."""
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


def table(facts: dict) -> str:
    """The facts as Markdown."""
    lines = ["| | |", "|---|---|"]
    for name, value in facts.items():
        if isinstance(value, dict) and all(isinstance(v, dict) for v in value.values()):
            lines += [f"| {name}, {kind} | {_cells(inner)} |" for kind, inner in value.items()]
        else:
            lines.append(f"| {name} | {_cells(value) if isinstance(value, dict) else _number(value)} |")
    return "\n".join(lines)


def _cells(values: dict) -> str:
    return ", ".join(f"{name} {_number(value)}" for name, value in values.items())


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


@click.command()
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Also write the facts here.")
def main(root: Path, out: Path | None) -> None:
    """Describe the drawn data set in ROOT as a Markdown table."""
    if not (root / "world.json").exists():
        raise click.ClickException(f"{root} holds no world.json: draw it with demo/draw_world.py first.")
    facts = describe(load_samples(root))
    if out is not None:
        out.write_text(json.dumps(facts, indent=1) + "\n")
    click.echo(table(facts))


if __name__ == "__main__":
    main()
