"""Commands and stages tell their help without the heavy libraries, which take seconds to import."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT, STAGES
from vcma.__main__ import main

HEAVY = {"torch", "spacy", "detectron2", "scipy", "matplotlib", "transformers"}


@pytest.mark.parametrize("start", ["vcma", "stages"])
def test_no_help_waits_for_a_heavy_library(start):
    commands = main.list_commands(None) if start == "vcma" else STAGES
    code = f"""
import sys
from importlib import import_module
from click.testing import CliRunner
from vcma.__main__ import main
for name in {tuple(commands)}:
    command = main if {start == "vcma"} else getattr(import_module("stages." + name), name)
    done = CliRunner().invoke(command, [name, "--help"] if command is main else ["--help"])
    assert done.exit_code == 0 and "Usage" in done.output, done.output
    assert not {HEAVY} & set(sys.modules), (name, {HEAVY} & set(sys.modules))
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
