"""What every command shares: the project, options whose defaults stand in pipeline.yaml, and one edge for errors.

A stage is a function under `@stage` and `click.option`s without defaults; the section of pipeline.yaml that has
the stage's name gives them. Options made by `mode` say how to run, not what to compute: they have no key there
and enter no fingerprint.
"""

from __future__ import annotations

import errno
import fcntl
import inspect
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import click

from vcma.errors import InputError
from vcma.pipeline.project import CONFIG, Project, find_config, load_project


@dataclass(frozen=True)
class Run:
    """One run of one stage: its project, the parameters in force, and how to run."""

    stage: str
    file: Path
    project: Project
    params: Mapping[str, Any]
    jobs: int = 1
    strict: bool = False
    force: bool = False
    device: str = "cpu"
    scheduler: str | None = None
    modes: Mapping[str, Any] = field(default_factory=dict)
    ticket: str = field(default_factory=lambda: os.urandom(4).hex())  # tells this run from any other

    @property
    def block(self) -> dict[str, Any]:
        return self.project.block

    @property
    def lock(self) -> Path:
        """The file that is locked, and holds the ticket, while a run of the stage is at work on the data set."""
        return self.project.artifacts / ".ledger" / f"{self.stage}.lock"

    def artifact(self, name: str) -> Path:
        return self.project.artifacts / name

    def done(self, what: str, path: Path) -> None:
        """The countable line that ends every stage."""
        where = path.relative_to(self.project.root) if path.is_relative_to(self.project.root) else path
        click.echo(f"{self.stage}: {what} -> {where}", err=True)


def mode(*names: str, **settings: Any) -> Callable:
    """An option that says how to run: no key in pipeline.yaml, no part of any fingerprint."""
    return click.option(*names, cls=_Mode, **settings)


class _Mode(click.Option):
    pass


_COMMON = {
    "jobs": _Mode(
        ["--jobs"],
        type=click.IntRange(min=1),
        default=lambda: os.cpu_count() or 1,
        show_default="all cores",
        help="Worker processes over videos; one on a GPU.",
    ),
    "strict": _Mode(["--strict"], is_flag=True, help="Stop at the first bad item instead of skipping it."),
    "force": _Mode(["--force"], is_flag=True, help="Make everything again, skip nothing."),
    "device": _Mode(["--device"], default="cpu", show_default=True, help="Torch device, e.g. cuda:0."),
    "scheduler": _Mode(["--scheduler"], help="Dask scheduler tcp://host:port whose workers do it instead."),
}
_CONFIG_OPTION = _Mode(
    ["--config"], type=click.Path(path_type=Path), help=f"Another {CONFIG}; its folder is the project."
)


_DATASET_OPTION = _Mode(
    ["--dataset"], help=f"Another data set than {CONFIG} chooses; its artifacts are below artifacts/<dataset>."
)


def with_project(function: Callable) -> Callable:
    """Make a command that is no stage, `f(project, **options)`, one with --dataset and --config, which choose it.

    Stands between `@click.command` and the other options; what goes wrong in the command is one line.
    """

    @wraps(function)
    def command(dataset: str | None, config: Path | None, **options: Any) -> Any:
        with one_edge():
            return function(load_project(config or find_config(Path.cwd()), dataset), **options)

    # In the order in which decorators would have added them: from the last to the first.
    command.__click_params__ = [_CONFIG_OPTION, _DATASET_OPTION, *getattr(function, "__click_params__", [])]  # type: ignore[attr-defined]
    return command


def _argument(args: list[str], name: str) -> str | None:
    """The value of an option, before click reads the rest by what it says."""
    for i, word in enumerate(args):
        if word == name and i + 1 < len(args):
            return args[i + 1]
        if word.startswith(f"{name}="):
            return word.removeprefix(f"{name}=")
    return None


class StageCommand(click.Command):
    """A click command whose defaults come from its section of pipeline.yaml, with one edge for errors."""

    def __init__(self, file: Path, **settings: Any):
        super().__init__(**settings)
        self.file = file

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        with one_edge():
            project = load_project(self._config(args), _argument(args, "--dataset"))
            section = project.section(str(self.name))
            self._compare_keys(section, project)
            try:
                return super().make_context(
                    info_name,
                    args,
                    parent,
                    default_map=section | self._manner(project),
                    obj=project,
                    show_default=True,
                    **extra,
                )
            except click.BadParameter as error:
                source = error.ctx and error.param and error.ctx.get_parameter_source(str(error.param.name))
                if source != click.core.ParameterSource.DEFAULT_MAP:
                    raise
                told = f"{error.message} ({CONFIG}, section '{self.name}' or 'run')"
                raise click.BadParameter(told, error.ctx, error.param, error.param_hint) from None

    def _config(self, args: list[str]) -> Path:
        """The file that --config names, else the working folder's, else, which is told, the one beside stages/."""
        if named := _argument(args, "--config"):
            return Path(named)
        found = find_config(here := Path.cwd(), self.file.parent.parent / CONFIG)
        if not here.is_relative_to(found.parent):
            click.echo(f"{self.name}: no {CONFIG} with 'datasets:' here or above, using {found}", err=True)
        return found

    def _manner(self, project: Project) -> dict[str, Any]:
        """What `run:` says of how to run, as far as this stage can: no stage depends on it, nothing re-runs."""
        manner = project.config.get("run") or {}
        if not isinstance(manner, dict) or not set(manner) <= set(_COMMON):
            raise InputError("has an unusable section 'run:'", project.root / CONFIG, f"keys: {', '.join(_COMMON)}")
        _refuse_odd({key: value for key, value in manner.items() if value is not None}, "run", project)
        own = {p.name for p in self.params if isinstance(p, _Mode)}
        return {key: value for key, value in manner.items() if key in own and value is not None}

    def _compare_keys(self, section: Mapping, project: Project) -> None:
        options = {p.name: p.opts[0] for p in self.params if not isinstance(p, _Mode)}
        for key in section:
            if key not in options:
                spelt = "--" + str(key).replace("_", "-")
                raise InputError(
                    f"section '{self.name}' has the key '{key}', but {self.name}.py has no option {spelt}",
                    project.root / CONFIG,
                    f"its keys are {', '.join(map(str, options)) or 'none'}",
                )
        _refuse_odd(section, str(self.name), project)
        for name, spelt in options.items():
            if name not in section:
                raise InputError(
                    f"section '{self.name}' lacks the key '{name}' of the option {spelt}",
                    project.root / CONFIG,
                )

    def invoke(self, ctx: click.Context) -> Any:
        with one_edge():
            return super().invoke(ctx)


