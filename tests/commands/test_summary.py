"""`vcma summary`: whose the scores are, and why there are none."""

import numpy as np
from click.testing import CliRunner

from tests.conftest import make_tubes
from tests.report.made_run import FRAMES, make_run, write_predictions
from vcma.__main__ import main
from vcma.pipeline import artifact, schemas, storage


def test_the_summary_says_whose_the_scores_are_and_why_there_are_none(tmp_path):
    folder = make_run(tmp_path)

    def told() -> str:
        done = CliRunner().invoke(main, ["summary", "--config", str(tmp_path / "pipeline.yaml")])
        assert done.exit_code == 0, done.output
        return done.output

    assert (
        "\n  VCMA " in told()
        and "left out of test: 0\ntoo few training sentences for meaningful results\n" in told()
    )
    truth = artifact.read(schemas.TRUTH, folder / "truth_test.h5")
    lost = np.array([f"lost/{i}" for i in range(7)], object)
    truth |= {"skipped": lost, "skipped_reason": np.full(7, "no such video: x", object)}
    artifact.write(schemas.TRUTH, folder / "truth_test.h5", truth, {}, {})
    assert told().count("(3 of 10 samples of test are scored)") == 2
    assert "left out of test: 7 (7 no such video)" in told()
    write_predictions(folder, make_tubes(3, frames=FRAMES // 3), 1)
    assert "\n  untrained (labels and cues) " in told() and "VCMA" not in told()
    for name in ("scores", "reference_points"):
        storage.write_json(folder / f"{name}.json", {})
    assert told().startswith("the data set has no annotations, so nothing is scored\n\nreport: ")
