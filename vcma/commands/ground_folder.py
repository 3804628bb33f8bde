"""`vcma ground` of a folder of videos: tubes and films video by video in worker processes, resumable.

index.html         the page: every answer with its film
answers.csv        the table
predictions.json   the answers in the exchange format
films/             an annotated mp4 an answer
.vcma/             what makes a later run short: the tubes of each video, with an encoder their embeddings, and its
                   answers with what they follow from
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from vcma.api import pipeline as pipeline_module
from vcma.api import video_tubes
from vcma.api.grounding import Grounding
from vcma.api.pipeline import Pipeline, pipeline_of
from vcma.api.video_tubes import embed, find_tubes, sampled_frames, tube_sections
from vcma.datasets.clips import read_entries
from vcma.datasets.entries import UnusableEntry, UnusableError
from vcma.datasets.video_files import VideoFolder, size_and_mtime
from vcma.detection.prompts import prompt_digest
from vcma.detection.registry import cached_detector
from vcma.errors import InputError, RefusedError
from vcma.inference.doubts import explained
from vcma.pipeline import artifact, schemas
from vcma.pipeline.cli import progress
from vcma.pipeline.paths import file_stem, is_file
from vcma.pipeline.per_video import WithNotes, per_video
from vcma.pipeline.project import Project
from vcma.pipeline.source import code_digest
from vcma.pipeline.stage_run import StageRun, stage_lock
from vcma.pipeline.storage import read_json, write_bytes, write_json
from vcma.pipeline.video_artifacts import video_file
from vcma.pipeline.workers import end_workers, results
from vcma.records.answer import Answer
from vcma.records.columns import Columns
from vcma.records.tubes import Tubes
from vcma.report.names import readable_names
from vcma.text.dual_encoder import cached_encoder
from vcma.video.annotated_film import Film, write_films
from vcma.video.decoding import FrameReader

_FILMS = "films"
_DEVICE_JOBS = 2  # processes that share a GPU: one of two videos keeps it busy while the other is read
_TABLE = (
    *(
        "sample",
        "video",
        "sentence",
        "begin",
        "end",
        "begin_seconds",
        "end_seconds",
        "tube",
        "class",
        "probability",
    ),
    *("absent", "interpolated", "doubts", "film"),
)


@dataclass
class _Work:
    """Work to do: the sentences of each video by sample id, and the videos left out with their reasons."""

    sentences: dict[str, dict[str, str]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def skip(self, what: str, why: object) -> None:
        click.echo(f"ground: skipped {what}: {why}", err=True)
        self.skipped[what] = str(why)

    def fail(self, videos: Mapping[str, str]) -> None:
        """Leave out videos that were reported as failed, with the reason."""
        for video, why in videos.items():
            del self.sentences[video]
            self.skipped[video] = why


def ground_folder(
    project: Project,
    root: Path,
    texts: Sequence[str],
    table: Path | None,
    model: Path | None,
    out: Path,
    device: str,
    jobs: int,
) -> None:
    """Ground sentences in the videos of a folder: those of a CSV file, and `texts` in every video.

    model: folder of the trained model, None without one. A video that cannot be used is reported, skipped and
    counted. Raises InputError where nothing can be grounded at all.
    """
    work = _read_work(root, texts, table, out)
    pipeline = pipeline_of(project, model, device)
    own = Project(project.root, project.config, (out / ".vcma").absolute())
    run = StageRun(
        "ground",
        Path(video_tubes.__file__),
        own,
        tube_sections(project),
        jobs=jobs if device == "cpu" else min(jobs, _DEVICE_JOBS),
        device=device,
    )
    with stage_lock(run):
        _find_all_tubes(run, root, work, pipeline)
        _embed_all_tubes(run, root, work, pipeline)
        found = _answer_all(run, root, work, pipeline, out)
        _write_results(out, root, work, found)
    videos = len({answer["video"] for answer in found.values()})
    skipped = f", {len(work.skipped):,} skipped" if work.skipped else ""
    where = f"{click.format_filename(out / 'index.html')} and answers.csv"
    click.echo(f"ground: {videos:,} videos, {len(found):,} sentences{skipped} -> {where}", err=True)


def _read_work(root: Path, texts: Sequence[str], table: Path | None, out: Path) -> _Work:
    work, folder = _Work(), VideoFolder(root)
    made_here = (out / _FILMS).resolve()
    for video in folder.videos() if texts else ():
        if made_here in (root / video).resolve().parents:
            continue
        if (name := video.encode("utf-8", "replace").decode()) != video:
            work.skip(name, "its name is not valid UTF-8; rename it")
        else:
            work.sentences[video] = {f"{video}/{i}": text for i, text in enumerate(texts)}
    if table and not is_file(table):
        raise InputError("no such file", table, "name a CSV file that begins with the line video,sentence")
    for entry in read_entries(table.parent, {"splits": {"test": table.name}}, ()) if table else ():
        if isinstance(entry, UnusableEntry):
            work.skip(entry.id, entry.error)
            continue
        try:
            video = folder.find(entry.file, entry.path)
        except UnusableError as error:
            work.skip(entry.id, error)
            continue
        if entry.sentence.strip():
            work.sentences.setdefault(video, {})[entry.id] = entry.sentence
        else:
            work.skip(entry.id, "no sentence")
    if not work.sentences:
        raise InputError("nothing to ground", table or root, "name videos of the folder, with a sentence each")
    return work


def _find_all_tubes(run: StageRun, root: Path, work: _Work, pipeline: Pipeline) -> None:
    """Compute the tubes of every video without up-to-date ones; videos that fail are left out."""
    prompts = {video: pipeline.prompt_of([*sentences.values()]) for video, sentences in work.sentences.items()}
    project = run.project
    how = (project.detector, project.root, run.device, run.params["detect_proposals"]["precision"])

    def inputs(video: str) -> Mapping[str, str]:
        try:
            size, modified = size_and_mtime(root / video)
        except UnusableError as error:
            raise InputError(str(error), root / video) from error
        asked = {"prompt": prompt_digest(prompts[video])} if pipeline.detector.reads_sentences else {}
        detector = pipeline.detector.fingerprint
        return {"video": f"{video}, {size} bytes, modified {modified}", "detector": detector, **asked}

    items = {video: (root / video, prompts[video]) for video in work.sentences}
    make = partial(_make_tubes, how, dict(run.params))
    done = per_video(run, schemas.TUBES, items, make, inputs, _count, isolated=True)
    work.fail(done.failed)


def _make_tubes(
    how: tuple, sections: Mapping[str, Mapping[str, Any]], path: Path, asked: Sequence[str]
) -> WithNotes:
    notes: list[str] = []
    detector = cached_detector(*how).prompted(asked)
    frames = sampled_frames(FrameReader(path), sections["extract_frames"], tell=notes.append)
    return WithNotes(find_tubes(frames, detector, sections), notes)


def _count(columns: Mapping[str, Any]) -> dict[str, int]:
    return {"tubes": len(columns["tube_score"])}


def _embed_all_tubes(run: StageRun, root: Path, work: _Work, pipeline: Pipeline) -> None:
    """Embed the tubes of every video without embeddings by this encoder, if answers need them.

    A separate step, so that another encoder does not recompute the tubes; it decodes the videos once more.
    """
    folder, encoder = pipeline.project.encoder, pipeline.embedding_encoder()
    if folder is None or encoder is None:
        return
    sections = {name: pipeline.project.section(name) for name in ("extract_frames", "embed_tubes")}
    step = replace(run, stage="embed", params=sections)
    items = {video: (root / video, video_file(run.artifact("tubes"), video)) for video in work.sentences}

    def inputs(video: str) -> Mapping[str, str]:
        return {"tubes": artifact.attributes(items[video][1], schemas.TUBES)["content"], "encoder": encoder.name}

    end_workers()  # they hold the detector
    make = partial(_make_embeddings, folder, run.device, sections)
    with stage_lock(step):
        done = per_video(step, schemas.EMBEDDINGS, items, make, inputs, _count_regions, isolated=True)
    work.fail(done.failed)
    end_workers()  # they hold the encoder


def _make_embeddings(
    encoder: Path, device: str, sections: Mapping[str, Mapping[str, Any]], path: Path, tubes: Path
) -> Columns:
    frames = sampled_frames(FrameReader(path), sections["extract_frames"])
    read = Tubes.of(artifact.read(schemas.TUBES, tubes))
    return embed(cached_encoder(encoder, device), frames, read, **sections["embed_tubes"])


def _count_regions(columns: Mapping[str, Any]) -> dict[str, int]:
    return {"regions": len(columns["point"])}


def _answer_all(run: StageRun, root: Path, work: _Work, pipeline: Pipeline, out: Path) -> dict[str, Any]:
    """Return the answer to every sentence by sample id; writes films and removes those of earlier runs."""
    notes, encoder = run.artifact("answers"), pipeline.embedding_encoder()
    known = {path.stem: _read_notes(path) for path in sorted(notes.glob("*.json"))}
    jobs: list[tuple] = []
    answers: dict[str, dict[str, Any]] = {}  # by video
    names = readable_names(work.sentences)
    for video, sentences in progress(work.sentences.items(), len(work.sentences), "answer"):
        tubes, stem = video_file(run.artifact("tubes"), video), file_stem(video)
        key = _key(pipeline, encoder.name if encoder else "", root / video, tubes, sentences, names[video])
        if (earlier := known.get(stem)) and earlier.is_current(key, out):
            answers[video] = earlier.answers
            continue
        try:
            embeddings = video_file(run.artifact("embeddings"), video) if encoder else None
            read = pipeline.read_tubes(root / video, tubes, embeddings=embeddings)
            found = pipeline.ground(read, list(sentences.values()))
        except InputError as error:
            work.skip(video, error)
            continue
        place = notes / f"{stem}.json"
        told = _told(video, names[video], list(sentences), found)
        films = [
            ((out / told[sample]["film"]).absolute(), answer.prediction.answer, answer.sentence)
            for sample, answer in zip(sentences, found, strict=True)
        ]
        jobs.append((video, root / video, tubes, films, place, {"key": key, "answers": told}))
    for stem in known.keys() - set(map(file_stem, answers)):
        (notes / f"{stem}.json").unlink(missing_ok=True)  # its films are about to change, or to go
    for video, outcome in progress(results(run, _write_video, jobs, isolated=True), len(jobs), "draw"):
        if isinstance(outcome, RefusedError):
            raise outcome
        if isinstance(outcome, InputError):
            work.skip(video, outcome)
        else:
            answers[video] = outcome
    told = {sample: answer for video in work.sentences for sample, answer in answers.get(video, {}).items()}
    drawn = {answer["film"] for answer in told.values()}
    for film in {film for earlier in known.values() if earlier for film in earlier.films} - drawn:
        (out / film).unlink(missing_ok=True)
    return told


def _told(video: str, name: str, samples: Sequence[str], found: Sequence[Grounding]) -> dict[str, dict[str, Any]]:
    """Return the answers in one video by sample id, as in predictions.json; name: prefix of its films' names."""
    return {
        sample: {
            "video": video,
            "sentence": answer.sentence,
            "film": f"{_FILMS}/{name}-{i:02d}.mp4",
            "fps": answer.video.fps,
            **answer.to_json(),
        }
        for i, (sample, answer) in enumerate(zip(samples, found, strict=True))
    }


