"""`vcma summary`: whose the scores are, and why there are none."""

from click.testing import CliRunner

from tests.conftest import make_tubes
from tests.report.made_run import FRAMES, make_run, write_predictions
from vcma.__main__ import main
from vcma.pipeline import storage


def test_the_summary_says_whose_the_scores_are_and_why_there_are_none(tmp_path):
    folder = make_run(tmp_path)

    def told() -> str:
        done = CliRunner().invoke(main, ["summary", "--config", str(tmp_path / "pipeline.yaml")])
        assert done.exit_code == 0, done.output
        return done.output

    assert "\n  VCMA " in told()
    write_predictions(folder, make_tubes(3, frames=FRAMES // 3), 1)
    assert "\n  untrained (labels and cues) " in told() and "VCMA" not in told()
    for name in ("metrics", "reference_points"):
        storage.write_json(folder / f"{name}.json", {})
    assert told().startswith("nothing is annotated, so nothing is scored\n\nreport: ")
