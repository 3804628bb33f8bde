"""Embeddings of the tubes of one video: a few crops of each, in batches, every frame decoded once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np

from vcma.embedding.crops import chosen_points, crop
from vcma.records.columns import Columns, offsets
from vcma.records.embeddings import fingerprint
from vcma.records.tubes import Tubes
from vcma.text.dual_encoder import DualEncoder
from vcma.video.pictures import still

Read = Callable[[np.ndarray], Iterable[tuple[int, np.ndarray]]]


def embed(
    encoder: DualEncoder,
    frame: np.ndarray,
    read: Read,
    tubes: Tubes,
    *,
    points: int,
    context: float,
    batch: int,
) -> Columns:
    """The EMBEDDINGS columns of the tubes of one video.

    frame: native frames that can be read; read(some of them, ascending): each with its picture (H, W, 3) BGR, of
    any size; what is left out has embeddings of 0.

    points: most crops of one tube; context: share of a box's sides that is seen around it; batch: crops of one
    forward pass.
    """
    chosen = chosen_points(tubes, frame, points)
    point = np.concatenate([np.zeros(0, np.int64), *chosen])
    embedding = np.zeros((len(point), encoder.width), np.float16)
    crops = _crops(read, tubes, point, context)
    while some := list(islice(crops, batch)):
        embedding[[row for row, _ in some]] = encoder.embed_pictures([picture for _, picture in some])
    return {
        "crop_offset": offsets(map(len, chosen)),
        "point": point,
        "frame": tubes.frame[tubes.position[point]],
        "embedding": embedding,
        "encoder": fingerprint(encoder.name, context),
    }


def _crops(read: Read, tubes: Tubes, point: np.ndarray, context: float) -> Iterator[tuple[int, np.ndarray]]:
    """(row in `point`, picture in RGB) of each chosen point, frame by frame."""
    native = tubes.frame[tubes.position[point]]
    for frame, picture in read(np.unique(native)):
        height, width = picture.shape[:2]
        scale = np.array([width / max(tubes.width, 1), height / max(tubes.height, 1)] * 2)
        for row in np.flatnonzero(native == frame).tolist():
            yield row, np.ascontiguousarray(crop(picture, tubes.box[point[row]] * scale, context)[..., ::-1])


def reader_of(frames: Columns) -> Read:
    """What reads the FRAMES columns of one video."""
    row = {int(frame): i for i, frame in enumerate(frames["frame"])}
    return lambda wanted: ((frame, still(frames, row[frame])) for frame in wanted.tolist())
