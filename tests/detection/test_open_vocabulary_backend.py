"""Grounding DINO as a detector: what it is asked, how its answer is read, several passes, and folders that lack."""

import json
import re
import shutil
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import ROOT
from tests.detection.networks import LIMITS, check_regions, random_picture
from tests.detection.tiny_grounding_dino import FIXED, LONGEST, tiny_block, tiny_grounding_dino
from vcma.boxes import pairwise_iou
from vcma.detection.open_vocabulary_backend import _picked, load
from vcma.detection.proposals import propose
from vcma.detection.registry import load_detector
from vcma.errors import InputError, RefusedError

PHRASES = ("man", "man in red coat", "zebra")
MANY = tuple(f"{a}{b} thing" for a in "abcdefghijklmnopqrstuvwxyz" for b in "abcdefghijklmnopqrst")[:500]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_grounding_dino(tmp_path_factory.mktemp("dino"))


@pytest.fixture(scope="module")
def detector(folder):
    return load_detector(tiny_block(), folder)


@pytest.fixture(scope="module")
def theirs(folder):
    """transformers' own processor and model."""
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    model = AutoModelForZeroShotObjectDetection.from_pretrained(folder, local_files_only=True).eval()
    return AutoProcessor.from_pretrained(folder, local_files_only=True), model


def test_the_network_reads_the_text_that_transformers_makes(detector, theirs):
    asked = detector.prompted(PHRASES)
    (text,) = asked._texts
    names = [[*FIXED, *PHRASES]]
    assert (
        text.ids.tolist()
        == theirs[0](text=names, images=random_picture(), return_tensors="pt")["input_ids"][0].tolist()
    )
    # Each phrase has the tokens between its stops: whole words but for 'zebra', a letter each.
    assert [int((row > 0).sum()) for row in text.share] == [1, 1, 1, 1, 4, 5]
    assert text.phrase == list(range(6)) and torch.allclose(text.share.sum(1), torch.ones(6).double())


def test_boxes_and_phrases_scores_are_those_of_transformers_output(detector, theirs):
    processor, model = theirs
    asked, picture = detector.prompted(PHRASES), random_picture(3, 60, 100)
    inputs = processor(images=picture[..., ::-1].copy(), text=[[*FIXED, *PHRASES]], return_tensors="pt")
    with torch.no_grad():
        output = model(**inputs)
    read = processor.post_process_grounded_object_detection(output, threshold=0, target_sizes=[(60, 100)])[0]
    token = output.logits[0].sigmoid().numpy()
    ids = inputs["input_ids"][0].tolist()
    stops = [i for i, word in enumerate(ids) if word in (101, 102, 1012)]
    spans = [range(a + 1, b) for a, b in pairwise(stops) if b > a + 1]
    phrase = np.stack([token[:, list(span)].mean(1) for span in spans], 1)
    (found,) = asked.detect([picture], **LIMITS | {"nms_threshold": 1.0, "top_k": 500})
    assert len(found) > 20 and asked.class_names == (*FIXED, *PHRASES)
    boxes = read["boxes"].numpy().clip(0, [100, 60, 100, 60])
    for box, score, classes in zip(found.box, found.score, found.class_prob, strict=True):
        row = np.abs(boxes - box).max(1).argmin()
        assert np.abs(boxes[row] - box).max() < 0.05
        assert score == pytest.approx(phrase[row].max(), abs=1e-4)
        odds = phrase[row] / (1 - phrase[row])
        np.testing.assert_allclose(classes, odds / odds.sum(), atol=2e-3)


def test_what_every_video_is_searched_for_is_asked_once_and_nothing_not_at_all(detector):
    assert detector.prompts == () and detector.class_names == FIXED
    asked = detector.prompted(("Person", "zebra", "...", "zebra", " "))
    assert asked.class_names == (*FIXED, "zebra") and asked.prompts == ("zebra",)
    assert asked.prompted(()).class_names == FIXED
    assert asked.fingerprint == detector.fingerprint and asked.feature_dim == detector.feature_dim


def test_500_nouns_are_asked_in_passes_over_one_backbone_and_merged(detector, monkeypatch):
    asked, picture = detector.prompted(MANY), random_picture()
    network = asked._shared.network
    assert len(asked._texts) > 50 and max(len(text.ids) for text in asked._texts) <= LONGEST
    assert [row for text in asked._texts for row in text.phrase] == list(range(503))
    calls = {"backbone": 0, "model": 0}
    for name, module in (("backbone", network._backbone.maps), ("model", network._model)):
        before = module.forward

        def counted(*given, name=name, before=before, **more):
            calls[name] += 1
            return before(*given, **more)

        monkeypatch.setattr(module, "forward", counted)
    (found,) = asked.detect([picture], **LIMITS)
    check_regions(found, asked, picture, LIMITS["top_k"])
    assert calls == {"backbone": 1, "model": len(asked._texts)}
    assert network._backbone.kept is None
    for i in range(1, len(found)):
        assert (pairwise_iou(found.box[i], found.box[:i]) <= LIMITS["nms_threshold"]).all()


