"""`vcma export` and `vcma import`: a trained model as one folder that travels.

The folder holds the model as `train_em` wrote it (weights, vocabulary and settings), `export.json` (the detector
whose features it reads, the parameters in force, a digest of each file) and README.md, a short model card. It is
used as it lies by `vcma ground --model FOLDER`; imported, it is the model that `ground_queries` finds.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from vcma.datasets.video_files import is_inside
from vcma.detection.registry import load_detector
from vcma.errors import InputError
from vcma.evaluation.tables import metrics_table
from vcma.model.em import Model
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.cli import with_project
from vcma.pipeline.project import Project
from vcma.pipeline.storage import read_json, write_bytes, write_json
from vcma.text.features import LEARNED, WORDLLAMA, text_features
from vcma.training.model_files import load_model

FORMAT = "vcma-export/1"
MANIFEST = "export.json"
# What decides the tubes that a model reads, and the model itself.
SECTIONS = ("extract_frames", "detect_proposals", "link_tubes", "parse_queries", "train_em")
_REMEDY = "export it again, or copy the folder again"


@click.command("export")
@with_project
@click.argument("out", type=click.Path(path_type=Path))
def export_command(project: Project, out: Path) -> None:
    """Put the trained model of the chosen data set into the new folder OUT, to be used elsewhere."""
    folder = project.artifacts / "model"
    model, description = load_model(folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("is there already", out, "name a new folder")
    manifest = {
        "format": FORMAT,
        "dataset": project.dataset,
        "detector": {"fingerprint": description["detector"], "block": project.block.get("detector")},
        "parameters": {name: project.section(name) for name in SECTIONS},
        "files": _copy(folder, out, (str(p.relative_to(folder)) for p in sorted(folder.rglob("*")) if p.is_file())),
    }
    encoder = _encoder_of(model)
    write_bytes(out / "README.md", _card(project, description, manifest, encoder).encode())
    write_json(out / MANIFEST, manifest)  # last: a folder without it is no export
    if encoder:
        click.echo(f"export: the model needs {encoder}", err=True)
    click.echo(f"export: the model trained on {project.dataset} -> {out}", err=True)


@click.command("import")
@with_project
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace the model that is there.")
def import_command(project: Project, folder: Path, force: bool) -> None:
    """Make the exported model in FOLDER that of the chosen data set, if it fits the features made there."""
    manifest = _manifest(folder)
    model, _ = load_model(folder, _features(project))
    _check_encoder(model, project.root)
    place = project.artifacts / "model"
    if place.exists() and not force:
        raise InputError("a model is there already", place, "--force replaces it")
    partial = place.with_name(".model.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _copy(folder, partial, manifest["files"])
        shutil.rmtree(place, ignore_errors=True)
        partial.rename(place)
    except OSError as error:
        raise storage.disk_error(error, place) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    for line in _differences(manifest["parameters"], project):
        click.echo(f"import: {line}", err=True)
    told = "use it by python stages/ground_queries.py; dvc repro would train anew"
    click.echo(f"import: the model trained on {manifest['dataset']} -> {place}; {told}", err=True)


def _encoder_of(model: Model) -> str:
    """Where a model's text encoder must be, which no export holds; empty if it needs no folder."""
    text = model.settings.text
    if text in (WORDLLAMA.name, LEARNED.name):
        return ""
    where = "at this very path" if Path(text).is_absolute() else "at this place below the project's folder"
    return f"its text encoder, which is not exported: the folder {text} must be {where} where the model is used"


def _check_encoder(model: Model, root: Path) -> None:
    """Raise InputError where the text encoder that a model was trained with is not at its place."""
    try:
        text_features(model.settings.text, root, model.vocabulary.text)
    except InputError as error:
        what = f"the model needs its text encoder here ({error.what})"
        remedy = "copy the folder there from where the model was trained"
        raise InputError(what, root / model.settings.text, remedy) from error


def _copy(source: Path, target: Path, names: Iterable[str]) -> dict[str, str]:
    """Copy files of a folder; the SHA-256 of each by its path there. Raises InputError."""
    digests = {}
    for name in names:
        content = (source / name).read_bytes()
        write_bytes(target / name, content)
        digests[name] = hashlib.sha256(content).hexdigest()
    return digests


