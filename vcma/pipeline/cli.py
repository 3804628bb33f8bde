"""Command-line features shared by all commands: options, their defaults, and progress bars.

A stage is a function decorated with `@stage` and with `click.option`s that have no defaults; the defaults come from
the section of pipeline.yaml named after the stage. Options made with `mode` control how a stage runs, not what it
computes: they have no key in pipeline.yaml and are not part of any fingerprint.
"""

from __future__ import annotations

import inspect
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from functools import wraps
from pathlib import Path
from typing import Any

import click

from vcma.errors import InputError
from vcma.pipeline.devices import device_error
from vcma.pipeline.exit_codes import EXIT_CODES, exit_on_error
from vcma.pipeline.project import CONFIG, Project, find_config, load_project
from vcma.pipeline.stage_run import StageRun, stage_lock


def mode(*names: str, **settings: Any) -> Callable:
    """Return an option that controls how to run: it has no key in pipeline.yaml and is in no fingerprint."""
    return click.option(*names, cls=_Mode, **settings)


class _Mode(click.Option):
    """The class of options made with `mode`."""


_SHARED_OPTIONS = {
    "jobs": _Mode(
        ["--jobs"],
        type=click.IntRange(min=1),
        default=lambda: os.cpu_count() or 1,
        show_default="all cores",
        help="Number of worker processes, one video each; on a GPU, of threads that feed it.",
    ),
    "strict": _Mode(["--strict"], is_flag=True, help="Stop at the first bad item instead of skipping it."),
    "force": _Mode(["--force"], is_flag=True, help="Recompute everything, even what is up to date."),
    "device": _Mode(["--device"], default="cpu", show_default=True, help="Torch device, e.g. cuda:0."),
    "scheduler": _Mode(
        ["--scheduler"],
        envvar="VCMA_SCHEDULER",
        show_envvar=True,
        help="Run on the workers of this Dask scheduler, tcp://host:port.",
    ),
    "wait": _Mode(
        ["--wait"],
        type=click.FloatRange(0, 604_800),
        default=600,
        show_default=True,
        help="Maximum time to wait for the scheduler's first worker, seconds.",
    ),
    "memory": _Mode(
        ["--memory"],
        type=click.FloatRange(0, min_open=True),
        default=2,
        show_default=True,
        help="GB for clips kept in memory between epochs.",
    ),
}
_CONFIG_OPTION = _Mode(
    ["--config"], type=click.Path(path_type=Path), help=f"{CONFIG} to use; its folder is the project."
)
_DATASET_OPTION = _Mode(
    ["--dataset"], help=f"Data set to use instead of {CONFIG}'s; its artifacts are in artifacts/<dataset>."
)


def with_project(function: Callable) -> Callable:
    """Add the options --dataset and --config to a command `f(project, **options)` that is not a stage.

    Apply it between `@click.command` and the other options. Errors end the command as in `exit_on_error`.
    """

    @wraps(function)
    def command(dataset: str | None, config: Path | None, **options: Any) -> Any:
        with exit_on_error():
            return function(load_project(config or find_config(Path.cwd()), dataset), **options)

    # Click's decorators add options from the last to the first, so the list is in reverse order.
    command.__click_params__ = [_CONFIG_OPTION, _DATASET_OPTION, *getattr(function, "__click_params__", [])]  # type: ignore[attr-defined]
    return command


def _argument(args: list[str], name: str) -> str | None:
    """Return the value of an option in unparsed arguments.

    --config and --dataset must be known before parsing because they determine the defaults of all other options.
    """
    for i, word in enumerate(args):
        if word == name and i + 1 < len(args):
            return args[i + 1]
        if word.startswith(f"{name}="):
            return word.removeprefix(f"{name}=")
    return None


def examples(*calls: str) -> str:
    """Return example calls of a command, formatted for the end of its help."""
    return "\b\n" + "\n".join(["Examples:", *(f"  {call}" for call in calls)])


def with_exit_codes(command: click.Command) -> click.Command:
    """Append the exit codes to the help of a command and its subcommands; returns the command."""
    if EXIT_CODES not in (command.epilog or ""):
        command.epilog = f"{command.epilog}\n\n{EXIT_CODES}" if command.epilog else EXIT_CODES
    for below in getattr(command, "commands", {}).values():
        with_exit_codes(below)
    return command


