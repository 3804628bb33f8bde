"""Per-video stages: parallel, resumable, and never stale.

A ledger beside the artifacts (no output of DVC) maps each video to the digest of everything its artifact follows
from (schema, parameters, inputs, the stage's code) and to the file that was written. A video is skipped only if
all of it matches; without a ledger nothing is skipped. The artifact itself carries no code digest, so an edit that
changes no result stops the pipeline's rerun one stage later.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from vcma import artifact
from vcma.cli import Run, progress
from vcma.errors import InputError
from vcma.names import file_stem

# Guarded by the schema versions; a help text must not re-run a detector.
PLUMBING = {"artifact", "cli", "errors", "names", "runner"}


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
    """The videos of samples.h5 that have an artifact in `folder`; the others failed there and were reported."""
    videos = artifact.read(artifact.SAMPLES, samples, ("video",))["video"]
    return [video for video in videos if (folder / f"{file_stem(video)}.h5").exists()]


def closure(file: Path) -> list[Path]:
    """Source files of `vcma` that a Python file imports, directly or not, plumbing left out; sorted.

    Imports inside functions count: a heavy library stands behind a lazy import, its door is code all the same.
    """
    package = Path(__file__).parent
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        for path in _imports(waiting.pop(), package):
            if path not in found and path.stem not in PLUMBING:
                found.add(path)
                waiting.append(path)
    return sorted(found)


def _imports(file: Path, package: Path) -> Iterable[Path]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == package.name:
                yield from _module_files(package, parts[1:])


def _module_files(package: Path, parts: list[str]) -> Iterable[Path]:
    inner = package.joinpath(*parts) if parts else None
    for path in (inner and inner.with_suffix(".py"), inner and inner / "__init__.py"):
        if path and path.is_file():
            yield path


def code_digest(file: Path) -> str:
    """SHA-256 over a stage's file and its closure."""
    digest = hashlib.sha256()
    for path in [file, *closure(file)]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def run_key(run: Run, sources: Iterable[Path]) -> str:
    """Digest of all that a corpus stage's result follows from: parameters, code and what its sources hold."""
    contents = {str(path.relative_to(run.project.root)): artifact.attributes(path)["content"] for path in sources}
    text = json.dumps([dict(run.params), code_digest(run.file), contents], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def per_video(
    run: Run,
    schema: artifact.Schema,
    videos: list[str],
    work: Callable[[str], artifact.Columns],
    inputs: Callable[[str], Mapping[str, str]],
    count: Callable[[artifact.Columns], dict[str, int]],
) -> Summary:
    """Make one artifact a video below `artifacts/<dataset>/<schema.name>/`, in parallel, skipping what is current.

    work(video) computes the columns in a worker process; inputs(video) are the digests of what they follow from;
    count(columns) are numbers to sum up for the closing line. A video whose work raises InputError is reported,
    skipped and counted, or ends the run under --strict. Files of other videos are pruned. Raises InputError if
    another run of the stage holds the ledger or if no video could be made.
    """
    folder = run.artifact(schema.name)
    with _Ledger(run) as ledger:
        _prune(folder, {f"{file_stem(v)}.h5" for v in videos})
        keys, jobs, summary = {}, [], Summary()
        code = code_digest(run.file)
        for video in videos:
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
                jobs.append((video, path, given))
        make = _Make(work, count, schema, run.params)
        for video, made in _results(make, jobs, run):
            if isinstance(made, InputError):
                _fail(run, summary, video, folder / f"{file_stem(video)}.h5", made)
            else:
                ledger.add(video, {"key": keys[video], **made})
                summary.made += 1
                _add(summary.counts, made["counts"])
    if summary.failed and not summary.made + summary.current:
        raise InputError(
            f"none of {len(videos)} videos could be used; the first: {next(iter(summary.failed.values()))}"
        )
    return summary


@dataclass(frozen=True)
class _Make:
    """Compute and write one video's artifact, in a worker process."""

    work: Callable[[str], artifact.Columns]
    count: Callable[[artifact.Columns], dict[str, int]]
    schema: artifact.Schema
    params: Mapping[str, Any]

    def __call__(self, video: str, path: Path, inputs: dict[str, str]) -> tuple[str, dict | InputError]:
        try:
            columns = self.work(video)
            artifact.write(self.schema, path, columns, self.params, inputs)
        except InputError as error:
            return video, error
        return video, {"counts": self.count(columns), **_stat(path), "sha256": _file_digest(path)}


def _results(make: _Make, jobs: list, run: Run) -> Iterable[tuple[str, Any]]:
    if len(jobs) <= 1 or run.jobs == 1 or run.device != "cpu":  # a GPU serves one process best
        yield from progress((make(*job) for job in jobs), len(jobs), run.stage)
        return
    import joblib

    # One native thread a worker: two pools of threads on the same cores can be ten times slower than one.
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(n_jobs=min(run.jobs, len(jobs)), return_as="generator_unordered")
        done = parallel(joblib.delayed(make)(*job) for job in jobs)
        yield from progress(done, len(jobs), run.stage)


def _key(schema: artifact.Schema, params: Mapping, inputs: Mapping, code: str) -> str:
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
    if run.strict:
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


class _Ledger:
    """The journal of one stage: one JSON line a finished video, the last one counts; locked while in use."""

    def __init__(self, run: Run):
        self.path = run.project.artifacts / ".ledger" / f"{run.stage}.jsonl"
        self.stage = run.stage

    def __enter__(self) -> _Ledger:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file = open(self.path, "a+", encoding="utf-8")
        except OSError as error:
            raise artifact.disk_error(error, self.path) from error
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.file.close()
            raise InputError(
                f"another run of {self.stage} is at work on this data set",
                self.path.parent,
                "wait for it or stop it",
            ) from None
        self.entries = self._load()
        return self

    def _load(self) -> dict[str, dict]:
        self.file.seek(0)
        entries: dict[str, dict] = {}
        for line in self.file:
            try:
                video, entry = json.loads(line)
                entries[video] = dict(entry)
            except (ValueError, TypeError):
                continue  # the torn last line of a killed run
        content = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in entries.items())
        self.file.seek(0)
        if content != self.file.read():
            # Rewritten in place, not replaced: the lock belongs to this very file.
            self.file.truncate(0)
            self.file.write(content)
            self.file.flush()
        return entries

    def entry(self, video: str) -> dict:
        return self.entries.get(video, {})

    def add(self, video: str, entry: dict) -> None:
        self.file.write(json.dumps([video, entry], ensure_ascii=False) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())

    def __exit__(self, *_: Any) -> None:
        self.file.close()
