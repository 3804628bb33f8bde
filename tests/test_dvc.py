"""The committed locks hold no hash of one machine, and by-products in folders of source rerun no stage."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demo.run import EMPTY, LOCKS
from tests.conftest import ROOT


@pytest.mark.parametrize("name", LOCKS)
def test_the_repositorys_locks_are_empty(name):
    lock = (ROOT / name).read_text()
    if lock != EMPTY and (ROOT / ".dvc" / "cache").exists():
        pytest.skip("a lock of one's own is fine beside DVC's cache that it belongs to; a fresh clone has neither")
    assert lock == EMPTY


def test_byte_code_and_partial_files_rerun_no_stage_and_an_edit_does(tmp_path):
    def dvc(*words: str) -> str:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = os.environ | {"PATH": path}
        done = subprocess.run(["dvc", *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    dvc("init", "--no-scm", "-q")
    shutil.copy(ROOT / ".dvcignore", tmp_path)
    source = tmp_path / "vcma" / "model"
    source.mkdir(parents=True)
    (source / "em.py").write_text("alpha = 1\n")
    (tmp_path / "dvc.yaml").write_text(
        "stages: {train: {cmd: echo 1 > model, deps: [vcma/model], outs: [model]}}\n"
    )
    dvc("repro", "-q")
    (source / "__pycache__").mkdir()
    for name in ("__pycache__/em.cpython-311.pyc", "em.pyc", ".em.py.partial", ".em.py.swp", ".DS_Store"):
        (source / name).write_text("x")
    assert "up to date" in dvc("status")
    (source / "em.py").write_text("alpha = 2\n")
    assert "modified:           vcma/model" in dvc("status")
    (source / "em.py").write_text("alpha = 1\n")
    assert "up to date" in dvc("status")
    (source / "new.py").write_text("")
    assert "modified:           vcma/model" in dvc("status")
