"""Artifacts: all or nothing, the same bytes, refused where they are not what they say."""

import os
import resource
import signal
import time
import zlib

import h5py
import numpy as np
import pytest

from tests.conftest import make_tubes, unseal
from vcma.errors import InputError
from vcma.pipeline import artifact, child_process, schemas


def test_round_trip_and_the_same_bytes(tmp_path):
    data = make_tubes(0)
    one, two = tmp_path / "a.h5", tmp_path / "b.h5"
    digests = {artifact.write(schemas.TUBES, p, data, {"alpha": 0.5}, {"proposals": "x"}) for p in (one, two)}
    assert len(digests) == 1 and one.read_bytes() == two.read_bytes()
    read = artifact.read(schemas.TUBES, one)
    for name, value in data.items():
        assert np.array_equal(np.asarray(value, dtype=read[name].dtype), read[name]), name
    attributes = artifact.attributes(one)
    assert attributes["params"] == {"alpha": 0.5} and attributes["inputs"] == {"proposals": "x"}
    assert attributes["content"] in digests and attributes["schema"] == "tubes/1"


def test_a_seal_is_skipped_by_hdf5_and_its_absence_costs_nothing_but_time(tmp_path):
    path = tmp_path / "a.h5"
    artifact.write(schemas.TUBES, path, make_tubes(0), {"alpha": 0.5, "long": "x" * 3000}, {"proposals": "x"})
    line = path.read_bytes().splitlines()[0]
    assert line.startswith(b"VCMA1 {") and line.isascii()
    with h5py.File(path) as file:
        assert file.userblock_size == 4096 and file.attrs["schema"] == "tubes/1"
    told, read = artifact.attributes(path), artifact.read(schemas.TUBES, path)
    unseal(path)
    assert told.items() >= artifact.attributes(path).items() and told["inputs"] == {"proposals": "x"}
    for name, value in artifact.read(schemas.TUBES, path).items():
        assert np.array_equal(value, read[name]), name


@pytest.mark.parametrize("where", ["first line", "end", "middle"])
@pytest.mark.parametrize("columns", [None, ("frame",)])
def test_one_flipped_bit_is_noticed_before_hdf5_opens_the_file(tmp_path, where, columns, monkeypatch):
    path = tmp_path / "a.h5"
    artifact.write(schemas.TUBES, path, make_tubes(0), {}, {})
    content = bytearray(path.read_bytes())
    content[{"first line": 20, "end": -1, "middle": len(content) // 2}[where]] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(h5py, "File", None)
    with pytest.raises(InputError, match=r"its checksum does not match .*what was written"):
        artifact.read(schemas.TUBES, path, columns)


@pytest.mark.parametrize(
    "line",
    [b"{}", b"[1]", b"{", b"[" * 100_000, b'{"size": 1, "block": 1}'],
    ids=["empty", "list", "torn", "deep", "few"],
)
def test_a_first_line_that_is_no_seal_is_told_though_its_checksum_fits(tmp_path, line):
    path = tmp_path / "a.h5"
    path.write_bytes(b"VCMA1 %s %08x\n" % (line, zlib.crc32(line)))
    for look in (artifact.attributes, artifact.schema_of, lambda p: artifact.read(schemas.TUBES, p)):
        with pytest.raises(InputError, match="its first line is not a seal"):
            look(path)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("kill", "HDF5 crashes"),
        ("loop", "HDF5 crashes"),
        ("wait", "does not finish"),
        ("fill", "Unable to allocate"),
    ],
)
def test_a_foreign_file_that_hdf5_does_not_survive_is_told_in_one_line(tmp_path, harm, told, monkeypatch):
    path = tmp_path / "a.h5"
    artifact.write(schemas.TUBES, path, make_tubes(0), {}, {})

    def read(*_):
        if harm == "kill":
            os.kill(os.getpid(), signal.SIGTRAP)
        if harm == "fill":
            np.ones(3 << 28)
        while True:
            time.sleep(60 if harm == "wait" else 0)  # a lock that a thread held, which the child does not have

    monkeypatch.setattr(artifact, "_read_column", read)
    monkeypatch.setattr(child_process, "CPU_SECONDS", 1)
    monkeypatch.setattr(child_process, "WAIT", 2)
    monkeypatch.chdir(tmp_path)
    limit = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (limit[1], limit[1]))
    try:
        with pytest.raises(InputError, match=told) as error:
            artifact.read(schemas.TUBES, unseal(path))
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, limit)
    assert "\n" not in str(error.value) and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("column", "row"), [("target", 3), ("subject", -1), ("object", 1)])
