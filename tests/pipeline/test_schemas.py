"""The rule of schema versions (docs/artifacts.md): changed columns, files of other versions, absent columns."""

import hashlib
import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from tests.conftest import make_tubes, unseal
from vcma.__main__ import main
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.contents import content_digest

# A line for every version there ever was: tag -> digest of its columns. Lines are added, never taken away.
PINNED = {
    "samples/1": "bfb4dc066dfd6069",
    "truth/2": "a35af986da9c96b9",
    "frames/1": "83e3b3ad6f7e2734",
    "proposals/1": "cfe981422d79fbcf",
    "tubes/1": "863d88a66d9d1d17",
    "embeddings/1": "0059968b4cc3fc0c",
    "queries/1": "a43ca1d1c15cda34",
    "predictions/1": "bd5962295961a17c",
    "references/1": "82c85a4a98575afe",
}
ALL = pytest.mark.parametrize("schema", schemas.SCHEMAS.values(), ids=lambda s: s.name)


def columns_digest(schema):
    """What a file's columns are to a reader: everything but the texts that explain them."""
    columns = [[name, c.dtype, c.axes, c.unit, c.offsets, c.default] for name, c in schema.columns.items()]
    return hashlib.sha256(json.dumps(columns).encode()).hexdigest()[:16]


@ALL
def test_changed_columns_have_a_new_version(schema):
    digest = columns_digest(schema)
    assert schema.tag in PINNED, f'a new version: add "{schema.tag}": "{digest}" to PINNED and keep the other lines'
    assert PINNED[schema.tag] == digest, (
        f"the columns of {schema.tag} changed: raise the version of the schema '{schema.name}' in schemas.py and "
        "add the new tag to PINNED. (If no more was done than to add an optional column or to make one optional, "
        f'every file of {schema.tag} stays valid: keep the version and pin "{digest}".)'
    )


def test_no_version_disappears():
    for tag in PINNED:
        name, version = tag.split("/")
        assert name in schemas.SCHEMAS, f"{tag} was written once: its name belongs to that artifact"
        assert schemas.SCHEMAS[name].version >= int(version), f"{tag} was written once: a version never falls"


def empty(schema):
    scalars = {
        n: "x" if c.dtype == "str" else np.dtype(c.dtype).type(1) for n, c in schema.columns.items() if not c.axes
    }
    return schemas.empty(schema, **scalars)


@ALL
@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "foreign"])
@pytest.mark.parametrize("step", [-1, 1, 10], ids=["older", "newer", "much newer"])
def test_a_file_of_another_version_is_refused_with_the_command_that_makes_it_again(tmp_path, schema, step, sealed):
    path, other = tmp_path / "a.h5", replace(schema, version=schema.version + step)
    artifact.write(other, path, empty(schema), {}, {})
    if not sealed:
        unseal(path)
    expected = f"{path}: holds {other.tag}, not {schema.tag}"
    if step > 0:
        expected += ": a newer version of vcma wrote it"
    expected += f"; make it again: python stages/{schema.stage}.py"
    if step > 0:
        expected += ", or update vcma"
    readers = (
        lambda: artifact.read(schema, path),
        lambda: artifact.read(schema, path, list(schema.columns)[:1]),
        lambda: artifact.attributes(path, schema),
        lambda: artifact.schema_of(path),
    )
    for read in readers:
        with pytest.raises(InputError) as error:
            read()
        assert str(error.value) == expected
    for words in (), ("--png", str(tmp_path / "a.png")):
        done = CliRunner().invoke(main, ["show", str(path), *words])
        assert done.exit_code == 1 and done.stderr == f"error: {expected}\n"


@pytest.mark.parametrize(
    "tag", ["tubes", "tubes/", "tubes/x", "tubes/٢", "tubes/2/3", "tubes/" + "9" * 5000, "x/1"]
)
def test_a_tag_that_is_no_version_is_only_another_schema(tmp_path, tag):
    path = tmp_path / "a.h5"
    artifact.write(schemas.TUBES, path, make_tubes(0), {}, {})
    with h5py.File(unseal(path), "a") as file:
        file.attrs["schema"] = tag
    with pytest.raises(InputError) as error:
        artifact.read(schemas.TUBES, path)
    assert str(error.value).endswith(f"holds {tag}, not tubes/1; make it again: python stages/link_tubes.py")


def optional_of(schema):
    return [name for name, column in schema.columns.items() if column.default is not None]


def without(path, schema, names):
    """Make a file look as if another writer, who knows nothing of some columns, had written it."""
    with h5py.File(unseal(path), "a") as file:
        for name in names:
            del file[name]
    data = artifact.read(schema, path, [name for name in schema.columns if name not in names])
    with h5py.File(path, "a") as file:
        file.attrs["content"] = content_digest(schema, data)


