"""Which regions of tubes are embedded, and what of their pictures is seen."""

import cv2
import numpy as np
import pytest

from tests.conftest import make_tubes
from tests.text.encoders import save_encoder
from vcma.embedding.crops import chosen_points, crop
from vcma.embedding.tube_embeddings import embed
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.video_artifacts import read_embeddings
from vcma.records.columns import offsets
from vcma.records.embeddings import Embeddings
from vcma.records.tubes import Tubes
from vcma.text.dual_encoder import DualEncoder


def frames_of(tubes: Tubes, scale: float = 1.0) -> dict:
    """FRAMES columns of a video in which every tube wears a colour of its own; stored at `scale` of its size."""
    files = []
    for t in range(len(tubes.frame)):
        picture = np.full((round(tubes.height * scale), round(tubes.width * scale), 3), 90, np.uint8)
        for tube in range(len(tubes)):
            x0, y0, x1, y1 = (tubes.boxes_at(tube, tubes.frame[[t]])[0] * scale).round().astype(int)
            picture[max(y0, 0) : y1, max(x0, 0) : x1] = np.eye(3)[tube % 3] * (250 - 40 * (tube // 3))
        files.append(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].ravel())
    return {
        "frame": tubes.frame, "time": tubes.time, "jpeg_offset": offsets(map(len, files)),
        "jpeg": np.concatenate(files), "width": np.int64(tubes.width), "height": np.int64(tubes.height),
        "fps": 12.0, "frame_count": np.int64(40),
    }  # fmt: skip


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return DualEncoder(save_encoder(tmp_path_factory.mktemp("clip")))


@pytest.fixture(scope="module")
def tubes():
    return Tubes.of(make_tubes(3, tubes=3))


def test_a_tubes_points_are_spread_over_its_time_and_the_best_scored_there(tubes):
    score = np.linspace(0.1, 0.9, len(tubes.score)).astype(np.float32)
    scored = Tubes.of(tubes.columns() | {"score": score})
    every = np.ones(len(tubes.score), bool)
    for tube, points in enumerate(chosen_points(scored, every, 4)):
        mine = np.arange(*tubes.point_offset[tube : tube + 2])
        assert points.tolist() == [part[-1] for part in np.array_split(mine, 4)]
    assert [len(p) for p in chosen_points(scored, every, 99)] == np.diff(tubes.point_offset).tolist()


def test_guessed_boxes_are_chosen_last_and_unusable_ones_never(encoder, tubes):
    first = np.arange(len(tubes.score)) < tubes.point_offset[1]
    guessed = Tubes.of(tubes.columns() | {"interpolated": first | (np.arange(len(first)) % 2 == 0)})
    chosen = chosen_points(guessed, np.ones(len(first), bool), 3)
    assert len(chosen[0]) == 3 and all((p % 2 == 1).all() for p in chosen[1:])
    assert [len(p) for p in chosen_points(tubes, np.zeros(len(first), bool), 5)] == [0, 0, 0]
    frames = frames_of(tubes)
    frames["frame"] = frames["frame"].copy()
    frames["frame"][tubes.frame < 18] -= 1000  # no longer stored
    embedded = embed(encoder, frames, tubes, points=5, context=0.0, batch=8)
    assert len(embedded["frame"]) and (embedded["frame"] >= 18).all()


@pytest.mark.parametrize(
    ("box", "context", "seen"),
    [
        ([10, 20, 30, 60], 0, (slice(20, 60), slice(10, 30))),
        ([10, 20, 30, 60], 0.5, (slice(0, 80), slice(0, 40))),
        ([90.4, 45, 99.9, 59.5], 0.0, (slice(45, 60), slice(90, 100))),
        ([99.9, 59.9, 99.95, 59.95], 0.0, (slice(58, 60), slice(98, 100))),
    ],
)
def test_a_crop_is_the_box_and_some_context_within_the_picture(box, context, seen):
    picture = np.arange(80 * 100 * 3).reshape(80, 100, 3)[: 60 if box[1] > 40 else 80]
    np.testing.assert_array_equal(crop(picture, np.array(box), context), picture[seen])


def test_tubes_that_look_alike_are_close_whatever_the_stored_size(encoder, tubes):
    columns = embed(encoder, frames_of(tubes), tubes, points=4, context=0.0, batch=5)
    found = Embeddings.of(columns)
    assert found.encoder == f"{encoder.name} context 0" and found.tube.tolist() == np.repeat(range(3), 4).tolist()
    np.testing.assert_array_equal(found.frame, tubes.frame[tubes.position[columns["point"]]])
    np.testing.assert_allclose(np.linalg.norm(found.embedding, axis=1), 1, atol=2e-3)
    mean = np.stack([found.embedding[found.tube == n].mean(0) for n in range(3)])
    assert ((found.embedding @ mean.T).argmax(1) == found.tube).mean() > 0.6
    smaller = Embeddings.of(embed(encoder, frames_of(tubes, 0.5), tubes, points=4, context=0.0, batch=64))
    assert ((found.embedding * smaller.embedding).sum(1) > 0.95).all()


def test_embeddings_of_other_tubes_are_refused(encoder, tubes, tmp_path):
    paths = [tmp_path / "tubes" / f"{name}.h5" for name in "ab"]
    content = [
        artifact.write(schemas.TUBES, path, make_tubes(3, tubes=3 + i), {}, {}) for i, path in enumerate(paths)
    ]
    columns = embed(encoder, frames_of(tubes), tubes, points=2, context=0.1, batch=3)
    artifact.write(schemas.EMBEDDINGS, tmp_path / "seen" / "a.h5", columns, {}, {"tubes": content[0]})
    assert len(read_embeddings(tmp_path / "seen" / "a.h5", paths[0]).tube) == 6
    with pytest.raises(
        InputError, match=r"was computed from other tubes than .*; make it again: python stages/embed"
    ):
        read_embeddings(tmp_path / "seen" / "a.h5", paths[1])
    with pytest.raises(InputError, match=r"no such artifact; make it again: python stages/embed_tubes.py"):
        read_embeddings(tmp_path / "seen" / "b.h5", paths[1])


def test_the_columns_are_an_artifact_even_of_a_video_without_tubes(encoder, tubes, tmp_path):
    for number, those in enumerate((tubes, Tubes.of(make_tubes(0, tubes=0)))):
        columns = embed(encoder, frames_of(those), those, points=2, context=0.1, batch=3)
        artifact.write(schemas.EMBEDDINGS, tmp_path / f"{number}.h5", columns, {}, {})
        read = artifact.read(schemas.EMBEDDINGS, tmp_path / f"{number}.h5")
        assert read["embedding"].shape == (2 * len(those), encoder.width)
