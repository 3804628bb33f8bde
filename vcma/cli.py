"""What every command shares: the project, options whose defaults stand in pipeline.yaml, and one edge for errors.

A stage is a function under `@stage` and `click.option`s without defaults; the section of pipeline.yaml that has
the stage's name gives them. Options made by `mode` say how to run, not what to compute: they have no key there
and enter no fingerprint.
"""

from __future__ import annotations

import inspect
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from vcma.errors import InputError

CONFIG = "pipeline.yaml"


@dataclass(frozen=True)
class Project:
    """A folder with a pipeline.yaml: its root and what the file says."""

    root: Path
    config: Mapping[str, Any]

    @property
    def dataset(self) -> str:
        return str(self.config["dataset"])

    @property
    def block(self) -> dict[str, Any]:
        """The block of the chosen data set."""
        return dict(self.config["datasets"][self.dataset])

    @property
    def data(self) -> Path:
        """Where the chosen data set's annotations live, by convention."""
        return self.root / "data" / self.dataset

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts" / self.dataset

    def section(self, name: str) -> dict[str, Any]:
        """The parameters of one stage; raises InputError if pipeline.yaml has no such section."""
        section = self.config.get(name)
        if not isinstance(section, dict):
            raise InputError(f"has no section '{name}:'", self.root / CONFIG, "add it, one key for each option")
        return section


def load_project(config: Path) -> Project:
    """Read a pipeline.yaml; raises InputError if it is missing, no YAML, or chooses no known data set."""
    import yaml

    try:
        values = yaml.load(config.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except FileNotFoundError:
        raise InputError("no such file", config, "run inside the project or name one with --config") from None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise InputError(f"not readable as YAML ({error})", config) from error
    if not isinstance(values, dict) or not isinstance(values.get("datasets"), dict):
        raise InputError("has no 'datasets:' mapping", config)
    chosen = values.get("dataset")
    if not isinstance(values["datasets"].get(chosen) if isinstance(chosen, str) else None, dict):
        known = ", ".join(map(str, values["datasets"]))
        raise InputError(f"'dataset: {chosen}' has no block under 'datasets:'", config, f"choose one of {known}")
    return Project(config.resolve().parent, values)


def find_config(start: Path) -> Path:
    """The nearest pipeline.yaml at or above `start`; raises InputError if there is none."""
    for folder in (start, *start.parents):
        if (folder / CONFIG).is_file():
            return folder / CONFIG
    raise InputError(f"no {CONFIG} here or above", start, "change into the project or name one with --config")


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
    modes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def block(self) -> dict[str, Any]:
        return self.project.block

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
}
_CONFIG_OPTION = _Mode(
    ["--config"], type=click.Path(path_type=Path), help=f"Another {CONFIG}; its folder is the project."
)


class StageCommand(click.Command):
    """A click command whose defaults come from its section of pipeline.yaml, with one edge for errors."""

    def __init__(self, file: Path, **settings: Any):
        super().__init__(**settings)
        self.file = file

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        with one_edge():
            project = load_project(self._config(args))
            section = project.section(str(self.name))
            self._compare_keys(section, project)
            try:
                return super().make_context(
                    info_name, args, parent, default_map=section, obj=project, show_default=True, **extra
                )
            except click.BadParameter as error:
                source = error.ctx and error.param and error.ctx.get_parameter_source(str(error.param.name))
                if source != click.core.ParameterSource.DEFAULT_MAP:
                    raise
                told = f"{error.message} ({CONFIG}, section '{self.name}')"
                raise click.BadParameter(told, error.ctx, error.param, error.param_hint) from None

    def _config(self, args: list[str]) -> Path:
        for i, word in enumerate(args):
            if word == "--config" and i + 1 < len(args):
                return Path(args[i + 1])
            if word.startswith("--config="):
                return Path(word.removeprefix("--config="))
        return self.file.parent.parent / CONFIG

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
        for name, spelt in options.items():
            if name not in section:
                raise InputError(
                    f"section '{self.name}' lacks the key '{name}' of the option {spelt}",
                    project.root / CONFIG,
                )

    def invoke(self, ctx: click.Context) -> Any:
        with one_edge():
            return super().invoke(ctx)


class one_edge:
    """`with one_edge():` turns InputError into one line on stderr and exit code 1; anything else is our bug."""

    def __enter__(self) -> None:
        if hasattr(signal, "SIGTERM") and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            # SystemExit unwinds the stack, so that a half-written partial file is removed.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, InputError):
            click.echo(f"error: {error}", err=True)
            sys.exit(1)


def stage(*common: str) -> Callable[[Callable], StageCommand]:
    """Make a function `f(run, **parameters)` the stage of its own name.

    common: which of the shared modes (jobs, strict, force, device) the stage has. Other modes declared with
    `mode` reach the function through `run.modes`.
    """

    def decorate(function: Callable) -> StageCommand:
        name = function.__name__
        file = Path(inspect.getsourcefile(function) or "").resolve()
        own = list(reversed(getattr(function, "__click_params__", [])))
        params = [*own, *(_COMMON[c] for c in common), _CONFIG_OPTION]

        def callback(**values: Any) -> Any:
            project = click.get_current_context().obj
            chosen = {p.name: values[p.name] for p in own if not isinstance(p, _Mode)}
            shared = {c: values[c] for c in common}
            modes = {p.name: values[p.name] for p in own if isinstance(p, _Mode)}
            run = Run(name, file, project, json.loads(json.dumps(chosen)), modes=modes, **shared)
            return function(run, **chosen)

        return StageCommand(file, name=name, callback=callback, params=params, help=inspect.getdoc(function))

    return decorate


def progress(items: Any, total: int, what: str) -> Any:
    """Wrap an iterable with progress on stderr: live on a terminal, a line every 15 s in a log."""
    from tqdm import tqdm

    live = sys.stderr.isatty()
    return tqdm(items, total=total, desc=what, mininterval=0.2 if live else 15, ascii=not live, leave=False)
