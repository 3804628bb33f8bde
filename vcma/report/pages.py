"""The report's pages: Jinja2 templates (every text escaped), one page a sample, its video's tubes in a script.

A page opened from a disk may fetch nothing, so the data of a video stand in a script file beside it, which its
samples share; no page needs a network, a server or another program.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from vcma.evaluation.metrics import METRICS
from vcma.evaluation.published import published
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.paths import file_stem
from vcma.pipeline.video_artifacts import tubes_reader
from vcma.records.columns import Columns, rows
from vcma.records.query import Query
from vcma.records.tubes import Tubes
from vcma.report import media
from vcma.report.cases import KINDS, Case, Comparison, Report, breakdown, free, marked, spread
from vcma.report.figures import ablation, boxes_at, breakdown_charts, convergence, strip_rows
from vcma.report.palette import tube_colour

TEMPLATES = Path(__file__).parent / "templates"
ASSETS = ("style.css", "list.js", "player.js")
_STRIP = 5  # frames in a strip on the page


@dataclass(frozen=True)
class Shelf:
    """Where a report is written and what it is made from: its folder, the run's artifacts, the cache of films, and
    a function from a video to its original file (or None)."""

    out: Path
    artifacts: Path
    cache: Path
    source: Callable[[str], Path | None]


@dataclass(frozen=True)
class Item:
    """A case on the page: its picture, the frame it shows with the boxes in it, and its neighbours' pages."""

    case: Case
    film: bool
    thumb: dict[str, Any] | None
    strip: tuple[dict[str, Any], ...] = ()


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "colour": tube_colour, "score": score_text}
    return environment


def _write(template: str, path: Path, /, **values: Any) -> None:
    storage.write_bytes(path, _environment().get_template(template).render(**values).encode("utf-8", "replace"))


def percent(value: float | None) -> str:
    """A share as a percentage; never 0 for what is unavailable."""
    return "unavailable" if value is None else f"{100 * value:.1f}"


def score_text(value: float | None) -> str:
    """A score with two digits."""
    return "–" if value is None else f"{value:.2f}"


def write_report(
    report: Report,
    shelf: Shelf,
    examples: int,
    ablation_csv: Path,
    comparison: Comparison | None,
    each: Callable[[Callable, list], Iterable],
) -> list[str]:
    """Write the whole report; each(function, list of arguments) maps, perhaps in parallel. Returns what is missing
    of it, one line a video without pictures."""
    shelf.out.mkdir(parents=True, exist_ok=True)
    for name in ("samples", "media"):
        (shelf.out / name).mkdir(exist_ok=True)
    for name in ASSETS:
        storage.write_bytes(shelf.out / name, (TEMPLATES / name).read_bytes())
    chosen = spread(report.cases, examples)
    order = {case.sample: i for i, case in enumerate(report.cases)}
    by_video: dict[str, list[Case]] = {}
    for case in report.cases:
        by_video.setdefault(case.video, []).append(case)
    pages = [case.page for case in report.cases]
    strips = {case.sample for case in chosen}
    jobs = [
        (shelf, mine, strips, {c.sample: _beside(pages, order[c.sample]) for c in mine}, report.posterior)
        for mine in by_video.values()
    ]
    items: dict[str, Item] = {}
    films = []
    for made, film in each(write_video_pages, jobs):
        items |= {item.case.sample: item for item in made}
        films += [film] if film else []
    media.prune(shelf.cache, films)
    _write_index(report, shelf, [items[c.sample] for c in report.cases], chosen, ablation_csv, comparison)
    return [f"no picture of video {video}" for video, mine in by_video.items() if not items[mine[0].sample].film]


def _beside(pages: Sequence[str], i: int) -> tuple[str, str]:
    return pages[i - 1] if i else "", pages[i + 1] if i + 1 < len(pages) else ""


