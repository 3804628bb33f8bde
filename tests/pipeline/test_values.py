"""The rules of the schemas: other people's tubes are right, or are told with counts before they are written."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.conftest import make_tubes, unseal
from vcma.boxes import area
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.contents import content_digest

POINTS = len(make_tubes(0)["position"])


def with_row(name, row, value):
    column = make_tubes(0)[name].copy()
    column[row] = value
    return {name: column}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"frame": np.arange(-1, 11)}, "column frame: 1 values are negative; frame indices start at 0"),
        (with_row("frame", 3, 6), "column frame: 1 values are not ascending, e.g. 6 occurs twice"),
        (
            {"frame": np.arange(12)[::-1].copy()},
            "column frame: 11 values are not ascending, e.g. 11 is followed by 10",
        ),
        (
            with_row("position", 1, make_tubes(0)["position"][0]),
            "column position: 1 values are not ascending within a tube",
        ),
        (with_row("position", 0, 12), "column position refers to rows 0 to 12, 'frame' has 12"),
        (with_row("box", 0, [9, 9, 9, 20]), "column box: 1 of 35 boxes have no area within the frame"),
        (with_row("box", 2, [9, 9, 5, 20]), "e.g. row 2 [9, 9, 5, 20]"),
        (with_row("box", 0, [400, 9, 500, 20]), "column box: 1 of 35 boxes have no area within the frame"),
        (with_row("box", slice(0, 3), np.nan), "column box: 12 values are not finite"),
        (with_row("feature", (0, 0), np.inf), "column feature: 1 values are not finite"),
        (with_row("time", 0, np.nan), "column time: 1 values are not finite"),
        (with_row("score", 0, 87), "column score: values from 0.9 to 87, not in [0, 1]"),
        (with_row("class_prob", (0, 0), -1), "column class_prob: values from -1 to"),
        ({"point_offset": np.array([0, 0, 9, 20, POINTS])}, "column point_offset: 1 of 4 have no point"),
        ({"width": np.int64(0)}, "boxes need the frame's width and height, not 0 x 240"),
        (
            {"feature": np.full((POINTS, 6), 1e6, np.float32)},
            "column feature: 210 values exceed the range of float16",
        ),
    ],
)
def test_what_breaks_a_rule_is_told_with_its_count_and_not_written(tmp_path, change, told):
    with pytest.raises(InputError) as error:
        artifact.write(schemas.TUBES, tmp_path / "a.h5", make_tubes(0) | change, {}, {})
    assert told in str(error.value) and "not a valid tubes/1 artifact" in str(error.value)
    assert not list(tmp_path.iterdir())


def test_the_first_point_of_a_tube_may_lie_before_the_last_of_another(tmp_path):
    """Rows rise within a tube, not from one to the next; of tubes with a single point there is nothing to rise."""
    tubes = make_tubes(0, tubes=3, frames=1)
    artifact.write(schemas.TUBES, tmp_path / "a.h5", tubes, {}, {})
    none = schemas.empty(schemas.TUBES, width=np.int64(0), height=np.int64(0), detector="x")
    artifact.write(schemas.TUBES, tmp_path / "b.h5", none, {}, {})


def test_numbers_of_another_width_are_converted(tmp_path):
    tubes = make_tubes(0)
    wide = {n: v.astype(np.float64) if getattr(v, "dtype", "") in ("f2", "f4") else v for n, v in tubes.items()}
    wide["frame"] = tubes["frame"].astype(np.int32)
    one = artifact.write(schemas.TUBES, tmp_path / "a.h5", tubes, {}, {})
    assert artifact.write(schemas.TUBES, tmp_path / "b.h5", wide, {}, {}) == one
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize(("beyond", "told"), [(0.4, 0), (30, 2)])
def test_boxes_beyond_the_picture_are_cut_and_told(tmp_path, capsys, beyond, told):
    tubes = make_tubes(0)
    tubes["box"][:2] = [[-beyond, 10, 30, 40], [200, 200, 320 + beyond, 240]]
    before = tubes["box"].copy()
    artifact.write(schemas.TUBES, tmp_path / "a.h5", tubes, {}, {})
    assert np.array_equal(tubes["box"], before), "the caller's array is left alone"
    read = artifact.read(schemas.TUBES, tmp_path / "a.h5")["box"]
    assert read[:2].tolist() == [[0, 10, 30, 40], [200, 200, 320, 240]] and (area(read) > 0).all()
    said = capsys.readouterr().err
    assert said == (
        f"note: {tmp_path}/a.h5: 2 of 35 boxes extended beyond the frame, clipped to it\n" if told else ""
    )


def test_a_file_of_another_writer_is_held_to_the_same_rules(tmp_path):
    path = tmp_path / "a.h5"
    artifact.write(schemas.TUBES, path, make_tubes(0), {}, {})
    tubes = artifact.read(schemas.TUBES, path)
    tubes["box"][0] = [30, 30, 20, 40]
    with h5py.File(unseal(path), "a") as file:
        file["box"][...] = tubes["box"]
        file.attrs["content"] = content_digest(schemas.TUBES, tubes)
    with pytest.raises(InputError, match="1 of 35 boxes have no area"):
        artifact.read(schemas.TUBES, path)


def test_truth_is_kept_as_annotated(tmp_path):
    """What nobody can meet is told by `vcma check` and `evaluate`, and stays in the mean."""
    truth = schemas.empty(schemas.TRUTH, format="hcstvg")
    truth |= {"box": np.array([[9, 9, 5, 5]], np.float32), "box_frame": np.array([3])}
    names = [n for n, c in schemas.TRUTH.columns.items() if c.axes == ("sample",) and not c.offsets]
    truth |= {n: np.array(["x"], object) if truth[n].dtype == object else np.ones(1, truth[n].dtype) for n in names}
    artifact.write(schemas.TRUTH, tmp_path / "a.h5", truth | {"box_offset": np.array([0, 1])}, {}, {})
    with pytest.raises(InputError, match="column box_frame: 1 values are not ascending within a sample"):
        twice = {"box": np.ones((2, 4), np.float32), "box_frame": np.array([3, 3]), "box_offset": np.array([0, 2])}
        artifact.write(schemas.TRUTH, Path(tmp_path / "b.h5"), truth | twice, {}, {})
