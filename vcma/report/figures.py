"""The report's figures by matplotlib: charts that follow the page's colours, and film strips for papers."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.paths import file_stem
from vcma.pipeline.video_artifacts import tubes_reader
from vcma.records.columns import Columns
from vcma.records.tubes import Tubes
from vcma.report.cases import Case, Group, free, marked
from vcma.report.palette import tube_colour
from vcma.video.pictures import still

_INK = "#010203"  # stands for the colour of the page's text, whatever it is
_P, _Q = "#4285f4", "#e8710a"
_SIZE = 3.4, 2.5  # inches, so that a chart fits a telephone without shrinking its text


def _chart(name: str, draw: Callable[[Any], None]) -> str:
    """Draw on one pair of axes; an <svg> element whose ink is the page's own text colour."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "legend.labelcolor")
    with rc_context(_style(name) | dict.fromkeys(inked, _INK)):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_facecolor("none")
        draw(axes)
        stored = io.StringIO()
        figure.savefig(stored, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(stored.getvalue(), name)


def _style(salt: str) -> Any:
    """matplotlib's settings: text stays text and is never mathematics, and the same figure has the same bytes."""
    shared = {"font.size": 8, "font.family": "sans-serif", "text.parse_math": False}
    return shared | {"svg.fonttype": "none", "svg.hashsalt": salt, "pdf.fonttype": 42}


def _inline(document: str, name: str) -> str:
    """The <svg> element of a document, its ids made unique to `name` and its ink the page's."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg).replace(_INK, "currentColor")
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def convergence(history: Mapping[str, Any]) -> list[dict[str, str]]:
    """Charts of a training: score of p and q by round, where there is one, the ELBO, and the rest of the loss."""
    rounds = [r for r in history.get("rounds", []) if r]
    if not rounds:
        return []
    score = str(history.get("score", "m_vIoU"))
    at = np.array([r["round"] for r in rounds])
    best = [r for r in rounds if r.get("best")]

    def scores(axes: Any) -> None:
        for key, colour, label in (("score_p", _P, "p(Z | E, R, V)"), ("score_q", _Q, "q(Z | E, V)")):
            axes.plot(at, _series(rounds, key), "o-", color=colour, label=label, markersize=3)
        if best:
            axes.axvline(best[-1]["round"], color=_INK, linestyle=":", linewidth=1)
        _label(axes, "round of EM", f"validation {score}", at)

    def parts(axes: Any) -> None:
        for key, colour in (("contrast", "#0f9d58"), ("none", "#ab47bc"), ("kl", "#db4437")):
            axes.plot(at, _series(rounds, key), "o-", color=colour, label=key, markersize=3)
        _label(axes, "round of EM", "nat", at)

    def elbo(axes: Any) -> None:
        axes.plot(at, _series(rounds, "elbo"), "o-", color=_P, label="ELBO", markersize=3)
        _label(axes, "round of EM", "ELBO, nat", at, legend=False)

    charts = []
    if scored := bool(np.isfinite([_series(rounds, key) for key in ("score_p", "score_q")]).any()):
        said = f"after round {best[-1]['round']}, {_said(best[-1], 'score_p')}" if best else "no round was best"
        charts.append(
            {
                "svg": _chart("em-scores", scores),
                "caption": f"Validation {score} of p and q by round (0, below: warm-up; dotted: the round kept).",
                "alt": f"{score} of p and q over {len(rounds)} rounds; kept {said}.",
            }
        )
    lacking = "" if scored else " Nothing is annotated for validation, so no score can be drawn."
    return [
        *charts,
        {
            "svg": _chart("em-elbo", elbo),
            "caption": f"The objective F after the E-step.{lacking}",
            "alt": f"ELBO from {_said(rounds[0], 'elbo')} to {_said(rounds[-1], 'elbo')}.",
        },
        {
            "svg": _chart("em-parts", parts),
            "caption": "What is not part of F: contrast and none terms, and the KL of q to the network's.",
            "alt": "; ".join(f"{key} ends at {_said(rounds[-1], key)}" for key in ("contrast", "none", "kl")) + ".",
        },
    ]


def _series(rounds: Sequence[Mapping], key: str) -> np.ndarray:
    return np.array([np.nan if r.get(key) is None else r[key] for r in rounds], np.float64)


def _said(row: Mapping, key: str) -> str:
    return "unavailable" if row.get(key) is None else f"{row[key]:.3g}"


def _label(axes: Any, x: str, y: str, at: np.ndarray, legend: bool = True) -> None:
    from matplotlib.ticker import MaxNLocator

    if (at <= 0).any() and (at > 0).any():
        axes.axvspan(at.min() - 0.5, 0.5, color="#808080", alpha=0.15, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.2)
    if legend:
        axes.legend(frameon=False, fontsize=7)


def ablation(path: Path, split: str) -> list[dict[str, str]]:
    """The alpha and beta panels of the sweep in an ablation.csv: m_vIoU by query type, mean and range over seeds.

    Empty where there is no such file or it sweeps nothing. Raises InputError where its columns are others.
    """
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("variant") == "em" and row.get("split") == split]
    charts = []
    for name, other in (("alpha", "beta"), ("beta", "alpha")):
        try:
            series = _sweep(rows, name, other)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"not an ablation table ({error})", path, "run make ablation") from error
        if any(len(points) > 1 for points in series.values()):
            charts.append(_sweep_chart(name, series))
    return charts


def _sweep(rows: Sequence[Mapping], name: str, other: str) -> dict[str, dict[float, list[float]]]:
    """query type -> value of `name` -> m_vIoU of each seed, at the commonest value of `other`."""
    usual = Counter(float(row[other]) for row in rows).most_common(1)
    series: dict[str, dict[float, list[float]]] = {}
    for row in rows:
        if row["m_vIoU"] and float(row[other]) == usual[0][0]:
            points = series.setdefault(row["query_type"], {})
            points.setdefault(float(row[name]), []).append(float(row["m_vIoU"]))
    return series


def ablation_figures(path: Path, results: Sequence[Mapping], folder: Path) -> None:
    """The paper's figure 1 as ablation.png in a folder: m_vIoU on test over alpha and beta (from an ablation.csv),
    and the rounds of p and q on validation (from the history of the runs), mean and range over seeds.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with open(path, encoding="utf-8", newline="") as file:
        table = [row for row in csv.DictReader(file) if row["variant"] == "em" and row["split"] == "test"]
    histories = [r["extra"]["history"] for r in results if "em" in r and _usual(r, table)]
    with rc_context(_style("ablation")):
        figure = Figure(figsize=(10, 3), layout="constrained", dpi=120)
        axes = figure.subplots(1, 3)
        for panel, name, other in ((axes[0], "alpha", "beta"), (axes[1], "beta", "alpha")):
            _draw_sweep(panel, name, _sweep(table, name, other))
            panel.set_ylim(bottom=0)
        for key, colour, label in (("score_p", _P, "p(Z | E, R, V)"), ("score_q", _Q, "q(Z | E, V)")):
            length = min(map(len, histories), default=0)
            scores = np.array([[row[key] for row in h[:length]] for h in histories], float)
            if length:
                at = [row["round"] for row in histories[0][:length]]
                axes[2].fill_between(at, scores.min(0), scores.max(0), color=colour, alpha=0.2, linewidth=0)
                axes[2].plot(at, scores.mean(0), "o-", color=colour, label=label, markersize=3)
        axes[2].set_xlabel("round of EM (0 and below: warm-up)")
        axes[2].set_ylabel("m_vIoU, validation")
        axes[2].grid(alpha=0.2)
        axes[2].legend(frameon=False, fontsize=7)
        figure.savefig(folder / "ablation.png", metadata={"Software": None})


def _usual(result: Mapping, table: Sequence[Mapping]) -> bool:
    """Whether a run is at the commonest alpha and beta of the table."""
    spec = result["spec"]
    at = {"alpha": spec["alpha"], "beta": spec["settings"]["beta"]}
    return all(Counter(float(row[name]) for row in table).most_common(1)[0][0] == float(at[name]) for name in at)


def _sweep_chart(name: str, series: Mapping[str, Mapping[float, list[float]]]) -> dict[str, str]:
    best = {kind: max((float(np.mean(v)), x) for x, v in points.items())[1] for kind, points in series.items()}
    return {
        "svg": _chart(f"sweep-{name}", lambda axes: _draw_sweep(axes, name, series)),
        "caption": f"m_vIoU against {name}, mean and range over seeds.",
        "alt": "; ".join(f"{kind}: best at {name} {value:g}" for kind, value in sorted(best.items())) + ".",
    }


def _draw_sweep(axes: Any, name: str, series: Mapping[str, Mapping[float, list[float]]]) -> None:
    for colour, (kind, points) in zip((_P, _Q, "#0f9d58"), sorted(series.items()), strict=False):
        at = sorted(points)
        mean = np.array([np.mean(points[x]) for x in at])
        reach = np.array([[np.mean(points[x]) - min(points[x]), max(points[x]) - np.mean(points[x])] for x in at])
        axes.errorbar(at, mean, yerr=reach.T, fmt="o-", color=colour, label=kind, markersize=3, capsize=2)
    axes.set_xlabel(name)
    axes.set_ylabel("m_vIoU")
    axes.grid(alpha=0.2)
    axes.legend(frameon=False, fontsize=7)


def breakdown_charts(parts: Mapping[str, Sequence[Group]], metric: str) -> list[dict[str, str]]:
    """One chart a way of grouping the samples: mean score with its 95 % interval, and how many."""
    return [
        {
            "svg": _chart(f"part-{i}", _bars(groups, metric)),
            "caption": f"{metric} by {title} (mean, 95 % interval over videos).",
            "alt": "; ".join(f"{g.label}: {g.mean:.2f} of {g.n}" for g in groups) + ".",
        }
        for i, (title, groups) in enumerate(parts.items())
    ]


def _bars(groups: Sequence[Group], metric: str) -> Callable[[Any], None]:
    def draw(axes: Any) -> None:
        at = np.arange(len(groups))
        mean = np.array([g.mean for g in groups])
        reach = np.abs(np.array([[g.mean - g.low, g.high - g.mean] for g in groups]).T)
        axes.barh(at, mean, color=_P, alpha=0.75)
        axes.errorbar(mean, at, xerr=reach, fmt="none", ecolor=_INK, elinewidth=0.8, capsize=2)
        axes.set_yticks(at, [f"{g.label}  ({g.n})" for g in groups])
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.set_xlabel(metric)
        axes.grid(alpha=0.2, axis="x")

    return draw


def film_strip(case: Case, artifacts: Path, path: Path, count: int = 6) -> None:
    """Draw one sample as a strip for papers: frames with boxes, spans and q(y_t) below, the parsed sentence beside.

    The format follows path's suffix: .png, .svg or .pdf (boxes, text and curves stay vectors in the last two).
    Raises InputError for another suffix or where the video has no frames.
    """
    from matplotlib import rc_context

    if path.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"cannot draw a '{path.suffix}' file", path, "name a .png, .svg or .pdf")
    frames = artifact.read(schemas.FRAMES, artifacts / "frames" / f"{file_stem(case.video)}.h5")
    tubes = tubes_reader(artifacts / "tubes")(case.video)
    rows = strip_rows(case, frames["frame"], count)
    if not len(rows):
        raise InputError(f"no stored frame in the segment of '{case.sample}'", artifacts / "frames")
    with rc_context(_style(case.sample)):
        figure = _strip_figure(case, frames, rows, tubes)
        stored = io.BytesIO()
        metadata = {} if path.suffix == ".png" else {"CreationDate" if path.suffix == ".pdf" else "Date": None}
        figure.savefig(
            stored, format=path.suffix[1:], dpi=200, metadata=metadata, bbox_inches="tight", pad_inches=0.1
        )
    storage.write_bytes(path, stored.getvalue())


