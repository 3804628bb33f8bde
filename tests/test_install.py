"""envs/build.sh: which packages it asks pip for, in which order, by what TORCH says."""

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

CPU = "--index-url https://download.pytorch.org/whl/cpu"


def asked(tmp_path, torch: str) -> list[str]:
    """What the script asks pip to install in an environment whose Python only notes it."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin" / "python").write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/asked.txt"\n')
    (tmp_path / "bin" / "python").chmod(0o755)
    how = {"VENV": str(tmp_path), "PYTHON": sys.executable, "TORCH": torch}
    subprocess.run([ROOT / "envs" / "build.sh"], env=os.environ | how, check=True, capture_output=True)
    return [line.partition(" install ")[2] for line in (tmp_path / "asked.txt").read_text().splitlines()]


@pytest.mark.parametrize("torch", ["", "cpu", "own"])
def test_torch_comes_from_where_it_was_asked_to(tmp_path, torch):
    lines = asked(tmp_path, torch)
    of_cpu = [i for i, line in enumerate(lines) if CPU in line]
    rest = next(i for i, line in enumerate(lines) if "develop.txt" in line)
    assert len(of_cpu) == (torch == "cpu") and all(i < rest for i in of_cpu)
    for i in of_cpu:
        pinned = re.findall(r"^(?:torch|torchvision)==\S+", (ROOT / "envs" / "pipeline.txt").read_text(), re.M)
        assert len(pinned) == 2 and lines[i].split()[1:3] == pinned
    assert ("envs/pipeline.txt" in lines[rest]) == (torch != "own")
    assert any("pb1-detectron2" in line for line in lines) == (torch != "own")
    if torch == "own":
        kept = (tmp_path / "pipeline.txt").read_text()
        assert "opencv" in kept and "torch==" not in kept and "torchvision" not in kept
    assert lines[-1].endswith("-e .")


def test_an_environment_that_is_up_to_date_is_left_alone(tmp_path):
    first = asked(tmp_path, "")
    assert asked(tmp_path, "") == first