def _refuse_odd(section: Mapping, name: str, project: Project) -> None:
    """Raise InputError if a value is none that an option could take: nothing, a list, infinite."""
    for key, value in section.items():
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            raise InputError(f"section '{name}' has no usable value for '{key}': {value}", project.root / CONFIG)


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM, taken like Ctrl-C: unwinds the stack, so that a half-written partial file is removed."""


def _terminate(*_: Any) -> None:
    raise _TerminatedError


# What the operating system may refuse anywhere, and is no bug of ours.
_REFUSALS = ("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EIO", "EMFILE", "ENFILE", "ENOMEM", "ESTALE")
_REFUSED = {getattr(errno, name) for name in _REFUSALS}


class one_edge:
    """`with one_edge():` turns what is not our bug into one line on stderr: InputError and what the operating
    system refuses (exit code 1), Ctrl-C and SIGTERM (128 + signal)."""

    def __enter__(self) -> None:
        if hasattr(signal, "SIGTERM") and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _terminate)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, KeyboardInterrupt):
            number = signal.SIGTERM if isinstance(error, _TerminatedError) else signal.SIGINT
            click.echo(f"error: stopped by {number.name}; nothing is left half-written", err=True)
            sys.exit(128 + number)
        if isinstance(error, OSError) and error.errno in _REFUSED:
            error = InputError(f"refused: {error.strerror}", error.filename, "mend that, then run again")
        if isinstance(error, MemoryError):
            error = InputError("not enough memory", remedy="run with fewer --jobs, or on a larger machine")
        if isinstance(error, InputError):
            click.echo(f"error: {error}", err=True)
            sys.exit(1)


def text_lines(path: Path) -> list[str]:
    """The lines of a text file; raises InputError if it cannot be read or is no text."""
    try:
        return path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path, "name a text file") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"is no UTF-8 text ({error.reason} at byte {error.start})", path, "name a text file"
        ) from error


@contextmanager
def alone(run: Run) -> Iterator[None]:
    """Hold the stage's lock on the data set; raises InputError if another run has it."""
    run.lock.parent.mkdir(parents=True, exist_ok=True)
    with open(run.lock, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            what = f"another run of {run.stage} is at work on this data set"
            raise InputError(what, run.project.artifacts, "wait for it or stop it") from None
        file.truncate(0)
        file.write(run.ticket)
        file.flush()
        yield


def stage(*common: str) -> Callable[[Callable], StageCommand]:
    """Make a function `f(run, **parameters)` the stage of its own name.

    common: which of the shared modes (jobs, strict, force, device, scheduler) the stage has. Other modes declared
    with `mode` reach the function through `run.modes`.
    """

    def decorate(function: Callable) -> StageCommand:
        name = function.__name__
        file = Path(inspect.getsourcefile(function) or "").resolve()
        own = list(reversed(getattr(function, "__click_params__", [])))
        params = [*own, *(_COMMON[c] for c in common), _DATASET_OPTION, _CONFIG_OPTION]

        def callback(**values: Any) -> Any:
            project = click.get_current_context().obj
            chosen = {p.name: values[p.name] for p in own if not isinstance(p, _Mode)}
            for key, value in chosen.items():
                if isinstance(value, float) and not math.isfinite(value):
                    raise click.BadParameter(f"{value} is not finite", param_hint=f"--{key.replace('_', '-')}")
            shared = {c: values[c] for c in common}
            if not shared.get("scheduler"):
                check_device(shared.get("device", "cpu"))
            modes = {p.name: values[p.name] for p in own if isinstance(p, _Mode)}
            run = Run(name, file, project, json.loads(json.dumps(chosen)), modes=modes, **shared)
            # What such a mode asks for is beside the pipeline and may be asked for at any time.
            with nullcontext() if any(modes.values()) else alone(run):
                return function(run, **chosen)

        return StageCommand(file, name=name, callback=callback, params=params, help=inspect.getdoc(function))

    return decorate


def check_device(device: str) -> None:
    """Raises click.BadParameter where torch has no such device on this machine."""
    if device == "cpu":
        return
    import torch

    try:
        kind = torch.device(device)
        count = torch.get_device_module(kind).device_count()
    except (RuntimeError, AttributeError):
        count = 0
    if not count or (kind.index or 0) >= count:
        raise click.BadParameter(f"torch finds no {device} here", param_hint="--device")


def progress(items: Any, total: int, what: str) -> Any:
    """Wrap an iterable with progress on stderr: live on a terminal, a line every 15 s in a log."""
    from tqdm import tqdm

    live = sys.stderr.isatty()
    return tqdm(items, total=total, desc=what, mininterval=0.2 if live else 15, ascii=not live, leave=False)
