"""What a run's artifacts hold is what its cases say."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import make_tubes
from tests.report.made_run import FRAMES, make_run, write_predictions
from vcma.commands.contact_sheet import draw_contact_sheet
from vcma.errors import InputError
from vcma.pipeline.video_artifacts import tubes_reader
from vcma.report.loading import load_report, read_answers
from vcma.report.timeline import tube_rows


def test_scores_are_those_of_the_metrics(project):
    folder = project / "artifacts" / "clips"
    found = load_report(folder)
    metrics = json.loads((folder / "scores.json").read_text())["stcat"]
    mine = [c for c in found.cases if c.query_type == "declarative" and c.truth]
    assert np.mean([c.viou for c in mine]) == pytest.approx(metrics["declarative"]["m_vIoU"]["value"])
    assert np.mean([c.tiou for c in mine]) == pytest.approx(metrics["declarative"]["m_tIoU"]["value"])
    assert [c.outcome for c in found.cases] == ["found", "found", "missed detection", "unknown"]


def test_tubes_that_are_nowhere_in_the_segment_have_no_row_of_the_timeline(project):
    folder = project / "artifacts" / "clips"
    case = load_report(folder).cases[0]
    tubes = tubes_reader(folder / "tubes")(case.video)
    assert len(tubes) > 1 and len(tube_rows(case, tubes)) == len(tubes)
    assert [row.tube for row in tube_rows(replace(case, segment=(10_000, 10_009)), tubes)] == [case.tube]


def test_evidence_finds_its_relation_though_pairs_come_first(project):
    case = load_report(project / "artifacts" / "clips").cases[0]
    T = len(case.moment)
    np.testing.assert_allclose(case.evidence[1], np.arange(T) / 10, rtol=1e-6)  # the pair, told second
    np.testing.assert_allclose(case.evidence[0], np.arange(T, 2 * T) / 10, rtol=1e-6)  # the action, told first


def test_a_tube_that_its_video_does_not_have_is_told_when_it_is_drawn(tmp_path):
    folder = make_run(tmp_path)
    write_predictions(folder, make_tubes(3, frames=FRAMES // 3), 99)
    with pytest.raises(InputError, match="refers to tube 99, its video has 4"):
        draw_contact_sheet(folder / "predictions.h5", tmp_path / "a.png", None, 1)
    with pytest.raises(InputError, match="refers to tube 99, its video has 4; ground again"):
        read_answers(folder)
