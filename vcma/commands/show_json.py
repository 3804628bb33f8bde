"""Describe a JSON file: predictions, metrics, annotations or other programs' results; any other by its outline."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from vcma.commands.sample_choice import sample_row, sentences_for
from vcma.errors import InputError
from vcma.evaluation import exchange
from vcma.evaluation.coverage import Coverage
from vcma.evaluation.metrics import METRICS
from vcma.evaluation.tables import metrics_table
from vcma.pipeline import strict_json

SUFFIXES = (".json", *strict_json.LINES_SUFFIXES)
_DEPTH, _KEYS = 3, 8  # levels of an outline, and members listed on each
_WIDE = 120  # maximum number of characters of a value that is printed in one line
_NO_PREDICTIONS = "holds no predictions by sample"
_RESULTS = {"predictions", "video_predictions"}


def is_json(path: Path) -> bool:
    """Return whether a file's suffix is one of JSON."""
    return path.suffix.lower() in SUFFIXES


def describe_json(path: Path, rows: int, wanted: str | None = None) -> str:
    """Describe a JSON file as text: its kind, its size, and the first rows.

    wanted: the only prediction to show, by its id or words of its sentence. Raises InputError if the file is not
    JSON or has no such prediction.
    """
    value = _load(path)
    for fits, describe in _KINDS.items():
        if fits(value):
            if wanted is not None and describe is not _predictions:
                raise InputError(_NO_PREDICTIONS, path, "--sentence needs a file of predictions")
            with suppress(KeyError, TypeError, ValueError, AttributeError):  # resembles that kind only in part
                return _printable(f"{path}: {describe(value, path, rows, wanted)}")
    if wanted is not None:
        raise InputError(_NO_PREDICTIONS, path, "--sentence needs a file of predictions")
    return _printable(f"{path}: JSON\n" + "\n".join(_outline(value, rows)))


def _printable(text: str) -> str:
    """Replace lone surrogates, which malformed JSON may contain and terminals cannot print."""
    return text.encode("utf-8", "replace").decode()


def json_ids(path: Path) -> str:
    """List the ids of a predictions file, one per line, with their sentences after a tab if they can be found."""
    value = _load(path)
    if not _are_predictions(value):
        raise InputError(_NO_PREDICTIONS, path, "give a file of predictions, or samples.h5")
    sentences = sentences_for(path, list(value))
    return _printable("\n".join(f"{name}\t{sentences.get(name, '')}" for name in value))


def _load(path: Path) -> Any:
    try:
        content = path.read_bytes()
        if not strict_json.is_lines(path):
            return strict_json.loads(content.decode("utf-8-sig"))
        first = next(iter(strict_json.lines(content.decode("utf-8-sig"))), (0, None))[1]
        if isinstance(first, dict) and "span" in str(first):
            return dict(exchange.members(path))
        return [value for _, value in strict_json.lines(content.decode("utf-8-sig"))]
    except FileNotFoundError:
        raise InputError("no such file", path, "check its path") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"not readable as JSON ({error})", path, "write it again") from error


def _are_predictions(value: Any) -> bool:
    return _is_mapping_of(value, lambda item: isinstance(item, dict) and isinstance(item.get("span"), list))


