"""Box arithmetic: IoU is symmetric, bounded and 1 only for equal boxes; nothing breaks on empty or NaN boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vcma import boxes

any_boxes = hnp.arrays(np.float64, st.tuples(st.integers(0, 6), st.just(4)), elements=st.floats(-50, 400))


@given(any_boxes, any_boxes)
def test_iou_is_symmetric_and_bounded(a: np.ndarray, b: np.ndarray) -> None:
    iou = boxes.iou_matrix(a, b)
    assert iou.shape == (len(a), len(b))
    assert ((iou >= 0) & (iou <= 1)).all()
    np.testing.assert_allclose(iou, boxes.iou_matrix(b, a).T, atol=1e-12)


@given(any_boxes)
def test_iou_with_itself_is_one_unless_empty(a: np.ndarray) -> None:
    full = boxes.area(a) > 1e-100  # below, the area itself underflows
    np.testing.assert_allclose(boxes.pairwise_iou(a, a)[full], 1)
    assert (boxes.pairwise_iou(a, a)[boxes.area(a) == 0] == 0).all()


@given(any_boxes, any_boxes, st.floats(-100, 100))
def test_iou_does_not_depend_on_where_the_boxes_lie(a: np.ndarray, b: np.ndarray, by: float) -> None:
    a, b = np.round(a), np.round(b)  # whole pixels: a shift rounds nothing away
    np.testing.assert_allclose(boxes.iou_matrix(a + by, b + by), boxes.iou_matrix(a, b), atol=1e-6)


centres = hnp.arrays(np.float64, (5, 2), elements=st.floats(-50, 400))
sizes = hnp.arrays(np.float64, (5, 2), elements=st.floats(0.5, 400))


@given(centres, sizes, centres, sizes)
def test_iou_by_centre_and_size_is_that_of_the_edges(
    centre: np.ndarray, size: np.ndarray, other_centre: np.ndarray, other_size: np.ndarray
) -> None:
    a = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    b = np.concatenate([other_centre - other_size / 2, other_centre + other_size / 2], axis=1)
    iou = boxes.iou_of_centred(centre, size, other_centre, other_size)
    np.testing.assert_allclose(iou, boxes.pairwise_iou(a, b), atol=1e-9)
    np.testing.assert_array_equal(iou, boxes.iou_of_centred(other_centre, other_size, centre, size))
    assert (boxes.iou_of_centred(centre, 0 * size, other_centre, other_size) == 0).all()


def test_iou_by_hand() -> None:
    a, b = np.array([0.0, 0, 10, 10]), np.array([5.0, 0, 15, 10])
    assert boxes.pairwise_iou(a, b) == pytest.approx(50 / 150)
    assert boxes.pairwise_iou(a, b + 20) == 0


def test_empty_and_nan_boxes_have_no_area_and_no_overlap() -> None:
    odd = np.array([[5.0, 5, 5, 9], [9, 5, 5, 9], [9, 9, 5, 5], [np.nan, 0, 9, 9]])
    assert boxes.area(odd).tolist() == [0, 0, 0, 0]
    assert not boxes.iou_matrix(odd, np.array([[0.0, 0, 10, 10]])).any()


@given(any_boxes)
def test_clip_keeps_boxes_within_the_picture(a: np.ndarray) -> None:
    cut = boxes.clip(a, 320, 240)
    assert (cut >= 0).all() and (cut[:, ::2] <= 320).all() and (cut[:, 1::2] <= 240).all()
    assert (boxes.area(cut) <= boxes.area(a) + 1e-9).all()


def test_interpolate_is_linear_in_time_and_constant_outside() -> None:
    values = boxes.interpolate(np.array([-1.0, 0, 1, 2, 9]), np.array([0.0, 4]), np.array([[0.0, 8], [4, 0]]))
    assert values.tolist() == [[0, 8], [0, 8], [1, 6], [2, 4], [4, 0]]


def test_interpolate_repeats_a_single_knot() -> None:
    values = boxes.interpolate(np.array([0.0, 3]), np.array([2.0]), np.array([[7.0]]))
    assert values.tolist() == [[7], [7]]
