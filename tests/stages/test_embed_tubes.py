"""The stage `embed_tubes`: nothing without an encoder, its fingerprint and the ledger with one."""

import shutil

import numpy as np
import pytest
import yaml

from tests.faults import workshop
from tests.faults.workshop import artifacts, contents, run
from tests.text.encoders import save_encoder
from vcma.pipeline import artifact, schemas
from vcma.pipeline.video_artifacts import read_embeddings

VIDEOS = 3


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = workshop.make_project(tmp_path_factory.mktemp("embedding"), VIDEOS, 12)
    for stage in ("index_dataset", "extract_frames", "detect_proposals", "link_tubes"):
        run(folder, stage)
    return folder


def configure(project, encoder, **section):
    config = yaml.safe_load((project / "pipeline.yaml").read_text())
    config["datasets"]["clips"]["encoder"] = encoder
    config["embed_tubes"] |= section
    (project / "pipeline.yaml").write_text(yaml.safe_dump(config))


def made(project):
    return sorted((artifacts(project) / "embeddings").glob("*.h5"))


def test_regions_are_embedded_once_and_again_where_anything_has_changed(project):
    assert "no encoder, nothing embedded -> artifacts/clips/embeddings" in run(project, "embed_tubes")
    assert (artifacts(project) / "embeddings").is_dir() and not made(project)
    save_encoder(project / "clip")
    configure(project, "clip", points=2)
    assert f"{VIDEOS} videos" in run(project, "embed_tubes")
    first = contents(artifacts(project) / "embeddings")
    for path in made(project):
        tubes = artifacts(project) / "tubes" / path.name
        read = artifact.read(schemas.EMBEDDINGS, path)
        assert len(read["crop_offset"]) == len(artifact.read(schemas.TUBES, tubes)["tube_score"]) + 1
        assert (np.diff(read["crop_offset"]) <= 2).all() and len(read["embedding"])
        assert read_embeddings(path.parent, path.stem, tubes).encoder.endswith(" context 0.15")
    run(project, "embed_tubes", "--force", "--jobs", "2")
    assert contents(artifacts(project) / "embeddings") == first
    shutil.copytree(project / "clip", project / "moved")
    configure(project, "moved")
    assert f"{VIDEOS} up to date" in run(project, "embed_tubes")  # its contents count, not its place
    configure(project, "moved", context=0.3)
    assert "up to date" not in run(project, "embed_tubes")
    save_encoder(project / "moved", seed=1)
    assert "up to date" not in run(project, "embed_tubes")
    configure(project, None)
    run(project, "embed_tubes")
    assert not made(project)


@pytest.mark.parametrize(
    ("encoder", "told"),
    [("nowhere", "no such encoder"), (3, "'encoder: 3' is no folder"), ("data", "lacks config")],
)
def test_what_is_no_encoder_ends_the_stage_before_any_work(project, encoder, told):
    configure(project, encoder)
    before = contents(artifacts(project))
    text = run(project, "embed_tubes", code=1)
    assert told in text and text.count("error: ") == 1 and contents(artifacts(project)) == before
