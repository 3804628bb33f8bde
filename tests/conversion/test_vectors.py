"""`vcma convert tubes --embeddings`: vectors of boxes become what `embed_tubes` writes, and ground sentences."""

import json
import shutil
from importlib import import_module

import h5py
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from tests.faults import workshop
from tests.faults.workshop import artifacts
from tests.text.encoders import save_encoder
from vcma.__main__ import main
from vcma.embedding.crops import crop
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.video_artifacts import read_embeddings
from vcma.text.dual_encoder import DualEncoder, cached_encoder
from vcma.video.pictures import still

VIDEOS = ("clip000.mp4", "clip001.mp4")
POINTS = 3


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = workshop.make_project(tmp_path_factory.mktemp("vectors"), len(VIDEOS), embed_tubes={"points": POINTS})
    (folder / "data" / "clips" / "clips.csv").write_text(
        "video,sentence\n" + "".join(f"{video},the red ball.\n" for video in VIDEOS)
    )
    save_encoder(folder / "clip")
    for name in ("index_dataset", "extract_frames", "parse_queries"):
        run_stage(folder, name)
    return folder


@pytest.fixture(scope="module")
def encoder(project):
    return DualEncoder(project / "clip")


def run_stage(project, name, *options):
    cached_encoder.cache_clear()
    command = getattr(import_module(f"stages.{name}"), name)
    parallel = ("--jobs", 1) if any("--jobs" in option.opts for option in command.params) else ()
    given = [*map(str, (*options, *parallel)), "--config", str(project / "pipeline.yaml")]
    done = CliRunner().invoke(command, given)
    assert done.exit_code == 0, done.output + repr(done.exception)


def frames(project, video):
    return artifact.read(schemas.FRAMES, artifacts(project) / "frames" / f"{video}.h5")


def lay_out(project):
    """Two tracks over the stored frames of each video, as MOT text; returns its folder."""
    folder = project / "mot"
    folder.mkdir(exist_ok=True)
    for video in VIDEOS:
        rows = [
            (frame + 1, track, 5 + 40 * track, 10 + i, 20, 16, 0.5 + (i * 7 + track) % 10 / 20)
            for i, frame in enumerate(frames(project, video)["frame"])
            for track in (0, 1)
        ]
        (folder / f"{video}.txt").write_text("".join(f"{','.join(map(str, row))}\n" for row in rows))
    return folder


def boxes(project, video):
    """(frame, track, box xyxy) of each line."""
    lines = (project / "mot" / f"{video}.txt").read_text().split()
    for frame, track, x, y, w, h, _ in (map(float, line.split(",")) for line in lines):
        yield int(frame) - 1, int(track), np.array([x, y, x + w, y + h])


def convert(project, *options, code=0):
    given = ["convert", "tubes", lay_out(project), "--from", "mot", "--name", "own", "--class-name", "thing"]
    done = CliRunner().invoke(
        main, [*map(str, [*given, *options]), "--config", str(project / "pipeline.yaml")], catch_exceptions=False
    )
    assert done.exit_code == code, done.output
    return done.stderr


def configure(project, encoder):
    config = yaml.safe_load((project / "pipeline.yaml").read_text())
    config["datasets"]["clips"]["encoder"] = encoder
    (project / "pipeline.yaml").write_text(yaml.safe_dump(config))


def crops(project, encoder, video):
    """What the encoder sees in each box with a context of 0.15."""
    stored, pictures = frames(project, video), []
    for frame, _, box in boxes(project, video):
        picture = still(stored, int(np.searchsorted(stored["frame"], frame)))
        pictures.append(np.ascontiguousarray(crop(picture, box, 0.15)[..., ::-1]))
    return encoder.embed_images(pictures)


def embeddings(project, video):
    return artifact.read(schemas.EMBEDDINGS, artifacts(project) / "embeddings" / f"{video}.h5")


def save_rows(folder, rows_of):
    """A .npy file a video, of a row for each box."""
    folder.mkdir()
    for video in VIDEOS:
        np.save(folder / f"{video}.npy", rows_of(video))
    return folder


def test_vectors_of_the_same_crops_are_what_the_stage_embeds(project, encoder, tmp_path):
    configure(project, "clip")
    convert(project)
    run_stage(project, "embed_tubes")
    made = {video: embeddings(project, video) for video in VIDEOS}

    rows = save_rows(tmp_path / "seen", lambda video: crops(project, encoder, video))
    told = convert(project, "--embeddings", rows, "--context", "0.15")
    assert "changed" not in told and "to ground with these" not in told
    for video in VIDEOS:
        found = embeddings(project, video)
        assert len(found["point"]) == 2 * POINTS
        for name in ("crop_offset", "point", "frame", "encoder"):
            np.testing.assert_array_equal(found[name], made[video][name], name)
        np.testing.assert_allclose(found["embedding"], made[video]["embedding"], atol=2e-3)


