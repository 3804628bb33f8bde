"""`vcma export`: copy the trained model to a portable folder with a model card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcma.commands.exported_model import FORMAT, MANIFEST, SECTIONS, copy_files
from vcma.commands.summary import read_coverage
from vcma.errors import InputError
from vcma.evaluation.tables import metrics_table
from vcma.pipeline import artifact, schemas
from vcma.pipeline.cli import examples, with_project
from vcma.pipeline.project import Project
from vcma.pipeline.storage import read_json, write_bytes, write_json
from vcma.records.embeddings import made_by
from vcma.text.features import LEARNED, WORDLLAMA

if TYPE_CHECKING:
    from vcma.model.evidence import Model


@click.command("export", epilog=examples("vcma export my-model --dataset demo"))
@with_project
@click.argument("out", type=click.Path(path_type=Path))
def export_command(project: Project, out: Path) -> None:
    """Copy the chosen data set's trained model to the new folder OUT, for use elsewhere."""
    from vcma.training.model_files import load_model  # imports torch, which would make --help slow

    folder = project.artifacts / "model"
    model, description = load_model(folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("already exists", out, "choose a new folder")
    files = (str(p.relative_to(folder)) for p in sorted(folder.rglob("*")) if p.is_file())
    manifest = {
        "format": FORMAT,
        "dataset": description["trained_on"]["dataset"],
        "detector": {"fingerprint": description["detector"], "block": project.block.get("detector")},
        "parameters": {name: project.section(name) for name in SECTIONS},
        "files": copy_files(folder, out, files),
    }
    needed = _encoders_needed(model)
    write_bytes(out / "README.md", _model_card(project, description, needed).encode())
    write_json(out / MANIFEST, manifest)  # last: a folder without it is not a complete export
    if needed:
        click.echo(f"export: the model needs {needed}", err=True)
    click.echo(f"export: the model trained on {manifest['dataset']} -> {out}", err=True)


def _encoders_needed(model: Model) -> str:
    """Describe the encoders that a model needs, which exports do not contain; empty if it needs none."""
    text, region_text, needed = model.settings.text, model.vocabulary.region_text, []
    if text not in (WORDLLAMA.name, LEARNED.name):
        where = "at the same absolute path" if Path(text).is_absolute() else "at the same path below the project"
        needed.append(f"its text encoder, which is not exported: the folder {text} must exist {where}")
    if region_text:
        where = "the folder given by 'encoder:' in the data set's block"
        needed.append(f"its region-text encoder ({made_by(region_text)}), which is not exported: in {where}")
    return " where the model is used; and ".join([*needed, ""]).removesuffix("; and ")


def _metrics(project: Project, weights: str) -> dict[str, Any]:
    """Return the metrics of the model with these weights, empty if the last scores are of another model."""
    predictions, metrics = project.artifacts / "predictions.h5", project.artifacts / "scores.json"
    if not predictions.exists() or not metrics.exists():
        return {}
    if metrics.stat().st_mtime < predictions.stat().st_mtime:
        return {}
    if artifact.attributes(predictions, schemas.PREDICTIONS)["inputs"].get("model") != weights:
        return {}
    return read_json(metrics, "run python stages/evaluate.py")


def _model_card(project: Project, description: dict[str, Any], encoder: str) -> str:
    """Return the model card, Markdown."""
    facts = "\n".join(f"- **{name}**: {text}" for name, text in _facts(project, description, encoder).items())
    metrics, coverage = _metrics(project, description["weights"]), read_coverage(project)
    table = metrics_table(metrics, {}, "", coverage, "this model") if metrics else "Not evaluated."
    return f"""# A VCMA model

Localises the object that a sentence describes, in space and time: weakly-supervised spatio-temporal video grounding
after Jin and Mu, ECCV 2024.

{facts}

Use it in place: `vcma ground clip.mp4 --query "..." --model THIS_FOLDER`; or `vcma import THIS_FOLDER`, then
`python stages/ground_queries.py`. `{MANIFEST}` holds every parameter and a digest of each file.

Scores on the split {coverage.split} of `{project.dataset}`, percent with 95 % intervals:

```
{table}
```

Its boxes come from the detector: objects that the detector does not find cannot be grounded. Temporal spans are
learned from sentences only. Expect lower scores on videos unlike those it was trained on.
"""


def _facts(project: Project, description: dict[str, Any], encoder: str) -> dict[str, str]:
    vocabulary, detector = description["vocabulary"], project.detector
    source = description["trained_on"]
    chosen = _chosen_on_validation(description["settings"]["stop"]) if source["validated"] else ""
    facts = {
        "Trained on": f"the train split of `{source['dataset']}` ({source['format']}): "
        f"sentences and videos, no box and no span{chosen}",
        "Features": f"of `{description['detector']}`; the model cannot be used with another detector",
        "Detector": ", ".join(f"{key} `{value}`" for key, value in sorted(detector.items())),
        "Vocabulary": f"{len(vocabulary['words']):,} words, {len(vocabulary['pairs']):,} relations, "
        f"{len(vocabulary['actions']):,} actions, {len(vocabulary['class_names']):,} classes of the detector",
    }
    return facts | ({"Needs": encoder} if encoder else {})


def _chosen_on_validation(stop: str) -> str:
    """State what train_em chose on an annotated validation split."""
    chosen = "the EM round, the span length penalty" if stop == "val" else "the span length penalty"
    return f"; {chosen} and the temperature were chosen on the annotated validation split"
