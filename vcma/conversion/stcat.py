"""Results of STCAT (Jin et al., NeurIPS 2022), CG-STVG and TA-STVG: `test_results.json`, or `.pt`.

`predictions` {number: {frame: [[x1, y1, x2, y2]]}} contains xyxy pixels in every frame of the segment,
`video_predictions` {number: {"sted": [begin, end), "qtype": "declar" or "inter"}} the spans, and `vid2names` and
`vid2sents` the names of the videos and the sentences. Numbers are indices of the sentences in the annotation file;
in VidSTG the captions of a record precede its questions. STCAT saves the same object with torch.save. Sources:
their engine/evaluate.py, datasets/evaluation/*_eval.py and datasets/{vidstg,hcstvg}.py.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vcma.conversion.answers import StatedAnswer
from vcma.conversion.conventions import Conventions
from vcma.conversion.dropped import Dropped
from vcma.conversion.results import only_box, results_block, span_of
from vcma.conversion.samples import Sample, SampleTable, checked_numbers, is_number, words
from vcma.errors import InputError
from vcma.pipeline.storage import read_json

CONVENTIONS = Conventions()
_REMEDY = "give the test_results.json or test_results.pt that the evaluation saved"
_QUERY_TYPES = {"declar": "declarative", "inter": "interrogative", "none": ""}
_WRITTEN_TYPES = {"declarative": "declar", "interrogative": "inter"}


def read(path: Path, table: SampleTable, dropped: Dropped) -> Iterator[StatedAnswer]:
    """Yield the predictions of a results file; raises InputError if it is not one, or is for other sentences."""
    value = _read_torch(path) if path.suffix.lower() in (".pt", ".pth") else read_json(path, _REMEDY)
    block = results_block(value, table.form, path, _REMEDY, dropped)
    tubes, answers, names = block["predictions"], block["video_predictions"], _named(block.get("vid2names"))
    stated = {
        "query_type": {
            n: _QUERY_TYPES.get(str(a["qtype"]), a["qtype"]) for n, a in answers.items() if "qtype" in a
        },
        "video": names,
        "words": {n: words(text) for n, text in _named(block.get("vid2sents")).items()},
    }
    spanless = [number for number in tubes if number not in answers]
    dropped.add("sentences with boxes but no span", (spanless or [""])[0], len(spanless))
    samples = _samples(answers, table, names, {n: v for n, v in stated.items() if any(v.values())}, path, dropped)
    for number, sample in samples.items():
        time, box = _tube(tubes.get(number, {}), number, path)
        yield StatedAnswer(sample, span_of(answers[number], number, path), time, box)


def _samples(
    answers: Mapping,
    table: SampleTable,
    names: dict[str, str],
    stated: dict[str, Any],
    path: Path,
    dropped: Dropped,
) -> dict[str, Sample]:
    """Return the sample of each number: by name if all are sample ids (HC-STVG), else by number."""
    ids = table.by_id()
    if answers and all(names.get(number) in ids for number in answers):
        return {number: ids[names[number]] for number in answers}
    return checked_numbers(answers, table.numbered(), stated, path, dropped)


def _named(names: Any) -> dict[str, str]:
    """Return {number: text} without texts that equal their number, as in TA-STVG's vid2names of VidSTG."""
    if not isinstance(names, dict):
        return {}
    return {str(number): str(name) for number, name in names.items() if str(name) != str(number)}


def _tube(boxes: Any, number: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(boxes, dict) or not all(is_number(str(frame)) for frame in boxes):
        raise InputError(f"predictions of {number} is not {{frame: [[x1, y1, x2, y2]]}}", path, _REMEDY)
    found = [only_box(box, f"frame {frame} of {number}", path) for frame, box in boxes.items()]
    return np.array(list(map(int, boxes)), np.float64), np.array(found, np.float64).reshape(-1, 4)


def _read_torch(path: Path) -> Any:
    """Load a file of torch.save, with keys as text; allows only containers, tensors and NumPy scalars."""
    import torch
    from numpy._core.multiarray import scalar

    admitted: list[Any] = [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, type(np.dtype(np.float64))]
    try:
        with torch.serialization.safe_globals(admitted):
            return _text_keys(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise InputError("no such file", path, _REMEDY) from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise InputError(f"not readable as plain results ({str(error).splitlines()[0]})", path, _REMEDY) from error


def _text_keys(value: Any) -> Any:
    return {str(key): _text_keys(item) for key, item in value.items()} if isinstance(value, dict) else value


def written(answers: Iterable[StatedAnswer], table: SampleTable) -> dict[str, Any]:
    """Return predictions as a results file."""
    number = {sample.id: i for i, sample in enumerate(table.numbered())}
    block: dict[str, dict[str, Any]] = {
        name: {} for name in ("predictions", "video_predictions", "vid2names", "vid2sents")
    }
    for answer in answers:
        sample, i = answer.sample, str(number[answer.sample.id])
        boxes = zip(answer.time.tolist(), answer.box.tolist(), strict=True)
        block["predictions"][i] = {f"{frame:g}": [box] for frame, box in boxes}
        block["video_predictions"][i] = {"sted": list(map(int, answer.span or ()))}
        if table.form == "vidstg":
            block["video_predictions"][i]["qtype"] = _WRITTEN_TYPES[sample.query_type]
        block["vid2names"][i], block["vid2sents"][i] = sample.video.id, sample.sentence
    return block