def write_video_pages(
    shelf: Shelf, cases: list[Case], strips: set[str], beside: Mapping[str, tuple[str, str]], posterior: str
) -> tuple[list[Item], Path | None]:
    """Write the film, stills, tubes and sample pages of one video; returns its items and its film in the cache."""
    video, stem = cases[0].video, file_stem(cases[0].video)
    stored = shelf.artifacts / "frames" / f"{stem}.h5"
    tubes = tubes_reader(shelf.artifacts / "tubes")(video)
    if not stored.exists():
        film, frames = None, schemas.empty(schemas.FRAMES)
    else:
        span = min(c.segment[0] for c in cases), max(c.segment[1] for c in cases)
        film = media.film(shelf.source(video), stored, span, shelf.cache, stem)
        frames = artifact.read(schemas.FRAMES, stored)
    items = [_item(case, frames, tubes, film is not None, case.sample in strips) for case in cases]
    shown = [panel["frame"] for item in items for panel in (*item.strip, *([item.thumb] if item.thumb else []))]
    media.write_stills(frames, shown, shelf.out / "media", stem)
    if film:
        media.copy_film(film, shelf.out / "media" / f"{stem}.webm")
    said = json.dumps(_video_data(film, tubes, items), separators=(",", ":"))
    storage.write_bytes(shelf.out / "media" / f"{stem}.js", f"window.VCMA_VIDEO = {said};\n".encode())
    for item in items:
        _write_sample(shelf.out / "samples" / f"{item.case.page}.html", item, tubes, beside, posterior)
    return items, film.path if film else None


