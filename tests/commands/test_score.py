"""`vcma score`: a predictions file of any program, scored as the stage `evaluate` scores it."""

import json
from importlib import import_module

import pytest
import yaml
from click.testing import CliRunner

from tests.evaluation.predictions_files import annotate, answer, perfect, write
from vcma.__main__ import main


@pytest.fixture
def project(tmp_path):
    """A data set of annotations alone, with a right answer, one that lacks samples and one that is no JSON."""
    annotate(tmp_path)
    write(tmp_path / "right.json", perfect(other=answer(0, 1, lambda f: [0, 0, 1, 1])))
    write(tmp_path / "part.json", {k: v for k, v in perfect().items() if k.startswith("100")})
    (tmp_path / "broken.json").write_text("{")
    return tmp_path


def score(root, *arguments, code=0):
    done = CliRunner().invoke(main, ["score", "--config", str(root / "pipeline.yaml"), *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done


def set_section(root, **values):
    config = yaml.safe_load((root / "pipeline.yaml").read_text())
    config["evaluate"] = {k: v for k, v in (config["evaluate"] | values).items() if v is not None}
    (root / "pipeline.yaml").write_text(yaml.safe_dump(config))


def test_it_prints_and_writes_what_the_stage_does(project):
    stage, right, part = import_module("stages.evaluate").evaluate, project / "right.json", project / "part.json"
    for options in ([], ["--compare", part], ["--protocol", "all", "--seed", 3, "--json", project / "m.json"]):
        given = ["--config", project / "pipeline.yaml", "--predictions", right, *options]
        theirs = CliRunner().invoke(stage, [*map(str, given)])
        written = (project / "m.json").read_bytes() if "--json" in options else b""
        ours = score(project, right, *options)
        assert ours.stdout == theirs.stdout and theirs.exit_code == 0
        assert not written or (project / "m.json").read_bytes() == written
    assert ours.stderr == f"score: 3 samples by stcat, tubedetr -> {project / 'm.json'}\n"
    assert "1 predictions match no sample of test" in ours.stdout
    assert not (project / "artifacts").exists()


def test_defaults_are_those_of_the_section_evaluate(project):
    score(project, project / "part.json", "--protocol", "tubedetr", "--seed", 5, "--json", project / "given.json")
    set_section(project, protocol="tubedetr", seed=5)
    score(project, project / "part.json", "--json", project / "default.json")
    assert (project / "given.json").read_bytes() == (project / "default.json").read_bytes()
    assert set(json.loads((project / "default.json").read_text())) == {"tubedetr"}
    score(project, project / "part.json", "--protocol", "stcat", "--json", project / "other.json")
    assert set(json.loads((project / "other.json").read_text())) == {"stcat"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": "many"}, "section 'evaluate' has no usable value for 'seed'"),
        ({"split": "train"}, "section 'evaluate' has no usable value for 'split'"),
        ({"protocol": None}, "section 'evaluate' lacks the key 'protocol'"),
    ],
)
def test_a_section_that_cannot_be_used_is_one_line(project, values, message):
    set_section(project, **values)
    said = score(project, project / "right.json", code=1).output
    assert message in said and "pipeline.yaml" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none.json"], 1, "none.json: no such file"),
        (["broken.json"], 1, "broken.json: not readable as a JSON object"),
        (["right.json", "--compare", "broken.json"], 1, "broken.json: not readable as a JSON object"),
        (["right.json", "--protocol", "official"], 1, "not defined for vidstg"),
        (["right.json", "--split", "val"], 1, "no valid 'splits:'"),
        (["right.json", "--dataset", "none"], 1, "has no block under 'datasets:'"),
        (["right.json", "--protocol", "coco"], 2, "'coco' is not one of"),
        ([], 2, "Missing argument 'FILE'"),
    ],
)
def test_bad_use_is_told_and_writes_nothing(project, monkeypatch, arguments, code, message):
    monkeypatch.chdir(project)
    said = score(project, *arguments, *(["--json", "m.json"] if arguments else []), code=code).output
    assert message in said and (code == 2 or said.count("\n") == 1)
    assert not (project / "m.json").exists() and not (project / "artifacts").exists()
