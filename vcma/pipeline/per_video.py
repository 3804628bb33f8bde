"""Per-video stages: parallel, resumable, and never out of date.

A ledger next to the artifacts (not a DVC output) maps each video to a digest of everything its artifact depends on
(schema, parameters, inputs, the stage's code) and to the file that was written. A video is skipped only if all of
it matches; without a ledger nothing is skipped. The artifact itself contains no code digest: if an edit of the code
changes no result, the next stage is not rerun.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from vcma.errors import InputError, RefusedError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.cli import print_note, progress
from vcma.pipeline.devices import device_error
from vcma.pipeline.ledger import Ledger, file_entry, is_current
from vcma.pipeline.source import code_digest, package_digest
from vcma.pipeline.stage_run import StageRun
from vcma.pipeline.video_artifacts import video_file
from vcma.pipeline.workers import results
from vcma.records.columns import Columns


@dataclass
class Summary:
    """Result of a per-video run: numbers of videos made and up to date, summed counts, and error texts by video."""

    made: int = 0
    up_to_date: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add_counts(self, counts: Mapping[str, int]) -> None:
        for what, n in counts.items():
            self.counts[what] = self.counts.get(what, 0) + n

    def text(self) -> str:
        """Return the stage's closing line, with all counts."""
        parts = [
            f"{self.made + self.up_to_date:,} videos",
            *(f"{n:,} {what}" for what, n in self.counts.items()),
        ]
        if self.up_to_date:
            parts.append(f"{self.up_to_date:,} up to date")
        if self.failed:
            parts.append(f"{len(self.failed):,} skipped")
        return ", ".join(parts)


class WithNotes(NamedTuple):
    """The columns of one video, with notes for the user about it."""

    columns: Columns
    notes: list[str]


def available_videos(samples: Path, folder: Path) -> list[str]:
    """Return the videos of samples.h5 that have an artifact in `folder`; the stage reported those that failed.

    Raises InputError if none has one.
    """
    videos = artifact.read(schemas.SAMPLES, samples, ("video",))["video"]
    found = [video for video in videos if (video_file(folder, video)).exists()]
    if not found:
        raise InputError("has no video of this data set", folder, "run the stage that writes it, see dvc dag")
    return found


def without_artifacts(run: StageRun, schema: schemas.Schema) -> Path:
    """Remove all artifacts of a stage that has nothing to do, and return the folder, which DVC expects to exist."""
    folder = run.artifact(schema.name)
    folder.mkdir(parents=True, exist_ok=True)
    _prune(folder, set())
    return folder


def per_video(
    run: StageRun,
    schema: schemas.Schema,
    items: Mapping[str, tuple],
    work: Callable[..., Columns | WithNotes],
    inputs: Callable[[str], Mapping[str, str]],
    count: Callable[[Columns], dict[str, int]],
    isolated: bool = False,
) -> Summary:
    """Write one artifact per video to `artifacts/<dataset>/<schema.name>/`, in parallel, skipping what is current.

    items: video -> arguments of `work`. work(*arguments) computes the columns in a worker process; inputs(video)
    returns the digests of its inputs; count(columns) returns numbers to add up for the closing line. Notes are
    printed with the name of their video, and videos with notes are counted. isolated: never run `work` in this
    process, because damaged media files can crash it. A video whose work raises InputError or kills its worker is
    reported, skipped and counted, or ends the run with --strict. Artifacts of other videos are removed. Raises
    InputError if there is no usable video at all.
    """
    folder = run.artifact(schema.name)
    paths = {video: video_file(folder, video) for video in items}
    _prune(folder, {path.name for path in paths.values()})
    code, summary = code_digest(run.file), Summary()
    keys: dict[str, str] = {}
    jobs: list[tuple] = []
    with Ledger(run.ledger) as ledger:
        for video, arguments in items.items():
            try:
                digests = dict(inputs(video))
            except InputError as error:
                _fail(run, summary, video, paths[video], error)
                continue
            keys[video] = _key(schema, run.params, digests, code)
            entry = ledger.entry(video)
            if not run.force and is_current(entry, keys[video], paths[video]):
                summary.up_to_date += 1
                summary.add_counts(entry["counts"])
            else:
                jobs.append((video, paths[video], digests, arguments))
        make = _MakeArtifact(work, count, schema, run.params, run.lock, run.id, package_digest(), run.device)
        outcomes = results(run, make, jobs, isolated)
        with _stopped_at_an_error(outcomes, folder, run.id):
            for video, outcome in progress(outcomes, len(jobs), run.stage):
                if isinstance(outcome, InputError):
                    _fail(run, summary, video, paths[video], outcome)
                else:
                    for note in outcome.pop("notes"):
                        print_note(f"{run.stage}: {video}: {note}")
                    ledger.add(video, {"key": keys[video], **outcome})
                    summary.made += 1
                    summary.add_counts(outcome["counts"])
    if summary.failed and not summary.made + summary.up_to_date:
        first = next(iter(summary.failed.values()))
        raise InputError(f"none of {len(items)} videos could be used; the first: {first}")
    return summary


