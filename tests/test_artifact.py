"""Artifacts: all or nothing, the same bytes, refused where they are not what they say."""

import os

import h5py
import numpy as np
import pytest

from tests.conftest import make_tubes
from vcma import artifact
from vcma.errors import InputError


def test_round_trip_and_the_same_bytes(tmp_path):
    data = make_tubes(0)
    one, two = tmp_path / "a.h5", tmp_path / "b.h5"
    digests = {artifact.write(artifact.TUBES, p, data, {"alpha": 0.5}, {"proposals": "x"}) for p in (one, two)}
    assert len(digests) == 1 and one.read_bytes() == two.read_bytes()
    read = artifact.read(artifact.TUBES, one)
    for name, value in data.items():
        assert np.array_equal(np.asarray(value, dtype=read[name].dtype), read[name]), name
    attributes = artifact.attributes(one)
    assert attributes["params"] == {"alpha": 0.5} and attributes["inputs"] == {"proposals": "x"}
    assert attributes["content"] in digests and attributes["schema"] == "tubes/1"


@pytest.mark.parametrize("schema", artifact.SCHEMAS.values(), ids=lambda s: s.name)
def test_a_file_explains_itself(tmp_path, schema):
    scalars = {
        n: "x" if c.dtype == "str" else np.dtype(c.dtype).type(1) for n, c in schema.columns.items() if not c.axes
    }
    artifact.write(schema, tmp_path / "a.h5", artifact.empty(schema, **scalars), {}, {})
    with h5py.File(tmp_path / "a.h5") as file:
        for name, column in schema.columns.items():
            assert file[name].attrs["doc"] == column.doc and file[name].attrs["unit"] == column.unit
            assert len(column.doc) >= 8


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"position": np.zeros(3, np.int64)}, "other columns have 3"),
        ({"box": np.zeros((0, 4), np.float64)}, "is float64, not float32"),
        ({"point_offset": np.array([1, 2, 3, 4, 5])}, "does not rise from 0"),
        ({"extra": np.zeros(2)}, "unknown columns ['extra']"),
    ],
)
def test_what_breaks_the_schema_is_not_written(tmp_path, change, told):
    with pytest.raises(InputError, match=r"not a valid tubes/1") as error:
        artifact.write(artifact.TUBES, tmp_path / "a.h5", make_tubes(0) | change, {}, {})
    assert told in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    artifact.write(artifact.TUBES, path, make_tubes(0), {}, {})
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        artifact.write(artifact.TUBES, path, make_tubes(1), {}, {})
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_foreign_missing_and_damaged_files_are_told_in_one_line(tmp_path):
    frames = tmp_path / "f.h5"
    scalars = {"width": np.int64(1), "height": np.int64(1), "fps": np.float64(1), "frame_count": np.int64(1)}
    artifact.write(artifact.FRAMES, frames, artifact.empty(artifact.FRAMES, **scalars), {}, {})
    tubes = tmp_path / "t.h5"
    artifact.write(artifact.TUBES, tubes, make_tubes(0), {}, {})
    half = tmp_path / "half.h5"
    half.write_bytes(tubes.read_bytes()[: tubes.stat().st_size // 2])
    huge = tmp_path / "huge.h5"
    huge.write_bytes(tubes.read_bytes())
    with h5py.File(huge, "a") as file:
        del file["box"]
        file.create_dataset("box", shape=(1 << 40, 4), dtype="f4", chunks=(1024, 4))
    for path, told in (
        (frames, "holds frames/1, not tubes/1"),
        (half, "not a readable HDF5 file"),
        (tmp_path / "none.h5", "no such artifact"),
        (huge, "declares"),
    ):
        with pytest.raises(InputError) as error:
            artifact.read(artifact.TUBES, path)
        text = str(error.value)
        assert told in text and str(path) in text and "python stages/link_tubes.py" in text and "\n" not in text
