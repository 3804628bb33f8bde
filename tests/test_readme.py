"""README and docs stay true: tables are the schemas' and the results', examples run, commands and paths exist."""

import csv
import re
import subprocess
import sys
from importlib import import_module

import click
import numpy as np
import pytest

from tests.conftest import ROOT
from vcma.__main__ import main
from vcma.pipeline import artifact, schemas

README = (ROOT / "README.md").read_text()
ARTIFACTS = (ROOT / "docs" / "artifacts.md").read_text()


def test_the_artifact_table_is_that_of_the_schemas():
    table = re.search(r"<!-- schemas -->\n(.*)\n<!-- /schemas -->", ARTIFACTS, re.S)
    assert table and table[1].strip() == schemas.schema_tables(), "paste the output of schemas.schema_tables()"


def test_the_tracker_example_writes_tubes(tmp_path):
    code = re.search(r"```python\n(.*?)```", ARTIFACTS, re.S)[1]
    lines = ["1,7,10,20,30,40,1,-1,-1,-1", "3,7,12,20,30,40,1,-1,-1,-1", "1,2,100,50,20,20,1,-1,-1,-1"]
    (tmp_path / "mot.txt").write_text("\n".join(lines))
    command = [sys.executable, "-c", code, "mot.txt", "a video", "tubes", "25", "320", "240"]
    subprocess.run(command, cwd=tmp_path, check=True)
    tubes = artifact.read(schemas.TUBES, tmp_path / "tubes" / "a%20video.h5")
    assert tubes["frame"].tolist() == [0, 2] and tubes["point_offset"].tolist() == [0, 1, 3]
    assert np.allclose(tubes["box"], [[100, 50, 120, 70], [10, 20, 40, 60], [12, 20, 42, 60]])


def test_the_tracker_example_refuses_what_is_no_file_of_tubes(tmp_path):
    code = re.search(r"```python\n(.*?)```", ARTIFACTS, re.S)[1]
    good = ["0,7,10,20,30,40,1", "2,7,12,20,30,40,0.5", "0,2,100,50,20,20,1", "1,2,300,50,40,20,1", "1,9,1,1,2,2,0"]

    def write(lines, *more):
        (tmp_path / "mot.txt").write_text("\n".join(lines))
        command = [sys.executable, "-c", code, "mot.txt", "v", "tubes", "25", "320", "240", *more]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    for lines, more, told in (
        (good, [], "1 values are negative; frame indices start at 0"),
        ([*good, "0,7,11,20,30,40,1"], ["0"], "1 values are not ascending within a tube, e.g. 0 occurs twice"),
        (["0,-1,10,20,30,40,1"], ["0"], "ids below 0: detections, not tubes"),
        (["0,7,10,20,30,-40,1"], ["0"], "1 of 1 boxes have no area"),
        (["0,7,nan,20,30,40,1"], ["0"], "2 values are not finite"),
    ):
        done = write(lines, *more)
        assert done.returncode and told in done.stderr.splitlines()[-1], done.stderr
    done = write(good, "0")
    tubes = artifact.read(schemas.TUBES, tmp_path / "tubes" / "v.h5")
    assert done.returncode == 0 and "1 of 4 boxes extended beyond the frame, clipped to it" in done.stderr
    assert tubes["frame"].tolist() == [0, 1, 2] and tubes["point_offset"].tolist() == [0, 2, 4]


@pytest.mark.parametrize(("dataset", "videos"), [("demo", 60), ("demo_full", 450)])
def test_its_numbers_are_those_of_the_ablation(dataset, videos):
    with open(ROOT / "results" / dataset / "ablation.csv", newline="") as file:
        rows = [r for r in csv.DictReader(file) if (r["split"], r["query_type"]) == ("test", "all")]

    def told(variant: str) -> str:
        usual = [r for r in rows if r["variant"] == variant and (r["alpha"], r["beta"]) == ("0.5", "1.0")]
        found = [100 * float(r["m_vIoU"]) for r in usual]
        return f"{np.mean(found):.1f}" + (f" ± {np.std(found, ddof=1):.1f}" if len(found) > 1 else "")

    names = ("chance", "label_prior", "contrast", "untrained", "em", "supervised", "oracle")
    assert f"{videos} training videos | {' | '.join(map(told, names))} |" in README


def test_it_is_read_in_two_minutes():
    assert len(README) <= 9000 and len(README.splitlines()) <= 150


def test_every_page_is_found_from_it():
    linked = set(re.findall(r"\((?:docs/)?([\w.]+\.md)\)", README))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} <= linked
    assert {"CHANGELOG.md", "CONTRIBUTING.md"} <= linked


DOCUMENTS = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "bench").glob("*.md"))]


def commands_of(document):
    """(command, its words) of every `vcma ...` and `python stages/...` in inline code and in blocks of code."""
    text = document.read_text().replace("\\\n", " ")
    blocks = re.findall(r"```(?:bash)?\n(.*?)```", text, re.S)
    pieces = [line for block in blocks for line in block.splitlines()]
    pieces += re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    for piece in pieces:
        words = piece.split("  #")[0].split()
        if words[:1] == ["vcma"] and len(words) > 1 and re.fullmatch(r"[a-z-]+", words[1]):
            yield main.get_command(None, words[1]), words[2:]
        elif words[:1] == ["python"] and words[1:2] and re.fullmatch(r"stages/\w+\.py", words[1]):
            name = words[1][len("stages/") : -len(".py")]
            yield getattr(import_module(f"stages.{name}"), name), words[2:]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_the_commands_it_names_exist(document):
    for command, words in commands_of(document):
        assert command, words
        if isinstance(command, click.Group):
            if not words:
                continue
            command, words = command.get_command(None, words[0]), words[1:]
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        named = {word.split("=")[0] for word in words if re.fullmatch(r"--[a-z-]+(=.*)?", word)}
        assert named <= options, f"{command.name}: {sorted(named - options)}"
    makefile = (ROOT / "Makefile").read_text()
    for name in re.findall(r"`(?:\w+=\w+ )?make ([a-z]+)", document.read_text()):
        assert re.search(rf"^{name}:", makefile, re.M), name


def test_the_commands_are_found_in_the_documents():
    assert sum(1 for document in DOCUMENTS for _ in commands_of(document)) > 30


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_the_paths_it_names_exist(document):
    folders = "bench|demo|docs|envs|examples|results|stages|tests|vcma"
    text = document.read_text()
    named = set(re.findall(rf"(?<![\w/.>-])(?:{folders})/[\w./-]*\w", text))
    named -= set(re.findall(r"(?:curl -Lo|--local-dir) (\S+)", text))  # users fetch those
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
    assert named or document.name != "README.md"  # the pattern still finds what it looks for
