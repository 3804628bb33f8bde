"""The contract of every command and stage: help with an example that works, exit codes, progress, no questions."""

import re
import shlex
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from tests.conftest import ROOT, STAGES
from tests.faults import workshop
from vcma.__main__ import main
from vcma.pipeline.exit_codes import EXIT_CODES


def below(call: str, command: click.Command) -> dict[str, click.Command]:
    """A command by its call or, of a group, those below it."""
    parts = getattr(command, "commands", None)
    if parts is None:
        return {call: command}
    return {
        name: part
        for below_it in parts.values()
        for name, part in below(f"{call} {below_it.name}", below_it).items()
    }


NAMES = main.list_commands(click.Context(main))
GROUPS = {f"vcma {name}": main.get_command(click.Context(main), name) for name in NAMES}
COMMANDS = {name: part for call, command in GROUPS.items() for name, part in below(call, command).items()}
COMMANDS |= {f"python stages/{name}.py": getattr(import_module(f"stages.{name}"), name) for name in STAGES}
everywhere = pytest.mark.parametrize("call", COMMANDS)


def invoke(call: str, *words: str) -> click.testing.Result:
    first = call.split()[1:] if call.startswith("vcma") else []
    return CliRunner().invoke(main if first else COMMANDS[call], [*first, *words])


def examples_of(call: str) -> list[str]:
    lines = COMMANDS[call].epilog.partition("Examples:\n")[2].splitlines()
    return [line.strip() for line in lines if line.strip().startswith(f"{call} ")]


def table() -> str:
    """The table of docs/commands.md."""
    rows = ["| command | what it does | for example |", "|---|---|---|"]
    for call in COMMANDS:
        text = COMMANDS[call].help.split("\n\n")[0].replace("\n", " ")
        rows.append(f"| `{call}` | {text} | `{examples_of(call)[0]}` |")
    return "\n".join(rows)


def test_the_page_of_commands_lists_them_all_with_their_examples_and_exit_codes():
    page = (ROOT / "docs" / "commands.md").read_text()
    found = re.search(r"<!-- commands -->\n(.*)\n<!-- /commands -->", page, re.S)
    assert found and found[1] == table(), f"paste this:\n{table()}"
    for code in re.findall(r"\b\d+\b", EXIT_CODES):
        assert re.search(rf"^\| [\d, ]*\b{code}\b", page, re.M), code


@everywhere
def test_help_has_an_example_and_the_exit_codes_and_asks_nothing(call):
    shown = invoke(call, "--help")
    assert shown.exit_code == 0
    assert "Examples:\n" in shown.output and f"\n    {call} " in shown.output
    assert EXIT_CODES in " ".join(shown.output.split())
    for param in COMMANDS[call].params:
        assert getattr(param, "prompt", None) is None, param.name
        assert isinstance(param, click.Argument) or param.help, param.name


@everywhere
def test_its_examples_are_ones_that_it_takes(call, monkeypatch):
    """The words are those of its options, with values of their types; files of it need not be there."""
    monkeypatch.chdir(ROOT)
    assert examples_of(call)
    for example in examples_of(call):
        words = shlex.split(example.removeprefix(call).partition(" | ")[0])
        try:
            COMMANDS[call].make_context(COMMANDS[call].name, words)
        except click.BadParameter as error:
            assert "does not exist" in error.message


@everywhere
def test_wrong_usage_is_2_and_what_is_not_there_is_1_in_one_line(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = invoke(call, "--nonsense")
    assert wrong.exit_code == 2 and "No such option" in wrong.output
    command = COMMANDS[call]
    if (
        any(param.name == "config" for param in command.params) and call != "vcma train-detector"
    ):  # its own --config
        words = shlex.split(examples_of(call)[0].removeprefix(call))
        missing = invoke(call, *words, "--config", "none.yaml")
        assert missing.exit_code == 1 and missing.output.startswith("error: none.yaml: no such file"), (
            missing.output
        )
        assert missing.output.count("\n") == 1


def test_nothing_in_the_source_asks_the_user():
    for path in [*(ROOT / "vcma").rglob("*.py"), *(ROOT / "stages").glob("*.py"), *(ROOT / "demo").glob("*.py")]:
        asks = re.search(
            r"\bclick\.(prompt|confirm|edit|pause|getchar)\b|(?<![.\w])input\(|getpass|prompt=", path.read_text()
        )
        assert not asks, path


def test_every_stage_and_the_longer_commands_show_progress_and_need_no_terminal(tmp_path, monkeypatch):
    """In the order of the pipeline, without standard input; each says how far it is, and counts what it did."""
    project = workshop.make_project(tmp_path / "project", 2)
    monkeypatch.chdir(project)

    def said(call: str, *words: str) -> str:
        jobs = ["--jobs", "1"] if any(param.name == "jobs" for param in COMMANDS[call].params) else []
        done = invoke(call, *words, *jobs)
        assert done.exit_code == 0, (call, done.output, done.exception)
        return done.stderr

    for name in STAGES:
        told = said(f"python stages/{name}.py")
        if name not in ("evaluate", "embed_tubes"):  # which have nothing to do here
            assert re.search(rf"\b{name}: +(\d+%\||\d+it)", told), told
        assert re.search(rf"\b{name}: .* -> \S+$", told.rstrip()), told
    assert re.search(r"check: +\d+%\|", said("vcma check"))
    clip = str(project / "data" / "clips" / "clip000.mp4")
    told = said("vcma ground", clip, "--untrained", "--query", "a person walks next to a dog")
    for part in ("decode", "detect", "draw"):
        assert re.search(rf"{part}: +\d+%\|", told), told


def test_the_help_lists_every_page_of_the_documentation_in_one_line():
    shown = CliRunner().invoke(main, ["--help"], terminal_width=80).output
    listed = re.findall(r"^ +docs/(\w+\.md) {2,}\S.*$", shown, re.M)
    assert sorted(listed) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))
    after = shown.partition("Documentation:\n")[2].partition("\n\n")[0]
    assert after.count("\n") + 1 == len(listed), "a topic is longer than a line"
