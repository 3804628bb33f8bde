"""Per-video stages: parallel, resumable, and never stale.

A ledger beside the artifacts (no output of DVC) maps each video to the digest of everything its artifact follows
from (schema, parameters, inputs, the stage's code) and to the file that was written. A video is skipped only if
all of it matches; without a ledger nothing is skipped. The artifact itself carries no code digest, so an edit that
changes no result stops the pipeline's rerun one stage later.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from vcma.errors import InputError, RefusedError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.cli import Run, progress
from vcma.pipeline.ledger import Ledger
from vcma.pipeline.paths import file_stem
from vcma.pipeline.source import code_digest, package_digest
from vcma.pipeline.workers import results
from vcma.records.columns import Columns


@dataclass
class Summary:
    """What a per-video run did: videos made and skipped as up to date, counts summed, failures by video."""

    made: int = 0
    current: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        parts = [
            f"{self.made + self.current:,} videos",
            *(f"{n:,} {what}" for what, n in self.counts.items()),
        ]
        if self.current:
            parts.append(f"{self.current:,} up to date")
        if self.failed:
            parts.append(f"{len(self.failed):,} skipped")
        return ", ".join(parts)


def listed(samples: Path, folder: Path) -> list[str]:
    """The videos of samples.h5 that have an artifact in `folder`; the others failed there and were reported.

    Raises InputError if none has.
    """
    videos = artifact.read(schemas.SAMPLES, samples, ("video",))["video"]
    found = [video for video in videos if (folder / f"{file_stem(video)}.h5").exists()]
    if not found:
        raise InputError("holds no video of this data set", folder, "run the stage that makes it, see dvc dag")
    return found


def run_key(run: Run, sources: Iterable[Path], more: str) -> str:
    """Digest of all that a corpus stage's result follows from: parameters, code, what its sources hold, more."""
    contents = {str(path.relative_to(run.project.root)): artifact.attributes(path)["content"] for path in sources}
    text = json.dumps([dict(run.params), code_digest(run.file), contents, more], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def per_video(
    run: Run,
    schema: schemas.Schema,
    items: Mapping[str, tuple],
    work: Callable[..., Columns],
    inputs: Callable[[str], Mapping[str, str]],
    count: Callable[[Columns], dict[str, int]],
    isolated: bool = False,
) -> Summary:
    """Make one artifact a video below `artifacts/<dataset>/<schema.name>/`, in parallel, skipping what is current.

    items: video -> arguments of its work. work(*arguments) computes the columns in a worker process; inputs(video)
    are the digests of what they follow from; count(columns) are numbers to sum up for the closing line. isolated:
    never work in this process, because foreign files can kill their reader. A video whose work raises InputError,
    or kills its worker, is reported, skipped and counted, or ends the run under --strict. Files of other videos
    are pruned. Raises InputError if no video could be made.
    """
    folder = run.artifact(schema.name)
    _prune(folder, {f"{file_stem(v)}.h5" for v in items})
    keys, jobs, summary = {}, [], Summary()
    code = code_digest(run.file)
    with Ledger(run) as ledger:
        for video, arguments in items.items():
            path = folder / f"{file_stem(video)}.h5"
            try:
                given = dict(inputs(video))
            except InputError as error:
                _fail(run, summary, video, path, error)
                continue
            keys[video] = _key(schema, run.params, given, code)
            entry = ledger.entry(video)
            if not run.force and _is_current(entry, keys[video], path):
                summary.current += 1
                _add(summary.counts, entry["counts"])
            else:
                jobs.append((video, path, given, arguments))
        make = _Make(work, count, schema, run.params, run.lock, run.ticket, package_digest())
        outcomes = results(run, make, jobs, isolated)
        try:
            for video, made in progress(outcomes, len(jobs), run.stage):
                if isinstance(made, InputError):
                    _fail(run, summary, video, folder / f"{file_stem(video)}.h5", made)
                else:
                    ledger.add(video, {"key": keys[video], **made})
                    summary.made += 1
                    _add(summary.counts, made["counts"])
        except InputError:
            outcomes.close()  # which ends the workers, whatever they are at
            for path in folder.glob(f".*.{run.ticket}.partial"):
                path.unlink(missing_ok=True)
            raise
    if summary.failed and not summary.made + summary.current:
        raise InputError(
            f"none of {len(items)} videos could be used; the first: {next(iter(summary.failed.values()))}"
        )
    return summary


@dataclass(frozen=True, eq=False)  # hashable, which joblib's Dask backend asks of a function
class _Make:
    """Compute and write one video's artifact, in a worker process, perhaps on another machine."""

    work: Callable[..., Columns]
    count: Callable[[Columns], dict[str, int]]
    schema: schemas.Schema
    params: Mapping[str, Any]
    lock: Path
    ticket: str
    package: str

    def __call__(
        self, video: str, path: Path, inputs: dict[str, str], arguments: tuple
    ) -> tuple[str, dict | InputError]:
        try:
            self._check_code()
            with _ONE:
                columns = self.work(*arguments)
                artifact.write(self.schema, path, columns, self.params, inputs, f".{self.ticket}", self._check_run)
        except InputError as error:
            return video, error
        return video, {"counts": self.count(columns), **_stat(path), "sha256": _file_digest(path)}

    def _check_code(self) -> None:
        # A cluster's workers live longer than the code: what they compute must not pass for the new code's result.
        if package_digest() != self.package:
            raise RefusedError("a worker runs other code than this run", remedy="restart the workers")

    def _check_run(self) -> None:
        # Workers may outlive a killed run: what they still finish must not take the place of a later run's file.
        try:
            ticket = self.lock.read_text()
        except OSError as error:
            raise RefusedError("a worker does not see it", self.lock, "share the project's folder") from error
        if ticket != self.ticket:
            raise RefusedError("a later run has taken over", self.lock)


_ONE = threading.Lock()  # a Dask worker may have threads, but networks and readers are not made for two at once


def _key(schema: schemas.Schema, params: Mapping, inputs: Mapping, code: str) -> str:
    text = json.dumps([schema.tag, dict(params), dict(inputs), code], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _stat(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"size": stat.st_size, "modified": stat.st_mtime_ns}


def _file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_current(entry: Mapping, key: str, path: Path) -> bool:
    if entry.get("key") != key or not path.is_file():
        return False
    # An untouched file need not be read again; a touched one must still be the one that was written.
    unchanged = all(entry[k] == v for k, v in _stat(path).items())
    return unchanged or _file_digest(path) == entry["sha256"]


def _add(total: dict[str, int], counts: Mapping[str, int]) -> None:
    for what, n in counts.items():
        total[what] = total.get(what, 0) + n


def _fail(run: Run, summary: Summary, video: str, path: Path, error: InputError) -> None:
    if run.strict or isinstance(error, RefusedError):
        raise error
    # What an earlier run left there is stale by now and must not be taken for this run's result.
    path.unlink(missing_ok=True)
    click.echo(f"{run.stage}: skipped {video}: {error}", err=True)
    summary.failed[video] = str(error)


def _prune(folder: Path, wanted: set[str]) -> None:
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name not in wanted and path.suffix in (".h5", ".partial"):
                path.unlink()
