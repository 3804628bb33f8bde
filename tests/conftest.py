"""Shared fixtures: small generated tubes and sentences, and where the real test data are."""

import os
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
import yaml
from hypothesis import settings

from tests import shapes

torch.set_num_threads(1)
# The shapes in annotations are checked wherever tests call the mathematics; elsewhere they cost nothing.
SHAPED = ("vcma.model", "vcma.batching")
jaxtyping.install_import_hook(SHAPED, f"{shapes.__name__}.checker")
# A loaded machine is slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

ROOT = Path(__file__).resolve().parent.parent
STAGES = tuple(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])  # in the order of the pipeline


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real test data; tests that need it skip where VCMA_TEST_DATA is unset."""
    folder = os.environ.get("VCMA_TEST_DATA")
    if not folder:
        pytest.skip("VCMA_TEST_DATA is unset: no real test data here")
    return Path(folder)


def make_tubes(seed: int, tubes: int = 4, frames: int = 12, feature: int = 6, gaps: bool = True) -> dict:
    """TUBES columns of one generated video of 320 x 240 px: tubes that walk at random, some with gaps."""
    random = np.random.default_rng(seed)
    points, position = [], []
    for _ in range(tubes):
        here = np.flatnonzero(random.random(frames) < (0.8 if gaps else 1.1))
        here = here if len(here) else np.array([0])
        centre = random.uniform(60, 180, 2) + np.cumsum(random.normal(0, 6, (frames, 2)), 0)
        half = random.uniform(10, 40, 2)
        box = np.concatenate([centre - half, centre + half], axis=1)[here]
        points.append(box.astype(np.float32))
        position.append(here)
    count = sum(map(len, points))
    return {
        "frame": np.arange(frames, dtype=np.int64) * 3,
        "time": np.arange(frames) * 0.25,
        "point_offset": np.cumsum([0, *map(len, points)]).astype(np.int64),
        "position": np.concatenate([np.zeros(0, np.int64), *position]).astype(np.int64),
        "box": np.concatenate([np.zeros((0, 4), np.float32), *points]),
        "score": np.full(count, 0.9, np.float32),
        "interpolated": np.zeros(count, bool),
        "feature": random.normal(size=(count, feature)).astype(np.float16),
        "tube_score": np.linspace(1, 0.5, tubes).astype(np.float32),
        "class_prob": random.dirichlet(np.ones(3), tubes).astype(np.float16),
        "attribute_prob": random.random((tubes, 2)).astype(np.float16),
        "class_name": np.array(["adult", "dog", "ball"], dtype=object),
        "attribute_name": np.array(["red", "blue"], dtype=object),
        "detector": "test",
        "width": np.int64(320),
        "height": np.int64(240),
    }


def unseal(path: Path) -> Path:
    """Make an artifact look like one of another writer, which HDF5 can read all the same."""
    with open(path, "rb+") as file:
        file.write(bytes(8))
    return path
