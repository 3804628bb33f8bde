"""Arrays beside a file of tracks, a row for each of its boxes: .npy files and HDF5 data sets, alone or a folder."""

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
    """The array [rows, d] of a video, float32; names: under which it may stand in a folder or an HDF5 file.

    Raises InputError where there is none, or one of another length.
    """
    file = source_of(path, names, (".npy", *_HDF5)) if path.is_dir() else path
    if file is None:
        raise InputError(f"has no .npy or .h5 file of '{names[0]}'", path, _REMEDY)
    value = _read(file, tuple(names))
    if value.ndim != 2 or value.dtype.kind not in "fiu":
        raise InputError(
            f"is an array of {value.dtype} {list(value.shape)}, not of numbers [boxes, values]", file, _REMEDY
        )
    if len(value) != rows:
        raise InputError(f"has {len(value):,} rows for {rows:,} boxes", file, _REMEDY)
    return value.astype(np.float32)


@lru_cache(1)  # one array may be of many videos
def _read(path: Path, names: tuple[str, ...]) -> np.ndarray:
    return artifact.read_foreign(path, names) if path.suffix.lower() in _HDF5 else _read_npy(path)


def _read_npy(path: Path) -> np.ndarray:
    """A NumPy file of numbers; one that would need unpickling is refused."""
    try:
        with open(path, "rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        raise InputError("no such file", path, _REMEDY) from None
    except (OSError, ValueError, EOFError, MemoryError, OverflowError) as error:
        raise InputError(f"not readable as a NumPy array ({error})", path, _REMEDY) from error
