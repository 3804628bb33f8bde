"""`vcma import`: install an exported model for a data set, if it was trained with the same detector."""

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
@click.option("--force", is_flag=True, help="Replace an existing model.")
def import_command(project: Project, folder: Path, force: bool) -> None:
    """Install the exported model in FOLDER for the chosen data set, if it was trained with its detector."""
    # Imports torch, which would make --help slow.
    from vcma.training.model_files import load_model, trained_region_text

    manifest = read_manifest(folder)
    model, _ = load_model(folder, _detector_fingerprint(project))
    _check_encoder(model, project.root)
    trained_region_text(model.vocabulary, model.settings, project.encoder, folder)
    place = project.artifacts / "model"
    if place.exists() and not force:
        raise InputError("a model already exists", place, "--force replaces it")
    _install(folder, manifest["files"], place)
    for line in _parameter_differences(manifest["parameters"], project):
        click.echo(f"import: {line}", err=True)
    use = "use it with python stages/ground_queries.py; dvc repro would train a new one"
    click.echo(f"import: the model trained on {manifest['dataset']} -> {place}; {use}", err=True)


def _install(folder: Path, names: Iterable[str], place: Path) -> None:
    """Copy an exported model's files to the folder `place`, which is replaced only if all could be copied."""
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
    """Raise InputError if the text encoder that a model was trained with is not at its path."""
    try:
        text_features(model.settings.text, root, model.vocabulary.text)
    except InputError as error:
        what = f"the model needs its text encoder at this path ({error.what})"
        remedy = "copy the folder there from where the model was trained"
        raise InputError(what, root / model.settings.text, remedy) from error


def _detector_fingerprint(project: Project) -> str | None:
    """Return the fingerprint of the detector of the data set's tubes or, without tubes, of the configured one.

    None if there are no tubes and the detector cannot be loaded.
    """
    for path in sorted((project.artifacts / "tubes").glob("*.h5")):
        return str(artifact.read(schemas.TUBES, path, ("detector",))["detector"])
    try:
        return load_detector(project.detector, project.root).fingerprint
    except InputError:
        return None


def _parameter_differences(in_training: dict[str, Any], project: Project) -> list[str]:
    """List parameters of earlier stages that differ from training; the model works, but its input differs."""
    return [
        f"{section}.{key} was {value} in training and is {here[key]} here"
        for section in SECTIONS
        if section != "train_em"
        for here in [project.section(section)]
        for key, value in dict(in_training.get(section, {})).items()
        if key in here and here[key] != value
    ]
