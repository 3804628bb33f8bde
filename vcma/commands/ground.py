"""`vcma ground`: sentences in one video of your own, by the stages' functions but beside the pipeline."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from vcma.detection.base import Detector
from vcma.detection.registry import load_detector
from vcma.errors import InputError
from vcma.inference.doubts import explained
from vcma.pipeline.cli import check_device, examples, progress, with_project
from vcma.pipeline.paths import is_file
from vcma.pipeline.project import Project
from vcma.pipeline.storage import text_lines, write_bytes
from vcma.records.answer import Prediction, exported, told_doubts
from vcma.records.sentence import Sentence
from vcma.records.tubes import Tubes
from vcma.video.annotated_film import Film, write_films
from vcma.video.fonts import lacking
from vcma.video.timeline import ASSUMED_FPS, Timeline, read_timeline

if TYPE_CHECKING:
    from vcma.inference.grounder import Grounder


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
@click.option("--queries", "file", type=click.Path(path_type=Path), help="A text file, one sentence a line.")
@click.option("--model", type=click.Path(path_type=Path), help="A trained model; default: that of the data set.")
@click.option(
    "--untrained",
    is_flag=True,
    help="No model: the detector's labels and what the sentence's verbs and prepositions say.",
)
@click.option("--out", type=click.Path(path_type=Path), default="grounded", show_default=True, help="Folder.")
@click.option("--device", default="cpu", show_default=True, help="Torch device, e.g. cuda:0.")
def ground_command(
    project: Project,
    video: Path,
    queries: tuple[str, ...],
    file: Path | None,
    model: Path | None,
    untrained: bool,
    out: Path,
    device: str,
) -> None:
    """Find what sentences speak of in one VIDEO: spans and boxes as JSON, and an annotated mp4 for each."""
    texts = _texts(queries, file)
    if untrained and model:
        raise click.UsageError("--untrained uses no --model")
    check_device(device)
    folder = model or project.artifacts / "model"
    if not (untrained or is_file(folder / "model.json")):
        raise InputError("no trained model", folder, "train one: python stages/train_em.py; or add --untrained")
    if not is_file(video):
        raise InputError("no such video", video, "check its path")
    _check_folder(out)
    # All that can be wrong is found before the minutes that detection takes.
    precision = project.section("detect_proposals")["precision"]
    detector = load_detector(project.detector, project.root, device, precision)
    grounder_for = _untrained(project, device) if untrained else _trained(folder, project.root, detector, device)
    timeline = read_timeline(video)
    frames = _frames(video, timeline, project)
    begin, end = _searched(frames["frame"], timeline, project)
    tubes = _tubes(frames, project, detector, threads=0 if device == "cpu" else os.cpu_count() or 1)
    sentences = [_sentence(text, i) for i, text in enumerate(texts)]
    predictions = _predictions(grounder_for(tubes), sentences, tubes, begin, end)
    fps = timeline.fps or ASSUMED_FPS
    films: list[Film] = []
    members, lines = [], []
    for i, (text, p) in enumerate(zip(texts, predictions, strict=True)):
        path = out / f"{i:02d}.mp4"
        value = {"video": str(video), "film": path.name, "fps": fps, **_outcome(p, tubes, timeline)}
        films.append(Film(path, p.answer, text))
        members.append(f"{_json(text)}: {_json(value)}")
        lines.append(_line(text, value, path))
    write_bytes(out / "predictions.json", ("{\n" + ",\n".join(members) + "\n}\n").encode())
    write_films(video, films, tubes, timeline, _watch("draw"))
    for note in (*_notes(predictions), *filter(None, [lacking(texts)])):
        click.echo(f"note: {note}", err=True)
    click.echo("\n".join(lines))


def _watch(what: str) -> Callable[[Iterable, int], Iterable]:
    """Progress of one of the parts of the work."""
    return partial(progress, what=what)


def _texts(queries: Sequence[str], file: Path | None) -> list[str]:
    """The sentences asked for, each once."""
    # A terminal may hand on bytes that are no text.
    texts = [q.encode("utf-8", "replace").decode() for q in (*queries, *(text_lines(file) if file else []))]
    texts = [*dict.fromkeys(text for text in texts if text.strip())]
    if not texts:
        raise click.UsageError("give --query TEXT or --queries FILE")
    return texts


def _outcome(p: Prediction, tubes: Tubes, timeline: Timeline) -> dict[str, Any]:
    """An answer as the exchange format has it, its boxes where its tube is, with its times in s, as a player shows
    them, and its tube."""
    answer = p.answer
    ((_, exchange),) = exported([answer], {answer.sample: (answer.begin, answer.end)}, tubes)
    first, gone = tubes.presence(answer.tube)
    seconds = timeline.seconds(np.array([answer.begin, answer.end]))
    return {
        "seconds": np.round(seconds, 2).tolist(),
        "tube": answer.tube,
        "class": tubes.class_of(answer.tube),
        "tube_probability": round(float(p.posterior[p.target][p.candidate == answer.tube].sum()), 4),
        **told_doubts(p),
        "span": exchange["span"],
        "boxes": {f: box for f, box in exchange["boxes"].items() if first <= int(f) < gone},
    }


def _line(text: str, value: dict[str, Any], film: Path) -> str:
    (first, last), (begin, over) = value["span"], value["seconds"]
    likely = f"probability {value['tube_probability']:.2f}{_absent(value)}"
    return (
        f"{text}: frames {first} to {last} ({begin:.1f} to {over:.1f} s), tube {value['tube']}, a "
        f"'{value['class']}' ({likely}) -> {click.format_filename(film)}"
    )


def _absent(value: dict[str, Any]) -> str:
    """That a video may hold nothing that fits, where it is likely enough to be worth a word."""
    return f"; {value['absent']:.2f} that it is not in this video" if value.get("absent", 0) > _WORTH_A_WORD else ""


_WORTH_A_WORD = 0.25


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _check_folder(folder: Path) -> None:
    """Raises InputError if nothing can be written there."""
    try:
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        writable = nearest.is_dir() and os.access(nearest, os.W_OK)
    except OSError:  # a name longer than any
        writable = False
    if not writable:
        raise InputError("nothing can be written there", folder, "choose another --out")


def _notes(predictions: Sequence[Prediction]) -> dict[str, None]:
    """What speaks against the answers, each once."""
    return dict.fromkeys(note for p in predictions for note in explained(p.flags))


def _frames(video: Path, timeline: Timeline, project: Project) -> dict[str, Any]:
    """The sampled frames of one video file, by pipeline.yaml's parameters; what is amiss with it is said."""
    from vcma.video.sampling import extract

    notes = [timeline.missing] if timeline.missing else []
    whole = [(0, len(timeline))]
    how = project.section("extract_frames")
    frames = extract(video, whole, timeline=timeline, tell=notes.append, watch=_watch("decode"), **how)
    if notes:
        what = "; ".join(notes)
        click.echo(f"note: {click.format_filename(video)} {what}; what there is of it is searched", err=True)
    return frames


