"""Metrics of detectors whose answers are known."""

import numpy as np
import pytest

from demo.train_detector import world_pictures
from vcma.detector_training.detection_metrics import detection_metrics, evaluate_detector
from vcma.detector_training.pictures import AnnotatedPicture
from vcma.records.regions import Regions


def test_a_perfect_detector():
    """Boxes equal to the truth: AP, recall and accuracy are 1; attributes that follow the truth have AUC 1."""
    pictures = world_pictures(5, 6)
    names = tuple(sorted({label for picture in pictures for label in picture.labels}))
    words = tuple(sorted({word for picture in pictures for row in picture.attributes for word in row}))

    queue = list(pictures)

    class Perfect:
        class_names, attribute_names = names, words

        def detect(self, pictures, **_):
            truth = queue.pop(0)
            return [
                Regions(
                    box=truth.boxes,
                    score=np.linspace(1, 0.5, len(truth.boxes), dtype=np.float32),
                    class_prob=np.array([[label == name for name in names] for label in truth.labels], np.float16),
                    attribute_prob=np.array([[w in row for w in words] for row in truth.attributes], np.float16),
                    feature=np.zeros((len(truth.boxes), 1), np.float16),
                )
            ]

    result = evaluate_detector(Perfect(), pictures)
    assert result["ap"] == pytest.approx(1) and result["recall"] == 1
    assert result["class_accuracy"] == 1 and set(result["attribute_auc"].values()) == {1.0}


def _regions(boxes, classes, attributes):
    count = len(boxes)
    return Regions(
        box=np.array(boxes, np.float32).reshape(count, 4),
        score=np.linspace(1, 0.5, count, dtype=np.float32),
        class_prob=np.eye(2, dtype=np.float16)[classes].reshape(count, 2),
        attribute_prob=np.array(attributes, np.float16).reshape(count, 1),
        feature=np.zeros((count, 1), np.float16),
    )


def test_numbers_by_hand():
    """Three objects, of which two are found; one of them by a region of another class."""
    boxes = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [50, 50, 60, 60]], np.float32)
    truth = AnnotatedPicture(b"", boxes, ("cat", "dog", "dog"), (("red",), (), ()))
    found = _regions([[20, 0, 30, 9], [0, 0, 10, 9], [55, 55, 70, 70]], [1, 1, 1], [0.2, 0.7, 0.9])
    metrics = detection_metrics(("cat", "dog"), ("red",), [(truth, found)])
    assert metrics["recall"] == 2 / 3 and metrics["recall_by_category"] == {"cat": 1, "dog": 0.5}
    assert metrics["class_accuracy"] == 0.5 and metrics["attribute_auc"] == {"red": 1}
    # Of the dogs, the region of the highest score is true, the others are not: precision 1 up to recall 0.5, 51 of
    # COCO's 101 points; no region is a cat. Its IoU is 0.9, so that it counts at nine or eight of ten thresholds.
    assert metrics["ap50"] == pytest.approx(51 / 101 / 2)
    assert metrics["ap"] / metrics["ap50"] == pytest.approx(0.85, abs=0.051)


def test_a_detector_that_finds_nothing():
    truth = AnnotatedPicture(b"", np.array([[0, 0, 9, 9]], np.float32), ("cat",), ((),))
    metrics = detection_metrics(("cat", "dog"), ("red",), [(truth, _regions([], [], []))])
    assert metrics == {
        **{"ap": 0, "ap50": 0, "recall": 0, "recall_by_category": {"cat": 0}},
        **{"class_accuracy": 0, "attribute_auc": {}},
    }
