"""The example notebook runs as it stands, and its stored outputs are what it gives."""

import re
from copy import deepcopy

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

NOTEBOOK = ROOT / "examples" / "grounding.ipynb"
# Processors differ in the last digits, and what is found is not at issue here.
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def stored():
    return nbformat.read(NOTEBOOK, as_version=4)


def outputs(notebook) -> list[list[tuple[str, object]]]:
    """What each code cell shows: texts with their numbers left out, and the kinds of pictures."""
    return [
        [
            (o.output_type, NUMBER.sub("#", o.text) if o.output_type == "stream" else sorted(o.data))
            for o in cell.outputs
        ]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


# The kernel's own messages: its sockets are not encrypted, and zmq's loop is closed late.
@pytest.mark.filterwarnings("default")
def test_it_runs_to_its_end_and_shows_what_is_stored(stored, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    again = deepcopy(stored)
    NotebookClient(again, timeout=300, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    assert outputs(again) == outputs(stored)


def test_it_renders_where_nothing_runs_it(stored):
    nbformat.validate(stored)
    cells = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    shown = [kind for cell in outputs(stored) for kind in cell]
    assert sum("image/png" in data for kind, data in shown if kind != "stream") >= 4
    assert not any(o.output_type == "error" or o.get("name") == "stderr" for c in cells for o in c.outputs)
    # What is stored is small, and names no place of the machine that it ran on.
    text = NOTEBOOK.read_text()
    assert len(text) < 300_000 and "/tmp/" not in text and "/home/" not in text and "/root" not in text


def test_its_claims_hold(stored):
    """The sweep shows what the text says of beta: without the relation's evidence the span is that of the clip."""
    [sweep] = [o.text for c in stored.cells if c.cell_type == "code" for o in c.outputs if "beta 0:" in str(o)]
    fits = [float(line.rpartition(" ")[2]) for line in sweep.splitlines()]
    assert max(fits) > 0.7 > 2 * fits[0]