def _manifest(folder: Path) -> dict[str, Any]:
    """What an exported folder says of itself; raises InputError if it is none, or not all of it has arrived."""
    path = folder / MANIFEST
    manifest = read_json(path, "name a folder that vcma export made")
    try:
        if manifest["format"] != FORMAT:
            raise InputError(f"is {manifest['format']}, not {FORMAT}", path, _REMEDY)
        files, _, _ = dict(manifest["files"]), dict(manifest["parameters"]), str(manifest["dataset"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"is no {FORMAT} ({error})", path, _REMEDY) from error
    for name, digest in files.items():
        if not is_inside(name) or not (folder / name).is_file():
            raise InputError(f"lacks {name}", folder, _REMEDY)
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise InputError("is not the file that was exported", folder / name, _REMEDY)
    return manifest


def _features(project: Project) -> str | None:
    """The detector whose features the data set's tubes carry, or will carry; None where it is not there yet."""
    for path in sorted((project.artifacts / "tubes").glob("*.h5")):
        return str(artifact.read(schemas.TUBES, path, ("detector",))["detector"])
    try:
        return load_detector(project.detector, project.root).fingerprint
    except InputError:
        return None


def _differences(theirs: dict[str, Any], project: Project) -> list[str]:
    """Parameters under which the model was trained that are others here: it works, with tubes it has not seen."""
    return [
        f"{section}.{key} was {value} in training and is {here[key]} here"
        for section in SECTIONS
        if section != "train_em"
        for here in [project.section(section)]
        for key, value in dict(theirs.get(section, {})).items()
        if key in here and here[key] != value
    ]


def _scores(project: Project, weights: str) -> dict[str, Any]:
    """The metrics of the answers of the model with these weights; none where the last ones are of another model."""
    told, metrics = project.artifacts / "predictions.h5", project.artifacts / "metrics.json"
    if not told.exists() or not metrics.exists() or metrics.stat().st_mtime < told.stat().st_mtime:
        return {}
    if artifact.attributes(told, schemas.PREDICTIONS)["inputs"].get("model") != weights:
        return {}
    return read_json(metrics, "run python stages/evaluate.py")


def _card(project: Project, description: dict[str, Any], manifest: dict[str, Any], encoder: str) -> str:
    """The model card, Markdown."""
    vocabulary = description["vocabulary"]
    detector = manifest["detector"]["block"] or {}
    scores, split = _scores(project, description["weights"]), str(project.section("evaluate")["split"])
    table = metrics_table(scores, {}, "", split, "this model") if scores else "Not evaluated."
    told = {
        "Trained on": f"the train split of `{project.dataset}` ({project.block.get('format')}): "
        "sentences and videos alone, no box and no span",
        "Features": f"`{description['detector']}`; with another detector's it is refused",
        "Detector": ", ".join(f"{key} `{value}`" for key, value in sorted(detector.items())),
        "Vocabulary": f"{len(vocabulary['words']):,} words, {len(vocabulary['pairs']):,} relations, "
        f"{len(vocabulary['actions']):,} actions, {len(vocabulary['class_names']):,} classes of the detector",
    }
    if encoder:
        told["Needs"] = encoder
    lines = "\n".join(f"- **{name}**: {text}" for name, text in told.items())
    return f"""# A VCMA model

Finds the tube and the span of time that a sentence speaks of: weakly-supervised video grounding after Jin and Mu,
ECCV 2024.

{lines}

Use it as it lies: `vcma ground clip.mp4 --query "..." --model THIS_FOLDER`; or `vcma import THIS_FOLDER`, then
`python stages/ground_queries.py`. `{MANIFEST}` holds every parameter and a digest of each file.

Scores on the split {split} of `{project.dataset}`, percent with 95 % intervals, by its own answers:

```
{table}
```

Its boxes are the detector's, its sense of time is learned from sentences alone; people and things that the detector
does not know cannot be found. Where videos are unlike those it was trained on, expect less.
"""
