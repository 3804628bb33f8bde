"""The rules of the house: one word everywhere, arrows one way, dependencies listed exactly, weak supervision."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from stages.train_em import train_em
from tests.conftest import ROOT
from vcma.pipeline import schemas
from vcma.pipeline.source import closure, imported, is_plumbing

STAGES = sorted((ROOT / "stages").glob("*.py"))
CONFIG = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
DAG = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
# From below to above: a room may import the rooms on the lines before its own, and no other.
FLOORS = (
    ("errors", "boxes"),
    ("records",),
    ("pipeline", "text", "model"),
    ("video", "linking", "parsing", "batching"),
    ("datasets", "detection", "embedding"),
    ("evaluation", "detector_training"),
    ("training", "conversion"),
    ("inference", "report"),
    ("api",),
    ("commands",),
    ("__main__",),
)
SOURCES = [p for p in (ROOT / "vcma").rglob("*.py") if p.name != "__init__.py"]


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
    assert {s.stage for s in schemas.SCHEMAS.values()} <= set(DAG)


def test_stages_stay_thin_and_evaluate_is_the_longest():
    # What a stage does, its options and imports aside: that of none is more than that of `evaluate`, nor a screen.
    length, lines = {}, {}
    for path in STAGES:
        functions = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)]
        inside = [node for function in functions for part in function.body for node in ast.walk(part)]
        statements = [node for node in inside if isinstance(node, ast.stmt)]
        length[path.stem] = sum(not isinstance(node, ast.Import | ast.ImportFrom) for node in statements)
        lines[path.stem] = sum(n.end_lineno - n.lineno + 1 for n in functions)
    assert max(length, key=length.__getitem__) == "evaluate" and length["evaluate"] <= 40, length
    assert max(lines.values()) <= 45, lines


def test_one_function_says_where_the_artifact_of_a_video_is():
    spelled = [p for top in ("vcma", "stages", "demo", "bench") for p in (ROOT / top).rglob("*.py")]
    spelled = [p for p in spelled if re.search(r"file_stem\([^\n]*\)}\.h5", p.read_text())]
    assert spelled == [ROOT / "vcma" / "pipeline" / "video_artifacts.py"]


def room(path: Path) -> str:
    """The folder of vcma/ that a source file lives in, or its own name where it stands in vcma/ itself."""
    return path.relative_to(ROOT / "vcma").with_suffix("").parts[0]


def arrows() -> dict[Path, set[Path]]:
    """Which source files each source file imports, packages left out."""
    return {path: {p for p in imported(path) if p.name != "__init__.py"} for path in SOURCES}


def test_arrows_run_one_way_between_rooms():
    floor = {name: i for i, names in enumerate(FLOORS) for name in names}
    wrong = [
        f"{path.relative_to(ROOT)} -> {target.relative_to(ROOT)}"
        for path, targets in arrows().items()
        for target in targets
        if room(path) != room(target) and floor[room(path)] <= floor[room(target)]
    ]
    assert not wrong


def test_neither_folders_nor_modules_form_a_circle():
    # Raises CycleError.
    TopologicalSorter(arrows()).prepare()
    folders: dict[str, set[str]] = {}
    for path, targets in arrows().items():
        folders.setdefault(room(path), set()).update(room(t) for t in targets if room(t) != room(path))
    TopologicalSorter(folders).prepare()


def test_few_modules_stand_outside_of_a_room_and_every_room_says_what_it_is():
    outside = {p.stem for p in (ROOT / "vcma").glob("*.py")} - {"__init__", "__main__"}
    assert len(outside) <= 6
    rooms = {room(p) for p in SOURCES}
    assert rooms == {name for names in FLOORS for name in names}
    for name in rooms - outside - {"__main__"}:
        assert ast.get_docstring(ast.parse((ROOT / "vcma" / name / "__init__.py").read_text())), name


@pytest.mark.parametrize("path", sorted((ROOT / "vcma" / "model").glob("*.py")), ids=lambda p: p.stem)
def test_the_mathematics_sees_no_path_artifact_or_command_line(path):
    found = imports(path)
    outer = {name.split(".")[0] for name in found} - {"vcma"} - MATHEMATICAL
    assert not outer
    assert {name.split(".")[1] for name in found if name.startswith("vcma.")} <= {"model", "records", "boxes"}


MATHEMATICAL = {"torch", "numpy", "scipy", "jaxtyping"} | {
    *("__future__", "collections", "dataclasses", "functools", "itertools", "math", "typing", "types"),
}


@pytest.mark.parametrize("path", STAGES, ids=lambda p: p.stem)
def test_dvc_lists_exactly_the_library_folders_a_stage_reaches(path):
    reached = {
        p.parents[len(p.relative_to(ROOT / "vcma").parts) - 2] if room(p) != p.stem else p for p in closure(path)
    }
    listed = {d for d in DAG[path.stem]["deps"] if d.startswith(("stages/", "vcma/"))}
    assert listed == {f"stages/{path.name}", *(str(p.relative_to(ROOT)) for p in reached)}


def test_the_demo_depends_on_what_it_imports():
    deps = yaml.safe_load((ROOT / "demo" / "dvc.yaml").read_text())["stages"]["draw_demo"]["deps"]
    assert deps == ["draw_world.py", "world"]
    for path in [ROOT / "demo" / "draw_world.py", *(ROOT / "demo" / "world").glob("*.py")]:
        assert not any(name.startswith("vcma") for name in imports(path)), path


def test_the_library_knows_no_drawn_world():
    for path in [*SOURCES, *STAGES]:
        assert not any(name.split(".")[0] in ("world", "demo") for name in imports(path)), path


def test_a_packages_init_counts_as_code_and_plumbing_goes_by_place(tmp_path):
    stage = tmp_path / "stage.py"
    stage.write_text("from vcma.linking.linker import link\nimport vcma.pipeline.artifact\n")
    found = {str(p.relative_to(ROOT / "vcma")) for p in closure(stage)}
    assert {"linking/__init__.py", "linking/linker.py", "boxes.py"} <= found
    assert not any(name.startswith("pipeline/") for name in found) and not {"__init__.py", "errors.py"} & found
    assert not is_plumbing(ROOT / "vcma" / "video" / "artifact.py")  # the name alone says nothing


@pytest.mark.parametrize("path", STAGES, ids=lambda p: p.stem)
def test_every_option_has_its_key_and_its_help(path):
    from importlib import import_module

    sys.path.insert(0, str(ROOT))
    command = getattr(import_module(f"stages.{path.stem}"), path.stem)
    assert command.help
    assert all(option.help for option in command.params)
    keys = {p.name for p in command.params if type(p).__name__ != "_Mode"}
    assert keys == set(CONFIG[path.stem])


def test_only_artifact_opens_hdf5():
    for path in [*(ROOT / "vcma").rglob("*.py"), *STAGES]:
        if path != ROOT / "vcma" / "pipeline" / "artifact.py":
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
    for path in [*(ROOT / "vcma").rglob("*.py"), *STAGES, *(ROOT / "demo").rglob("*.py")]:
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
