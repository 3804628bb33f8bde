"""`vcma ground`: sentences in videos of your own, by the stages' functions but beside the pipeline."""

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
@click.option("--query", "queries", multiple=True, help="A sentence; give it again for more.")
@click.option(
    "--queries",
    "file",
    type=click.Path(path_type=Path),
    help="A text file, one sentence a line; for a folder a CSV file with the header video,sentence.",
)
@click.option("--model", type=click.Path(path_type=Path), help="A trained model; default: that of the data set.")
@click.option(
    "--untrained",
    is_flag=True,
    help="No model: the detector's labels and what the sentence's verbs and prepositions say.",
)
@click.option("--out", type=click.Path(path_type=Path), default="grounded", show_default=True, help="Folder.")
@click.option("--device", default="cpu", show_default=True, help="Torch device, e.g. cuda:0.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=lambda: os.cpu_count() or 1,
    show_default="all cores",
    help="Worker processes over the videos of a folder.",
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
    """Find what sentences speak of in one VIDEO: spans and boxes as JSON, and an annotated mp4 for each.

    With a folder for VIDEO: in all of its videos that a CSV file names, in parallel, with a table and a page at the
    end. A run that was stopped goes on where it was.
    """
    many = is_folder(video)
    texts = _texts(queries, None if many else file)
    if not texts and not (many and file):
        raise click.UsageError("give --query TEXT or --queries FILE")
    if untrained and model:
        raise click.UsageError("--untrained uses no --model")
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
    # All that can be wrong is found before the minutes that detection takes.
    pipeline = pipeline_of(project, model, device)
    if pipeline.detector.reads_sentences:
        asked = ", ".join(pipeline.prompt_of(texts)) or "nothing else"
        common = len(pipeline.detector.class_names)
        click.echo(
            f"note: detected anew for these sentences: {asked}, beside {common:,} names looked for in every video",
            err=True,
        )
    tubes = pipeline.find_tubes(video, sentences=texts, watch=progress)
    if tubes.notes:
        what = "; ".join(tubes.notes)
        click.echo(f"note: {click.format_filename(video)} {what}; what there is of it is searched", err=True)
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
    """The sentences asked for, each once."""
    # A terminal may hand on bytes that are no text.
    lines = text_lines(file) if file else []
    if file and lines and [word.strip() for word in lines[0].split(",")] == ["video", "sentence"]:
        raise InputError("is a table of several videos", file, "name their folder instead of one video")
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
    """That a video may hold nothing that fits, where it is likely enough to be worth a word."""
    absent = found.absent or 0.0
    return f"; {absent:.2f} that it is not in this video" if absent > _WORTH_A_WORD else ""


_WORTH_A_WORD = 0.25


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _earlier_films(out: Path) -> set[Path]:
    """The films of the run that wrote the folder's predictions.json: no other file of a user's is anybody's."""
    try:
        values = read_json(out / "predictions.json", "").values()
        names = {value["film"] for value in values if isinstance(value["film"], str)}
    except (InputError, AttributeError, KeyError, TypeError):
        return set()
    return {out / name for name in names if re.fullmatch(r"\d{2,}\.mp4", name)}


def _check_folder(folder: Path) -> None:
    """Raises InputError if nothing can be written there."""
    try:
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        writable = nearest.is_dir() and os.access(nearest, os.W_OK)
    except OSError:  # a name longer than any
        writable = False
    if not writable:
        raise InputError("nothing can be written there", folder, "choose another --out")
