"""One invocation of a stage: its parameters, output paths and lock, and the key of its result."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from vcma.errors import InputError, RefusedError
from vcma.pipeline import artifact
from vcma.pipeline.project import Project
from vcma.pipeline.source import code_digest
from vcma.pipeline.storage import disk_error


@dataclass(frozen=True)
class StageRun:
    """One invocation of one stage.

    file: the stage's source. params: the parameters of the result, part of every fingerprint. All others control
    how to run and are part of none: the shared options (jobs, strict, force, device, scheduler, wait, memory) and
    the stage's own modes.
    """

    stage: str
    file: Path
    project: Project
    params: Mapping[str, Any]
    jobs: int = 1
    strict: bool = False
    force: bool = False
    device: str = "cpu"
    scheduler: str | None = None
    wait: float = 0
    memory: float = 2
    modes: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: os.urandom(4).hex())  # unique to this invocation

    @property
    def block(self) -> dict[str, Any]:
        """The block of the chosen data set in pipeline.yaml."""
        return self.project.block

    @property
    def lock(self) -> Path:
        """The lock file; it contains the run's id while the stage runs on the data set."""
        return self.project.artifacts / ".ledger" / f"{self.stage}.lock"

    @property
    def ledger(self) -> Path:
        """The journal of a per-video stage."""
        return self.lock.with_suffix(".jsonl")

    @property
    def own_device(self) -> str:
        """The device of this process: of a cluster's run the workers alone need have `device`."""
        return "cpu" if self.scheduler else self.device

    def artifact(self, name: str) -> Path:
        """Return the path of an artifact of the data set."""
        return self.project.artifacts / name

    def done(self, what: str, path: Path) -> None:
        """Print the closing line of a stage: what was done and where it was written."""
        where = path.relative_to(self.project.root) if path.is_relative_to(self.project.root) else path
        click.echo(f"{self.stage}: {what} -> {where}", err=True)


# Errors of file systems without locks (Lustre, NFS without lockd, DVS). 524 is ENOTSUPP of the Linux kernel.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, 524}


@contextmanager
def stage_lock(run: StageRun) -> Iterator[None]:
    """Hold the stage's lock on the data set; raises InputError if another run of the stage holds it.

    If the file system does not support locks, as some network file systems, a warning is printed and the run
    continues.
    """
    run.lock.parent.mkdir(parents=True, exist_ok=True)
    with open(run.lock, "ab", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            what = f"another run of {run.stage} is in progress on this data set"
            raise InputError(what, run.project.artifacts, "wait for it or stop it") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise RefusedError(
                    f"cannot be locked: {error.strerror}", run.lock, "resolve that, then run again"
                ) from error
            reason = f"{run.lock.parent} cannot be locked ({error.strerror})"
            click.echo(f"{run.stage}: warning: {reason}: make sure that no second run uses it", err=True)
        try:
            file.truncate(0)
            file.write(run.id.encode())
        except OSError as error:
            raise disk_error(error, run.lock) from error
        yield


def result_key(run: StageRun, sources: Iterable[Path], more: str) -> str:
    """Return a digest of what a corpus stage's result depends on: parameters, code, source contents, `more`."""
    contents = {str(path.relative_to(run.project.root)): artifact.attributes(path)["content"] for path in sources}
    text = json.dumps([dict(run.params), code_digest(run.file), contents, more], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
