"""Arrays that accompany a file of tracks, one row per box: .npy or HDF5, a single file or one per video."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from vcma.conversion.sources import source_of
from vcma.errors import InputError
from vcma.pipeline import artifact

_HDF5 = (".h5", ".hdf5")
_REMEDY = "save one row for each box of the file, in its order: numpy.save(FILE, array of [boxes, values])"


def read_rows(path: Path, names: Sequence[str], rows: int) -> np.ndarray:
    """Read the array [rows, d] of a video, float32. names: its possible names in a folder or HDF5 file.

    Raises InputError if it is missing or has another number of rows.
    """
    file = source_of(path, names, (".npy", *_HDF5)) if path.is_dir() else path
    if file is None:
        raise InputError(f"has no .npy or .h5 file for '{names[0]}'", path, _REMEDY)
    value = _read(file, tuple(names))
    if value.ndim != 2 or value.dtype.kind not in "fiu":
        raise InputError(
            f"is an array of {value.dtype} {list(value.shape)}, not of numbers [boxes, values]", file, _REMEDY
        )
    if len(value) != rows:
        raise InputError(f"has {len(value):,} rows for {rows:,} boxes", file, _REMEDY)
    return value.astype(np.float32)


@lru_cache(1)  # one file may serve many videos
def _read(path: Path, names: tuple[str, ...]) -> np.ndarray:
    return artifact.read_foreign(path, names) if path.suffix.lower() in _HDF5 else _read_npy(path)


def _read_npy(path: Path) -> np.ndarray:
    """Read a NumPy file of numbers; refuses one that requires unpickling."""
    try:
        with open(path, "rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        raise InputError("no such file", path, _REMEDY) from None
    except (OSError, ValueError, EOFError, MemoryError, OverflowError) as error:
        raise InputError(f"not readable as a NumPy array ({error})", path, _REMEDY) from error
