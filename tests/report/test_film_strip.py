"""One sample as a film strip."""

import re

import numpy as np
import pytest
from click.testing import CliRunner

from stages.render_report import render_report
from tests.report.made_run import make_run, render
from vcma.pipeline import artifact, schemas


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_a_film_strip_is_drawn_in_every_format_with_vectors_where_possible(project, tmp_path, suffix, start):
    out = tmp_path / f"strip{suffix}"
    render(project, "--figure", "plain/1", "--out", str(out))
    drawn = out.read_bytes()
    assert drawn.startswith(start)
    if suffix == ".svg":
        assert b"a red ball" in drawn and b"above" in drawn and drawn.count(b"<image") == 6


def test_times_are_those_of_presentation_and_interpolated_boxes_are_dashed(tmp_path):
    folder = make_run(tmp_path, start=5.0)
    out = tmp_path / "strip.svg"
    render(tmp_path, "--figure", "plain/1", "--out", str(out))
    drawn = out.read_text()
    shown = [float(t) for t in re.findall(r">(\d+\.\d) s<", drawn)]
    assert len(shown) == 6 and min(shown) >= 5.0 and max(shown) < 8.0 and shown == sorted(shown)
    assert "stroke-dasharray" in drawn  # tube 1 is interpolated in the later half
    tubes = artifact.read(schemas.TUBES, folder / "tubes" / "plain.h5")
    tubes["interpolated"][:] = False
    artifact.write(schemas.TUBES, folder / "tubes" / "plain.h5", tubes, {}, {})
    render(tmp_path, "--figure", "plain/1", "--out", str(out))
    assert "stroke-dasharray" not in out.read_text()


def test_a_sentence_that_no_font_can_write_is_said_to_be_one(tmp_path):
    folder = make_run(tmp_path)
    queries = artifact.read(schemas.QUERIES, folder / "queries.h5")
    queries["text"] = np.array([text.replace("ball", chr(0x1FFF0) * 4) for text in queries["text"]], object)
    artifact.write(schemas.QUERIES, folder / "queries.h5", queries, {}, {})
    said = render(tmp_path, "--figure", "plain/1")
    assert "render_report: no installed font has" in said and "U+1FFF0" in said and "Warning" not in said
    assert (tmp_path / "report" / "plain-1.png").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--figure", "nobody/9"], "no prediction for sample"), (["--figure", "plain/0", "--out", "x.gif"], ".svg")],
)
def test_a_figure_that_cannot_be_drawn_is_one_line(project, options, said):
    result = CliRunner().invoke(render_report, ["--config", str(project / "pipeline.yaml"), *options])
    assert result.exit_code == 1 and said in result.output and result.output.count("\n") == 1