_LEFT, _STRIP, _GRAPH, _GAP = 0.55, 6.6, 2.6, 0.06  # inches: margin, width of frames, of the graph, between frames


def _strip_figure(case: Case, frames: Columns, rows: np.ndarray, tubes: Tubes) -> Any:
    from matplotlib.figure import Figure

    wide = (_STRIP + _GAP) / len(rows) - _GAP
    high = wide * float(frames["height"]) / float(frames["width"])
    size = _LEFT + _STRIP + _GRAPH, max(high + 1.5, 0.45 * len(case.query.entities) + 0.5)
    figure = Figure(figsize=size)

    def panel(x: float, y: float, w: float, h: float) -> Any:
        return figure.add_axes((x / size[0], y / size[1], w / size[0], h / size[1]))

    for column, row in enumerate(rows):
        left = _LEFT + column * (wide + _GAP)
        _frame_panel(panel(left, size[1] - high - 0.35, wide, high), case, frames, int(row), tubes)
    _time_panel(panel(_LEFT, 0.2, _STRIP, 0.7), case, frames["frame"][rows])
    _graph_panel(panel(_LEFT + _STRIP + 0.15, 0.1, _GRAPH - 0.2, size[1] - 0.3), case)
    _sentence(figure, case, _LEFT / size[0], 1 - 0.22 / size[1])
    return figure


