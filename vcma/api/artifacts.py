"""Read any artifact as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vcma.errors import InputError, did_you_mean
from vcma.pipeline import artifact


def read_artifact(path: str | Path, columns: Iterable[str] | None = None) -> dict[str, Any]:
    """Read the columns of any artifact, or some of them, as NumPy arrays by name; text as object arrays of str.

    docs/artifacts.md describes every column. Ragged data are stored as a flat column and offsets: row i owns
    offset[i]:offset[i + 1]. Raises InputError if the file is missing, damaged or not an artifact, or if its schema
    has no such column.
    """
    schema = artifact.schema_of(Path(path))
    wanted = None if columns is None else list(columns)
    for name in wanted or ():
        if name not in schema.columns:
            known = f"{did_you_mean(name, schema.columns)}it has {', '.join(schema.columns)}"
            raise InputError(f"{schema.tag} has no column '{name}'", path, known)
    return artifact.read(schema, Path(path), wanted)


def artifact_info(path: str | Path) -> dict[str, Any]:
    """Read an artifact's metadata: schema, stage, doc, content (a digest), params and inputs (digests by name).

    Raises InputError if the file is missing, damaged or not an artifact.
    """
    return artifact.attributes(Path(path))
