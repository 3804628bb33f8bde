"""The rules of the house: one word everywhere, arrows one way, dependencies listed exactly, weak supervision."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from stages.train_em import train_em
from tests.conftest import ROOT
from vcma import artifact
from vcma.runner import closure

STAGES = sorted((ROOT / "stages").glob("*.py"))
CONFIG = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
DAG = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
MATHEMATICS = (
    "boxes",
    "tubes",
    "metrics",
    "decode",
    "clip",
    "model",
    "em",
    "grounding",
    "text",
    "corpus",
    "references",
    "cues",
)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
    return found


@pytest.mark.parametrize("path", STAGES, ids=lambda p: p.stem)
def test_one_word_for_file_function_stage_and_section(path):
    functions = [n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)]
    assert path.stem in functions
    assert DAG[path.stem]["cmd"] == f"python stages/{path.name}"
    assert isinstance(CONFIG[path.stem], dict)
    assert DAG[path.stem]["desc"]


def test_the_dag_has_no_other_stage_and_artifacts_name_theirs():
    assert set(DAG) == {p.stem for p in STAGES}
    assert {s.stage for s in artifact.SCHEMAS.values()} <= set(DAG)


@pytest.mark.parametrize("path", STAGES, ids=lambda p: p.stem)
def test_dvc_lists_exactly_the_library_files_a_stage_reaches(path):
    listed = {d for d in DAG[path.stem]["deps"] if d.endswith(".py")}
    assert listed == {f"stages/{path.name}", *(str(p.relative_to(ROOT)) for p in closure(path))}


@pytest.mark.parametrize("path", STAGES, ids=lambda p: p.stem)
def test_every_option_has_its_key_and_its_help(path):
    from importlib import import_module

    sys.path.insert(0, str(ROOT))
    command = getattr(import_module(f"stages.{path.stem}"), path.stem)
    assert command.help
    assert all(option.help for option in command.params)
    keys = {p.name for p in command.params if type(p).__name__ != "_Mode"}
    assert keys == set(CONFIG[path.stem])


@pytest.mark.parametrize("name", MATHEMATICS)
def test_the_mathematics_sees_no_path_artifact_or_command_line(name):
    found = imports(ROOT / "vcma" / f"{name}.py")
    inner = {i.split(".")[1] for i in found if i.startswith("vcma.")}
    assert not inner & {"artifact", "cli", "runner", "video", "detector", "language", "loading", "checkpoint"}
    assert not found & {"h5py", "click", "dvc"}
    if name != "text":  # which must find the vectors inside a package
        assert not any(i.startswith("pathlib") for i in found)


def test_only_artifact_opens_hdf5():
    for path in [*(ROOT / "vcma").rglob("*.py"), *STAGES]:
        if path.name != "artifact.py":
            assert "h5py" not in imports(path), path


def test_only_evaluation_reads_test_truth():
    for path in STAGES:
        deps = {d for d in DAG[path.stem]["deps"] if "truth" in d}
        if path.stem == "train_em":
            assert deps == {"artifacts/${dataset}/truth_val.h5"}
            assert "truth_test" not in path.read_text() and "truth_train" not in path.read_text()
        elif path.stem not in ("evaluate", "render_report", "index_dataset"):
            assert not deps and "truth" not in path.read_text(), path


def test_no_unrestricted_unpickling_unsafe_yaml_or_shell():
    forbidden = re.compile(
        r"yaml\.load\((?!.*Safe)|shell=True|os\.system|pickle\.loads?\(|weights_only=False|np\.load\("
    )
    for path in [*(ROOT / "vcma").rglob("*.py"), *STAGES, *(ROOT / "demo").glob("*.py")]:
        assert not forbidden.search(path.read_text()), path


@pytest.mark.parametrize("device", ["cuda:99", "nonsense", "cpu:7", "meta"])
def test_a_device_that_is_not_there_is_bad_usage(device):
    done = CliRunner().invoke(train_em, ["--device", device])
    assert done.exit_code == 2 and f"torch finds no {device} here" in done.output


@pytest.mark.parametrize("path", STAGES, ids=lambda p: p.stem)
def test_help_shows_the_values_in_force(path):
    shown = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, check=True).stdout
    for key, value in CONFIG[path.stem].items():
        assert "--" + key.replace("_", "-") in shown
        assert f"[default: {value}" in re.sub(r"\s+", " ", shown)
