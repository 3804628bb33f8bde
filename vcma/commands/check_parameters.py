"""Check that every stage accepts its values in pipeline.yaml, before earlier stages run for hours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import click

import vcma
from vcma.commands.findings import PARAMETERS_UNUSABLE, Finding
from vcma.errors import InputError
from vcma.pipeline.cli import StageCommand
from vcma.pipeline.project import Project

_STAGES = Path(vcma.__file__).parents[1] / "stages"


def check_parameters(project: Project) -> Iterator[Finding]:
    """Yield a finding for each stage that would fail because of its section of pipeline.yaml."""
    for file in sorted(_STAGES.glob("*.py")):
        try:
            _stage(file).try_parameters(project)
            _DEEPER.get(file.stem, lambda project: None)(project)
        except InputError as error:
            yield Finding(PARAMETERS_UNUSABLE, "", file.stem, str(error))
        except click.ClickException as error:
            yield Finding(PARAMETERS_UNUSABLE, "", file.stem, error.format_message())


def try_sections(project: Project, names: Iterable[str]) -> None:
    """Raise InputError or click.UsageError if a stage's section of pipeline.yaml has an unusable value."""
    for name in names:
        if (file := _STAGES / f"{name}.py").is_file():  # a library installed without the repository has none
            _stage(file).try_parameters(project)


def _stage(file: Path) -> StageCommand:
    """Return the command of a stage; stages are scripts next to the library and not importable modules."""
    spec = spec_from_file_location(f"stages.{file.stem}", file)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, file.stem)


def _text_encoder(project: Project) -> None:
    from vcma.text.features import text_features
    from vcma.text.region_text import prompt_list

    section = project.section("train_em")
    prompt_list(str(section["prompts"]))
    if not project.untrained:
        text_features(str(section["text"]), project.root)


def _untrained(project: Project) -> None:
    from vcma.inference.untrained import settings_of
    from vcma.text.region_text import prompt_list

    settings, _ = settings_of(project.section("untrained"))
    prompt_list(settings.prompts)


def _spacy_model(project: Project) -> None:
    from vcma.parsing.parser import load_model

    name = str(project.section("parse_queries")["model"])
    load_model(None if name == "auto" else name)


def _region_text_encoder(project: Project) -> None:
    from vcma.text.dual_encoder import DualEncoder

    if project.encoder is not None:
        DualEncoder(project.encoder)


# Checks beyond the types of a stage's options: the files and packages that a value refers to.
_DEEPER: dict[str, Callable[[Project], None]] = {
    "embed_tubes": _region_text_encoder,
    "ground_queries": _untrained,
    "parse_queries": _spacy_model,
    "train_em": _text_encoder,
}
