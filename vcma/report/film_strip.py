"""Draw one sample as a film strip for papers: frames, spans and P(y_t) below them, and the parsed sentence."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.video_artifacts import tubes_reader, video_file
from vcma.records.columns import Columns
from vcma.records.tubes import Tubes
from vcma.report.cases import Case
from vcma.report.charts import figure_style
from vcma.report.layout import free_height, sentence_pieces, shortened
from vcma.report.palette import BLACK, DARK_GREY, LIGHT_GREY, MEDIUM_GREY, tube_colour
from vcma.report.stills import boxes_at, strip_rows
from vcma.video.fonts import font_for
from vcma.video.pictures import still


def film_strip(case: Case, artifacts: Path, path: Path, count: int = 6) -> None:
    """Draw one sample: `count` frames with boxes, spans and P(y_t) below them, and the parsed sentence.

    True boxes are white, interpolated boxes dashed. The format follows path's suffix: .png, .svg or .pdf (boxes,
    text and curves are vectors in the last two). Raises InputError for any other suffix, or if the segment has no
    stored frame.
    """
    from matplotlib import rc_context

    if path.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"cannot draw a '{path.suffix}' file", path, "use .png, .svg or .pdf")
    frames = artifact.read(schemas.FRAMES, video_file(artifacts / "frames", case.video))
    tubes = tubes_reader(artifacts / "tubes")(case.video)
    rows = strip_rows(case, frames["frame"], count)
    if not len(rows):
        raise InputError(f"no stored frame in the segment of '{case.sample}'", artifacts / "frames")
    # Hinted text is of another width at the resolution of the file than where it is measured.
    style = figure_style(case.sample) | _fonts(case.query.text) | {"text.hinting": "none"}
    with rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # the stage prints a note of its own
        figure = _strip_figure(case.timed_by(frames["frame"], frames["time"]), frames, rows, tubes)
        stored = io.BytesIO()
        metadata = {} if path.suffix == ".png" else {"CreationDate" if path.suffix == ".pdf" else "Date": None}
        figure.savefig(
            stored, format=path.suffix[1:], dpi=200, metadata=metadata, bbox_inches="tight", pad_inches=0.1
        )
    storage.write_bytes(path, stored.getvalue())


def _fonts(text: str) -> dict[str, Any]:
    """Return matplotlib settings for a text in any script: DejaVu Sans, and a font with the characters it lacks."""
    from matplotlib.font_manager import FontProperties, fontManager

    fonts = [font_for(text).path, font_for("a").path]
    for path in fonts:
        fontManager.addfont(path)
    return {"font.family": [*dict.fromkeys(FontProperties(fname=path).get_name() for path in reversed(fonts))]}


_DASHES = (0, (3, 2))  # line style of interpolated boxes
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
    """Write the sentence, with entities underlined in the colours of their tubes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.lines import Line2D

    renderer = FigureCanvasAgg(figure).get_renderer()
    below = 0.06 / figure.get_size_inches()[1]

    def write(text: str, weight: str) -> float:
        drawn = figure.text(x, y, text, fontsize=9, weight=weight)
        return drawn.get_window_extent(renderer).width / figure.bbox.width

    # SVG drops spaces at the ends of a text, so they are replaced by an offset.
    blank = write(" ", "normal")
    for text, entity in sentence_pieces(case.query):
        x += blank * (len(text) - len(text.lstrip()))
        width = write(text.strip(), "bold" if entity == case.query.target else "normal") if text.strip() else 0.0
        if entity >= 0:
            colour = tube_colour(case.tube_of(entity))
            figure.add_artist(Line2D((x, x + width), (y - below, y - below), color=colour, linewidth=2))
        x += width + blank * (len(text.lstrip()) - len(text.strip()))


def _frame_panel(axes: Any, case: Case, frames: Columns, row: int, tubes: Tubes) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    picture = still(frames, row)[..., ::-1]
    width, height = float(frames["width"]), float(frames["height"])
    axes.imshow(picture, extent=(0, width, height, 0))
    for role, tube, (x1, y1, x2, y2), interpolated in boxes_at(case, tubes, int(frames["frame"][row])):
        if role == "other":
            continue
        colour = "white" if role == "true" else tube_colour(tube)
        width_pt = 1.4 if role == "answer" else 1.0
        shape = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour)
        shape.set(linewidth=width_pt, linestyle=_DASHES if interpolated else "-")
        if role == "true":  # white with a black border, visible on any image and below an answer's box
            shape.set(linewidth=2.8, zorder=0.9)
            shape.set_path_effects([withStroke(linewidth=3.6, foreground=BLACK)])
        axes.add_patch(shape)
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    inside = case.span[0] <= frames["frame"][row] < case.span[1]
    for spine in axes.spines.values():
        spine.set(edgecolor=tube_colour(case.tube) if inside else LIGHT_GREY, linewidth=2 if inside else 0.5)
    axes.set_xlabel(f"{frames['time'][row]:.1f} s", fontsize=7, labelpad=2)


def _time_panel(axes: Any, case: Case, shown: np.ndarray) -> None:
    clock = case.clock
    seconds = clock.seconds(case.moment)
    if len(seconds):
        axes.fill_between(seconds, case.moment_prob, step="post", color=MEDIUM_GREY, alpha=0.5, linewidth=0)
    spans = [("answer", case.span, tube_colour(case.tube))]
    spans += [("truth", case.truth.span, BLACK)] if case.truth else []
    for place, (_, span, colour) in enumerate(spans):
        begin, end = clock.seconds(np.array(span))
        axes.barh(-0.22 - 0.3 * place, end - begin, left=begin, height=0.2, color=colour)
    axes.plot(clock.seconds(shown), np.full(len(shown), 1.02), "v", color=BLACK, markersize=3, clip_on=False)
    axes.set_yticks([0.5, *(-0.22 - 0.3 * i for i in range(len(spans)))], ["P(y)", *(s[0] for s in spans)])
    axes.set(xlim=clock.seconds(np.array(case.segment)), ylim=(-0.2 - 0.3 * len(spans), 1.05))
    axes.tick_params(length=0, labelsize=7)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _graph_panel(axes: Any, case: Case) -> None:
    """Draw a column of entities in the colours of their tubes, with an arc for each relation; axes in inches."""
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
        text = shortened(entity.text, 24)
        axes.text(0.1, middle[i], text, va="center", fontsize=7, weight="bold" if asked else "normal")
    taken: list[float] = []
    for relation in case.query.relations:
        begin = middle[relation.subject]
        end = begin if relation.object is None else middle[relation.object]
        taken.append(free_height((begin + end) / 2, taken, 0.14))
        if relation.object is not None:
            bend = "arc3,rad=" + ("-0.6" if end < begin else "0.6")
            arrow = {"arrowstyle": "->", "color": DARK_GREY, "connectionstyle": bend, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (1.54, end), (1.54, begin), arrowprops=arrow)
        axes.text(1.72, taken[-1], relation.predicate, va="center", fontsize=7, style="italic")
