"""Open-vocabulary backend: a zero-shot detector of transformers, loaded from a local folder.

It detects the class names of a file in every video, and in addition the noun phrases in the video's own sentences
(`prompted`). If the prompt exceeds the text encoder's limit it is split into several passes, whose results are
merged: of two boxes with IoU above nms_threshold the better one is kept, with the phrase scores that other passes
gave to overlapping boxes. The score of a region is its maximum phrase score. Its class distribution is
proportional to the odds of the phrase scores: the posterior given that exactly one phrase applies, if the phrases
are independent. Attributes are colour names computed from the pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vcma.boxes import pairwise_iou
from vcma.detection.base import Detector, existing_file, fingerprint, read_names, resolve
from vcma.detection.colours import COLOUR_ATTRIBUTES, named_colours
from vcma.detection.model_folder import model_files, quiet_transformers
from vcma.detection.passes import Passes, device_failures
from vcma.detection.precision import computing_in
from vcma.detection.selection import best_boxes
from vcma.errors import InputError
from vcma.records.regions import Regions

if TYPE_CHECKING:
    from vcma.detection.grounding_dino import GroundingDino

_VERSION = 1  # part of the fingerprint: increase it when the same weights would give different results
_FAMILIES = ("grounding-dino", "mm-grounding-dino")
_MAX_ASPECT_RATIO = 4  # images beyond it have fewer feature-map cells than the network has queries


def load(settings: Mapping[str, Any], root: Path, device: str, precision: str = "fp32") -> OpenVocabularyDetector:
    """Load a model folder; raises InputError if a file is missing or invalid, or a class name has no tokens."""
    folder = resolve(settings["model"], root)
    files = model_files(folder)
    classes = read_names(existing_file(settings["classes"], root, "class names"))
    network, image_processor = _loaded(folder, device)
    if empty := [name for name in classes if not network.tokens(name)]:
        raise InputError(f"class name '{empty[0]}' has no tokens", settings["classes"], "remove it from the file")
    description = repr((_VERSION, classes, [path.name for path in files]))
    identity = fingerprint("open_vocabulary", description, *files)
    # On a CPU, batches are not faster but need more memory.
    in_passes = Passes(device, 1 if device == "cpu" else 1 << 30)
    shared = _Shared(network, image_processor, device, precision, identity, in_passes, Lock())
    return OpenVocabularyDetector(shared, classes)


def _loaded(folder: Path, device: str) -> tuple[GroundingDino, Any]:
    """Load the network and its image processor."""
    import torch
    from transformers import AutoConfig, AutoModelForZeroShotObjectDetection, AutoProcessor

    from vcma.detection.grounding_dino import GroundingDino

    # No download, no code from the folder, no pickle.
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        with quiet_transformers():
            family = AutoConfig.from_pretrained(folder, **local).model_type
            if family not in _FAMILIES:
                what = f"contains a {family} model, which is not a supported open-vocabulary detector"
                raise InputError(what, folder, f"use a {' or '.join(_FAMILIES)} model")
            processor = AutoProcessor.from_pretrained(folder, **local)
            model, report = AutoModelForZeroShotObjectDetection.from_pretrained(
                folder, **local, use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
        if missing := sorted(report["missing_keys"]):
            raise ValueError(f"{len(missing):,} of the network's weights are missing, e.g. {missing[0]}")
        network = GroundingDino(model.eval(), processor.tokenizer)
    except InputError:
        raise
    except Exception as error:  # transformers raises anything for invalid files, which are the user's
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"not a usable model: {reason}", folder, "download its files again") from error
    model.to(device)
    return network, processor.image_processor


class _Shared(NamedTuple):
    """State shared by the detectors of all videos."""

    network: GroundingDino
    image_processor: Any
    device: str
    precision: str
    fingerprint: str
    in_passes: Passes
    lock: Lock


class _Input(NamedTuple):
    """Images of equal size, and the network input [B, 3, h, w]."""

    images: list[np.ndarray]
    pixels: Any


class _Found(NamedTuple):
    """Regions selected in one image: box [k, 4] px, phrase_score [k, C], feature [k, D]."""

    box: np.ndarray
    phrase_score: np.ndarray
    feature: np.ndarray


class OpenVocabularyDetector(Detector):
    """`Detector` for the prompt of one video."""

    reads_sentences = True
    attribute_names = COLOUR_ATTRIBUTES

    def __init__(self, shared: _Shared, classes: tuple[str, ...], phrases: Sequence[str] = ()):
        """classes: searched for in every video; phrases: in this one, except those without tokens or in classes."""
        common = {name.lower() for name in classes}
        asked = dict.fromkeys(p for p in phrases if p.lower() not in common)
        self.prompts = tuple(p for p in asked if shared.network.tokens(p))
        self.class_names = (*classes, *self.prompts)
        self.feature_dim = shared.network.feature_dim
        self.fingerprint = shared.fingerprint
        self._classes = classes
        self._shared = shared
        self._texts = shared.network.texts(self.class_names)

    def prompted(self, phrases: Sequence[str]) -> OpenVocabularyDetector:
        """Return the detector for a video with these phrases; it shares the network."""
        return OpenVocabularyDetector(self._shared, self._classes, phrases)

    def prepare(self, images: Sequence[np.ndarray]) -> list[_Input]:
        """Group consecutive images of equal size and make the network inputs; padding would change the results."""
        groups = (list(same) for _, same in itertools.groupby(images, key=lambda image: image.shape))
        return [self._input(same) for same in groups]

    def _input(self, images: list[np.ndarray]) -> _Input:
        made = self._shared.image_processor(
            images=[_widened(image[..., ::-1]) for image in images],
            return_tensors="pt",
            input_data_format="channels_last",
            do_pad=False,
        )
        return _Input(images, made["pixel_values"])

    def run(self, prepared: list[_Input], **limits: Any) -> list[tuple[np.ndarray, _Found]]:
        """Run the network; returns the images and their selected regions. limits: the parameters of `detect`."""
        import torch

        found = []
        with (
            self._shared.lock,
            device_failures(self._shared.device),
            torch.inference_mode(),
            computing_in(self._shared.precision, self._shared.device),
        ):
            for given in prepared:
                for part in self._shared.in_passes(len(given.images), partial(self._pass, given, limits)):
                    found += part
        return found

    def _pass(self, given: _Input, limits: Mapping[str, Any], rows: slice) -> list[tuple[np.ndarray, _Found]]:
        """Run all text passes over some of the images and select their regions."""
        import torch

        network, pixels = self._shared.network, given.pixels[rows].to(self._shared.device)
        size = given.images[0].shape[1::-1]
        try:
            answers = [[part.cpu().numpy() for part in network(pixels, text)] for text in self._texts]
            picked = [
                _picked(
                    [(box[i], score[i]) for box, score in answers],
                    [text.phrase for text in self._texts],
                    size,
                    len(self.class_names),
                    limits,
                )
                for i in range(len(pixels))
            ]
            scale = np.tile(np.array(pixels.shape[:1:-1]) / size, 2)
            boxes = [torch.tensor(box * scale, dtype=torch.float32, device=pixels.device) for box, _ in picked]
            features = [f.cpu().numpy() for f in network.features(pixels, boxes)]
        finally:
            network.forget()
        return [
            (image, _Found(box, score, feature))
            for image, (box, score), feature in zip(given.images[rows], picked, features, strict=True)
        ]

    def finish(self, output: list[tuple[np.ndarray, _Found]]) -> list[Regions]:
        """Return the regions of each image, with class distributions and colour attributes."""
        return [
            Regions(
                box=found.box,
                score=found.phrase_score.max(1, initial=0),
                class_prob=_distribution(found.phrase_score),
                attribute_prob=named_colours(image, found.box).astype(np.float16),
                feature=_half(found.feature),
            )
            for image, found in output
        ]


def _widened(image: np.ndarray) -> np.ndarray:
    """Repeat the rows or columns of an image whose aspect ratio exceeds _MAX_ASPECT_RATIO."""
    for axis in (0, 1):
        times = -(-image.shape[1 - axis] // (_MAX_ASPECT_RATIO * image.shape[axis]))
        image = image.repeat(times, axis)
    return image


def _picked(
    answers: Sequence[tuple[np.ndarray, np.ndarray]],
    phrases: Sequence[Sequence[int]],
    size: tuple[int, int],
    count: int,
    limits: Mapping[str, Any],
) -> tuple[np.ndarray, np.ndarray]:
    """Select boxes float32 [k, 4], px, of one image with phrase scores float32 [k, count], best first.

    answers: for each pass, boxes [Q, 4], centre and size relative to the image, and scores [Q, P]. phrases: for
    each pass, the indices [P] of its phrases, out of `count`. size: width and height of the image.
    """
    box = np.concatenate([box for box, _ in answers])
    corners = np.concatenate([box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2], 1) * np.tile(size, 2)
    corners = corners.clip(0, np.tile(size, 2)).astype(np.float32)
    score = np.zeros((len(box), count), np.float32)
    of_pass = np.repeat(np.arange(len(answers)), [len(box) for box, _ in answers])
    for number, ((_, pass_score), rows) in enumerate(zip(answers, phrases, strict=True)):
        score[np.ix_(of_pass == number, rows)] = pass_score
    kept = best_boxes(corners, score.max(1), **limits)
    merged = [_merged_scores(corners, score, of_pass, row, limits["nms_threshold"]) for row in kept]
    return corners[kept], np.array(merged, np.float32).reshape(-1, count)


def _merged_scores(
    box: np.ndarray, score: np.ndarray, of_pass: np.ndarray, row: int, threshold: float
) -> np.ndarray:
    """Phrase scores [C] of one box, combined with the maximum scores of overlapping boxes of other passes."""
    over = (of_pass != of_pass[row]) & (pairwise_iou(box[row], box) > threshold)
    # Capped at the box's own maximum: an overlapping box with a higher score may itself have been suppressed.
    return np.minimum(np.maximum(score[row], score[over].max(0, initial=0)), score[row].max())


def _distribution(phrase_score: np.ndarray) -> np.ndarray:
    """Class distributions float16 [k, C], proportional to the odds of the scores; rows sum to 1."""
    score = phrase_score.astype(np.float64).clip(0, 1 - 1e-6)
    odds = score / (1 - score)
    return (odds / np.maximum(odds.sum(1, keepdims=True), 1e-300)).astype(np.float16)


def _half(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # infinities are replaced by 0 before storage
        return values.astype(np.float16)
