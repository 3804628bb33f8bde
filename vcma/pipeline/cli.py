"""The command line that all commands share: options, where their defaults come from, and progress.

A stage is a function under `@stage` and `click.option`s without defaults; the section of pipeline.yaml that has
the stage's name gives them. Options made by `mode` say how to run, not what to compute: they have no key there
and enter no fingerprint.
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
    """An option that says how to run: no key in pipeline.yaml, no part of any fingerprint."""
    return click.option(*names, cls=_Mode, **settings)


class _Mode(click.Option):
    """What `mode` makes."""


_SHARED_OPTIONS = {
    "jobs": _Mode(
        ["--jobs"],
        type=click.IntRange(min=1),
        default=lambda: os.cpu_count() or 1,
        show_default="all cores",
        help="Worker processes over videos; on a GPU, threads that feed it.",
    ),
    "strict": _Mode(["--strict"], is_flag=True, help="Stop at the first bad item instead of skipping it."),
    "force": _Mode(["--force"], is_flag=True, help="Make everything again, skip nothing."),
    "device": _Mode(["--device"], default="cpu", show_default=True, help="Torch device, e.g. cuda:0."),
    "scheduler": _Mode(
        ["--scheduler"],
        envvar="VCMA_SCHEDULER",
        show_envvar=True,
        help="Dask scheduler tcp://host:port whose workers do it instead.",
    ),
    "wait": _Mode(
        ["--wait"],
        type=click.FloatRange(0, 604_800),
        default=600,
        show_default=True,
        help="Seconds until the scheduler must have a first worker.",
    ),
}
_CONFIG_OPTION = _Mode(
    ["--config"], type=click.Path(path_type=Path), help=f"Another {CONFIG}; its folder is the project."
)
_DATASET_OPTION = _Mode(
    ["--dataset"], help=f"Another data set than {CONFIG} chooses; its artifacts are below artifacts/<dataset>."
)


def with_project(function: Callable) -> Callable:
    """Give a command that is no stage, `f(project, **options)`, the options --dataset and --config.

    Stands between `@click.command` and the other options. Errors end the command as `exit_on_error` says.
    """

    @wraps(function)
    def command(dataset: str | None, config: Path | None, **options: Any) -> Any:
        with exit_on_error():
            return function(load_project(config or find_config(Path.cwd()), dataset), **options)

    # In the order in which decorators would have added them: from the last to the first.
    command.__click_params__ = [_CONFIG_OPTION, _DATASET_OPTION, *getattr(function, "__click_params__", [])]  # type: ignore[attr-defined]
    return command


def _argument(args: list[str], name: str) -> str | None:
    """The value of an option in unparsed arguments: --config and --dataset decide the defaults of all others."""
    for i, word in enumerate(args):
        if word == name and i + 1 < len(args):
            return args[i + 1]
        if word.startswith(f"{name}="):
            return word.removeprefix(f"{name}=")
    return None


def examples(*calls: str) -> str:
    """How a command is called, as the end of its help."""
    return "\b\n" + "\n".join(["Examples:", *(f"  {call}" for call in calls)])


def with_exit_codes(command: click.Command) -> click.Command:
    """The command, whose help, and that of those below it, ends in the exit codes."""
    if EXIT_CODES not in (command.epilog or ""):
        command.epilog = f"{command.epilog}\n\n{EXIT_CODES}" if command.epilog else EXIT_CODES
    for below in getattr(command, "commands", {}).values():
        with_exit_codes(below)
    return command


class StageCommand(click.Command):
    """A click command whose defaults come from its section of pipeline.yaml."""

    def __init__(self, file: Path, **settings: Any):
        super().__init__(**settings)
        self.file = file

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        with exit_on_error():
            project = load_project(self._config(args), _argument(args, "--dataset"))
            return self._context(project, info_name, args, parent, **extra)

    def try_parameters(self, project: Project) -> None:
        """Raise InputError or click.UsageError where pipeline.yaml gives the stage a value it cannot use."""
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
        """The file that --config names, else the working folder's, else, with a warning, the one beside stages/."""
        if named := _argument(args, "--config"):
            return Path(named)
        found = find_config(here := Path.cwd(), self.file.parent.parent / CONFIG)
        if not here.is_relative_to(found.parent):
            click.echo(f"{self.name}: no {CONFIG} with 'datasets:' here or above, using {found}", err=True)
        return found

    def _run_section(self, project: Project) -> dict[str, Any]:
        """What `run:` says of how to run, as far as this stage can: no stage depends on it, nothing re-runs."""
        section = project.config.get("run") or {}
        if not isinstance(section, dict) or not set(section) <= set(_SHARED_OPTIONS):
            keys = ", ".join(_SHARED_OPTIONS)
            raise InputError("has an unusable section 'run:'", project.root / CONFIG, f"keys: {keys}")
        given = {key: value for key, value in section.items() if value is not None}
        _check_values(given, "run", project)
        own = {p.name for p in self.params if isinstance(p, _Mode)}
        return {key: value for key, value in given.items() if key in own}

    def _check_keys(self, section: Mapping, project: Project) -> None:
        """Raise InputError where the keys of the stage's section are not its options, or a value is unusable."""
        options = {p.name: p.opts[0] for p in self.params if not isinstance(p, _Mode)}
        config = project.root / CONFIG
        for key in section:
            if key not in options:
                option = "--" + str(key).replace("_", "-")
                what = f"section '{self.name}' has the key '{key}', but {self.name}.py has no option {option}"
                raise InputError(what, config, f"its keys are {', '.join(map(str, options)) or 'none'}")
        _check_values(section, str(self.name), project)
        for name, option in options.items():
            if name not in section:
                raise InputError(f"section '{self.name}' lacks the key '{name}' of the option {option}", config)

    def invoke(self, ctx: click.Context) -> Any:
        with exit_on_error():
            return super().invoke(ctx)


def _check_values(section: Mapping, name: str, project: Project) -> None:
    """Raise InputError if a value is one that no option could take: nothing, a list, infinite."""
    for key, value in section.items():
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            raise InputError(f"section '{name}' has no usable value for '{key}': {value}", project.root / CONFIG)


def stage(*shared: str, example: str) -> Callable[[Callable], StageCommand]:
    """Make a function `f(run, **parameters)` the stage of its own name.

    shared: which of the shared options (jobs, strict, force, device, scheduler, wait) the stage has. Other modes
    declared with `mode` reach the function through `run.modes`. example: the words of a call, for --help.
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
    # A stage works in parallel by --jobs. Torch, imported later, then uses one thread: several on contended cores
    # are slower, and one gives the same bytes everywhere.
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
    # What a mode of the stage's own asks for is beside the pipeline and may be asked for at any time.
    with nullcontext() if any(modes.values()) else stage_lock(run):
        return function(run, **params)


def check_device(device: str) -> None:
    """Raise click.BadParameter where torch has no such device on this machine."""
    if error := device_error(device):
        raise click.BadParameter(error, param_hint="--device")


def tell(text: str) -> None:
    """Print a line on stderr, above a progress bar if one is live."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)


def progress(items: Any, total: int | None, what: str) -> Any:
    """Wrap an iterable with progress on stderr: live on a terminal, a line every 15 s in a log.

    total: how many items there are, None where that is not known.
    """
    from tqdm import tqdm

    live = sys.stderr.isatty()
    return tqdm(items, total=total, desc=what, mininterval=0.2 if live else 15, ascii=not live, leave=False)
