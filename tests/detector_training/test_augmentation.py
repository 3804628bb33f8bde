"""What training sees of an annotated picture."""

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.detection.networks import random_picture
from vcma.detection.detectron2_config import read_config
from vcma.detector_training.augmentation import TrainingMapper
from vcma.detector_training.pictures import AnnotatedPicture, encode_jpeg


@pytest.mark.parametrize("order", ["BGR", "RGB"])
def test_boxes_are_clipped_and_hidden_objects_dropped(order):
    cfg = read_config("envs/detectors/demo.yaml", ROOT)
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.RANDOM_FLIP, cfg.INPUT.FORMAT = (96,), "none", order
    boxes = np.array([[10, 20, 60, 60], [100, 10, 150, 50], [120, 10, 200, 50]], np.float32)
    attributes = (("red", "big"), (), ("red",))
    picture = AnnotatedPicture(encode_jpeg(random_picture()), boxes, ("dog", "cat", "cat"), attributes)
    np.random.seed(0)
    seen = TrainingMapper(cfg, ["cat", "dog"], ["big", "red"])({"picture": picture})
    assert seen["image"].shape == (3, 96, 128)
    truth = seen["instances"]
    np.testing.assert_allclose(truth.gt_boxes.tensor, [[10, 20, 60, 60], [100, 10, 128, 50]])
    assert truth.gt_classes.tolist() == [1, 0]
    assert truth.gt_attributes.tolist() == [[1, 1], [0, 0]]
    means = seen["image"].mean((1, 2)).numpy()
    expected = random_picture().mean((0, 1))[:: -1 if order == "RGB" else 1]
    assert np.corrcoef(means, expected)[0, 1] > 0.9
