"""Embeddings of the tubes of one video, from a few crops of each; every frame is decoded at most once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice

import numpy as np

from vcma.embedding.crops import chosen_points, crop
from vcma.records.columns import Columns, offsets
from vcma.records.embeddings import fingerprint
from vcma.records.tubes import Tubes
from vcma.text.dual_encoder import DualEncoder
from vcma.video.pictures import still


def embed(
    encoder: DualEncoder,
    frames: Columns,
    tubes: Tubes,
    *,
    points: int,
    context: float,
    batch: int,
    watch: Callable[[Iterable, int], Iterable] = lambda crops, total: crops,
) -> Columns:
    """Compute the EMBEDDINGS columns from the FRAMES columns and the tubes of one video.

    points: maximum number of crops per tube. context: margin around a box, relative to its sides. batch: crops per
    forward pass. watch: iterates over the crops, of which there are so many, and may show progress.
    """
    stored = np.isin(tubes.frame, frames["frame"])[tubes.position]
    chosen = chosen_points(tubes, stored & np.isfinite(tubes.box).all(1), points)
    point = np.concatenate([np.zeros(0, np.int64), *chosen])
    embedding = np.zeros((len(point), encoder.width), np.float16)
    crops = iter(watch(_crops(frames, tubes, point, context), len(point)))
    while some := list(islice(crops, batch)):
        embedding[[row for row, _ in some]] = encoder.embed_images([image for _, image in some])
    return {
        "crop_offset": offsets(map(len, chosen)),
        "point": point,
        "frame": tubes.frame[tubes.position[point]],
        "embedding": embedding,
        "encoder": fingerprint(encoder.name, context),
    }


def _crops(frames: Columns, tubes: Tubes, point: np.ndarray, context: float) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (row in `point`, RGB crop) of each chosen point, frame by frame."""
    native = tubes.frame[tubes.position[point]]
    order: Iterable[int] = np.argsort(native, kind="stable").tolist()
    for frame, rows in groupby(order, key=native.__getitem__):
        image = still(frames, int(np.searchsorted(frames["frame"], frame)))
        height, width = image.shape[:2]
        scale = np.array([width / max(tubes.width, 1), height / max(tubes.height, 1)] * 2)
        for row in rows:
            yield row, np.ascontiguousarray(crop(image, tubes.box[point[row]] * scale, context)[..., ::-1])
