"""The pipeline without a training split, a test file or a model: `test: null` and `ground_queries: untrained`."""

import json

import pytest
import yaml

from tests.datasets.examples import tube
from tests.faults import workshop
from vcma.pipeline import artifact, schemas
from vcma.pipeline.project import Project


@pytest.mark.parametrize(
    ("splits", "wanted", "split"),
    [
        ({"val": "v", "test": None}, "test", "val"),
        ({"val": "v", "test": "t"}, "test", "test"),
        ({"val": "v"}, "test", "test"),  # not said: an oversight is told where test is missed
        ({"val": "v", "test": None}, "train", "train"),
        (None, "test", "test"),
    ],
)
def test_val_takes_the_place_of_a_test_that_is_null(tmp_path, splits, wanted, split):
    project = Project(tmp_path, {"dataset": "x", "datasets": {"x": {"splits": splits}}})
    assert project.evaluated_split(wanted) == split


def test_every_stage_runs_without_training_and_test(tmp_path):
    project = workshop.make_project(tmp_path, 2)
    config = yaml.safe_load((project / "pipeline.yaml").read_text())
    block = {"format": "hcstvg", "videos": "data/clips", "splits": {"val": "val.json", "test": None}}
    config["datasets"]["clips"] |= block
    config["ground_queries"]["untrained"] = True
    (project / "pipeline.yaml").write_text(yaml.safe_dump(config))
    records = {f"clip{i:03}.mp4": tube(n=10, start=1, width=96, height=64, frames=24) for i in range(2)}
    (project / "data" / "clips" / "val.json").write_text(json.dumps(records))
    for stage in workshop.ORDER[:-1]:
        workshop.run(project, stage)
    assert "nothing trained: ground_queries is untrained" in workshop.run(project, "train_em")
    assert "2 sentences of val" in workshop.run(project, "ground_queries")
    assert "untrained (labels and cues)" in workshop.run(project, "evaluate")
    workshop.run(project, "render_report")
    made = workshop.artifacts(project)
    assert json.loads((made / "scores.json").read_text())["official"]["declarative"]["n"] == 2
    assert artifact.attributes(made / "predictions.h5", schemas.PREDICTIONS)["params"]["split"] == "val"
    assert [p.name for p in (made / "model").iterdir()] == ["untrained.json"]
