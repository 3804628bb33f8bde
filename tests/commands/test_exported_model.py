"""A trained model travels: exported, moved, imported, and refused where it does not fit."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from tests.conftest import ROOT, make_tubes
from vcma.commands.export import export_command
from vcma.commands.exported_model import MANIFEST
from vcma.commands.import_model import import_command
from vcma.model.evidence import build
from vcma.model.settings import Settings
from vcma.model.vocabulary import Vocabulary
from vcma.pipeline import artifact, schemas, storage
from vcma.training.model_files import load_model, save_model

WORDS = Vocabulary(("dog", "red"), ("chase",), ("jump",), (1.0,), (1.0,), ("adult", "dog"), ("red",), 6)


SOURCE = {"dataset": "demo", "format": "vidstg", "validated": False}


def make_project(root, text="wordllama"):
    """A project with a trained model and one video's tubes, both of the detector 'test'."""
    config = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    root.mkdir()
    (root / "pipeline.yaml").write_text(yaml.safe_dump(config))
    settings = Settings.of(config["train_em"] | {"width": 16, "text": text})
    words = WORDS if text == "wordllama" else replace(WORDS, text="huggingface:1234")
    model = build(words, lambda names: np.zeros((len(names), 256), np.float32), settings)
    for folder in ("model", "model/contrast"):
        save_model(root / "artifacts" / "demo" / folder, model, "test", {"max_frames": 24, "trained_on": SOURCE})
    artifact.write(schemas.TUBES, root / "artifacts" / "demo" / "tubes" / "1.h5", make_tubes(0), {}, {})
    return root


def call(command, root, *words, code=0):
    done = CliRunner().invoke(command, [*map(str, words), "--config", str(root / "pipeline.yaml")])
    assert done.exit_code == code, done.output
    assert not code or (done.output.startswith("error: ") and done.output.count("\n") == 1)
    return done.output


def test_an_exported_model_is_the_same_after_its_journey(tmp_path):
    home, away = make_project(tmp_path / "home"), make_project(tmp_path / "away")
    metrics = {"n": 3, "missing": 0, "missing_boxes": 0}
    value = {"value": 0.5, "low": 0.25, "high": 0.75}
    metrics |= dict.fromkeys(("m_tIoU", "m_vIoU", "vIoU@0.3", "vIoU@0.5"), value)
    storage.write_json(home / "artifacts/demo/scores.json", {"stcat": {"declarative": metrics}})
    call(export_command, home, tmp_path / "unscored")  # those are nobody's scores
    assert "Not evaluated." in (tmp_path / "unscored" / "README.md").read_text()
    _, description = load_model(home / "artifacts/demo/model")
    answers = home / "artifacts/demo/predictions.h5"
    for weights, told in (("another", "Not evaluated."), (description["weights"], "50.0 [25.0, 75.0]")):
        artifact.write(schemas.PREDICTIONS, answers, schemas.empty(schemas.PREDICTIONS), {}, {"model": weights})
        storage.write_json(home / "artifacts/demo/scores.json", {"stcat": {"declarative": metrics}})
        call(export_command, home, tmp_path / weights)
        assert told in (tmp_path / weights / "README.md").read_text()
    call(export_command, home, tmp_path / "out")
    load_model(tmp_path / "out", "test")  # usable as it lies
    card = (tmp_path / "out" / "README.md").read_text()
    assert "of `test`; the model cannot be used with another detector" in card and "50.0 [25.0, 75.0]" in card
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert manifest["detector"]["fingerprint"] == "test" and manifest["parameters"]["link_tubes"]["alpha"] == 0.5
    assert manifest["detector"]["block"]["backend"] == "detectron2"

    shutil.move(tmp_path / "out", tmp_path / "it's über there")
    model = away / "artifacts" / "demo" / "model"
    (model / "stale").write_bytes(b"left by another run")
    told = call(import_command, away, tmp_path / "it's über there", code=1)
    assert "a model already exists; --force replaces it" in told and (model / "stale").exists()
    call(import_command, away, tmp_path / "it's über there", "--force")
    original = home / "artifacts" / "demo" / "model"
    names = sorted(str(p.relative_to(original)) for p in original.rglob("*") if p.is_file())
    assert names == sorted(str(p.relative_to(model)) for p in model.rglob("*") if p.is_file())
    assert all((original / name).read_bytes() == (model / name).read_bytes() for name in names)
    call(export_command, away, tmp_path / "again")  # and on it goes
    assert json.loads((tmp_path / "again" / MANIFEST).read_text())["files"] == manifest["files"]


