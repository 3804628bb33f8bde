"""`vcma show` in text."""

from click.testing import CliRunner

from tests.report.made_run import make_run
from vcma.__main__ import main


def test_a_sample_without_a_picture_to_draw_is_bad_usage(tmp_path):
    artifacts = make_run(tmp_path)
    done = CliRunner().invoke(main, ["show", str(artifacts / "predictions.h5"), "--sentence", "plain/1"])
    assert done.exit_code == 2 and "--sentence belongs to --png" in done.output


def test_the_text_names_schema_columns_and_as_many_rows_as_asked_for(tmp_path):
    artifacts = make_run(tmp_path)
    done = CliRunner().invoke(main, ["show", str(artifacts / "tubes" / "plain.h5"), "--rows", "1"])
    assert done.exit_code == 0 and ": tubes/1, by link_tubes" in done.output
    assert "first of 4 tube:\n    0: " in done.output and "    1: " not in done.output
