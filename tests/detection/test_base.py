"""What the backends share, and that both select regions alike."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vcma.boxes import pairwise_iou
from vcma.detection.base import detection_mask, read_names
from vcma.detection.detectron2_candidates import Limits
from vcma.detection.detectron2_config import import_detectron2
from vcma.detection.selection import best_boxes


def test_names_take_the_first_synonym(tmp_path):
    (tmp_path / "names").write_text("yolk\nbathtub,bath tub\n\n dog \n")
    assert read_names(tmp_path / "names") == ("yolk", "bathtub", "dog")


@given(st.lists(st.tuples(*[st.integers(0, 12)] * 4), min_size=1, max_size=8), st.floats(0.01, 1e4))
@settings(max_examples=60, deadline=None)
def test_iou_of_float32_boxes_is_the_textbook_formula_bit_by_bit(rows, unit):
    """Boxes that touch, are equal or are empty among them."""
    rows = np.array(rows)
    boxes = (np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:]], 1) * unit).astype(np.float32)
    for box in boxes:
        sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
        common = sides.clip(0).prod(1)
        union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - common
        expected = np.array([c / u if u > 0 else 0 for c, u in zip(common, union, strict=True)], np.float32)
        assert pairwise_iou(box, boxes).tobytes() == expected.tobytes()


_BOXES = st.lists(st.tuples(*[st.integers(0, 30)] * 4, st.integers(0, 9)), max_size=12)


@given(_BOXES, st.floats(0.1, 0.9), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_all_suppressions_equal_the_definition(rows, threshold, top_k):
    import_detectron2()
    from vcma.detection import detectron2_batches, detectron2_per_image

    rows = np.array(rows, np.float32).reshape(-1, 5)
    boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], 1)
    scores = ((rows[:, 4] + np.arange(len(rows)) * 1e-3) / 10).astype(np.float32)  # no ties
    expected: list[int] = []
    for i in np.argsort(-scores):
        fit = (rows[i, 2:4] >= 4).all() and scores[i] > 0.2 and len(expected) < top_k
        if fit and all(pairwise_iou(boxes[i], boxes[j]) <= threshold for j in expected):
            expected.append(int(i))
    kept = best_boxes(boxes, scores, top_k, 0.2, threshold, 4)
    assert kept.tolist() == expected
    limits, tensors = Limits(top_k, 0.2, threshold, 4), (torch.from_numpy(boxes), torch.from_numpy(scores))
    assert detectron2_per_image._select(*tensors, limits).tolist() == expected
    kept, real = detectron2_batches.select(*tensors, [len(boxes)], limits)
    assert kept[real].tolist() == expected


def test_the_mask_is_the_same_of_arrays_and_tensors():
    boxes = np.array(
        [
            [0, 0, 9, 9],
            [0, 0, 9, 3],  # a side below min_size
            [5, 5, 5, 9],  # empty
            [9, 9, 0, 0],  # its corners exchanged
            [0, 0, np.inf, 9],
            [0, np.nan, 9, 9],
            [1, 1, 9, 9],  # of too low a score
        ],
        np.float32,
    )
    scores = np.array([0.5] * 6 + [0.2], np.float32)
    for min_size, expected in ((4, [0]), (0, [0, 1])):
        mask = detection_mask(boxes, scores, 0.2, min_size)
        assert np.flatnonzero(mask).tolist() == expected
        tensors = detection_mask(torch.from_numpy(boxes), torch.from_numpy(scores), 0.2, min_size)
        assert tensors.tolist() == mask.tolist()
