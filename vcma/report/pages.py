"""Write the report, a folder of pages: its index, and the pages of each video (`sample_pages`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vcma.evaluation.metrics import METRICS
from vcma.evaluation.published import published
from vcma.evaluation.tables import described
from vcma.pipeline import storage
from vcma.records.sentence import few_sentences
from vcma.report import media as films
from vcma.report.ablation import ablation_charts
from vcma.report.breakdown import breakdown
from vcma.report.cases import Case, Report, spread
from vcma.report.charts import breakdown_charts, training_charts
from vcma.report.comparison import Comparison
from vcma.report.diagnosis import OUTCOMES
from vcma.report.layout import sentence_pieces
from vcma.report.names import readable_names
from vcma.report.sample_pages import ReportFiles, SamplePage, write_video_pages
from vcma.report.stills import IllustratedCase
from vcma.report.templating import TEMPLATES, write_page

ASSETS = ("style.css", "list.js", "player.js")


class MetricTable(NamedTuple):
    """The metrics of one protocol and query type.

    ours: this run's; rows: (name, metrics) of this run and its baselines; published: (label, metrics) of published
    results; difference: to another run, if any.
    """

    protocol: str
    query_type: str
    ours: Mapping[str, Any]
    rows: list[tuple[str, Mapping[str, Any]]]
    published: list[tuple[str, Mapping[str, Any]]]
    difference: Mapping[str, Any] | None


def write_report(
    report: Report,
    files: ReportFiles,
    examples: int,
    ablation_csv: Path,
    comparison: Comparison | None,
    each: Callable[[Callable, list], Iterable],
) -> list[str]:
    """Write the whole report, and return a message for each video without frames.

    each(function, list of arguments): maps, possibly in parallel.
    """
    files.folder.mkdir(parents=True, exist_ok=True)
    for name in ("samples", "media"):
        (files.folder / name).mkdir(exist_ok=True)
    for name in ASSETS:
        storage.write_bytes(files.folder / name, (TEMPLATES / name).read_bytes())
    chosen = spread(report.cases, examples)
    by_video: dict[str, list[SamplePage]] = {}
    for page in _sample_pages(report.cases, chosen):
        by_video.setdefault(page.case.video, []).append(page)
    illustrated: dict[str, IllustratedCase] = {}
    shown = []
    for items, film in each(write_video_pages, [(files, pages, report.posterior) for pages in by_video.values()]):
        illustrated |= {item.case.sample: item for item in items}
        shown += [film] if film else []
    films.prune(files.cache, shown)
    _write_index(report, files.folder / "index.html", illustrated, chosen, ablation_csv, comparison)
    first = {video: illustrated[pages[0].case.sample] for video, pages in by_video.items()}
    return [f"no frame of video {video} could be read" for video, item in first.items() if not item.film]


def _sample_pages(cases: Sequence[Case], examples: Sequence[Case]) -> list[SamplePage]:
    page = readable_names(case.sample for case in cases)
    media = readable_names(dict.fromkeys(case.video for case in cases))
    names = ["", *page.values(), ""]
    strips = {case.sample for case in examples}
    return [
        SamplePage(case, page[case.sample], media[case.video], case.sample in strips, before, after)
        for case, before, after in zip(cases, names[:-2], names[2:], strict=True)
    ]


def _write_index(
    report: Report,
    path: Path,
    illustrated: Mapping[str, IllustratedCase],
    examples: Sequence[Case],
    ablation_csv: Path,
    comparison: Comparison | None,
) -> None:
    cases = report.cases
    metric = "vIoU" if any(c.viou is not None for c in cases) else "tIoU"
    counts = {outcome: sum(c.outcome == outcome for c in cases) for outcome in OUTCOMES}
    write_page(
        "index.html",
        path,
        name=report.artifacts.name,
        report=report,
        metrics=METRICS,
        tables=metric_tables(report, comparison),
        methods={name: text for name, text in described(report.baselines).items() if text},
        few=few_sentences(report.history.get("sentences", 0)) if report.whose == "VCMA" else "",
        training=training_charts(report.history),
        sweeps=ablation_charts(ablation_csv, report.split),
        parts=breakdown_charts(breakdown(cases), metric),
        counts={outcome: n for outcome, n in counts.items() if n},
        outcomes=OUTCOMES,
        sortings=_sortings(cases),
        query_types=sorted({c.query_type for c in cases}),
        items=[illustrated[c.sample] for c in cases],
        examples=[illustrated[c.sample] for c in examples],
        sentence_pieces=sentence_pieces,
        comparison=comparison,
        videos=len({c.video for c in cases}),
    )


def _sortings(cases: Sequence[Case]) -> list[tuple[str, str]]:
    """Return the scores by which the list can be sorted, (key, label): those that any sample has."""
    known = {"viou": any(c.viou is not None for c in cases), "tiou": any(c.tiou is not None for c in cases)}
    return [(key, label) for key, label in (("viou", "vIoU"), ("tiou", "tIoU")) if known[key]]


def metric_tables(report: Report, comparison: Comparison | None) -> list[MetricTable]:
    """Build a table for each protocol and query type."""
    tables = []
    for protocol, by_query_type in report.metrics.items():
        for query_type, ours in by_query_type.items():
            baselines = [
                (name, metrics[protocol][query_type])
                for name, metrics in ((n, report.baselines[n]) for n in described(report.baselines))
                if query_type in metrics.get(protocol, {})
            ]
            results = published(report.annotation_format, report.split, query_type, ours["n"], protocol)
            other = comparison if protocol == report.protocol else None
            tables.append(
                MetricTable(
                    protocol,
                    query_type,
                    ours,
                    rows=[(f"this run: {report.whose}", ours), *baselines],
                    published=[(p.label, {m: _exact(v / 100) for m, v in p.values.items()}) for p in results],
                    difference=other.table.get(query_type) if other else None,
                )
            )
    return tables


def _exact(value: float) -> dict[str, float | None]:
    return {"value": value, "low": None, "high": None}
