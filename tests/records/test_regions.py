"""Regions of one picture keep one length and are sliced together."""

from dataclasses import fields, replace

import numpy as np
import pytest

from vcma.records.regions import Regions


def regions(count=4):
    rows = np.arange(count)
    return Regions(
        box=np.repeat(rows[:, None], 4, 1).astype(np.float32),
        score=rows.astype(np.float32),
        class_prob=np.repeat(rows[:, None], 3, 1).astype(np.float16),
        attribute_prob=np.repeat(rows[:, None], 2, 1).astype(np.float16),
        feature=np.repeat(rows[:, None], 5, 1).astype(np.float16),
    )


@pytest.mark.parametrize("name", [field.name for field in fields(Regions)])
def test_arrays_of_different_lengths_are_refused(name):
    with pytest.raises(ValueError, match="regions differ in length"):
        replace(regions(), **{name: getattr(regions(3), name)})


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (slice(1, 3), [1, 2]),
        (np.array([True, False, False, True]), [0, 3]),
        (np.array([3, 0]), [3, 0]),
        (np.array([], np.intp), []),
    ],
)
def test_all_arrays_are_sliced_together(keep, expected):
    kept = regions()[keep]
    assert len(kept) == len(expected)
    for field in fields(Regions):
        values, whole = getattr(kept, field.name), getattr(regions(), field.name)
        assert values.dtype == whole.dtype
        np.testing.assert_array_equal(values, whole[expected])
