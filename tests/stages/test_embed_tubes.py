"""The stage `embed_tubes`, and what training and grounding make of it: with tiny encoders, in this process."""

import json
import shutil
from importlib import import_module

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from tests.faults import workshop
from tests.faults.workshop import artifacts, contents
from tests.text.encoders import save_encoder
from vcma.commands.ground import ground_command
from vcma.pipeline import artifact, schemas
from vcma.pipeline.video_artifacts import read_embeddings
from vcma.text.dual_encoder import cached_encoder

VIDEOS = 3


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = workshop.make_project(tmp_path_factory.mktemp("embedding"), VIDEOS, 12, train_em={"rounds": 1})
    for stage in ("index_dataset", "extract_frames", "detect_proposals", "link_tubes", "parse_queries"):
        call(folder, stage)
    return folder


def invoke(project, command, *options, code=0):
    cached_encoder.cache_clear()  # each call is a run of its own
    done = CliRunner().invoke(command, [*map(str, options), "--config", str(project / "pipeline.yaml")])
    assert done.exit_code == code, done.output + repr(done.exception)
    assert not code or done.output.count("error: ") == 1
    return done.output


def call(project, stage, *options, code=0):
    command = getattr(import_module(f"stages.{stage}"), stage)
    parallel = any("--jobs" in option.opts for option in command.params)
    return invoke(project, command, *options, *(("--jobs", 1) if parallel else ()), code=code)


def configure(project, encoder, **sections):
    config = yaml.safe_load((project / "pipeline.yaml").read_text())
    config["datasets"]["clips"]["encoder"] = encoder
    for name, values in sections.items():
        config[name] |= values
    (project / "pipeline.yaml").write_text(yaml.safe_dump(config))


def made(project):
    return sorted((artifacts(project) / "embeddings").glob("*.h5"))


def test_regions_are_embedded_once_and_again_where_anything_has_changed(project):
    assert "no encoder, nothing embedded -> artifacts/clips/embeddings" in call(project, "embed_tubes")
    assert (artifacts(project) / "embeddings").is_dir() and not made(project)
    save_encoder(project / "clip")
    configure(project, "clip", embed_tubes={"points": 2, "context": 0.15})
    assert f"{VIDEOS} videos" in call(project, "embed_tubes")
    first = contents(artifacts(project) / "embeddings")
    for path in made(project):
        tubes = artifacts(project) / "tubes" / path.name
        read = artifact.read(schemas.EMBEDDINGS, path)
        assert len(read["crop_offset"]) == len(artifact.read(schemas.TUBES, tubes)["tube_score"]) + 1
        assert (np.diff(read["crop_offset"]) <= 2).all() and len(read["embedding"])
        assert read_embeddings(path, tubes).encoder.endswith(" context 0.15")
    call(project, "embed_tubes", "--force")
    assert contents(artifacts(project) / "embeddings") == first
    shutil.copytree(project / "clip", project / "moved")
    configure(project, "moved")
    assert f"{VIDEOS} up to date" in call(project, "embed_tubes")  # its contents count, not its place
    for changed in ({"context": 0.3}, {"points": 3}):
        configure(project, "moved", embed_tubes=changed)
        assert "up to date" not in call(project, "embed_tubes")
    save_encoder(project / "moved", seed=1)
    assert "up to date" not in call(project, "embed_tubes")
    configure(project, None)
    call(project, "embed_tubes")
    assert not made(project)


@pytest.mark.parametrize(
    ("encoder", "told"),
    [("nowhere", "no such encoder"), (3, "'encoder: 3' is not a folder"), ("data", "lacks config")],
)
def test_what_is_no_encoder_ends_the_stage_before_any_work(project, encoder, told):
    configure(project, encoder)
    before = contents(artifacts(project))
    assert told in call(project, "embed_tubes", code=1) and contents(artifacts(project)) == before


def test_a_model_is_trained_and_used_with_its_encoder_and_refused_with_another(project, tmp_path):
    for name, seed in (("clip", 0), ("other", 1)):
        save_encoder(project / name, seed=seed)
    configure(project, "clip", embed_tubes={"points": 2, "context": 0.15})
    assert "no such artifact; make it again: python stages/embed_tubes.py" in call(project, "train_em", code=1)
    call(project, "embed_tubes")
    call(project, "train_em")
    trained = json.loads((artifacts(project) / "model" / "model.json").read_text())
    (seen_by,) = {str(artifact.read(schemas.EMBEDDINGS, p)["encoder"]) for p in made(project)}
    assert trained["vocabulary"]["region_text"] == seen_by and trained["settings"]["prompts"] == "a photo of {}"
    call(project, "ground_queries", "--split", "train")
    ground = ("data/clips/clip000.mp4", "--query", "the red ball", "--out", tmp_path / "out")
    video = project / ground[0]
    told = invoke(project, ground_command, video, *ground[1:])
    assert "the red ball: frames" in told
    assert "the red ball: frames" in invoke(project, ground_command, video, *ground[1:], "--untrained")

    configure(project, "clip", embed_tubes={"context": 0.5})
    told = invoke(project, ground_command, video, *ground[1:], code=1)
    assert "trained on crops with 0.15 of context, not 0.5; set embed_tubes.context to 0.15" in told
    configure(project, "other", embed_tubes={"context": 0.15})
    assert "was trained with the region-text encoder clip:" in call(project, "ground_queries", code=1)
    told = call(project, "ground_queries", "--untrained", code=1)
    assert "was made with encoder clip:" in told and "run python stages/embed_tubes.py" in told
    call(project, "embed_tubes")
    call(project, "ground_queries", "--untrained", "--split", "train")
    configure(project, None)
    told = call(project, "ground_queries", code=1)
    assert "set 'encoder:' of the data set's block to its folder, or train again" in told


def test_of_weight_0_the_encoder_is_not_even_read(project):
    configure(project, "nowhere", train_em={"region_text_prior": 0.0}, untrained={"region_text_prior": 0.0})
    call(project, "train_em")
    assert not json.loads((artifacts(project) / "model" / "model.json").read_text())["vocabulary"]["region_text"]
    call(project, "ground_queries", "--split", "train")
    call(project, "ground_queries", "--split", "train", "--untrained")