def _write_video(
    video: str, path: Path, tubes: Path, films: Sequence[tuple[Path, Answer, str]], place: Path, notes: dict
) -> tuple[str, dict | InputError]:
    """Write a video's films, then the record that they are complete; returns its answers."""
    try:
        columns = artifact.read(schemas.TUBES, tubes)
        write_films(FrameReader(path), [Film(*film) for film in films], Tubes.of(columns))
        write_json(place, notes)
    except InputError as error:
        return video, error
    return video, notes["answers"]


@dataclass(frozen=True)
class _Notes:
    """Answers in a video of an earlier run, with the digest of everything that determines them."""

    key: str
    answers: dict[str, dict[str, Any]]

    @property
    def films(self) -> set[str]:
        return {answer["film"] for answer in self.answers.values()}

    def is_current(self, key: str, out: Path) -> bool:
        return self.key == key and all(is_file(out / film) for film in self.films)


def _read_notes(path: Path) -> _Notes | None:
    """Return the record of an earlier run; None if it is missing or damaged."""
    with suppress(InputError, KeyError, TypeError, AttributeError):
        value = read_json(path, "")
        notes = _Notes(value["key"], value["answers"])
        if all(Path(film).parts == (_FILMS, Path(film).name) for film in notes.films):
            return notes
    return None


