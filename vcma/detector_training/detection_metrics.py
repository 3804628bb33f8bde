"""Detection metrics: COCO's average precision, recall, and the accuracy of classes and attributes."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vcma.boxes import iou_matrix
from vcma.detection.base import Detector
from vcma.detector_training.pictures import AnnotatedPicture
from vcma.records.regions import Regions

_LIMITS: dict[str, Any] = {"top_k": 20, "score_threshold": 0.05, "nms_threshold": 0.6, "min_size": 4}
_MIN_IOU = 0.5  # minimum IoU at which a region finds an object

Pair = tuple[AnnotatedPicture, Regions]  # ground truth of an image, and the detected regions


def evaluate_detector(detector: Detector, pictures: Iterable[AnnotatedPicture]) -> dict[str, Any]:
    """Compute `detection_metrics` of a detector on annotated images."""
    pairs = [(picture, detector.detect([picture.pixels()], **_LIMITS)[0]) for picture in pictures]
    return detection_metrics(detector.class_names, detector.attribute_names, pairs)


def detection_metrics(
    class_names: Sequence[str], attribute_names: Sequence[str], pairs: Sequence[Pair]
) -> dict[str, Any]:
    """Compute metrics of the regions detected in annotated images by a detector with these names.

    ap: COCO's AP; ap50: AP at IoU 0.5. recall, recall_by_category: share of objects with a region at IoU >= 0.5.
    class_accuracy, attribute_auc (by attribute): over those objects, for the region with the maximum IoU.
    """
    objects = [found for picture, regions in pairs for found in _objects(picture, regions)]
    return {
        **_average_precision(class_names, pairs),
        **_recall(objects),
        "class_accuracy": _class_accuracy(class_names, objects),
        "attribute_auc": _attribute_auc(attribute_names, objects),
    }


@dataclass(frozen=True)
class _Object:
    """A ground-truth object and the region with the maximum IoU; None if no region finds the object."""

    label: str
    attributes: tuple[str, ...]
    region: Regions | None


def _objects(picture: AnnotatedPicture, regions: Regions) -> Iterator[_Object]:
    overlap = iou_matrix(picture.boxes, regions.box)
    for row, label, attributes in zip(overlap, picture.labels, picture.attributes, strict=True):
        best = int(row.argmax()) if len(regions) else 0
        found = len(regions) > 0 and row[best] >= _MIN_IOU
        yield _Object(label, attributes, regions[best : best + 1] if found else None)


def _recall(objects: Sequence[_Object]) -> dict[str, Any]:
    total = Counter(o.label for o in objects)
    found = Counter(o.label for o in objects if o.region is not None)
    return {
        "recall": found.total() / max(total.total(), 1),
        "recall_by_category": {name: found[name] / count for name, count in sorted(total.items())},
    }


def _class_accuracy(class_names: Sequence[str], objects: Sequence[_Object]) -> float:
    """Share of found objects for which the most probable class of the region is correct."""
    found = [(o.label, o.region) for o in objects if o.region is not None]
    correct = [class_names[int(region.class_prob[0].argmax())] == label for label, region in found]
    return sum(correct) / max(len(correct), 1)


def _attribute_auc(attribute_names: Sequence[str], objects: Sequence[_Object]) -> dict[str, float]:
    """Area under the ROC curve of each attribute that some but not all found objects have."""
    from scipy.stats import rankdata

    found = [(o.attributes, o.region.attribute_prob[0]) for o in objects if o.region is not None]
    auc = {}
    for column, name in enumerate(attribute_names):
        holds = np.array([name in attributes for attributes, _ in found], bool)
        positives = int(holds.sum())
        if 0 < positives < len(holds):
            ranks = rankdata(np.array([strength[column] for _, strength in found], np.float32))
            wins = ranks[holds].sum() - positives * (positives + 1) / 2
            auc[name] = float(wins / (positives * (len(holds) - positives)))
    return auc


def _average_precision(class_names: Sequence[str], pairs: Sequence[Pair]) -> dict[str, float]:
    """COCO's AP (mean over IoU 0.5 to 0.95) and AP50, with each region assigned to its most probable class."""
    labels = dict.fromkeys([*class_names, *(label for picture, _ in pairs for label in picture.labels)])
    category = {name: i + 1 for i, name in enumerate(labels)}
    truth = _coco_truth(category, [picture for picture, _ in pairs])
    results = _coco_results([regions for _, regions in pairs])
    if not truth["annotations"] or not results:
        return {"ap": 0.0, "ap50": 0.0}
    stats = _coco_statistics(truth, results)
    return {"ap": float(stats[0]), "ap50": float(stats[1])}


def _coco_truth(category: dict[str, int], pictures: Sequence[AnnotatedPicture]) -> dict[str, list[dict]]:
    """Ground truth in the format of a COCO annotation file; an image's id is its index."""
    boxes = [
        (image, category[label], _xywh(box))
        for image, picture in enumerate(pictures)
        for box, label in zip(picture.boxes, picture.labels, strict=True)
    ]
    return {
        "images": [{"id": image} for image in range(len(pictures))],
        "categories": [{"id": i, "name": name} for name, i in category.items()],
        "annotations": [
            {"id": i, "image_id": image, "category_id": c, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for i, (image, c, box) in enumerate(boxes, start=1)
        ],
    }


def _coco_results(found: Sequence[Regions]) -> list[dict[str, Any]]:
    """Regions in COCO's result format; class c has category id c + 1."""
    return [
        {"image_id": image, "category_id": int(p.argmax()) + 1, "bbox": _xywh(box), "score": float(score)}
        for image, regions in enumerate(found)
        for box, score, p in zip(regions.box, regions.score, regions.class_prob, strict=True)
    ]


def _coco_statistics(truth: dict[str, list[dict]], results: list[dict[str, Any]]) -> np.ndarray:
    """Compute the twelve statistics of COCO's box evaluation."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def _xywh(box: np.ndarray) -> list[float]:
    x1, y1, x2, y2 = map(float, box)
    return [x1, y1, x2 - x1, y2 - y1]
