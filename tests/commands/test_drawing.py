"""Labels of drawn boxes: in the picture, never over each other, on their box where there is room."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vcma.commands.drawing import free_spot


@given(st.lists(st.tuples(st.integers(-20, 400), st.integers(-20, 300), st.integers(10, 90)), max_size=20))
def test_labels_lie_in_the_picture_and_never_over_each_other(wanted):
    boxes = np.array([(x, y, x + 60, y + 80) for x, y, _ in wanted], float).reshape(-1, 4)
    found: list = []
    for box, (_, _, width) in zip(boxes, wanted, strict=True):
        found.append(free_spot(box[:2], width, (320, 240), boxes, found))
    for i, (x1, y1, x2, y2) in enumerate(found):
        assert 0 <= x1 < x2 <= 320 and 0 <= y1 < y2 <= 240
        assert all(x1 >= right or x2 <= left or y1 >= low or y2 <= high for left, high, right, low in found[:i])


def test_a_label_alone_stands_on_its_box():
    spot = free_spot(np.array([50.0, 60.0]), 40, (320, 240), np.array([[50.0, 60, 90, 99]]), [])
    assert spot == (50, 46, 90, 60)