def _key(
    pipeline: Pipeline, encoder: str, video: Path, tubes: Path, sentences: Mapping[str, str], name: str
) -> str:
    """Return the digest of everything that determines a video's answers and the names of its films."""
    project = pipeline.project
    model = (
        read_json(pipeline.model / "model.json", "train again") if pipeline.model else project.section("untrained")
    )
    content = artifact.attributes(tubes, schemas.TUBES)["content"]
    code = code_digest(Path(pipeline_module.__file__))
    parameters = [project.section(name) for name in ("extract_frames", "parse_queries", "embed_tubes")]
    parameters.append({"encoder": encoder})
    text = json.dumps([str(video), name, content, dict(sentences), model, parameters, code], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _write_results(out: Path, root: Path, work: _Work, found: Mapping[str, dict[str, Any]]) -> None:
    from vcma.report.grounded_page import write_grounded_page

    members = [f"{_json(sample)}: {_json(answer)}" for sample, answer in found.items()]
    write_bytes(out / "predictions.json", ("{\n" + ",\n".join(members) + "\n}\n").encode())
    table = io.StringIO(newline="")
    rows = csv.writer(table, lineterminator="\n")
    rows.writerows([_TABLE, *(_row(sample, answer) for sample, answer in found.items())])
    write_bytes(out / "answers.csv", table.getvalue().encode())
    write_grounded_page(out, root.resolve().name, list(found.values()), work.skipped, explained)


def _row(sample: str, answer: Mapping[str, Any]) -> Iterable[Any]:
    return (
        *(sample, answer["video"], answer["sentence"], *answer["span"], *answer["seconds"], answer["tube"]),
        *(answer["class"], answer["tube_probability"], answer.get("absent", ""), answer["interpolated"]),
        *(" ".join(answer["doubts"]), answer["film"]),
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