def _item(case: Case, frames: Columns, tubes: Tubes, film: bool, strip: bool) -> Item:
    if not len(frames["frame"]):
        return Item(case, film, None)
    size = float(frames["width"]), float(frames["height"])
    inside = np.flatnonzero((frames["frame"] >= case.span[0]) & (frames["frame"] < case.span[1]))
    row = int(inside[len(inside) // 2]) if len(inside) else int(np.abs(frames["frame"] - case.span[0]).argmin())
    rows = strip_rows(case, frames["frame"], _STRIP if strip else 0)
    panels = tuple(_panel(case, int(frames["frame"][r]), size, tubes) for r in rows)
    return Item(case, film, _panel(case, int(frames["frame"][row]), size, tubes), panels)


def _panel(case: Case, frame: int, size: tuple[float, float], tubes: Tubes) -> dict[str, Any]:
    """One still with the boxes to lay over it."""
    boxes = [
        {"role": role, "tube": tube, "box": [round(float(v), 1) for v in (x1, y1, x2 - x1, y2 - y1)]}
        for role, tube, (x1, y1, x2, y2) in boxes_at(case, tubes, frame)
        if role != "other"
    ]
    return {
        "frame": frame,
        "file": f"media/{file_stem(case.video)}-{frame}.jpg",
        "seconds": frame / case.fps,
        "width": size[0],
        "height": size[1],
        "boxes": boxes,
        "inside": case.span[0] <= frame < case.span[1],
    }


def _video_data(film: media.Film | None, tubes: Tubes, items: Sequence[Item]) -> dict[str, Any]:
    """What the player needs of a video: which native frame each picture shows, and where each tube is."""
    thumb = items[0].thumb
    size = (thumb["width"], thumb["height"]) if thumb else (1.0, 1.0)
    found = []
    for tube in range(len(tubes)):
        mine = rows(tubes.point_offset, tube)
        box = np.round(tubes.box[mine].astype(np.float64), 1)
        found.append({"frame": tubes.frame[tubes.position[mine]].tolist(), "box": box.tolist()})
    return {
        "rate": film.rate if film else 1.0,
        "frame": film.frame if film else [],
        "width": size[0],
        "height": size[1],
        "tubes": found,
    }


def _write_sample(
    path: Path, item: Item, tubes: Tubes, beside: Mapping[str, tuple[str, str]], posterior: str
) -> None:
    case = item.case
    truth = case.truth
    rows = tube_rows(case, tubes)
    data = {
        "tube": case.tube,
        "span": case.span,
        "segment": case.segment,
        "fps": case.fps,
        "entity_tube": case.entity_tube,
        "colour": [tube_colour(row["tube"]) for row in sorted(rows, key=lambda row: row["tube"])],
        "truth": None
        if truth is None
        else {
            "span": truth.span,
            "frame": truth.frame.tolist(),
            "box": np.round(truth.box.astype(np.float64), 1).tolist(),
        },
    }
    _write(
        "sample.html",
        path,
        item=item,
        case=case,
        data=data,
        kinds=KINDS,
        marked=marked(case.query),
        graph=graph(case.query),
        candidates=candidates(case, tubes),
        rows=rows,
        evidence=evidence(case),
        moments=steps(case, case.moment_prob, 0.0, 1.0),
        ticks=ticks(case),
        place=lambda span: place(case, span),
        posterior=posterior,
        before=beside[case.sample][0],
        after=beside[case.sample][1],
        stem=file_stem(case.video),
    )


_PITCH, _LEFT, _BOX, _TALL = 52, 4, 168, 30  # px of the graph: row height, margin, width and height of a node


def graph(query: Query) -> dict[str, Any]:
    """Places of the sentence's graph: entities below each other, an arc for each relation, in px."""
    middle = [_TALL // 2 + 6 + _PITCH * i for i in range(len(query.entities))]
    nodes = [
        {"entity": i, "x": _LEFT, "y": y - _TALL // 2, "text": _short(e.text, 24), "full": e.text}
        for i, (e, y) in enumerate(zip(query.entities, middle, strict=True))
    ]
    edges: list[dict[str, Any]] = []
    right = _LEFT + _BOX
    for k, relation in enumerate(query.relations):
        begin = middle[relation.subject]
        end = begin if relation.object is None else middle[relation.object]
        out = right + 22 + 12 * (k % 3)
        label = free((begin + end) / 2, [edge["label_y"] for edge in edges], 16)
        if relation.object is None:
            path = f"M{right} {begin} C{right + 14} {begin} {right + 10} {label} {right + 22} {label}"
        else:
            path = f"M{right} {begin - 4} C{out + 14} {begin - 4} {out + 14} {end + 4} {right + 6} {end + 4}"
        edges.append(
            {
                "relation": k,
                "path": path,
                "action": relation.object is None,
                "text": relation.predicate,
                "label_x": right + 28 if relation.object is None else out + 12,
                "label_y": label,
                "subject": relation.subject,
                "object": -1 if relation.object is None else relation.object,
            }
        )
    height = max([*(y + _TALL // 2 + 6 for y in middle), *(edge["label_y"] + 10 for edge in edges)])
    top = min([0.0, *(edge["label_y"] - 14 for edge in edges)])
    return {
        "nodes": nodes,
        "edges": edges,
        "top": top,
        "width": 340,
        "height": height - top,
        "box": _BOX,
        "tall": _TALL,
    }


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def tube_name(tubes: Tubes, tube: int) -> str:
    """A tube as the detector sees it: its number and likeliest class."""
    return f"{tube} {tubes.class_of(tube)}".strip()


def _traits(tubes: Tubes, tube: int, most: int = 3) -> str:
    strength = tubes.attribute_prob[tube]
    best = [a for a in np.argsort(-strength)[:most] if strength[a] > 0.3]
    return ", ".join(str(tubes.attribute_name[a]).split(":")[-1] for a in best)


def candidates(case: Case, tubes: Tubes, most: int = 5) -> list[list[dict[str, Any]]]:
    """For each entity its likeliest tubes: tube, name, traits and posterior probability."""
    found = []
    for tube, probability in case.posterior:
        best = np.argsort(-probability, kind="stable")[:most]
        rows = [(int(tube[n]), float(probability[n])) for n in best]
        found.append(
            [{"tube": n, "name": tube_name(tubes, n), "traits": _traits(tubes, n), "share": p} for n, p in rows]
        )
    return found


def place(case: Case, span: tuple[int, int]) -> str:
    """Where a span of native frames lies on the timeline, as a style."""
    begin, end = case.segment
    low, high = (min(max((f - begin) / (end - begin), 0), 1) for f in span)
    return f"left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"


def tube_rows(case: Case, tubes: Tubes) -> list[dict[str, Any]]:
    """The tubes present in the segment, those of entities first: where each was seen, and where it was bridged."""
    found = []
    for tube in range(len(tubes)):
        mine = rows(tubes.point_offset, tube)
        runs = _runs(tubes.position[mine], tubes.interpolated[mine], tubes.frame)
        runs = [run for run in runs if run[1] > case.segment[0] and run[0] < case.segment[1]]
        parts = [(place(case, (a, b)), bridged) for a, b, bridged in runs]
        entities = [i for i, n in enumerate(case.entity_tube) if n == tube]
        found.append({"tube": tube, "name": tube_name(tubes, tube), "entities": entities, "parts": parts})
    return sorted(found, key=lambda row: (row["tube"] != case.tube, not row["entities"], row["tube"]))


def _runs(position: np.ndarray, bridged: np.ndarray, frame: np.ndarray) -> list[tuple[int, int, bool]]:
    """Native spans [begin, end) without a gap and of one kind, from positions among the sampled frames."""
    if not len(position):
        return []
    cut = np.flatnonzero((np.diff(position) != 1) | (bridged[1:] != bridged[:-1])) + 1
    stop = np.append(frame[1:], frame[-1] + 1)
    return [
        (int(frame[part[0]]), int(stop[part[-1]]), bool(bridged[group[0]]))
        for group in np.split(np.arange(len(position)), cut)
        for part in [position[group]]
    ]


def steps(case: Case, values: np.ndarray, low: float, high: float) -> str:
    """A curve over the moments as points of a polyline in a 1000 x 100 box, a step a moment."""
    begin, end = case.segment
    edge = np.append(case.moment, max(end, int(case.moment[-1]) + 1) if len(case.moment) else end)
    x = 1000 * np.clip((edge - begin) / (end - begin), 0, 1)
    y = 100 * (1 - np.clip((values - low) / max(high - low, 1e-6), 0, 1))
    return " ".join(f"{a:.1f},{v:.1f} {b:.1f},{v:.1f}" for a, b, v in zip(x[:-1], x[1:], y, strict=True))


def evidence(case: Case) -> list[dict[str, Any]]:
    """Relation by relation why these tubes: psi over time on one common scale, and its mean within the span."""
    values = [v for v in case.evidence.values() if len(v) == len(case.moment)]
    reach = max([1.0, *(float(np.abs(v).max()) for v in values)])
    inside = (case.moment >= case.span[0]) & (case.moment < case.span[1])
    rows = []
    for k, relation in enumerate(case.query.relations):
        value = case.evidence.get(k)
        if value is None or len(value) != len(case.moment):
            continue
        subject = case.query.entities[relation.subject].text
        thing = "" if relation.object is None else case.query.entities[relation.object].text
        rows.append(
            {
                "relation": k,
                "text": f"{subject} – {relation.predicate}" + (f" – {thing}" if thing else ""),
                "predicate": relation.predicate,
                "points": steps(case, value, -reach, reach),
                "reach": reach,
                "mean": float(value[inside].mean()) if inside.any() else None,
                "outside": float(value[~inside].mean()) if (~inside).any() else None,
            }
        )
    return rows


def ticks(case: Case) -> list[tuple[str, str]]:
    """Round times of the segment: (style, text)."""
    begin, end = case.segment
    seconds = (end - begin) / case.fps
    step = next((s for s in (0.5, 1, 2, 5, 10, 20, 30, 60, 120) if seconds / s <= 6), 300)
    first = int(np.ceil(begin / case.fps / step))
    times = [i * step for i in range(first, first + 8) if i * step * case.fps < end]
    return [(f"left:{100 * (t * case.fps - begin) / (end - begin):.2f}%", f"{t:g} s") for t in times]


def metric_tables(report: Report, comparison: Comparison | None) -> list[dict[str, Any]]:
    """One table a protocol and query type: this run, its reference points, the difference, published results."""
    tables = []
    for protocol, kinds in report.metrics.items():
        for kind, ours in kinds.items():
            rows = [(f"this run: {report.whose}", ours)]
            rows += [
                (name, point[protocol][kind])
                for name, point in sorted(report.points.items())
                if kind in point.get(protocol, {})
            ]
            known = [
                (p.label, {m: _exact(v / 100) for m, v in p.values.items()})
                for p in published(report.format, report.split, kind, ours["n"], protocol)
            ]
            change = comparison.table.get(kind) if comparison and protocol == report.protocol else None
            tables.append(
                {"protocol": protocol, "kind": kind, "ours": ours, "rows": rows, "known": known, "change": change}
            )
    return tables


def _exact(value: float) -> dict[str, float | None]:
    return {"value": value, "low": None, "high": None}


def _write_index(
    report: Report,
    shelf: Shelf,
    items: list[Item],
    chosen: list[Case],
    ablation_csv: Path,
    comparison: Comparison | None,
) -> None:
    by_sample = {item.case.sample: item for item in items}
    metric = "vIoU" if any(c.viou is not None for c in report.cases) else "tIoU"
    counts = {kind: sum(c.kind == kind for c in report.cases) for kind in KINDS}
    _write(
        "index.html",
        shelf.out / "index.html",
        name=report.artifacts.name,
        report=report,
        metrics=METRICS,
        tables=metric_tables(report, comparison),
        curves=convergence(report.history),
        sweeps=ablation(ablation_csv, report.split),
        parts=breakdown_charts(breakdown(report.cases), metric),
        counts={kind: n for kind, n in counts.items() if n},
        kinds=KINDS,
        types=sorted({c.query_type for c in report.cases}),
        items=items,
        examples=[by_sample[c.sample] for c in chosen],
        marked=marked,
        comparison=comparison,
        videos=len({c.video for c in report.cases}),
    )
