"""Every failure has its name."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.conftest import make_tubes
from vcma.pipeline.video_artifacts import tubes_reader
from vcma.records.tubes import Tubes
from vcma.report.cases import Truth
from vcma.report.diagnosis import OUTCOMES, diagnose


def test_every_failure_has_its_name():
    tubes = Tubes.of(make_tubes(1, gaps=False))
    frame = np.arange(30)
    box = tubes.boxes_at(0, frame)
    truth = Truth((0, 30), frame, box, "dog", "run", 1)
    nowhere = replace(truth, box=box + 1000)
    said = [
        diagnose(truth, tubes, 0, 0.9, 0.9),
        diagnose(truth, tubes, 0, 0.1, 0.1),
        diagnose(truth, tubes, 3, 0.9, 0.0),
        diagnose(truth, tubes, 3, 0.1, 0.0),
        diagnose(nowhere, tubes, 0, 0.9, 0.0),
        diagnose(None, tubes, 0, None, None),
    ]
    assert said == list(OUTCOMES)
    nothing = tubes_reader(Path("nowhere"))("none")
    assert diagnose(truth, nothing, -1, 0.9, 0.0) == "missed detection"
    assert diagnose(truth, tubes, 0, 0.9, None) == "found" and diagnose(truth, tubes, 0, 0.1, None) == "wrong time"
