"""`vcma convert` as its help and docs/conversion.md describe it: every command they name is one that parses."""

import re
import shlex

import pytest
from click.testing import CliRunner

from tests.conftest import ROOT
from vcma.__main__ import main
from vcma.commands.convert import convert_command
from vcma.conversion import predictions, track_sources

DOCUMENT = (ROOT / "docs" / "conversion.md").read_text()
EXAMPLES = [
    *re.findall(r"^vcma convert .*", DOCUMENT, re.M),
    *(
        line.strip()
        for c in convert_command.commands.values()
        for line in c.epilog.splitlines()
        if "  vcma" in line
    ),
]


@pytest.mark.parametrize("line", EXAMPLES)
def test_examples_parse(line):
    _, _, name, *arguments = shlex.split(line)
    command = convert_command.commands[name]
    assert command.make_context(name, arguments).params["source"]


def test_the_page_names_every_format_and_option():
    assert len(EXAMPLES) > 8
    for form in (*predictions.FORMATS, *track_sources.FORMATS):
        assert f"`{form}`" in DOCUMENT or f"**{form}**" in DOCUMENT, form
    named = {
        option for c in convert_command.commands.values() for p in c.params for option in p.opts if "--" in option
    }
    for option in named - {"--config", "--out"}:
        assert option in DOCUMENT, option


def test_help_is_there_without_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in ([], ["predictions"], ["tubes"]):
        done = CliRunner().invoke(main, ["convert", *words, "--help"])
        assert done.exit_code == 0 and ("Examples:" in done.output or not words)
