"""Annotation files: which file serves as which split, and reading their JSON with checked numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vcma.datasets.entries import UnusableError
from vcma.errors import InputError
from vcma.pipeline import strict_json

# Where files of several splits hold the same sample, the first split here keeps the plain id.
SPLITS = ("test", "val", "train")
EVALUATED_SPLITS = ("test", "val")
_LARGEST = 1 << 31


def splits_with_truth(block: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the splits whose ground truth may be read: train only if the block sets `train_truth: true`."""
    return SPLITS if block.get("train_truth") is True else EVALUATED_SPLITS


def split_files(annotations: Path, block: Mapping[str, Any]) -> dict[str, Path]:
    """Return the annotation file of each split; raises InputError if the block has no valid `splits:`."""
    splits = block.get("splits")
    if not isinstance(splits, dict) or not set(splits) <= set(SPLITS) or not any(splits.values()):
        raise InputError(
            "the data set has no valid 'splits:'", "pipeline.yaml", "e.g. {test: test_annotations.json}"
        )
    return {split: annotations / str(splits[split]) for split in SPLITS if splits.get(split)}


def read_annotations(path: Path, top_level: type, what: str, key: str = "splits") -> Any:
    """Read a JSON or JSON Lines file whose top level is of the given type.

    what: description of the file; key: the block's key that lists such files. Both are for the remedy. Raises
    InputError if the file is missing, not JSON, or of another type.
    """
    remedy = f"put {what} there, or set another file under '{key}:' in pipeline.yaml"
    try:
        value = strict_json.load_as(top_level, path)
    except FileNotFoundError:
        raise InputError("no such file", path, remedy) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"not readable as JSON ({error})", path, remedy) from error
    if not isinstance(value, top_level):
        raise InputError(f"is not {what}", path, remedy)
    return value


def whole_number(value: object, what: str) -> int:
    """Return an integer of an annotation, at most 2^31 in absolute value; raises UnusableError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST or value % 1:
        raise UnusableError("malformed record", f"{what} is not an integer")
    return int(value)


def positive_number(value: object, what: str) -> float:
    """Return a positive number of an annotation, at most 2^31; raises UnusableError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LARGEST:
        raise UnusableError("malformed record", f"{what} is not a positive number")
    return float(value)