def test_what_another_pass_says_of_a_place_is_added_to_its_phrases():
    """Two passes, of phrases 0, 1 and of phrase 2, see one thing alike and another for themselves."""
    first = np.array([[0.5, 0.5, 0.2, 0.2], [0.2, 0.2, 0.1, 0.1]]), np.array([[0.6, 0.1], [0.1, 0.3]])
    second = np.array([[0.5, 0.51, 0.2, 0.2], [0.8, 0.8, 0.1, 0.1]]), np.array([[0.5], [0.2]])
    limits = {"top_k": 9, "score_threshold": 0.05, "nms_threshold": 0.5, "min_size": 1}
    box, score = _picked([first, second], [[0, 1], [2]], (100, 200), 3, limits)
    np.testing.assert_allclose(box, [[40, 80, 60, 120], [15, 30, 25, 50], [75, 150, 85, 170]], atol=1e-4)
    np.testing.assert_allclose(score, [[0.6, 0.1, 0.5], [0.1, 0.3, 0], [0, 0, 0.2]], atol=1e-6)
    # Without overlap nothing is merged, and a pass never adds to itself.
    _, apart = _picked([first, second], [[0, 1], [2]], (100, 200), 3, limits | {"nms_threshold": 1.0})
    np.testing.assert_allclose(apart, [[0.6, 0.1, 0], [0, 0, 0.5], [0.1, 0.3, 0], [0, 0, 0.2]], atol=1e-6)


def test_features_are_of_the_pixels_not_of_the_prompt(detector):
    picture = random_picture(5)
    first, second = (
        detector.prompted(phrases).detect([picture], **LIMITS | {"top_k": 500, "nms_threshold": 1.0})[0]
        for phrases in (("zebra",), ("man", "ball"))
    )
    network, (given,) = detector._shared.network, detector.prepare([picture])
    scale = np.tile(np.array(given.pixels.shape[:1:-1]) / (128, 96), 2)
    with torch.inference_mode():
        for found in (first, second):
            (wanted,) = network.features(given.pixels, [torch.tensor(found.box * scale, dtype=torch.float32)])
            np.testing.assert_allclose(found.feature, wanted, atol=2e-3, rtol=2e-3)
    network.forget()
    half = torch.tensor([[0.0, 0, 32, 64], [40, 0, 72, 64]])
    pixels = torch.zeros(1, 3, 64, 80)
    pixels[..., 40:] = 3
    with torch.inference_mode():
        (seen,) = network.features(pixels, [half])
    assert (seen[0] - seen[1]).abs().max() > 0.1  # dark and bright
    network.forget()


def test_proposals_mark_what_the_sentences_named(detector):
    import cv2

    jpeg = [np.frombuffer(cv2.imencode(".jpg", random_picture(i))[1].tobytes(), np.uint8) for i in range(2)]
    frames = {
        "frame": np.arange(2), "time": np.arange(2.0), "width": np.int64(256), "height": np.int64(192),
        "jpeg": np.concatenate(jpeg), "jpeg_offset": np.array([0, len(jpeg[0]), len(jpeg[0]) + len(jpeg[1])]),
    }  # fmt: skip
    asked = detector.prompted(PHRASES)
    found = propose(asked, frames, batch=2, **LIMITS)
    assert found["class_name"].tolist() == [*FIXED, *PHRASES]
    assert found["prompted"].tolist() == [False] * 3 + [True] * 3
    assert found["class_prob"].shape == (len(found["box"]), 6) and len(found["box"])
    assert not propose(detector, frames, batch=1, **LIMITS)["prompted"].any()


def test_half_precision_is_near(folder, detector):
    half, overlap = load(tiny_block(), folder, "cpu", "bf16"), []
    pictures = [random_picture(i) for i in range(3)]
    found, wanted = (one.detect(pictures, **LIMITS) for one in (half, detector))
    for picture, a, b in zip(pictures, found, wanted, strict=True):
        check_regions(a, half, picture, LIMITS["top_k"])
        overlap += [pairwise_iou(box, a.box).max() for box in b.box[:6]]
    # Of random weights the order of near-by scores, and so a few boxes, are chance.
    assert np.median(overlap) > 0.7


