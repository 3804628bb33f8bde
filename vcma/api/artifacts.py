"""Artifacts as arrays, whatever they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vcma.errors import InputError, did_you_mean
from vcma.pipeline import artifact


def read_artifact(path: str | Path, columns: Iterable[str] | None = None) -> dict[str, Any]:
    """The columns of any artifact as NumPy arrays by name, or some of them; text as arrays of str.

    docs/artifacts.md explains each. Ragged data are a flat column and offsets: row i owns offset[i]:offset[i + 1].
    Raises InputError where the file is missing, damaged, no artifact, or lacks a column.
    """
    schema = artifact.schema_of(Path(path))
    wanted = None if columns is None else list(columns)
    for name in wanted or ():
        if name not in schema.columns:
            known = f"{did_you_mean(name, schema.columns)}it has {', '.join(schema.columns)}"
            raise InputError(f"{schema.tag} has no column '{name}'", path, known)
    return artifact.read(schema, Path(path), wanted)


def artifact_info(path: str | Path) -> dict[str, Any]:
    """What an artifact says of itself: schema, stage, doc, content (a digest), params and inputs (digests by name).

    Raises InputError where the file is missing, damaged or no artifact.
    """
    return artifact.attributes(Path(path))
