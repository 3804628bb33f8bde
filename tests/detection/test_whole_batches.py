"""What a GPU is given to do, here on the CPU: the same regions as picture by picture, within what is stated."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch

from tests.detection.narrow_models import C4, FPN, narrow_block, narrow_model, zoo_pickle
from tests.detection.networks import LIMITS, check_regions, random_picture
from vcma.detection.detectron2_backend import load
from vcma.detection.detectron2_config import import_detectron2
from vcma.detection.precision import PRECISIONS
from vcma.detection.registry import load_detector
from vcma.errors import InputError, RefusedError

import_detectron2()
detectron2_batches = importlib.import_module("vcma.detection.detectron2_batches")  # wants detectron2 importable
find_top_rpn_proposals = importlib.import_module("vcma.detection.rpn_proposals").find_top_rpn_proposals
detectron2s_own = importlib.import_module("detectron2.modeling.proposal_generator.proposal_utils")


def boxes_of_levels(pictures, counts, seed):
    """Random boxes and distinct logits of the anchors of some levels, some of them beyond the picture."""
    random = torch.Generator().manual_seed(seed)
    boxes, logits = [], []
    for level, count in enumerate(counts):
        corner = torch.rand(pictures, count, 2, generator=random) * 240 - 20
        side = torch.rand(pictures, count, 2, generator=random) * 16 * 2**level
        boxes.append(torch.cat([corner, corner + side], -1))
        logits.append(torch.randn(pictures, count, generator=random))
    return boxes, logits


@pytest.mark.parametrize(("counts", "exact"), [((900, 700, 90), True), ((90, 40, 9), False)], ids=["many", "few"])
@pytest.mark.parametrize("seed", range(3))
def test_proposals_are_those_of_detectron2s_own_selection(counts, exact, seed):
    """To the byte where it suppresses a level at a time. Of few boxes it moves the levels apart instead, which
    rounds them: an IoU within 1e-5 of the threshold, which these have none of, could go either way.
    """
    boxes, logits = boxes_of_levels(4, counts, seed)
    boxes[0][1, 3] = torch.inf
    logits[1][2, :5] = torch.nan
    logits[1][3, 5] = -torch.inf
    boxes[1][0, 7:9, 2] = boxes[1][0, 7:9, 0]  # empty
    sizes = [(200, 160), (200, 160), (100, 200), (180, 180)]
    how = (0.7, 600, 150, 2.0)
    copies = [[level.clone() for level in levels] for levels in (boxes, logits)]
    theirs = detectron2s_own.find_top_rpn_proposals(*copies, sizes, *how, False)
    ours = find_top_rpn_proposals(boxes, logits, sizes, *how)
    assert (sum(counts) * 4 > 4000) == exact
    for a, b, size in zip(ours, theirs, sizes, strict=True):
        assert a.image_size == size and 20 < len(a) <= 150
        assert torch.equal(a.proposal_boxes.tensor, b.proposal_boxes.tensor)
        assert torch.equal(a.objectness_logits, b.objectness_logits)


def test_a_picture_without_any_proposal():
    boxes, logits = boxes_of_levels(2, (20, 10), 0)
    for level in boxes:
        level[0] = torch.nan
    none, some = find_top_rpn_proposals(boxes, logits, [(200, 160)] * 2, 0.7, 10, 5, 0.0)
    assert len(none) == 0 and len(some) == 5


@pytest.fixture(scope="module", params=["fpn", "c4"])
def made(request, tmp_path_factory):
    """A function that loads a detector picture by picture or in whole batches, at a precision."""
    folder = tmp_path_factory.mktemp(request.param)
    text, attributes = (FPN, 0) if request.param == "fpn" else (C4, 7)
    zoo_pickle(narrow_model(folder, text, 20, attributes), folder / "model.pkl")
    block = narrow_block(**({"attributes": "attributes"} if attributes else {}))
    return lambda whole, precision="fp32": load(block, folder, "cpu", precision, whole)


PICTURES = [random_picture(0), random_picture(1), random_picture(2), random_picture(3, 80, 80)]


def compared(ours, theirs, tolerance, share):
    """At least a share of the regions are the same within a tolerance of score and, in 100 px, of their boxes."""
    same = total = 0
    for a, b in zip(ours, theirs, strict=True):
        total += len(b)
        for i in range(len(b)):
            near = np.abs(a.box - b.box[i]).max(1) / 100 + np.abs(a.score - b.score[i]) < tolerance
            same += bool(near.any())
    assert total >= 10 and same >= share * total, (same, total)


def test_regions_are_those_of_picture_by_picture(made):
    one_by_one, together = made(False), made(True)
    found = zip(PICTURES, together.detect(PICTURES, **LIMITS), one_by_one.detect(PICTURES, **LIMITS), strict=True)
    for picture, a, b in found:
        check_regions(a, together, picture, LIMITS["top_k"])
        assert len(a) == len(b) >= 2
        for name, value in vars(a).items():
            size = 100 if name == "box" else 1  # px; everything else is of the order of 1
            exact = 1e-3 if value.dtype == np.float16 else 1e-4
            np.testing.assert_allclose(
                value.astype(float) / size, getattr(b, name).astype(float) / size, exact, exact
            )


def test_the_same_pictures_give_the_same_bytes(made):
    detector = made(True)
    first, again = (detector.detect(PICTURES, **LIMITS) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert all(value.tobytes() == getattr(b, name).tobytes() for name, value in vars(a).items())


@pytest.mark.parametrize("limits", [{"score_threshold": 1.0}, {"min_size": 1000}, {"top_k": 0}], ids=str)
def test_where_nothing_is_found_the_axes_remain(made, limits):
    detector = made(True)
    for picture, regions in zip(PICTURES, detector.detect(PICTURES, **LIMITS | limits), strict=True):
        check_regions(regions, detector, picture, 0)
    assert detector.detect([], **LIMITS) == []


def test_half_precision_is_near_and_its_boxes_and_scores_are_float32(made):
    exact, half = made(True), made(True, "bf16")
    found = half.detect(PICTURES, **LIMITS)
    for picture, regions in zip(PICTURES, found, strict=True):
        check_regions(regions, half, picture, LIMITS["top_k"])
    compared(found, exact.detect(PICTURES, **LIMITS), 0.1, 0.8)


def test_too_little_memory_halves_the_pass_and_is_told_once(made, monkeypatch, capsys):
    detector = made(True)
    pictures = [random_picture(seed) for seed in range(7)]
    whole = detector.detect(pictures, **LIMITS)
    forward, sizes = detector._way.run, []

    def short_of_memory(inputs, *rest):
        sizes.append(len(inputs))
        if len(inputs) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(inputs, *rest)

    monkeypatch.setattr(detector._way, "run", short_of_memory)
    monkeypatch.setattr(torch.accelerator, "empty_cache", lambda: None)
    for _ in range(2):
        for a, b in zip(detector.detect(pictures, **LIMITS), whole, strict=True):
            np.testing.assert_allclose(a.box, b.box, 1e-3, 1e-2)
            np.testing.assert_allclose(a.score, b.score, 1e-3)
    assert sizes == [7, 3, 1, *[1] * 6, *[1] * 7]
    assert capsys.readouterr().err.splitlines() == [
        "cpu: out of memory for 7 frames at once; trying 3",
        "cpu: out of memory for 3 frames at once; trying 1",
    ]

    def no_memory(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(detector._way, "run", no_memory)
    with pytest.raises(RefusedError, match="cpu: out of memory for a single frame; free memory there"):
        detector.detect(pictures, **LIMITS)


@pytest.mark.parametrize("step", ["run", "finish"])
def test_a_device_that_fails_ends_the_run_with_one_line(made, step, monkeypatch):
    def failing(*_):
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCompile with ...")

    detector = made(True)
    monkeypatch.setattr(detector._way, "run", failing if step == "run" else lambda *_: failing)
    with pytest.raises(RefusedError) as told:
        detector.detect(PICTURES, **LIMITS)
    assert str(told.value) == (
        "cpu: the device failed: CUDA error: an illegal memory access was encountered; "
        "run again: finished videos are kept"
    )


def test_a_precision_is_that_of_the_pass_alone(made):
    """TensorFloat-32 is off in fp32 and on in tf32 for convolutions, and as before afterwards."""
    seen = []
    for precision in PRECISIONS:
        detector = made(True, precision)
        forward = detector._way.run

        def noted(*given, forward=forward):
            cudnn, products = torch.backends.cudnn.conv, torch.backends.cuda.matmul
            seen.append((cudnn.fp32_precision, products.fp32_precision, torch.is_autocast_enabled("cpu")))
            return forward(*given)

        detector._way.run = noted
        before = torch.backends.cudnn.conv.fp32_precision
        detector.detect(PICTURES[:1], **LIMITS)
        assert torch.backends.cudnn.conv.fp32_precision == before and not torch.is_autocast_enabled("cpu")
    assert seen[:2] == [("ieee", "ieee", False), ("tf32", "ieee", False)] and all(half for *_, half in seen[2:])


@pytest.mark.parametrize("precision", PRECISIONS[1:])
def test_a_cpu_computes_in_fp32(precision, tmp_path):
    with pytest.raises(InputError, match=f"detectron2 detector on cpu supports fp32, not {precision}"):
        load_detector(narrow_block(), tmp_path, "cpu", precision)
    block = {"backend": "opencv_dnn", "layout": "yolox", "weights": "w", "classes": "c", "input_size": 32}
    with pytest.raises(InputError, match=f"opencv_dnn detector supports fp32, not {precision}; set prec"):
        load_detector(block, tmp_path, "cuda:0", precision)