def test_another_data_set_than_the_configured_one(tmp_path):
    home = make_project(tmp_path / "home")
    call(export_command, home, tmp_path / "out")
    call(import_command, home, tmp_path / "out", "--dataset", "clips")
    assert (home / "artifacts" / "clips" / "model" / "model.json").is_file()
    call(export_command, home, tmp_path / "again", "--dataset", "clips")
    assert json.loads((tmp_path / "again" / MANIFEST).read_text())["dataset"] == "demo"  # which trained it
    told = call(export_command, home, tmp_path / "new", "--dataset", "clip", code=1)
    assert "did you mean 'clips'? choose one of " in told and not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("text", "where"),
    [("/there/encoder", "at the same absolute path"), ("encoder", "at the same path below the project")],
)
def test_a_text_encoder_that_does_not_travel_is_told_on_both_sides(tmp_path, text, where):
    home, away = make_project(tmp_path / "home", text), make_project(tmp_path / "away")
    told = call(export_command, home, tmp_path / "out")
    assert f"which is not exported: the folder {text} must exist {where}" in told
    assert f"**Needs**: its text encoder, which is not exported: the folder {text} must exist {where}" in (
        (tmp_path / "out" / "README.md").read_text()
    )
    before = (away / "artifacts/demo/model/model.json").read_bytes()
    told = call(import_command, away, tmp_path / "out", "--force", code=1)
    what = "the model needs its text encoder at this path (no such encoder); copy the folder there from where"
    assert f"{away / text}: {what}" in told
    assert (away / "artifacts/demo/model/model.json").read_bytes() == before


def test_a_model_says_that_it_needs_its_region_text_encoder(tmp_path):
    home, away = make_project(tmp_path / "home"), make_project(tmp_path / "away")
    folder = home / "artifacts" / "demo" / "model"
    model, description = load_model(folder)
    words = replace(model.vocabulary, region_text="clip:1234.1 context 0.15")
    extra = {name: description[name] for name in ("max_frames", "trained_on")}
    save_model(folder, replace(model, vocabulary=words), "test", extra)
    told = call(export_command, home, tmp_path / "out")
    what = "its region-text encoder (clip:1234.1), which is not exported"
    assert what in told and what in (tmp_path / "out" / "README.md").read_text()
    told = call(import_command, away, tmp_path / "out", "--force", code=1)
    assert "the model was trained with the region-text encoder clip:1234.1; set 'encoder:'" in told


def test_other_parameters_are_told(tmp_path):
    home, away = make_project(tmp_path / "home"), make_project(tmp_path / "away")
    call(export_command, home, tmp_path / "out")
    config = yaml.safe_load((away / "pipeline.yaml").read_text())
    config["link_tubes"]["alpha"] = 0.25
    (away / "pipeline.yaml").write_text(yaml.safe_dump(config))
    told = call(import_command, away, tmp_path / "out", "--force")
    assert "link_tubes.alpha was 0.5 in training and is 0.25 here" in told


def damage(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def change(folder, **changes):
    manifest = json.loads((folder / MANIFEST).read_text()) | changes
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize("validated", [False, True])
def test_its_card_says_what_it_was_trained_on_and_what_annotated_validation_chose(tmp_path, validated):
    """Of the data set that trained it, even if another one has imported it since."""
    home = make_project(tmp_path / "home")
    place = home / "artifacts" / "demo" / "model" / "model.json"
    source = {"dataset": "elsewhere", "format": "hcstvg", "validated": validated}
    place.write_text(json.dumps(json.loads(place.read_text()) | {"trained_on": source}))
    call(export_command, home, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    said = "the EM round, the span length penalty and the temperature were chosen on the annotated validation split"
    assert (said in card) == validated and "the train split of `elsewhere` (hcstvg)" in card


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (damage, "model.safetensors: differs from the exported file"),
        (lambda f: (f / "contrast" / "model.json").unlink(), "lacks contrast/model.json"),
        (lambda f: (f / MANIFEST).unlink(), "no such file; give a folder written by vcma export"),
        (lambda f: (f / MANIFEST).write_text("[]"), "is not vcma-export/1 ("),
        (lambda f: change(f, format="vcma-export/9"), "is vcma-export/9, not vcma-export/1"),
        (lambda f: change(f, files={"../pipeline.yaml": "x"}), "lacks ../pipeline.yaml"),
        (shutil.rmtree, "no such file"),
    ],
)
def test_what_is_no_whole_export_is_refused(tmp_path, spoil, told):
    home = make_project(tmp_path / "home")
    call(export_command, home, tmp_path / "out")
    shutil.rmtree(home / "artifacts" / "demo" / "model")
    spoil(tmp_path / "out")
    text = call(import_command, home, tmp_path / "out", code=1)
    assert told in text
    assert [p.name for p in (home / "artifacts" / "demo").iterdir()] == ["tubes"]


def test_features_of_another_detector_are_refused(tmp_path):
    home = make_project(tmp_path / "home")
    call(export_command, home, tmp_path / "out")
    tubes = make_tubes(0) | {"detector": "another"}
    artifact.write(schemas.TUBES, home / "artifacts" / "demo" / "tubes" / "1.h5", tubes, {}, {})
    before = (home / "artifacts/demo/model/model.json").read_bytes()
    text = call(import_command, home, tmp_path / "out", "--force", code=1)
    assert "trained on features of detector test, not another; ground with the detector it was trained on" in text
    assert (home / "artifacts/demo/model/model.json").read_bytes() == before


def test_nothing_is_exported_over_other_files_or_without_a_model(tmp_path):
    home = make_project(tmp_path / "home")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    assert "already exists; choose a new folder" in call(export_command, home, tmp_path / "out", code=1)
    shutil.rmtree(home / "artifacts" / "demo" / "model")
    assert "train again" in call(export_command, home, tmp_path / "new", code=1)
    assert not (tmp_path / "new").exists()