def _is_mapping_of(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and bool(value) and all(map(fits, value.values()))


def _predictions(value: Mapping[str, Any], path: Path, rows: int, wanted: str | None) -> str:
    sentences = sentences_for(path, list(value))
    names = list(value)
    shown = (
        names[:rows] if wanted is None else [names[sample_row(wanted, names, sentences or {n: n for n in names})]]
    )
    boxes = sum(len(answer.get("boxes") or {}) for answer in value.values())
    lines = [f"predictions of {len(value):,} sentences, {boxes:,} boxes; score them with vcma score"]
    for name in shown:
        lines.append(f"  {name}: " + (f'"{sentences[name]}"' if name in sentences else "").strip())
        lines.append(f"    {_answer(value[name])}")
    return "\n".join(line.rstrip(": ") if line.endswith(": ") else line for line in lines)


def _answer(answer: Mapping[str, Any]) -> str:
    begin, end = (*answer["span"], None, None)[:2]
    boxes = answer.get("boxes") or {}
    parts = [f"frames {begin} to {end}"]
    if boxes:
        frames = [*boxes]
        parts.append(f"{len(boxes):,} boxes, of frames {frames[0]} to {frames[-1]}: {boxes[frames[0]]} first")
    parts += [f"{key} {_brief(item)}" for key, item in answer.items() if key not in ("span", "boxes")]
    return "; ".join(parts)


def _are_metrics(value: Any) -> bool:
    return _is_mapping_of(
        value, lambda types: _is_mapping_of(types, lambda m: isinstance(m, dict) and set(METRICS) <= set(m))
    )


def _metrics(value: dict, *_: Any) -> str:
    return "metrics\n\n" + metrics_table(value, {}, "", Coverage(""), "these")


def _results_of(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    blocks = [b for b in (value, *value.values()) if isinstance(b, dict) and set(b) >= _RESULTS]
    return blocks[0] if blocks and all(isinstance(blocks[0][name], dict) for name in _RESULTS) else None


def _results(value: dict, path: Path, rows: int, _: Any) -> str:
    block = _results_of(value) or {}
    keys = list(block["predictions"])
    whose, name = ("TubeDETR", "tubedetr") if keys and "_" in keys[0] else ("the STCAT family", "stcat")
    lines = [f"results of {whose}: {len(block['video_predictions']):,} spans, {len(keys):,} entries of boxes"]
    lines.append(f"  read them: vcma convert predictions {path} OUT.json --from {name}")
    lines += [f"  {n}: {_brief(answer)}" for n, answer in list(block["video_predictions"].items())[:rows]]
    return "\n".join(lines)


def _is_coco(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("videos"), list) and "annotations" in value


def _coco(value: dict, path: Path, rows: int, _: Any) -> str:
    counts = ", ".join(f"{len(item):,} {key}" for key, item in value.items() if isinstance(item, list))
    lines = [f"COCO's JSON for videos: {counts}"]
    lines.append(f"  read its tracks: vcma convert tubes {path} --from coco --name NAME")
    videos = (
        " ".join(str(video[key]) for key in ("id", "name", "caption") if key in video) for video in value["videos"]
    )
    return "\n".join([*lines, *(f"  video {name}" for name in islice(videos, rows))])


def _is_vidstg(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], dict)
        and {"vid", "captions"} <= set(value[0])
    )


def _vidstg(value: list, path: Path, rows: int, _: Any) -> str:
    counts = {key: sum(len(record.get(key) or ()) for record in value) for key in ("captions", "questions")}
    videos = len({record.get("vid") for record in value})
    listed = ", ".join(f"{n:,} {key}" for key, n in counts.items())
    lines = [f"VidSTG annotations: {len(value):,} records of {videos:,} videos, {listed}"]
    for number, record in enumerate(value[:rows]):
        for key in counts:
            for i, item in enumerate(record.get(key) or ()):
                lines.append(f'  {record.get("vid")}/{number}/{key}/{i}: "{item.get("description")}"')
    return "\n".join(lines)


def _is_hcstvg(value: Any) -> bool:
    return _is_mapping_of(value, lambda item: isinstance(item, dict) and {"bbox", "st_frame"} <= set(item))


def _hcstvg(value: dict, path: Path, rows: int, _: Any) -> str:
    lines = [f"HC-STVG annotations: {len(value):,} videos, a sentence each"]
    for key, record in list(value.items())[:rows]:
        lines.append(f'  {key}: "{record.get("English", record.get("caption"))}"')
    return "\n".join(lines)


# Test of a kind of file -> function that describes it; the first that fits is used.
_KINDS: dict[Callable[[Any], Any], Callable[..., str]] = {
    _are_predictions: _predictions,
    _are_metrics: _metrics,
    _results_of: _results,
    _is_coco: _coco,
    _is_vidstg: _vidstg,
    _is_hcstvg: _hcstvg,
}


def _outline(value: Any, rows: int, depth: int = 1) -> list[str]:
    """List the members of a value, one per line, indented by depth."""
    indent = "  " * depth
    if isinstance(value, dict):
        members = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        members = [(str(i), item) for i, item in enumerate(value[:rows])]
    else:
        return [indent + _brief(value)]
    lines = []
    for key, item in members[:_KEYS]:
        lines.append(f"{indent}{key}: {_brief(item)}")
        if isinstance(item, dict | list) and depth < _DEPTH and _is_long(item):
            lines += _outline(item, min(rows, 1), depth + 1)
    left = len(value) - len(members[:_KEYS])
    return [*lines, f"{indent}… {left:,} more"] if left > 0 else lines


def _is_long(value: Any) -> bool:
    return len(json.dumps(value)) > _WIDE


def _brief(value: Any) -> str:
    """Format a value in one line: as JSON if that is short, else its type and size."""
    if _is_long(value) and isinstance(value, dict | list):
        return f"object of {len(value):,} members" if isinstance(value, dict) else f"list of {len(value):,}"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDE else text[:_WIDE] + " …"
