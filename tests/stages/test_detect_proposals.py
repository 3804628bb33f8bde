"""The stage `detect_proposals` as on a GPU: `cpu:0` is treated as one, so that all but its kernels runs here."""

import numpy as np
import pytest
import yaml

from tests.detection.narrow_models import FPN, narrow_block, narrow_model, zoo_pickle
from tests.faults import workshop
from tests.faults.workshop import artifacts, contents, run
from vcma.pipeline import artifact, schemas

VIDEOS = 3


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return workshop.make_extracted_project(tmp_path_factory.mktemp("device"), VIDEOS, 12)


def proposals(project):
    return {path.name: artifact.read(schemas.PROPOSALS, path) for path in artifacts(project).glob("proposals/*.h5")}


def test_opencvs_detector_writes_the_same_bytes(project):
    run(project, "detect_proposals")
    expected = contents(artifacts(project))
    assert f"{VIDEOS} videos" in run(project, "detect_proposals", "--device", "cpu:0", "--force", "--batch", "3")
    run(project, "detect_proposals", "--device", "cpu:0", "--force", "--jobs", "3")
    assert contents(artifacts(project)) == expected


def test_detectron2s_regions_and_the_precision_they_are_of(project):
    zoo_pickle(narrow_model(project, FPN, 20), project / "model.pkl")
    config = yaml.safe_load((project / "pipeline.yaml").read_text())
    config["datasets"]["clips"]["detector"] = narrow_block()
    (project / "pipeline.yaml").write_text(yaml.safe_dump(config))
    words = ("--score-threshold", "0.01", "--jobs", "2")
    run(project, "detect_proposals", *words)
    wanted = proposals(project)
    run(project, "detect_proposals", *words, "--device", "cpu:0", "--force")
    for name, found in proposals(project).items():
        assert len(found["box"]) > 50
        for column in ("frame", "box_offset"):
            np.testing.assert_array_equal(found[column], wanted[name][column])
        np.testing.assert_allclose(found["box"], wanted[name]["box"], atol=0.02)
        np.testing.assert_allclose(found["score"], wanted[name]["score"], atol=1e-4)
    run(project, "detect_proposals", *words, "--device", "cpu:0", "--precision", "bf16")
    for path in artifacts(project).glob("proposals/*.h5"):
        assert artifact.attributes(path, schemas.PROPOSALS)["params"]["precision"] == "bf16"