TUBE_DEFAULTS = {
    "interpolated": lambda tubes: np.zeros(len(tubes["position"]), bool),
    "feature": lambda tubes: np.zeros((len(tubes["position"]), 0), np.float16),
    "attribute_prob": lambda tubes: np.zeros((len(tubes["tube_score"]), 0), np.float16),
    "prompted": lambda tubes: np.zeros(len(tubes["class_name"]), bool),
    "attribute_name": lambda tubes: np.zeros(0, object),
}


def test_an_absent_optional_column_is_read_as_its_default(tmp_path):
    assert optional_of(schemas.TUBES) == list(TUBE_DEFAULTS)
    path, tubes = tmp_path / "a.h5", make_tubes(0)
    artifact.write(schemas.TUBES, path, tubes, {}, {})
    without(path, schemas.TUBES, TUBE_DEFAULTS)
    assert artifact.absent_columns(schemas.TUBES, path) == list(TUBE_DEFAULTS)
    read = artifact.read(schemas.TUBES, path)
    assert list(read) == list(schemas.TUBES.columns)
    for name, default in TUBE_DEFAULTS.items():
        alone = artifact.read(schemas.TUBES, path, (name,))
        assert list(alone) == [name]
        for value in (alone[name], read[name]):
            assert value.dtype == default(tubes).dtype and np.array_equal(value, default(tubes)), name
    artifact.lengths(schemas.TUBES, read, path)


@pytest.mark.parametrize("schema", [schemas.PROPOSALS, schemas.TUBES], ids=lambda s: s.name)
def test_our_writer_writes_the_columns_it_is_not_given(tmp_path, schema):
    data = empty(schema) if schema is schemas.PROPOSALS else make_tubes(0)
    given = {name: value for name, value in data.items() if name not in optional_of(schema)}
    digest = artifact.write(schema, tmp_path / "a.h5", given, {}, {})
    assert artifact.absent_columns(schema, tmp_path / "a.h5") == []
    with h5py.File(tmp_path / "a.h5") as file:
        assert set(file) == set(schema.columns)
    assert digest == artifact.write(schema, tmp_path / "b.h5", artifact.read(schema, tmp_path / "a.h5"), {}, {})
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@ALL
def test_every_other_column_is_required(tmp_path, schema):
    data = empty(schema)
    artifact.write(schema, tmp_path / "a.h5", data, {}, {})
    for name in schema.required:
        with pytest.raises(InputError, match=rf"missing columns \['{name}'\]"):
            artifact.write(schema, tmp_path / "b.h5", {n: v for n, v in data.items() if n != name}, {}, {})
    first = schema.required[0]
    with h5py.File(unseal(tmp_path / "a.h5"), "a") as file:
        del file[first]
    with pytest.raises(InputError, match=f"column {first} is not a data set stored in this file"):
        artifact.read(schema, tmp_path / "a.h5")


@ALL
def test_a_default_can_stand_for_its_column(schema):
    for name in optional_of(schema):
        column = schema.columns[name]
        assert column.offsets is None and not column.unit.startswith("row of ") and column.unit != "entity"
        if column.dtype != "str":
            assert np.array(column.default, column.dtype) == column.default


def test_names_without_what_is_named_are_no_optional_column(tmp_path):
    tubes = make_tubes(0)
    del tubes["attribute_prob"]
    with pytest.raises(InputError, match="has length 2 along 'attribute', other columns have 0"):
        artifact.write(schemas.TUBES, tmp_path / "a.h5", tubes, {}, {})


def test_a_link_that_leads_nowhere_is_no_absent_column(tmp_path):
    path = tmp_path / "a.h5"
    artifact.write(schemas.TUBES, path, make_tubes(0), {}, {})
    with h5py.File(unseal(path), "a") as file:
        del file["feature"]
        file["feature"] = h5py.SoftLink("/nowhere")
    with pytest.raises(InputError, match="column feature is not a data set stored in this file"):
        artifact.read(schemas.TUBES, path)


def test_show_tells_what_is_not_in_the_file(tmp_path):
    path = tmp_path / "a.h5"
    artifact.write(schemas.TUBES, path, make_tubes(0), {}, {})
    plain = CliRunner().invoke(main, ["show", str(path)])
    assert plain.exit_code == 0 and "absent:" not in plain.output
    without(path, schemas.TUBES, ("interpolated", "feature"))
    done = CliRunner().invoke(main, ["show", str(path)])
    assert done.exit_code == 0, done.output
    assert "interpolated between two detections (absent: false)\n" in done.output
    assert "appearance feature of each point (absent: none)\n" in done.output