def _searched(seen: np.ndarray, timeline: Timeline, project: Project) -> tuple[int, int]:
    """The native frames [begin, end) that answers may lie in: without what could not be decoded at either end.

    seen [n]: the sampled frames there are.
    """
    from vcma.video.sampling import time_grid

    section = project.section("extract_frames")
    grid = time_grid([(0, -1)], timeline.elapsed, section["rate"], section["max_frames"])
    unseen = np.append(grid[grid > seen[-1]], len(timeline))
    return int(seen[0]) if grid[0] < seen[0] else 0, int(unseen[0])


def _tubes(frames: dict[str, Any], project: Project, detector: Detector, threads: int) -> Tubes:
    """The tubes of one video in its sampled frames, by pipeline.yaml's parameters; threads as in `propose`."""
    from vcma.detection.proposals import propose
    from vcma.linking.linker import link

    how = {key: value for key, value in project.section("detect_proposals").items() if key != "precision"}
    found = propose(
        detector, frames, threads=threads, watch=lambda passes: _watch("detect")(passes, len(passes)), **how
    )
    return Tubes.of(link(found, **project.section("link_tubes")))


def _sentence(text: str, number: int) -> Sentence:
    """Parse one text; it is searched in the whole video."""
    from vcma.parsing.parser import parse

    return Sentence.of(next(iter(parse([text]))), sample=str(number), video="", begin=0, end=-1)


def _untrained(project: Project, device: str) -> Callable[[Tubes], Grounder]:
    from vcma.inference.grounder import Grounder
    from vcma.inference.untrained import label_encoder, settings_of

    settings, max_frames = settings_of(project.section("untrained"))

    def grounder_for(tubes: Tubes) -> Grounder:
        encoder = label_encoder(tubes.class_name, tubes.attribute_name, tubes.feature.shape[1])
        return Grounder.untrained(settings, max_frames, encoder, device)

    return grounder_for


def _trained(folder: Path, root: Path, detector: Detector, device: str) -> Callable[[Tubes], Grounder]:
    from vcma.inference.grounder import Grounder

    grounder = Grounder.trained(folder, root, detector.fingerprint, device)
    return lambda tubes: grounder


def _predictions(
    grounder: Grounder, sentences: Sequence[Sentence], tubes: Tubes, begin: int, end: int
) -> list[Prediction]:
    from vcma.model.clip import crop

    clip = crop(tubes, begin, end, grounder.max_frames)
    if not len(clip.tube):
        raise InputError("nothing was detected in the video", None, "lower detect_proposals.score_threshold")
    return grounder.in_clip(tubes, clip, sentences)
