"""An artifact that somebody edited by hand: what is said of it, and how it becomes valid again."""

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from tests.conftest import make_tubes
from vcma.__main__ import main
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "my tubes.h5"
    artifact.write(schemas.TUBES, path, make_tubes(0), {"alpha": 0.5}, {"proposals": "x"})
    return path


def reseal(path, code=0):
    done = CliRunner().invoke(main, ["reseal", str(path)])
    assert done.exit_code == code and "Traceback" not in done.output, done.output
    return done.stderr


def edit(path, **columns):
    with h5py.File(path, "r+") as file:
        for name, value in columns.items():
            file[name][...] = value


def test_an_edit_is_told_with_the_command_that_keeps_it_and_that_command_does(path):
    score = np.linspace(0.5, 0.25, 4).astype(np.float32)
    edit(path, tube_score=score)
    with pytest.raises(InputError) as error:
        artifact.read(schemas.TUBES, path, ("tube_score",))
    told = str(error.value)
    assert "its checksum does not match" in told and f"vcma reseal '{path}'; else make it again" in told
    assert "a valid tubes/1 artifact again" in reseal(path)
    assert np.array_equal(artifact.read(schemas.TUBES, path)["tube_score"], score)
    assert artifact.attributes(path)["params"] == {"alpha": 0.5, "edited_by_hand": True}
    assert artifact.attributes(path)["inputs"] == {"proposals": "x"}
    assert "edited_by_hand" in CliRunner().invoke(main, ["show", str(path)]).output


def test_an_edit_that_breaks_the_schema_is_told_and_left_as_it_is(path):
    box = make_tubes(0)["box"]
    box[3] = [30, 30, 20, 20]
    edit(path, box=box)
    with h5py.File(path, "r+") as file:
        file["mine"] = 3
    before = path.read_bytes()
    assert "has data sets that are not columns of tubes/1: mine" in reseal(path, 1)
    with h5py.File(path, "r+") as file:
        del file["mine"]
    before = path.read_bytes()
    assert "1 of 35 boxes have no area" in reseal(path, 1)
    assert path.read_bytes() == before


def test_an_edited_first_line_is_made_anew(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"alpha": 0.5', b'"alpha": 0.7', 1))
    with pytest.raises(InputError, match=r"its first line differs from what was written.*vcma reseal"):
        artifact.attributes(path)
    reseal(path)
    assert artifact.attributes(path)["params"] == {"alpha": 0.5, "edited_by_hand": True}  # what HDF5 says


def test_what_is_no_artifact_stays_none(tmp_path):
    (tmp_path / "a.h5").write_text("nothing of ours")
    assert "error: " in reseal(tmp_path / "a.h5", 1)
    assert "no such artifact" in reseal(tmp_path / "b.h5", 1)
    assert (tmp_path / "a.h5").read_text() == "nothing of ours"