def _sentence(figure: Any, case: Case, x: float, y: float) -> None:
    """Write the sentence, its entities underlined in the colours of their tubes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.lines import Line2D

    renderer = FigureCanvasAgg(figure).get_renderer()
    below = 0.06 / figure.get_size_inches()[1]

    def write(text: str, weight: str) -> float:
        drawn = figure.text(x, y, text, fontsize=9, weight=weight)
        return drawn.get_window_extent(renderer).width / figure.bbox.width

    # SVG drops blanks at the ends of a text, so they are made of distance.
    blank = write(" ", "normal")
    for text, entity in marked(case.query):
        x += blank * (len(text) - len(text.lstrip()))
        width = write(text.strip(), "bold" if entity == case.query.target else "normal") if text.strip() else 0.0
        if entity >= 0:
            colour = tube_colour(case.tube_of(entity))
            figure.add_artist(Line2D((x, x + width), (y - below, y - below), color=colour, linewidth=2))
        x += width + blank * (len(text.lstrip()) - len(text.strip()))


def strip_rows(case: Case, frame: np.ndarray, count: int) -> np.ndarray:
    """Rows of the stored frames to show: evenly over the spans and as much again around them, in the segment."""
    spans = [case.span, *([case.truth.span] if case.truth else [])]
    begin, end = min(s[0] for s in spans), max(s[1] for s in spans)
    margin = (end - begin) // 4
    low, high = max(case.segment[0], begin - margin), min(case.segment[1], end + margin)
    rows = np.flatnonzero((frame >= low) & (frame < high))
    if not len(rows) and len(frame):
        rows = np.array([np.abs(frame - begin).argmin()])
    return rows[np.unique(np.linspace(0, len(rows) - 1, count).round().astype(int))] if len(rows) else rows


def boxes_at(case: Case, tubes: Tubes, frame: int) -> list[tuple[str, int, np.ndarray]]:
    """What stands in a native frame: (role, tube, box float [4]) with role true, answer, entity or other.

    The answer counts within its span only; entities and other tubes where they are present.
    """
    found = []
    for tube in range(len(tubes)):
        known, _ = tubes.points(tube)
        here = len(known) and known[0] <= frame <= known[-1]
        answer = tube == case.tube and case.span[0] <= frame < case.span[1]
        if here or answer:
            role = "answer" if answer else "entity" if tube in case.entity_tube else "other"
            found.append((role, tube, tubes.boxes_at(tube, np.array([frame]))[0]))
    if case.truth is not None and case.truth.span[0] <= frame < case.truth.span[1]:
        found += [("true", -1, box) for box in case.truth.box[case.truth.frame == frame]]
    order = ("other", "entity", "answer", "true")
    return sorted(found, key=lambda item: order.index(item[0]))


def _frame_panel(axes: Any, case: Case, frames: Columns, row: int, tubes: Tubes) -> None:
    from matplotlib.patches import Rectangle

    picture = still(frames, row)[..., ::-1]
    width, height = float(frames["width"]), float(frames["height"])
    axes.imshow(picture, extent=(0, width, height, 0))
    for role, tube, (x1, y1, x2, y2) in boxes_at(case, tubes, int(frames["frame"][row])):
        if role == "other":
            continue
        colour = "white" if role == "true" else tube_colour(tube)
        width_pt, dash = 1.8 if role == "answer" else 1.0, "--" if role == "true" else "-"
        shape = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour)
        shape.set(linewidth=width_pt, linestyle=dash)
        axes.add_patch(shape)
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    inside = case.span[0] <= frames["frame"][row] < case.span[1]
    for spine in axes.spines.values():
        spine.set(edgecolor=tube_colour(case.tube) if inside else "#bbbbbb", linewidth=2 if inside else 0.5)
    axes.set_xlabel(f"{frames['frame'][row] / case.fps:.1f} s", fontsize=7, labelpad=2)


def _time_panel(axes: Any, case: Case, shown: np.ndarray) -> None:
    seconds = case.moment / case.fps
    if len(seconds):
        axes.fill_between(seconds, case.moment_prob, step="post", color="#9aa0a6", alpha=0.5, linewidth=0)
    spans = [("answer", case.span, tube_colour(case.tube))]
    spans += [("truth", case.truth.span, "#202124")] if case.truth else []
    for place, (_, (begin, end), colour) in enumerate(spans):
        axes.barh(-0.22 - 0.3 * place, (end - begin) / case.fps, left=begin / case.fps, height=0.2, color=colour)
    axes.plot(shown / case.fps, np.full(len(shown), 1.02), "v", color="#202124", markersize=3, clip_on=False)
    axes.set_yticks([0.5, *(-0.22 - 0.3 * i for i in range(len(spans)))], ["P(y)", *(s[0] for s in spans)])
    axes.set(xlim=(case.segment[0] / case.fps, case.segment[1] / case.fps), ylim=(-0.2 - 0.3 * len(spans), 1.05))
    axes.tick_params(length=0, labelsize=7)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _graph_panel(axes: Any, case: Case) -> None:
    """Entities below each other in the colours of their tubes, an arc for each relation; the axes are in inches."""
    from matplotlib.patches import FancyBboxPatch

    wide, high = axes.figure.get_size_inches() * axes.get_position().size
    axes.set(xlim=(0, wide), ylim=(0, high))
    axes.axis("off")
    middle = high - 0.3 - 0.45 * np.arange(len(case.query.entities))
    for i, entity in enumerate(case.query.entities):
        asked = i == case.query.target
        node = FancyBboxPatch((0.06, middle[i] - 0.1), 1.4, 0.2, boxstyle="round,pad=0.04", facecolor="white")
        node.set(edgecolor=tube_colour(case.tube_of(i)))
        node.set(linewidth=2.2 if asked else 1.2)
        axes.add_patch(node)
        text = entity.text if len(entity.text) <= 24 else entity.text[:23] + "…"
        axes.text(0.1, middle[i], text, va="center", fontsize=7, weight="bold" if asked else "normal")
    taken: list[float] = []
    for relation in case.query.relations:
        begin = middle[relation.subject]
        end = begin if relation.object is None else middle[relation.object]
        taken.append(free((begin + end) / 2, taken, 0.14))
        if relation.object is not None:
            bend = "arc3,rad=" + ("-0.6" if end < begin else "0.6")
            arrow = {"arrowstyle": "->", "color": "#5f6368", "connectionstyle": bend, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (1.54, end), (1.54, begin), arrowprops=arrow)
        axes.text(1.72, taken[-1], relation.predicate, va="center", fontsize=7, style="italic")
