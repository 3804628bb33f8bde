"""`vcma ground`: ground sentences in your own videos, with the stages' functions but without a data set."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from vcma.api.grounding import Grounding, write_groundings
from vcma.api.pipeline import model_folder, pipeline_of
from vcma.commands.check_parameters import try_sections
from vcma.commands.ground_folder import ground_folder
from vcma.errors import InputError
from vcma.pipeline.cli import check_device, examples, progress, with_project
from vcma.pipeline.paths import is_file, is_folder
from vcma.pipeline.project import Project
from vcma.pipeline.storage import read_json, text_lines, write_bytes
from vcma.video.fonts import lacking


@click.command(
    "ground",
    epilog=examples(
        'vcma ground clip.mp4 --query "who follows the brown dog?"',
        "vcma ground clip.mp4 --dataset clips_cpu --untrained --queries sentences.txt --out answers",
    ),
)
@with_project
@click.argument("video", type=click.Path(path_type=Path))
@click.option("--query", "queries", multiple=True, help="Sentence to ground; may be given several times.")
@click.option(
    "--queries",
    "file",
    type=click.Path(path_type=Path),
    help="Text file with one sentence per line; for a folder, a CSV file with the header video,sentence.",
)
@click.option("--model", type=click.Path(path_type=Path), help="Trained model.  [default: the data set's]")
@click.option(
    "--untrained",
    is_flag=True,
    help="Use no model but the detector's labels and scores, and cues for the sentence's verbs and prepositions.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default="grounded", show_default=True, help="Output folder."
)
@click.option("--device", default="cpu", show_default=True, help="Torch device, e.g. cuda:0.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=lambda: os.cpu_count() or 1,
    show_default="all cores",
    help="Number of worker processes for a folder, one video each.",
)
def ground_command(
    project: Project,
    video: Path,
    queries: tuple[str, ...],
    file: Path | None,
    model: Path | None,
    untrained: bool,
    out: Path,
    device: str,
    jobs: int,
) -> None:
    """Localise the objects that sentences describe in VIDEO; writes spans and boxes as JSON, and annotated films.

    If VIDEO is a folder, sentences are grounded in its videos in parallel, with a table and a page of all answers.
    A run that was stopped continues where it left off.
    """
    many = is_folder(video)
    texts = _texts(queries, None if many else file)
    if not texts and not (many and file):
        raise click.UsageError("give --query TEXT or --queries FILE")
    if untrained and model:
        raise click.UsageError("--untrained cannot be combined with --model")
    check_device(device)
    try_sections(project, ("extract_frames", "detect_proposals", "link_tubes", "embed_tubes", "parse_queries"))
    folder = model_folder(project, model, untrained)
    if not (many or is_file(video)):
        raise InputError("no such video", video, "check its path")
    _check_folder(out)
    if many:
        ground_folder(project, video, texts, file, folder, out, device, jobs)
    else:
        _ground_video(project, video, texts, folder, out, device)


def _ground_video(
    project: Project, video: Path, texts: Sequence[str], model: Path | None, out: Path, device: str
) -> None:
    # Load everything first, so that errors show before detection, which takes minutes.
    pipeline = pipeline_of(project, model, device)
    if pipeline.detector.reads_sentences:
        asked = ", ".join(pipeline.prompt_of(texts)) or "nothing else"
        common = len(pipeline.detector.class_names)
        click.echo(
            f"note: the detector is prompted with: {asked}, besides {common:,} common names",
            err=True,
        )
    tubes = pipeline.find_tubes(video, sentences=texts, watch=progress)
    if tubes.notes:
        what = "; ".join(tubes.notes)
        click.echo(f"note: {click.format_filename(video)} {what}; the rest of it is searched", err=True)
    found = pipeline.ground(tubes, texts)
    films = [out / f"{i:02d}.mp4" for i in range(len(found))]
    values = [
        {
            "video": os.fsencode(video).decode("utf-8", "replace"),
            "film": film.name,
            "fps": tubes.fps,
            **answer.to_json(),
        }
        for answer, film in zip(found, films, strict=True)
    ]
    for older in _earlier_films(out) - set(films):
        older.unlink(missing_ok=True)
    members = [f"{_json(text)}: {_json(value)}" for text, value in zip(texts, values, strict=True)]
    write_bytes(out / "predictions.json", ("{\n" + ",\n".join(members) + "\n}\n").encode())
    write_groundings(list(zip(found, films, strict=True)), progress)
    doubts = dict.fromkeys(note for answer in found for note in answer.doubts)
    for note in (*doubts, *filter(None, [lacking(texts)])):
        click.echo(f"note: {note}", err=True)
    click.echo("\n".join(_line(*each) for each in zip(found, films, strict=True)))


def _texts(queries: Sequence[str], file: Path | None) -> list[str]:
    """Return the sentences to ground, without duplicates."""
    # Arguments may contain bytes that are not valid text.
    lines = text_lines(file) if file else []
    if file and lines and [word.strip() for word in lines[0].split(",")] == ["video", "sentence"]:
        raise InputError("is a table of several videos", file, "give their folder instead of one video")
    texts = [q.encode("utf-8", "replace").decode() for q in (*queries, *lines)]
    return [*dict.fromkeys(text for text in texts if text.strip())]


def _line(found: Grounding, film: Path) -> str:
    likely = f"probability {found.probability:.2f}{_absent(found)}"
    return (
        f"{found.sentence}: frames {found.span[0]} to {found.span[1]} ({found.seconds[0]:.1f} to "
        f"{found.seconds[1]:.1f} s), tube {found.tube}, a '{found.class_name}' ({likely}) -> "
        f"{click.format_filename(film)}"
    )


def _absent(found: Grounding) -> str:
    """Format the probability that the video shows nothing that fits, if it is high enough to report."""
    absent = found.absent or 0.0
    return f"; {absent:.2f} that it is not in this video" if absent > _REPORTED_ABSENCE else ""


_REPORTED_ABSENCE = 0.25


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _earlier_films(out: Path) -> set[Path]:
    """Return the films of an earlier run, listed in the folder's predictions.json; only these are removed."""
    try:
        values = read_json(out / "predictions.json", "").values()
        names = {value["film"] for value in values if isinstance(value["film"], str)}
    except (InputError, AttributeError, KeyError, TypeError):
        return set()
    return {out / name for name in names if re.fullmatch(r"\d{2,}\.mp4", name)}


def _check_folder(folder: Path) -> None:
    """Raise InputError if a folder is not writable."""
    try:
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        writable = nearest.is_dir() and os.access(nearest, os.W_OK)
    except OSError:  # the name is too long
        writable = False
    if not writable:
        raise InputError("is not a writable folder", folder, "choose another --out")
