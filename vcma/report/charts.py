"""Draw the report's charts with matplotlib, as SVG that adopts the page's colours."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vcma.report.breakdown import Group
from vcma.report.palette import BLUE, GREEN, GREY, P_COLOUR, Q_COLOUR, RED, VIOLET

POSTERIORS = (("score_p", P_COLOUR, "p(Z | E, R, V)"), ("score_q", Q_COLOUR, "q(Z | E, V)"))  # key, colour, label
_TEXT_COLOUR = "#010203"  # placeholder for the page's text colour
_SIZE = 3.4, 2.5  # inches, so that a chart fits a phone's screen without shrinking its text


class Chart(NamedTuple):
    """A chart for the page: its <svg> element, caption and alternative text."""

    svg: str
    caption: str
    alt: str


def figure_style(salt: str) -> Any:
    """Return matplotlib settings: text is stored as text, without math, and equal figures have equal bytes."""
    shared = {"font.size": 8, "font.family": "sans-serif", "text.parse_math": False}
    return shared | {"svg.fonttype": "none", "svg.hashsalt": salt, "pdf.fonttype": 42}


def draw_svg(name: str, draw: Callable[[Any], None]) -> str:
    """Draw on one pair of axes, and return an <svg> element whose text has the page's colour."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    texts = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "legend.labelcolor")
    with rc_context(figure_style(name) | dict.fromkeys(texts, _TEXT_COLOUR)):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_facecolor("none")
        draw(axes)
        stored = io.StringIO()
        figure.savefig(stored, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(stored.getvalue(), name)


def _inline(document: str, name: str) -> str:
    """Extract the <svg> element of a document, prefix its ids with `name`, and give text the page's colour."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg).replace(_TEXT_COLOUR, "currentColor")
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def training_charts(history: Mapping[str, Any]) -> list[Chart]:
    """Draw a training by round: the scores of p and q (if any), the ELBO, and the other terms of the loss."""
    rounds = [r for r in history.get("rounds", []) if r]
    if not rounds:
        return []
    score = str(history.get("score", "m_vIoU"))
    best = next((r for r in reversed(rounds) if r.get("best")), None)
    scored = bool(np.isfinite([_values(rounds, key) for key, _, _ in POSTERIORS]).any())
    missing = "" if scored else " There are no validation annotations, hence no scores."
    charts = [_score_chart(rounds, best, score)] if scored else []
    charts.append(
        Chart(
            draw_svg("em-elbo", lambda axes: _draw_rounds(axes, rounds, (("elbo", BLUE, "ELBO"),), "ELBO, nat")),
            f"The objective F after the E-step.{missing}",
            f"ELBO from {_text(rounds[0], 'elbo')} to {_text(rounds[-1], 'elbo')}.",
        )
    )
    parts = (
        ("contrast", GREEN, "contrast"),
        ("none", VIOLET, "background"),
        ("cross_entropy", RED, "cross-entropy"),
    )
    charts.append(
        Chart(
            draw_svg("em-parts", lambda axes: _draw_rounds(axes, rounds, parts, "nat")),
            "Other terms of the loss: phrase-video contrast, background class, cross-entropy of q and q_phi.",
            "; ".join(f"{label} ends at {_text(rounds[-1], key)}" for key, _, label in parts) + ".",
        )
    )
    return charts


def _score_chart(rounds: Sequence[Mapping], best: Mapping | None, score: str) -> Chart:
    kept = f"after round {best['round']}, {_text(best, 'score_p')}" if best else "none"
    return Chart(
        draw_svg("em-scores", lambda axes: _draw_rounds(axes, rounds, POSTERIORS, f"validation {score}", best)),
        f"Validation {score} of p and q by round (0 and below: warm-up; dotted line: the selected round).",
        f"{score} of p and q over {len(rounds)} rounds; selected: {kept}.",
    )


def _draw_rounds(
    axes: Any,
    rounds: Sequence[Mapping],
    series: Sequence[tuple[str, str, str]],
    unit: str,
    best: Mapping | None = None,
) -> None:
    """Draw a line over the rounds for each (key, colour, label); the best round is marked, the warm-up shaded."""
    from matplotlib.ticker import MaxNLocator

    at = np.array([r["round"] for r in rounds])
    for key, colour, label in series:
        axes.plot(at, _values(rounds, key), "o-", color=colour, label=label, markersize=3)
    if best:
        axes.axvline(best["round"], color=_TEXT_COLOUR, linestyle=":", linewidth=1)
    if (at <= 0).any() and (at > 0).any():
        axes.axvspan(at.min() - 0.5, 0.5, color=GREY, alpha=0.15, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("round of EM")
    axes.set_ylabel(unit)
    axes.grid(alpha=0.2)
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=7)


def _values(rounds: Sequence[Mapping], key: str) -> np.ndarray:
    return np.array([np.nan if r.get(key) is None else r[key] for r in rounds], np.float64)


def _text(row: Mapping, key: str) -> str:
    return "unavailable" if row.get(key) is None else f"{row[key]:.3g}"


def breakdown_charts(parts: Mapping[str, Sequence[Group]], metric: str) -> list[Chart]:
    """Draw a chart for each grouping of the samples: mean scores with 95 % intervals, and group sizes."""
    return [
        Chart(
            draw_svg(f"part-{i}", lambda axes, groups=groups: _draw_bars(axes, groups, metric)),  # type: ignore[misc]
            f"{metric} by {title} (mean, 95 % interval over videos).",
            "; ".join(f"{g.label}: {g.mean:.2f} of {g.n}" for g in groups) + ".",
        )
        for i, (title, groups) in enumerate(parts.items())
    ]


def _draw_bars(axes: Any, groups: Sequence[Group], metric: str) -> None:
    at = np.arange(len(groups))
    mean = np.array([g.mean for g in groups])
    reach = np.abs(np.array([[g.mean - g.low, g.high - g.mean] for g in groups]).T)
    axes.barh(at, mean, color=BLUE, alpha=0.75)
    axes.errorbar(mean, at, xerr=reach, fmt="none", ecolor=_TEXT_COLOUR, elinewidth=0.8, capsize=2)
    axes.set_yticks(at, [f"{g.label}  ({g.n})" for g in groups])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel(metric)
    axes.grid(alpha=0.2, axis="x")