@dataclass(frozen=True, eq=False)  # hashable, which joblib's Dask backend asks of a function
class _MakeArtifact:
    """Compute and write one video's artifact, in a worker process, possibly on another machine.

    device: the device that the work uses. Work on a CPU runs one thread at a time; work on a GPU holds its own lock
    around the network.
    """

    work: Callable[..., Columns | WithNotes]
    count: Callable[[Columns], dict[str, int]]
    schema: schemas.Schema
    params: Mapping[str, Any]
    lock: Path
    run_id: str
    package: str
    device: str

    def __call__(
        self, video: str, path: Path, inputs: dict[str, str], arguments: tuple
    ) -> tuple[str, dict | InputError]:
        """Return the video with its counts and file as in the ledger, or with the error that prevented it."""
        try:
            self._check_code()
            if error := device_error(self.device):
                raise RefusedError(f"a worker has another device: {error}", remedy="start it where that device is")
            with _ONE_AT_A_TIME if self.device == "cpu" else nullcontext():
                made = self.work(*arguments)
                columns, notes = made if isinstance(made, WithNotes) else (made, [])
                artifact.write(
                    self.schema, path, columns, self.params, inputs, f".{self.run_id}", self._check_still_running
                )
        except InputError as error:
            return video, error
        counts = self.count(columns) | ({"with notes": 1} if notes else {})
        return video, {"counts": counts, "notes": notes, **file_entry(path)}

    def _check_code(self) -> None:
        # Workers of a cluster may still run old code, whose results must not be taken for those of the new code.
        if package_digest() != self.package:
            raise RefusedError("a worker runs a different version of the code", remedy="restart the workers")

    def _check_still_running(self) -> None:
        # Workers may outlive a killed run; what they finish later must not overwrite a later run's file.
        try:
            run_id = self.lock.read_text()
        except OSError as error:
            raise RefusedError(
                "a worker cannot read it", self.lock, "share the project's folder with all machines"
            ) from error
        if run_id != self.run_id:
            raise RefusedError("a later run has taken over", self.lock)


_ONE_AT_A_TIME = threading.Lock()  # Dask workers may have threads; networks and video readers are not thread-safe


def _key(schema: schemas.Schema, params: Mapping, inputs: Mapping, code: str) -> str:
    """Return a digest of everything that a video's artifact depends on."""
    text = json.dumps([schema.tag, dict(params), dict(inputs), code], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _stopped_at_an_error(outcomes: Generator, folder: Path, run_id: str) -> Iterator[None]:
    """If an error ends the run, stop the workers and remove their partial files."""
    try:
        yield
    except InputError:
        outcomes.close()
        for path in folder.glob(f".*.{run_id}.partial"):
            path.unlink(missing_ok=True)
        raise


def _fail(run: StageRun, summary: Summary, video: str, path: Path, error: InputError) -> None:
    """Report a video that failed and continue, or raise its error if it ends the run."""
    if run.strict or isinstance(error, RefusedError):
        raise error
    # An artifact of an earlier run is out of date and must not be taken for this run's result.
    path.unlink(missing_ok=True)
    print_note(f"{run.stage}: skipped {video}: {error}")
    summary.failed[video] = str(error)


def _prune(folder: Path, wanted: set[str]) -> None:
    """Remove artifacts of videos that are no longer in the data set, and partial files of killed runs."""
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name not in wanted and path.suffix in (".h5", ".partial"):
                path.unlink()
