"""A run beside another one."""

from tests.report.made_run import make_run, render
from vcma.report.comparison import compare_runs
from vcma.report.loading import load_report


def test_a_run_against_itself_gains_and_loses_nothing(project):
    found = load_report(project / "artifacts" / "clips")
    same = compare_runs(found, project / "artifacts" / "clips")
    assert not same.gained and not same.lost and set(same.difference.values()) == {0.0}


def test_against_another_run_shows_what_was_gained(project, tmp_path, rendered):
    other = make_run(tmp_path / "other", tube=0)
    before = (rendered / "index.html").read_bytes()
    render(project, "--against", str(other))
    text = (project / "report" / "against" / "index.html").read_text()
    assert "2 samples gained" in text and "and 0 lost" in text and text.count('data-change="gained"') == 3
    assert (rendered / "index.html").read_bytes() == before
