"""Per-video stages: parallel, resumable, and never stale.

A ledger beside the artifacts (no output of DVC) maps each video to the digest of everything its artifact follows
from (schema, parameters, inputs, the stage's code) and to the file that was written. A video is skipped only if
all of it matches; without a ledger nothing is skipped. The artifact itself carries no code digest, so an edit that
changes no result stops the pipeline's rerun one stage later.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
import json
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import click

from vcma import artifact
from vcma.cli import Run, progress
from vcma.errors import InputError, RefusedError
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
    """The videos of samples.h5 that have an artifact in `folder`; the others failed there and were reported.

    Raises InputError if none has.
    """
    videos = artifact.read(artifact.SAMPLES, samples, ("video",))["video"]
    found = [video for video in videos if (folder / f"{file_stem(video)}.h5").exists()]
    if not found:
        raise InputError("holds no video of this data set", folder, "run the stage that makes it, see dvc dag")
    return found


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


def run_key(run: Run, sources: Iterable[Path], more: str) -> str:
    """Digest of all that a corpus stage's result follows from: parameters, code, what its sources hold, more."""
    contents = {str(path.relative_to(run.project.root)): artifact.attributes(path)["content"] for path in sources}
    text = json.dumps([dict(run.params), code_digest(run.file), contents, more], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def per_video(
    run: Run,
    schema: artifact.Schema,
    items: Mapping[str, tuple],
    work: Callable[..., artifact.Columns],
    inputs: Callable[[str], Mapping[str, str]],
    count: Callable[[artifact.Columns], dict[str, int]],
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
    with _Ledger(run) as ledger:
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
        results = _results(run, make, jobs, isolated)
        try:
            for video, made in progress(results, len(jobs), run.stage):
                if isinstance(made, InputError):
                    _fail(run, summary, video, folder / f"{file_stem(video)}.h5", made)
                else:
                    ledger.add(video, {"key": keys[video], **made})
                    summary.made += 1
                    _add(summary.counts, made["counts"])
        except InputError:
            results.close()  # which ends the workers, whatever they are at
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

    work: Callable[..., artifact.Columns]
    count: Callable[[artifact.Columns], dict[str, int]]
    schema: artifact.Schema
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


@cache
def package_digest() -> str:
    """SHA-256 over the source of the whole package as it was when this process first asked."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _results(
    run: Run, make: Callable[..., tuple], jobs: list[tuple], isolated: bool
) -> Generator[tuple[str, Any], None, None]:
    """What `make` returns of each job (whose first item is its name), as it comes. A job that kills its process is
    found out, and an InputError stands for its result."""
    waiting = {job[0]: job for job in jobs}
    unexplained = 0
    while unexplained < _DEATHS:
        try:
            for name, made in parallel(run, make, list(waiting.values()), isolated):
                del waiting[name]
                yield name, made
            return
        except _deaths():
            # Nothing says whose work the process died of. It was one of the first: they are taken in order.
            suspects = list(waiting.values())[: 4 * max(run.jobs, 2)]
        unexplained += 1
        for job in suspects:
            try:
                [(name, made)] = parallel(run, make, [job], isolated=True)
            except _deaths():
                name, made = job[0], InputError("killed the process that read it", None, "fetch or make it again")
                unexplained = 0
            del waiting[name]
            yield name, made
    raise InputError(
        f"worker processes died {_DEATHS} times of no one video", None, "run with fewer --jobs: memory may be short"
    )


def parallel(run: Run, function: Callable, jobs: list[tuple], isolated: bool = False) -> Iterator[Any]:
    """function(*job) of all jobs, as they come: on the run's Dask cluster, in its worker processes, or right here.

    isolated: never right here.
    """
    import joblib

    # A run that ends at an error need not be told what else it had begun.
    warnings.filterwarnings("ignore", r"\d+ tasks ", UserWarning, "joblib")
    if run.scheduler:
        backend = _cluster(run.scheduler)
    elif isolated or (len(jobs) > 1 and run.jobs > 1 and run.device == "cpu"):  # a GPU serves one process best
        # One native thread a worker: two pools of threads on the same cores can be ten times slower than one.
        # joblib works right here where it may have one process only: of two the second is handed nothing then.
        n = max(2, min(run.jobs, len(jobs)))
        backend = joblib.parallel_config("loky", n_jobs=n, inner_max_num_threads=1)
    else:
        yield from (function(*job) for job in jobs)
        return
    with backend:
        # Ctrl-C reaches every process of a terminal: workers inherit that they leave it to this one to end them.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            ahead = 1 if run.jobs == 1 and not run.scheduler else "2*n_jobs"
            found = joblib.Parallel(batch_size=1, return_as="generator_unordered", pre_dispatch=ahead)(
                joblib.delayed(function)(*job) for job in jobs
            )
        finally:
            signal.signal(signal.SIGINT, before)
        yield from found


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    """joblib's Dask backend on the cluster of a scheduler; raises InputError if it does not answer."""
    import joblib
    from distributed import Client

    try:
        # A client that cannot begin complains at length when it ends, and waits for ever on a port of another kind.
        asyncio.run(asyncio.wait_for(_greet(address), _PATIENCE))
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError, OverflowError, MemoryError) as error:
        what = f"no Dask scheduler answers ({str(error) or f'nothing in {_PATIENCE} s'})"
        raise InputError(what, address, "give tcp://host:port of one; start it: dask scheduler") from error
    with client, joblib.parallel_config("dask", client=client, n_jobs=-1):
        try:
            yield
        except BaseException:
            # Of what is cut off now the client would tell in tracebacks.
            for name in ("distributed", "tornado.application", "asyncio"):
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
            raise


async def _greet(address: str) -> None:
    """Connect to a scheduler as its clients do, and leave."""
    from distributed.comm import connect
    from distributed.security import Security

    comm = await connect(address, timeout=_PATIENCE, **Security().get_connection_args("client"))
    await comm.close()


_PATIENCE = 10  # s until a scheduler must have answered


def _deaths() -> tuple[type[Exception], ...]:
    """The errors that mean a worker process died."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    found: list[type[Exception]] = [BrokenProcessPool]
    if "distributed" in sys.modules:
        from distributed import KilledWorker

        found.append(KilledWorker)
    return tuple(found)


_DEATHS = 3  # so often may workers die without a video to blame


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


class _Ledger:
    """The journal of one stage: one JSON line a finished video, the last one counts. The stage's lock guards it."""

    def __init__(self, run: Run):
        self.path = run.project.artifacts / ".ledger" / f"{run.stage}.jsonl"

    def __enter__(self) -> _Ledger:
        before = self.path.read_text("utf-8", errors="replace") if self.path.exists() else ""
        self.entries: dict[str, dict] = {}
        for line in before.splitlines():
            try:
                video, entry = json.loads(line)
                if entry.keys() == _ENTRY and all(isinstance(n, int) for n in entry["counts"].values()):
                    self.entries[video] = entry
            except (ValueError, TypeError, AttributeError, RecursionError):
                continue  # the torn last line of a killed run
        content = "".join(map(_line, self.entries.items()))
        if content != before:
            artifact.write_bytes(self.path, content.encode())
        self.file = open(self.path, "a", encoding="utf-8", buffering=1)
        return self

    def entry(self, video: str) -> dict:
        return self.entries.get(video, {})

    def add(self, video: str, entry: dict) -> None:
        self.file.write(_line((video, entry)))

    def __exit__(self, *_: Any) -> None:
        self.file.close()


_ENTRY = {"key", "counts", "size", "modified", "sha256"}


def _line(item: tuple[str, dict]) -> str:
    return json.dumps(item, ensure_ascii=False) + "\n"