class StageCommand(click.Command):
    """Click command whose defaults come from its section of pipeline.yaml."""

    def __init__(self, file: Path, **settings: Any):
        super().__init__(**settings)
        self.file = file

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        with exit_on_error():
            project = load_project(self._config(args), _argument(args, "--dataset"))
            return self._context(project, info_name, args, parent, **extra)

    def try_parameters(self, project: Project) -> None:
        """Raise InputError or click.UsageError if pipeline.yaml has an unusable value for the stage."""
        self._context(project, self.name, [], None)

    def _context(self, project: Project, info_name: str | None, args: list[str], parent: Any, **extra: Any) -> Any:
        section = project.section(str(self.name))
        self._check_keys(section, project)
        try:
            return super().make_context(
                info_name,
                args,
                parent,
                default_map=section | self._run_section(project),
                obj=project,
                show_default=True,
                **extra,
            )
        except click.BadParameter as error:
            source = error.ctx and error.param and error.ctx.get_parameter_source(str(error.param.name))
            if source != click.core.ParameterSource.DEFAULT_MAP:
                raise
            message = f"{error.message} ({CONFIG}, section '{self.name}' or 'run')"
            raise click.BadParameter(message, error.ctx, error.param, error.param_hint) from None

    def _config(self, args: list[str]) -> Path:
        """Return the file given by --config, else the nearest one, else (with a note) the one next to stages/."""
        if named := _argument(args, "--config"):
            return Path(named)
        found = find_config(here := Path.cwd(), self.file.parent.parent / CONFIG)
        if not here.is_relative_to(found.parent):
            click.echo(f"{self.name}: found no {CONFIG} with 'datasets:' here or above, using {found}", err=True)
        return found

    def _run_section(self, project: Project) -> dict[str, Any]:
        """Return the values of the section `run:` for options that this stage has.

        They control only how to run, so no stage depends on them and a change re-runs nothing.
        """
        section = project.config.get("run") or {}
        if not isinstance(section, dict) or not set(section) <= set(_SHARED_OPTIONS):
            keys = ", ".join(_SHARED_OPTIONS)
            raise InputError("has an invalid section 'run:'", project.root / CONFIG, f"allowed keys: {keys}")
        given = {key: value for key, value in section.items() if value is not None}
        own = {str(p.name): p for p in self.params if isinstance(p, _Mode)}
        _check_values(given, "run", own, project)
        return {key: value for key, value in given.items() if key in own}

    def _check_keys(self, section: Mapping, project: Project) -> None:
        """Raise InputError if the keys of the stage's section are not its options, or a value is unusable."""
        options = {p.name: p.opts[0] for p in self.params if not isinstance(p, _Mode)}
        config = project.root / CONFIG
        for key in section:
            if key not in options:
                option = "--" + str(key).replace("_", "-")
                what = f"section '{self.name}' has the key '{key}', but {self.name}.py has no option {option}"
                raise InputError(what, config, f"allowed keys: {', '.join(map(str, options)) or 'none'}")
        _check_values(section, str(self.name), {str(p.name): p for p in self.params}, project)
        for name, option in options.items():
            if name not in section:
                raise InputError(f"section '{self.name}' lacks the key '{name}' for the option {option}", config)

    def invoke(self, ctx: click.Context) -> Any:
        with exit_on_error():
            return super().invoke(ctx)


def _check_values(section: Mapping, name: str, options: Mapping[str, click.Parameter], project: Project) -> None:
    """Raise InputError if a value is one that no option accepts: missing, a list, infinite or NaN, a number for a
    flag, or true and false for anything else.
    """
    for key, value in section.items():
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            raise InputError(f"section '{name}' has no usable value for '{key}': {value}", project.root / CONFIG)
        flag = key in options and isinstance(options[key].type, click.types.BoolParamType)
        if key in options and isinstance(value, bool) != flag:
            expected = "true or false" if flag else "a number or a text"
            raise InputError(f"section '{name}': '{key}' is {value}, expected {expected}", project.root / CONFIG)


def stage(*shared: str, example: str) -> Callable[[Callable], StageCommand]:
    """Turn a function `f(run, **parameters)` into the stage of the same name.

    shared: which of the shared options (jobs, strict, force, device, scheduler, wait) the stage has. Options
    declared with `mode` reach the function through `run.modes`. example: arguments of an example call, for --help.
    """

    def decorate(function: Callable) -> StageCommand:
        file = Path(inspect.getsourcefile(function) or "").resolve()
        own = list(reversed(getattr(function, "__click_params__", [])))
        command = StageCommand(
            file,
            name=function.__name__,
            callback=lambda **values: _run_stage(function, file, own, shared, values),
            params=[*own, *(_SHARED_OPTIONS[name] for name in shared), _DATASET_OPTION, _CONFIG_OPTION],
            help=inspect.getdoc(function),
            epilog=examples(f"python stages/{file.name} {example}"),
        )
        with_exit_codes(command)
        return command

    return decorate


def _run_stage(function: Callable, file: Path, own: list, shared: Iterable[str], values: Mapping[str, Any]) -> Any:
    """Call a stage's function under the stage's lock; values: those of its own and of the shared options."""
    # Stages run in parallel through --jobs. Torch, imported later, then uses one thread: several threads on busy
    # cores are slower, and a single one gives the same bytes everywhere.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    params = {p.name: values[p.name] for p in own if not isinstance(p, _Mode)}
    for key, value in params.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise click.BadParameter(f"{value} is not finite", param_hint=f"--{key.replace('_', '-')}")
    how = {name: values[name] for name in shared}
    modes = {p.name: values[p.name] for p in own if isinstance(p, _Mode)}
    project = click.get_current_context().obj
    run = StageRun(function.__name__, file, project, json.loads(json.dumps(params)), modes=modes, **how)
    check_device(run.own_device)
    # Modes of the stage's own produce output outside the pipeline and may run at any time, so they need no lock.
    with nullcontext() if any(modes.values()) else stage_lock(run):
        return function(run, **params)


def check_device(device: str) -> None:
    """Raise click.BadParameter if torch has no such device on this machine."""
    if error := device_error(device):
        raise click.BadParameter(error, param_hint="--device")


def print_note(text: str) -> None:
    """Print a line on stderr, above the progress bar if one is shown."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)


def progress(items: Any, total: int | None, what: str) -> Any:
    """Wrap an iterable with a progress bar on stderr: live on a terminal, a line every 15 s in a log.

    total: number of items, None if unknown.
    """
    from tqdm import tqdm

    live = sys.stderr.isatty()
    return tqdm(items, total=total, desc=what, mininterval=0.2 if live else 15, ascii=not live, leave=False)
