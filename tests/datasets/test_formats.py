"""The truth of one split from its annotations alone."""

import numpy as np
import pytest

from tests.datasets.examples import FILES, lay_out, read, record, vidor
from vcma.datasets.formats import annotated_truth
from vcma.errors import InputError


def test_truth_needs_annotations_alone(tmp_path):
    """What scores somebody else's predictions: the same truth, with no video and no other split's file there."""
    bad = record(temporal_gt={"begin_fid": 10, "end_fid": 10}, questions=[])
    data, block = lay_out(tmp_path, {"train": [record()], "test": [record(), bad]}, {"100": vidor()})
    indexed = read(data, block, tmp_path).truths["test"]
    (tmp_path / "vidor" / "video" / "100.mp4").unlink()
    (tmp_path / "vidor" / "video").rmdir()
    (data / FILES["train"]).unlink()
    alone = annotated_truth(data, block, tmp_path, "test")
    for name, column in indexed.items():
        np.testing.assert_array_equal(column, alone[name])
    assert alone["skipped"].tolist() == ["100/1/captions/0"]
    assert alone["skipped_reason"].tolist() == ["zero-length span: 10..10"] and len(alone["box"]) == 40
    with pytest.raises(InputError, match="no valid 'splits:'"):
        annotated_truth(data, block, tmp_path, "val")