def test_an_entity_that_its_sentence_does_not_have_is_refused(tmp_path, column, row):
    data = schemas.empty(schemas.QUERIES)
    data |= {name: np.array(["x"], object) for name in ("sample", "text", "kind", "flags", "predicate")}
    data |= {name: np.array(["x"], object) for name in ("entity", "head", "attributes", "number")}
    data |= {name: np.array([0, 1]) for name in ("entity_offset", "relation_offset")}
    data |= {name: np.array([0]) for name in ("target", "subject", "object", "entity_begin", "entity_end")}
    artifact.write(schemas.QUERIES, tmp_path / "a.h5", data, {}, {})
    with pytest.raises(InputError, match=f"column {column} refers to an entity"):
        artifact.write(schemas.QUERIES, tmp_path / "b.h5", data | {column: np.array([row])}, {}, {})


@pytest.mark.parametrize("schema", schemas.SCHEMAS.values(), ids=lambda s: s.name)
def test_a_file_explains_itself(tmp_path, schema):
    scalars = {
        n: "x" if c.dtype == "str" else np.dtype(c.dtype).type(1) for n, c in schema.columns.items() if not c.axes
    }
    artifact.write(schema, tmp_path / "a.h5", schemas.empty(schema, **scalars), {}, {})
    with h5py.File(tmp_path / "a.h5") as file:
        for name, column in schema.columns.items():
            assert file[name].attrs["doc"] == column.doc and file[name].attrs["unit"] == column.unit
            assert len(column.doc) >= 8


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"position": np.zeros(3, np.int64)}, "other columns have 3"),
        ({"position": np.zeros(0, np.float64)}, "is float64, not int64"),
        ({"point_offset": np.array([1, 2, 3, 4, 5])}, "does not ascend from 0"),
        ({"extra": np.zeros(2)}, "unknown columns ['extra']"),
    ],
)
def test_what_breaks_the_schema_is_not_written(tmp_path, change, told):
    with pytest.raises(InputError, match=r"not a valid tubes/1") as error:
        artifact.write(schemas.TUBES, tmp_path / "a.h5", make_tubes(0) | change, {}, {})
    assert told in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    artifact.write(schemas.TUBES, path, make_tubes(0), {}, {})
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        artifact.write(schemas.TUBES, path, make_tubes(1), {}, {})
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_foreign_missing_and_damaged_files_are_told_in_one_line(tmp_path):
    frames = tmp_path / "f.h5"
    scalars = {"width": np.int64(1), "height": np.int64(1), "fps": np.float64(1), "frame_count": np.int64(1)}
    artifact.write(schemas.FRAMES, frames, schemas.empty(schemas.FRAMES, **scalars), {}, {})
    tubes = tmp_path / "t.h5"
    artifact.write(schemas.TUBES, tubes, make_tubes(0), {}, {})
    half = tmp_path / "half.h5"
    half.write_bytes(tubes.read_bytes()[: tubes.stat().st_size // 2])
    huge = tmp_path / "huge.h5"
    huge.write_bytes(tubes.read_bytes())
    with h5py.File(unseal(huge), "a") as file:
        del file["box"]
        file.create_dataset("box", shape=(1 << 40, 4), dtype="f4", chunks=(1024, 4))
    for path, told in (
        (frames, "holds frames/1, not tubes/1"),
        (half, "its checksum does not match (it has"),
        (tmp_path / "none.h5", "no such artifact"),
        (huge, "declares"),
    ):
        with pytest.raises(InputError) as error:
            artifact.read(schemas.TUBES, path)
        text = str(error.value)
        assert told in text and str(path) in text and "python stages/link_tubes.py" in text and "\n" not in text