def test_too_little_memory_halves_the_pass(folder, monkeypatch, capsys):
    detector = load(tiny_block(), folder, "cpu")
    pictures = [random_picture(i) for i in range(5)]
    wanted = detector.detect(pictures, **LIMITS)
    forward = detector._pass
    monkeypatch.setattr(detector._shared.in_passes, "_largest", 8)  # as on a GPU
    monkeypatch.setattr(torch.accelerator, "empty_cache", lambda: None)

    def short(given, limits, rows):
        if rows.stop - rows.start > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(given, limits, rows)

    monkeypatch.setattr(detector, "_pass", short)
    for a, b in zip(detector.detect(pictures, **LIMITS), wanted, strict=True):
        np.testing.assert_allclose(a.score, b.score, atol=1e-3)
    assert capsys.readouterr().err == "cpu: out of memory for 5 frames at once; trying 2\n"

    def failing(*_):
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCompile with ...")

    monkeypatch.setattr(detector, "_pass", failing)
    with pytest.raises(RefusedError, match=r"^cpu: the device failed: CUDA error: an illegal memory access"):
        detector.detect(pictures, **LIMITS)


def test_nothing_of_transformers_is_heard(folder, capfd):
    load_detector(tiny_block(), folder).detect([random_picture()], **LIMITS)
    told = capfd.readouterr()
    assert told.out == told.err == ""


def rewritten(folder, drop=(), add=None):
    """Other tensors in a folder's weights."""
    path = folder / "model.safetensors"
    tensors = load_file(path) | (add or {})
    save_file({name: value for name, value in tensors.items() if not name.endswith(drop)}, path, {"format": "pt"})


def test_public_weights_lack_what_the_network_never_reads_and_have_what_it_computes(folder, detector, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "model")
    index = (
        "model.backbone.conv_encoder.model.swin.encoder.layers.0.blocks.0.attention.self.relative_position_index"
    )
    norm = ("swin.layernorm.weight", "swin.layernorm.bias")
    rewritten(copy, norm, {index: torch.zeros(16, 16, dtype=torch.long)})
    found, wanted = (d.detect([random_picture()], **LIMITS) for d in (load_detector(tiny_block(), copy), detector))
    np.testing.assert_array_equal(found[0].score, wanted[0].score)


def test_the_manuals_conversion_of_other_weights(folder, theirs, detector, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    torch.save(theirs[1].state_dict(), copy / "pytorch_model.bin")
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "detectors.md").read_text(), re.S)[1]
    subprocess.run([sys.executable, "-c", code], cwd=copy, check=True)
    found, wanted = (d.detect([random_picture()], **LIMITS) for d in (load_detector(tiny_block(), copy), detector))
    np.testing.assert_array_equal(found[0].score, wanted[0].score)


def changed(name, **values):
    def change(folder):
        content = json.loads((folder / name).read_text()) | values
        (folder / name).write_text(json.dumps(content))

    return change


def without(*names):
    def change(folder):
        for name in names:
            (folder / name).unlink()

    return change


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def renumbered(folder):
    """A tokenizer of other numbers, as of another family."""
    words = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = words["model"]["vocab"]
    vocabulary["."], vocabulary["[unused500]"] = vocabulary["[unused500]"], vocabulary["."]
    (folder / "tokenizer.json").write_text(json.dumps(words))


def cut(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:10000])


def without_a_tensor(folder):
    rewritten(folder, ("encoder.layers.0.fusion_layer.vision_param",))


def other_family(folder):
    from transformers import CLIPConfig

    CLIPConfig().save_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (shutil.rmtree, "model folder not found; see docs/detectors.md"),
        (without("config.json"), "config.json is missing in the model folder; copy the configuration"),
        (
            without("tokenizer.json", "vocab.txt"),
            "tokenizer.json or vocab.txt is missing in the model folder; copy the tok",
        ),
        (
            without("processor_config.json"),
            "preprocessor_config.json or processor_config.json is missing in the model folder; copy the image",
        ),
        (
            without("model.safetensors"),
            r"weights \(\*.safetensors\) are missing in .*; download model.safetensors as well",
        ),
        (
            pickled,
            r"weights \(\*.safetensors\) are missing in .*; convert pytorch_model.bin, see docs",
        ),
        (cut, "not a usable model: .*; download its files again"),
        (
            without_a_tensor,
            "1 of the network's weights are missing, e.g. model.encoder.layers.0.fusion_layer",
        ),
        (changed("config.json", d_model=128), "not a usable model: "),
        (renumbered, "its tokenizer has ids .* the network"),
        (
            other_family,
            "contains a clip model, which is not a supported open-vocabulary detector; use a ground",
        ),
        (lambda folder: (folder / "config.json").write_text("{"), "not a usable model: "),
        (lambda folder: (folder / "names").write_text("person\n..."), "class name '...' has no tokens; remove it"),
        (without("names"), "class names not found"),
    ],
)
def test_what_a_folder_lacks_is_told_in_one_line(folder, tmp_path, capfd, change, told):
    copy = shutil.copytree(folder, tmp_path / "model")
    change(copy)
    with pytest.raises(InputError, match=told) as error:
        load_detector(tiny_block("model"), tmp_path)
    assert "\n" not in str(error.value)
    assert capfd.readouterr().err == ""
