"""One sample as a film strip."""

import pytest
from click.testing import CliRunner

from stages.render_report import render_report
from tests.report.made_run import render


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_a_film_strip_is_drawn_in_every_format_with_vectors_where_possible(project, tmp_path, suffix, start):
    out = tmp_path / f"strip{suffix}"
    render(project, "--figure", "plain/1", "--out", str(out))
    drawn = out.read_bytes()
    assert drawn.startswith(start)
    if suffix == ".svg":
        assert b"a red ball" in drawn and b"above" in drawn and drawn.count(b"<image") == 6


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--figure", "nobody/9"], "no prediction for sample"), (["--figure", "plain/0", "--out", "x.gif"], ".svg")],
)
def test_a_figure_that_cannot_be_drawn_is_one_line(project, options, said):
    result = CliRunner().invoke(render_report, ["--config", str(project / "pipeline.yaml"), *options])
    assert result.exit_code == 1 and said in result.output and result.output.count("\n") == 1
