"""Small PROPOSALS columns to link."""

from __future__ import annotations

from typing import Any

import numpy as np


def proposals(
    frames: list[list[list[float]]], feature: np.ndarray | None = None, fps: float = 5.0
) -> dict[str, Any]:
    """PROPOSALS columns of the given boxes, frame by frame; scores 0.9; features random unless given [box, D]."""
    count = [len(frame) for frame in frames]
    total = sum(count)
    rng = np.random.default_rng(0)
    return {
        "frame": np.arange(len(frames)) * 6,
        "time": np.arange(len(frames)) / fps,
        "box_offset": np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
        "box": np.array([box for frame in frames for box in frame], np.float32).reshape(total, 4),
        "score": np.full(total, 0.9, np.float32),
        "class_prob": np.tile([0.75, 0.25], (total, 1)).astype(np.float16),
        "attribute_prob": np.zeros((total, 3), np.float16),
        "feature": (rng.normal(size=(total, 8)) if feature is None else feature).astype(np.float16),
        "class_name": np.array(["person", "dog"], dtype=object),
        "attribute_name": np.array(["red", "blue", "green"], dtype=object),
        "detector": np.array("test", dtype=object),
        "width": np.array(320),
        "height": np.array(240),
    }


def walk(frames: int, start: float = 10.0, speed: float = 5.0, top: float = 20.0) -> list[list[float]]:
    """Boxes [frames] of 40 x 50 px that move to the right by `speed` px a frame."""
    return [[start + speed * t, top, start + speed * t + 40, top + 50] for t in range(frames)]
