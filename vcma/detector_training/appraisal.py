"""How good a detector is: COCO's average precision, recall of things, and what their best boxes say about them."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from vcma.boxes import iou_matrix
from vcma.detection.base import Detector
from vcma.detector_training.pictures import Still
from vcma.records.regions import Regions

_LIMITS: dict[str, Any] = {"top_k": 20, "score_threshold": 0.05, "nms_threshold": 0.6, "min_size": 4}


def evaluate(detector: Detector, stills: Iterable[Still]) -> dict[str, Any]:
    """`appraise` a detector on pictures."""
    found = ((still, detector.detect([still.picture()], **_LIMITS)[0]) for still in stills)
    return appraise(detector.class_names, detector.attribute_names, found)


def appraise(
    class_names: Sequence[str], attribute_names: Sequence[str], found: Iterable[tuple[Still, Regions]]
) -> dict[str, Any]:
    """AP (COCO's), recall at IoU 0.5 over all and by category, and how well classes and attributes are told.

    found: what is to be seen, and what a detector with those names says of it.
    Keys: ap, ap50, recall, recall_by_category, class_accuracy and attribute_auc (over true things that are found).
    """
    pairs = list(found)
    told = _Told(class_names, attribute_names)
    for still, regions in pairs:
        told.add(still, regions)
    return {**_average_precision(class_names, pairs), **told.summary()}


class _Told:
    """Counts what the best box of each true thing says about it."""

    def __init__(self, class_names: Sequence[str], attribute_names: Sequence[str]):
        self._class_names, self._attribute_names = class_names, attribute_names
        self._all, self._hit, self._right = Counter[str](), Counter[str](), Counter[str]()
        self._strength: list[np.ndarray] = []
        self._holds: list[np.ndarray] = []

    def add(self, still: Still, regions: Regions) -> None:
        overlap = iou_matrix(still.boxes, regions.box)
        self._all.update(still.labels)
        for i, label in enumerate(still.labels):
            if overlap.shape[1] == 0 or overlap[i].max() < 0.5:
                continue
            best = int(overlap[i].argmax())
            self._hit[label] += 1
            self._right[label] += self._class_names[int(regions.class_prob[best].argmax())] == label
            self._strength.append(regions.attribute_prob[best].astype(np.float32))
            self._holds.append(np.isin(self._attribute_names, still.attributes[i]))

    def summary(self) -> dict[str, Any]:
        total, hit = max(self._all.total(), 1), max(self._hit.total(), 1)
        return {
            "recall": self._hit.total() / total,
            "recall_by_category": {name: self._hit[name] / n for name, n in sorted(self._all.items())},
            "class_accuracy": self._right.total() / hit,
            "attribute_auc": self._attribute_auc(),
        }

    def _attribute_auc(self) -> dict[str, float]:
        """Of each attribute that some thing has: how often a thing that has it outranks one that has not."""
        from scipy.stats import rankdata

        auc = {}
        strength, holds = np.array(self._strength), np.array(self._holds)
        for column, name in enumerate(self._attribute_names if len(holds) else ()):
            yes = int(holds[:, column].sum())
            if 0 < yes < len(holds):
                ranks = rankdata(strength[:, column])[holds[:, column]].sum() - yes * (yes + 1) / 2
                auc[name] = float(ranks / (yes * (len(holds) - yes)))
        return auc


def _average_precision(class_names: Sequence[str], pairs: Sequence[tuple[Still, Regions]]) -> dict[str, float]:
    """COCO's AP (mean over IoU 0.5 to 0.95) and AP50 of the regions, each counted for its best class."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    labels = dict.fromkeys([*class_names, *(label for still, _ in pairs for label in still.labels)])
    number = {name: i + 1 for i, name in enumerate(labels)}
    things = [
        (image, box, number[label])
        for image, (still, _) in enumerate(pairs)
        for box, label in zip(still.boxes, still.labels, strict=True)
    ]
    answers = [
        {"image_id": image, "category_id": int(p.argmax()) + 1, "bbox": _xywh(box), "score": float(score)}
        for image, (_, regions) in enumerate(pairs)
        for box, score, p in zip(regions.box, regions.score, regions.class_prob, strict=True)
    ]
    if not things or not answers:
        return {"ap": 0.0, "ap50": 0.0}
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells its progress on stdout
        coco = COCO()
        coco.dataset = {
            "images": [{"id": image} for image in range(len(pairs))],
            "categories": [{"id": i, "name": name} for name, i in number.items()],
            "annotations": [
                {
                    "id": i + 1,
                    "image_id": image,
                    "category_id": c,
                    "bbox": _xywh(b),
                    "area": _xywh(b)[2] * _xywh(b)[3],
                }
                | {"iscrowd": 0}
                for i, (image, b, c) in enumerate(things)
            ],
        }
        coco.createIndex()
        result = COCOeval(coco, coco.loadRes(answers), "bbox")
        result.evaluate()
        result.accumulate()
        result.summarize()
    return {"ap": float(result.stats[0]), "ap50": float(result.stats[1])}


def _xywh(box: np.ndarray) -> list[float]:
    x1, y1, x2, y2 = map(float, box)
    return [x1, y1, x2 - x1, y2 - y1]
