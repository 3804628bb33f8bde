"""TubeDETR's results (Yang et al., CVPR 2022): `log_stats.json`, written by `main.py --eval --test`.

The member `test_vidstg_vidstg` or `test_hcstvg_hcstvg` contains `predictions` {"<number>_<frame>": {"boxes": [[x1,
y1, x2, y2]]}}, xyxy pixels in the sampled frames of a sentence's segment, and `video_predictions` {number: {"sted":
[begin, end), "qtype"}}. Numbers are indices of the sentences in the annotation file; in VidSTG the questions of a
record precede its captions. Without `--test` no boxes are written. Sources: TubeDETR's engine.py,
datasets/*_eval.py and preproc/*.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vcma.conversion.answers import StatedAnswer
from vcma.conversion.conventions import Conventions
from vcma.conversion.dropped import Dropped
from vcma.conversion.results import only_box, results_block, span_of
from vcma.conversion.samples import Sample, SampleTable, checked_numbers, is_number
from vcma.errors import InputError
from vcma.evaluation.protocols import sampled_frames
from vcma.pipeline.storage import read_json

CONVENTIONS = Conventions()
_REMEDY = "give the log_stats.json of main.py --eval --test"


def read(path: Path, table: SampleTable, dropped: Dropped) -> Iterator[StatedAnswer]:
    """Yield the predictions of a results file; raises InputError if it is not one, or is for other sentences."""
    block = results_block(read_json(path, _REMEDY), table.form, path, _REMEDY, dropped)
    answers, tubes = block["video_predictions"], _by_number(block["predictions"], path)
    stated = {
        "query_type": {number: value["qtype"] for number, value in answers.items() if "qtype" in value},
        "first": _true_starts(block.get("vid_metrics"), late=table.form == "hcstvg"),
    }
    samples = checked_numbers({**answers, **tubes}, table.numbered(questions_first=True), stated, path, dropped)
    for number, sample in samples.items():
        if number not in answers:
            dropped.add("sentences with boxes but no span", number)
            continue
        frames, boxes = tubes.get(number, ([], []))
        time, box = np.array(frames, np.float64), np.array(boxes, np.float64).reshape(-1, 4)
        yield StatedAnswer(sample, span_of(answers[number], number, path), time, box)


def _by_number(predictions: Mapping[str, Any], path: Path) -> dict[str, tuple[list[int], list[Any]]]:
    """Group {"<number>_<frame>": {"boxes": [box]}} as {number: (frames, boxes)}."""
    found: dict[str, tuple[list[int], list[Any]]] = {}
    for key, value in predictions.items():
        number, _, frame = key.rpartition("_")
        if not (is_number(number) and is_number(frame) and isinstance(value, dict) and "boxes" in value):
            what = f'predictions contains "{key}", not "<number>_<frame>": {{"boxes": ...}}'
            raise InputError(what, path, "try --from stcat" if is_number(key) else _REMEDY)
        frames, boxes = found.setdefault(number, ([], []))
        frames.append(int(frame))
        boxes.append(only_box(value["boxes"], key, path))
    return found


def _true_starts(metrics: Any, late: bool) -> dict[str, int]:
    """Return the first frame of each number's true span. TubeDETR reads HC-STVG's 1-based frames as 0-based."""
    if not isinstance(metrics, dict):
        return {}
    return {n: int(m["gt_sted"][0]) - late for n, m in metrics.items() if isinstance(m, dict) and "gt_sted" in m}


def written(answers: Iterable[StatedAnswer], table: SampleTable, dropped: Dropped) -> dict[str, Any]:
    """Return predictions as a results file, with boxes in the frames that TubeDETR samples."""
    number = {sample.id: i for i, sample in enumerate(table.numbered(questions_first=True))}
    predictions: dict[str, Any] = {}
    spans: dict[str, Any] = {}
    for answer in answers:
        sample, i = answer.sample, number[answer.sample.id]
        sampled = np.isin(answer.time, _sampled(sample))
        dropped.add("boxes in frames that TubeDETR does not sample", sample.id, int((~sampled).sum()))
        for frame, box in zip(answer.time[sampled].tolist(), answer.box[sampled].tolist(), strict=True):
            predictions[f"{i}_{frame:g}"] = {"boxes": [box]}
        spans[str(i)] = {"sted": list(map(float, answer.span or ()))}
        if table.form == "vidstg":
            spans[str(i)]["qtype"] = sample.query_type
    name = f"test_{table.form}_{table.form}"
    return {name: {"predictions": predictions, "video_predictions": spans}}


def _sampled(sample: Sample) -> Sequence[int]:
    begin, end = sample.segment
    return sampled_frames(begin, end - 1, sample.video.fps).tolist()
