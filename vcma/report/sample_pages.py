"""Write the report's files of one video: its film, stills, tubes (as a script), and a page for each sample.

A page opened from disk cannot fetch data, so the data of a video are stored as a script file, which the pages of
its samples share; no page needs a network, a server or another program.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.paths import file_stem
from vcma.pipeline.video_artifacts import tubes_reader, video_file
from vcma.records.columns import rows
from vcma.records.tubes import Tubes
from vcma.report import media
from vcma.report.candidates import candidates
from vcma.report.cases import Case
from vcma.report.diagnosis import OUTCOMES
from vcma.report.layout import sentence_pieces
from vcma.report.palette import tube_colour
from vcma.report.query_graph import query_graph
from vcma.report.stills import IllustratedCase, illustrate
from vcma.report.templating import write_page
from vcma.report.timeline import evidence_rows, place, steps, ticks, tube_rows

_STRIP_LENGTH = 5  # stills in a strip on the page


@dataclass(frozen=True)
class ReportFiles:
    """Paths of a report: its output folder, the run's artifacts, and the cache of films.

    original: function from a video's id to its original file, or None.
    """

    folder: Path
    artifacts: Path
    cache: Path
    original: Callable[[str], Path | None]


@dataclass(frozen=True)
class SamplePage:
    """A page to write.

    name: of the page; media: prefix of the names of its video's media files; strip: whether the index shows a strip
    of it; before, after: names of the neighbouring pages, "" for none.
    """

    case: Case
    name: str
    media: str
    strip: bool
    before: str
    after: str


def write_video_pages(
    files: ReportFiles, pages: list[SamplePage], posterior: str
) -> tuple[list[IllustratedCase], Path | None]:
    """Write all files of one video; returns its cases with their stills, and its film in the cache."""
    cases, name = [page.case for page in pages], pages[0].media
    video = cases[0].video
    stored = video_file(files.artifacts / "frames", video)
    tubes = tubes_reader(files.artifacts / "tubes")(video)
    if not stored.exists():
        film, frames = None, schemas.empty(schemas.FRAMES)
    else:
        span = min(c.segment[0] for c in cases), max(c.segment[1] for c in cases)
        film = media.film(files.original(video), stored, span, files.cache, file_stem(video))
        frames = artifact.read(schemas.FRAMES, stored)
    pages = [replace(page, case=page.case.timed_by(frames["frame"], frames["time"])) for page in pages]
    illustrated = [
        illustrate(page.case, page.name, name, frames, tubes, film is not None, _STRIP_LENGTH if page.strip else 0)
        for page in pages
    ]
    wanted = [still.frame for item in illustrated for still in item.stills]
    media.write_stills(frames, wanted, files.folder / "media", name)
    if film:
        media.copy_film(film, files.folder / "media" / f"{name}.webm")
    script = json.dumps(_video_data(film, tubes, illustrated), separators=(",", ":"))
    storage.write_bytes(files.folder / "media" / f"{name}.js", f"window.VCMA_VIDEO = {script};\n".encode())
    for page, item in zip(pages, illustrated, strict=True):
        _write_sample(files.folder / "samples" / f"{page.name}.html", page, item, tubes, posterior)
    return illustrated, film.path if film else None


def _video_data(film: media.Film | None, tubes: Tubes, illustrated: Sequence[IllustratedCase]) -> dict[str, Any]:
    """Return the player's data of a video: native frame and time of each film frame, and the boxes of each tube."""
    thumb, clock = illustrated[0].thumb, illustrated[0].case.clock
    return {
        "rate": film.rate if film else 1.0,
        "frame": film.frame if film else [],
        "seconds": np.round(clock.seconds(np.array(film.frame if film else [])), 3).tolist(),
        "width": thumb.width if thumb else 1.0,
        "height": thumb.height if thumb else 1.0,
        "tubes": [_tube_data(tubes, tube) for tube in range(len(tubes))],
    }


def _tube_data(tubes: Tubes, tube: int) -> dict[str, Any]:
    """Return a tube's points: native frame, box, and whether it is interpolated."""
    frame, box = tubes.points(tube)
    interpolated = tubes.interpolated[rows(tubes.point_offset, tube)].astype(int)
    return {"frame": frame.tolist(), "box": _rounded(box), "interpolated": interpolated.tolist()}


def _sample_data(case: Case, tubes: Tubes) -> dict[str, Any]:
    """Return the player's data of a sample."""
    truth = case.truth and {
        "span": case.truth.span,
        "frame": case.truth.frame.tolist(),
        "box": _rounded(case.truth.box),
    }
    return {
        "tube": case.tube,
        "span": case.span,
        "segment": case.segment,
        "entity_tube": case.entity_tube,
        "colour": [tube_colour(tube) for tube in range(len(tubes))],
        "truth": truth,
    }


def _rounded(box: np.ndarray) -> list[list[float]]:
    return np.round(box.astype(np.float64), 1).tolist()


def _write_sample(path: Path, page: SamplePage, item: IllustratedCase, tubes: Tubes, posterior: str) -> None:
    case = item.case
    write_page(
        "sample.html",
        path,
        item=item,
        case=case,
        data=_sample_data(case, tubes),
        outcomes=OUTCOMES,
        pieces=sentence_pieces(case.query),
        graph=query_graph(case.query),
        candidates=candidates(case, tubes),
        tube_rows=tube_rows(case, tubes),
        evidence_rows=evidence_rows(case),
        moments=steps(case, case.moment_prob, 0.0, 1.0),
        ticks=ticks(case),
        place=lambda span: place(case, span),
        posterior=posterior,
        before=page.before,
        after=page.after,
        media=page.media,
    )
