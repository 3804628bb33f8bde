"""`vcma import`: an exported model becomes that of a data set, if it fits the features made there."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcma.commands.exported_model import SECTIONS, copy_files, read_manifest
from vcma.detection.registry import load_detector
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.cli import examples, with_project
from vcma.pipeline.project import Project
from vcma.text.features import text_features

if TYPE_CHECKING:
    from vcma.model.evidence import Model


@click.command("import", epilog=examples("vcma import my-model --dataset demo_full --force"))
@with_project
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace the model that is there.")
def import_command(project: Project, folder: Path, force: bool) -> None:
    """Make the exported model in FOLDER that of the chosen data set, if it fits the features made there."""
    # With torch, which --help need not wait for.
    from vcma.training.model_files import load_model, trained_region_text

    manifest = read_manifest(folder)
    model, _ = load_model(folder, _detector_fingerprint(project))
    _check_encoder(model, project.root)
    trained_region_text(model.vocabulary, model.settings, project.encoder, folder)
    place = project.artifacts / "model"
    if place.exists() and not force:
        raise InputError("a model is there already", place, "--force replaces it")
    _install(folder, manifest["files"], place)
    for line in _parameter_differences(manifest["parameters"], project):
        click.echo(f"import: {line}", err=True)
    use = "use it by python stages/ground_queries.py; dvc repro would train anew"
    click.echo(f"import: the model trained on {manifest['dataset']} -> {place}; {use}", err=True)


def _install(folder: Path, names: Iterable[str], place: Path) -> None:
    """Copy an exported model's files into the new folder `place`, all or nothing; what is there goes."""
    partial = place.with_name(".model.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        copy_files(folder, partial, names)
        shutil.rmtree(place, ignore_errors=True)
        partial.rename(place)
    except OSError as error:
        raise storage.disk_error(error, place) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _check_encoder(model: Model, root: Path) -> None:
    """Raise InputError where the text encoder that a model was trained with is not at its place."""
    try:
        text_features(model.settings.text, root, model.vocabulary.text)
    except InputError as error:
        what = f"the model needs its text encoder here ({error.what})"
        remedy = "copy the folder there from where the model was trained"
        raise InputError(what, root / model.settings.text, remedy) from error


def _detector_fingerprint(project: Project) -> str | None:
    """The detector whose features the data set's tubes carry, or will carry; None where it is not there yet."""
    for path in sorted((project.artifacts / "tubes").glob("*.h5")):
        return str(artifact.read(schemas.TUBES, path, ("detector",))["detector"])
    try:
        return load_detector(project.detector, project.root).fingerprint
    except InputError:
        return None


def _parameter_differences(in_training: dict[str, Any], project: Project) -> list[str]:
    """Parameters under which the model was trained that are others here: it works, with tubes it has not seen."""
    return [
        f"{section}.{key} was {value} in training and is {here[key]} here"
        for section in SECTIONS
        if section != "train_em"
        for here in [project.section(section)]
        for key, value in dict(in_training.get(section, {})).items()
        if key in here and here[key] != value
    ]
