"""Annotated pictures read from COCO's and VidOR's files, and what is refused."""

import numpy as np
import pytest

from tests.detection.networks import random_picture
from tests.detector_training.tiny import write_coco, write_vidor
from vcma.detector_training.annotations import coco_pictures, vidor_pictures
from vcma.errors import InputError


def test_pictures_of_a_coco_file(tmp_path):
    pictures = list(coco_pictures(write_coco(tmp_path), tmp_path))
    assert [picture.labels for picture in pictures] == [("dog",)] * 4  # the crowd is left out
    assert pictures[0].attributes == (("red",),)
    np.testing.assert_array_equal(pictures[0].boxes, [[10, 20, 60, 60]])
    np.testing.assert_array_equal(pictures[2].pixels(), random_picture(2))
    (tmp_path / "3.png").unlink()
    with pytest.raises(InputError, match=r"3\.png: image not found; correct --pictures"):
        list(coco_pictures(tmp_path / "coco.json", tmp_path))


def test_frames_of_vidor_files(tmp_path):
    pictures = list(vidor_pictures(write_vidor(tmp_path), tmp_path, 2))
    assert [picture.labels for picture in pictures] == [("dog",)] * 3 + [()]
    np.testing.assert_array_equal(pictures[0].boxes, [[10, 20, 60, 60]])
    assert np.abs(pictures[1].pixels().astype(int) - random_picture(2)).mean() < 8
    (tmp_path / "v.avi").unlink()
    with pytest.raises(InputError, match=r"v\.avi: video not found or unreadable; correct --videos"):
        list(vidor_pictures(tmp_path / "notes", tmp_path, 2))


def test_what_is_no_annotation_is_refused(tmp_path):
    (tmp_path / "x.json").write_text('{"images": 3}')
    with pytest.raises(InputError, match="not a COCO annotation file"):
        list(coco_pictures(tmp_path / "x.json", tmp_path))
    with pytest.raises(InputError, match="not a VidOR annotation"):
        list(vidor_pictures(tmp_path, tmp_path, 2))
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        list(coco_pictures(tmp_path / "x.json", tmp_path))


def test_a_picture_that_cannot_be_decoded_is_refused(tmp_path):
    write_coco(tmp_path)
    (tmp_path / "1.png").write_bytes(b"no picture")
    _, broken, *_ = coco_pictures(tmp_path / "coco.json", tmp_path)
    with pytest.raises(InputError, match=r"1\.png: cannot be decoded as an image; replace or remove it"):
        broken.pixels()
