"""No code of a file is run, no shell is handed data, and no path leaves its folder."""

import ast
import os
import pickle
import re

import h5py
import pytest
import yaml

from tests.conftest import ROOT, make_tubes, unseal
from vcma.datasets.entries import UnusableError
from vcma.datasets.video_files import inner_path
from vcma.detection.weights import read_checkpoint
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.paths import file_stem
from vcma.pipeline.project import load_project

SOURCES = [*(ROOT / "vcma").rglob("*.py"), *(ROOT / "stages").glob("*.py"), *(ROOT / "demo").glob("*.py")]


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["a.pkl", "a.pth"])
def test_a_pickle_runs_nothing(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps({"model": Trap(tmp_path / "sprung")}))
    with pytest.raises(InputError, match="cannot read these weights"):
        read_checkpoint(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_yaml_makes_no_object(tmp_path):
    config = tmp_path / "pipeline.yaml"
    config.write_text(f"dataset: !!python/object/apply:os.mkdir [{tmp_path / 'sprung'}]\ndatasets: {{}}\n")
    with pytest.raises(InputError, match="not readable as YAML"):
        load_project(config)
    assert not (tmp_path / "sprung").exists()
    assert yaml.safe_load("1") == 1


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.name)
def test_no_process_is_started_and_nothing_is_evaluated(path):
    forbidden = {"subprocess", "pty", "commands", "marshal", "shelve"}
    if path == ROOT / "demo" / "run.py":  # starts DVC, and nothing else
        forbidden.remove("subprocess")
        assert re.findall(r"subprocess\.\w+\((.{17})", path.read_text()) == ['["dvc", "repro"],']
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] + [getattr(node, "module", None) or ""]
            assert not forbidden & {n.split(".")[0] for n in names}
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads"), called


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "a\0b", "..", ""])
def test_a_path_of_the_data_stays_in_its_folder(name, tmp_path):
    with pytest.raises(UnusableError):
        inner_path(name)
    assert (tmp_path / f"{file_stem(name)}.h5").resolve().parent == tmp_path


@pytest.mark.parametrize("way", ["external link", "external storage", "soft link"])
def test_an_artifact_reads_no_other_file(tmp_path, way):
    path, secret = tmp_path / "a.h5", tmp_path / "secret"
    secret.write_bytes(b"secret" * 99)
    artifact.write(schemas.TUBES, path, make_tubes(0), {}, {})
    with h5py.File(unseal(path), "a") as file:
        shape = file["box"].shape
        del file["box"]
        if way == "external link":
            with h5py.File(tmp_path / "other.h5", "w") as other:
                other["box"] = make_tubes(0)["box"]
            file["box"] = h5py.ExternalLink("other.h5", "/box")
        elif way == "external storage":
            file.create_dataset("box", shape, "f4", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
        else:
            file["box"] = h5py.SoftLink("/score")
    with pytest.raises(InputError, match="is not a data set stored in this file"):
        artifact.read(schemas.TUBES, path)


@pytest.mark.parametrize(
    ("sealed", "told"), [(True, "its bytes differ from what"), (False, "its content differs from what")]
)
def test_content_that_was_altered_is_noticed(tmp_path, sealed, told):
    path = tmp_path / "a.h5"
    artifact.write(schemas.TUBES, path, make_tubes(0), {}, {})
    with h5py.File(path if sealed else unseal(path), "a") as file:
        file["box"][0, 0] += 1
    with pytest.raises(InputError, match=told):
        artifact.read(schemas.TUBES, path)