@pytest.mark.parametrize("red", [0, 1])
def test_a_sentence_is_grounded_in_the_tube_whose_vectors_are_like_it(project, encoder, tmp_path, red):
    configure(project, "clip")
    words = encoder.embed_texts(["a photo of the red ball", "a photo of the dog"])
    with h5py.File(tmp_path / "vectors.h5", "w") as file:
        for video in VIDEOS:
            file[video] = np.stack([words[int(track != red)] for _, track, _ in boxes(project, video)])
    convert(project, "--embeddings", tmp_path / "vectors.h5")
    run_stage(project, "ground_queries", "--untrained")
    answers = json.loads((artifacts(project) / "predictions.json").read_text())
    assert len(answers) == len(VIDEOS)
    for answer in answers.values():
        assert {box[0] for box in answer["boxes"].values()} == {5 + 40 * red}


def test_vectors_unlike_the_encoders_of_the_same_crops_are_doubted(project, encoder, tmp_path):
    configure(project, "clip")
    seen = {video: crops(project, encoder, video) for video in VIDEOS}
    for name, rows_of, doubted in (
        ("right", seen.__getitem__, False),
        ("shifted", lambda video: np.roll(seen[video], 1, axis=0), True),
        ("other", lambda video: np.random.default_rng(0).normal(size=seen[video].shape), True),
    ):
        told = convert(project, "--embeddings", save_rows(tmp_path / name, rows_of))
        assert (f"{VIDEOS[0]}: the encoder's own vectors of" in told) == doubted, (name, told)


def test_lengths_are_made_one_and_rows_of_zeros_left_out(project, encoder, tmp_path):
    configure(project, "clip")
    count = len(list(boxes(project, VIDEOS[0])))
    vectors = np.ones((count, encoder.width)) * np.arange(count)[:, None]
    vectors[1] = np.nan
    vectors[2] *= 0
    told = convert(project, "--embeddings", save_rows(tmp_path / "rows", lambda _: vectors))
    assert (
        f"left out: {2 * 3} vectors that are zero or not finite: boxes without embedding, e.g. {VIDEOS[0]}" in told
    )
    assert f"changed: {2 * (count - 3)} vectors scaled to unit length, e.g. {VIDEOS[0]}" in told
    for video in VIDEOS:
        np.testing.assert_allclose(np.linalg.norm(embeddings(project, video)["embedding"], axis=1), 1, atol=2e-3)
        assert not set(embeddings(project, video)["frame"]) & {frames(project, video)["frame"][0]}


def test_vectors_of_another_width_are_refused_in_a_line_and_harm_nothing(project, encoder, tmp_path):
    configure(project, "clip")
    shutil.rmtree(artifacts(project) / "tubes", ignore_errors=True)
    count = len(list(boxes(project, VIDEOS[0])))
    wide = save_rows(tmp_path / "wide", lambda _: np.ones((count, encoder.width + 1)))
    told = convert(project, "--embeddings", wide, code=1)
    assert f"its vectors have {encoder.width + 1} values, the encoder's {encoder.width}" in told
    assert told.count("\n") == 1 and not (artifacts(project) / "tubes").exists()


def test_which_encoder_made_them_is_asked_for_and_kept(project, encoder, tmp_path):
    configure(project, None)
    count = len(list(boxes(project, VIDEOS[0])))
    rows = save_rows(tmp_path / "rows", lambda _: np.eye(encoder.width)[np.arange(count) % encoder.width])
    assert "say which encoder made the vectors: --encoder FOLDER" in convert(project, "--embeddings", rows, code=2)
    assert "give them with --embeddings" in convert(project, "--encoder", project / "clip", code=2)
    assert "no such encoder" in convert(project, "--embeddings", rows, "--encoder", tmp_path / "none", code=1)
    given = ("--embeddings", rows, "--encoder", project / "clip", "--context", "0")
    told = convert(project, *given)
    assert f"set 'encoder: {project / 'clip'}' in the block 'clips' of pipeline.yaml (now: null)" in told
    assert str(embeddings(project, VIDEOS[0])["encoder"]) == f"{encoder.name} context 0"
    convert(project)  # other tubes: the vectors are no longer theirs, which reading them says
    convert(project, "--max-tubes", 1)
    with pytest.raises(InputError, match="computed from other tubes"):
        tubes = artifacts(project) / "tubes" / f"{VIDEOS[0]}.h5"
        read_embeddings(artifacts(project) / "embeddings" / tubes.name, tubes)
