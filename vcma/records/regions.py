"""Regions of one image: the output of a detector."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True, eq=False)
class Regions:
    """k regions of one image in descending order of score, one row in every array each.

    box             [k, 4]  float32  continuous xyxy, in pixels of the input image
    score           [k]     float32  confidence in [0, 1] of the most probable class
    class_prob      [k, C]  float16  distribution over the detector's classes, without background
    attribute_prob  [k, A]  float16  strength in [0, 1] of each of the detector's attributes
    feature         [k, D]  float16  appearance feature of the region

    Raises ValueError if the arrays differ in length.
    """

    box: np.ndarray
    score: np.ndarray
    class_prob: np.ndarray
    attribute_prob: np.ndarray
    feature: np.ndarray

    def __post_init__(self) -> None:
        lengths = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"regions differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.box)

    def __getitem__(self, keep: slice | np.ndarray) -> Regions:
        """Return the regions selected by a slice, a mask [k] or row numbers, in that order."""
        return Regions(**{field.name: getattr(self, field.name)[keep] for field in fields(self)})
