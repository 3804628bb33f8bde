"""Predictions: reading files of other programs, and writing such files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vcma.conversion import coco_video, mot_spans, stcat, tubedetr
from vcma.conversion.answers import StatedAnswer, VideoOf, predicted_tubes, stated_answers
from vcma.conversion.conventions import Conventions
from vcma.conversion.dropped import Dropped
from vcma.conversion.samples import Sample, SampleTable
from vcma.errors import InputError
from vcma.evaluation import exchange
from vcma.pipeline import storage
from vcma.records.predicted_tubes import PredictedTubes

OURS = "vcma"
# Default conventions of each format for boxes and times.
CONVENTIONS: Mapping[str, Conventions] = {
    OURS: Conventions(),
    "tubedetr": tubedetr.CONVENTIONS,
    "stcat": stcat.CONVENTIONS,
    "coco": coco_video.CONVENTIONS,
    "mot": mot_spans.CONVENTIONS,
}
FORMATS = tuple(CONVENTIONS)


@dataclass(frozen=True)
class Companions:
    """Files that accompany predictions: spans of MOT text, and the file that lists the videos of COCO results."""

    spans: Path | None = None
    videos: Path | None = None


@dataclass(frozen=True)
class Conversion:
    """A conversion within one split; `dropped` collects what is left out."""

    table: SampleTable
    video_of: VideoOf
    dropped: Dropped

    @cached_property
    def samples(self) -> dict[str, Sample]:
        return self.table.by_id()

    def read(self, path: Path, form: str, conventions: Conventions, beside: Companions) -> PredictedTubes:
        """Read the predictions of a file in one of FORMATS; raises InputError."""
        if form == OURS and conventions == CONVENTIONS[OURS]:
            self._note_extras(path)
            return exchange.named_for(exchange.read_predictions(path), self.samples, self.table.split)
        readers: dict[str, Callable[[], Any]] = {
            OURS: lambda: self._ours(path),
            "tubedetr": lambda: tubedetr.read(path, self.table, self.dropped),
            "stcat": lambda: stcat.read(path, self.table, self.dropped),
            "coco": lambda: coco_video.answers(
                coco_video.read(path, beside.videos, self.dropped)[0], self.samples, self.dropped
            ),
            "mot": lambda: mot_spans.read(path, beside.spans, self.samples, self.dropped),
        }
        return predicted_tubes(readers[form](), conventions, self.video_of, self.dropped, path)

    def _note_extras(self, path: Path) -> None:
        """Note other members of predictions in our format, such as doubts, from the first one."""
        first = next(exchange.members(path), ("", None))[1]
        extras = sorted(set(first) - {"span", "boxes"}) if isinstance(first, dict) else []
        self.dropped.add("members of each prediction besides span and boxes", ", ".join(extras), len(extras))

    def _ours(self, path: Path) -> list[StatedAnswer]:
        """Read predictions by sample ids whose boxes and times follow other conventions."""
        found = []
        for name, value in exchange.members(path):
            sample = self.samples.get(name.removesuffix(f"@{self.table.split}"))
            if sample is None:
                self.dropped.add("predictions that match no sample of the split", name)
                continue
            try:
                begin, end = map(float, value["span"])
                boxes = value.get("boxes") or {}
                time, box = np.array(list(map(float, boxes))), np.array(list(boxes.values()), np.float64)
                found.append(StatedAnswer(sample, (begin, end), time, box.reshape(-1, 4)))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise InputError(f"sample '{name}': {error}", path, exchange.REMEDY) from error
        return found

    def write(self, predictions: PredictedTubes, out: Path, form: str, conventions: Conventions) -> None:
        """Write predictions as a file in one of FORMATS, or a folder for `mot`; raises InputError."""
        if form == OURS and conventions == CONVENTIONS[OURS]:
            storage.write_bytes(out, exchange.to_json(predictions))
            return
        stated = list(stated_answers(predictions, self.samples, conventions, self.video_of, self.dropped))
        if form == "mot":
            for name, text in mot_spans.written(stated).items():
                storage.write_bytes(out / name, text.encode())
            return
        writers: dict[str, Callable[[], Any]] = {
            OURS: lambda: {a.sample.id: _plain(a) for a in stated},
            "tubedetr": lambda: tubedetr.written(stated, self.table, self.dropped),
            "stcat": lambda: stcat.written(stated, self.table),
            "coco": lambda: coco_video.written(stated),
        }
        storage.write_bytes(out, storage.compact_json(writers[form]()))


def _plain(answer: StatedAnswer) -> dict[str, Any]:
    boxes = zip(answer.time.tolist(), answer.box.round(6).tolist(), strict=True)
    return {"span": list(answer.span or ()), "boxes": {f"{time:.6g}": box for time, box in boxes}}
