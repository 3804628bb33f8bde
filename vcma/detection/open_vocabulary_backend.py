"""Detectors that are prompted with words: a zero-shot detector of transformers, from a local folder.

It finds the class names of a file, which it looks for in every video, and what the sentences of a video name
(`prompted`). A prompt longer than a text of the network is asked in several passes, whose answers are merged: of
two boxes that overlap beyond nms_threshold the better one stays, and what other passes said of the place is added
to its phrases' scores. The score of a region is its best phrase's. Its class distribution is that over phrases of
which just one would be true, were they independent: proportional to the odds of their scores. Colours are named
from the pixels.
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

_VERSION = 1  # part of the fingerprint: raise it when the same weights would give other answers
_FAMILIES = ("grounding-dino", "mm-grounding-dino")
_LONGEST_SIDE = 4  # of a picture, relative to its shortest: a longer strip has fewer places than the network boxes


def load(settings: Mapping[str, Any], root: Path, device: str, precision: str = "fp32") -> OpenVocabularyDetector:
    """Read a model's folder; raises InputError with what is wrong in it."""
    folder = resolve(settings["model"], root)
    files = model_files(folder)
    classes = read_names(existing_file(settings["classes"], root, "class names"))
    network, pictures = _loaded(folder, device)
    if empty := [name for name in classes if not network.tokens(name)]:
        raise InputError(f"'{empty[0]}' is nothing to look for", settings["classes"], "take it out of the names")
    description = repr((_VERSION, classes, [path.name for path in files]))
    identity = fingerprint("open_vocabulary", description, *files)
    # A CPU gains nothing from several frames at once, and they cost memory.
    in_passes = Passes(device, 1 if device == "cpu" else 1 << 30)
    shared = _Shared(network, pictures, device, precision, identity, in_passes, Lock())
    return OpenVocabularyDetector(shared, classes)


def _loaded(folder: Path, device: str) -> tuple[GroundingDino, Any]:
    """The network and what prepares its pictures."""
    import torch
    from transformers import AutoConfig, AutoModelForZeroShotObjectDetection, AutoProcessor

    from vcma.detection.grounding_dino import GroundingDino

    # Nothing is fetched, no code of the folder is run and no pickle opened.
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        with quiet_transformers():
            family = AutoConfig.from_pretrained(folder, **local).model_type
            if family not in _FAMILIES:
                what = f"holds a {family} model, not an open-vocabulary detector that is read here"
                raise InputError(what, folder, f"name a folder of {' or '.join(_FAMILIES)}")
            processor = AutoProcessor.from_pretrained(folder, **local)
            model, report = AutoModelForZeroShotObjectDetection.from_pretrained(
                folder, **local, use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
        if missing := sorted(report["missing_keys"]):
            raise ValueError(f"its weights lack {len(missing):,} of the network's, e.g. {missing[0]}")
        network = GroundingDino(model.eval(), processor.tokenizer)
    except InputError:
        raise
    except Exception as error:  # whatever its files make of transformers, they are the user's
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"not a usable model: {reason}", folder, "fetch its files again") from error
    model.to(device)
    return network, processor.image_processor


class _Shared(NamedTuple):
    """What the detectors of all videos have in common."""

    network: GroundingDino
    pictures: Any
    device: str
    precision: str
    fingerprint: str
    in_passes: Passes
    lock: Lock


class _Input(NamedTuple):
    """Pictures of one size, and the network's input [B, 3, h, w]."""

    pictures: list[np.ndarray]
    pixels: Any


class _Found(NamedTuple):
    """What is kept of one picture: box [k, 4] px, phrase scores [k, C], feature [k, D]."""

    box: np.ndarray
    phrase_score: np.ndarray
    feature: np.ndarray


class OpenVocabularyDetector(Detector):
    """A `Detector` of one video's prompt."""

    reads_sentences = True
    attribute_names = COLOUR_ATTRIBUTES

    def __init__(self, shared: _Shared, classes: tuple[str, ...], phrases: Sequence[str] = ()):
        """classes: looked for in every video; phrases: in this one; those of no word or of a class are left out."""
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
        """The detector for a video whose sentences name these phrases; it shares the network."""
        return OpenVocabularyDetector(self._shared, self._classes, phrases)

    def prepare(self, pictures: Sequence[np.ndarray]) -> list[_Input]:
        """Neighbours of one size with the network's input; padding them to one size would change their answers."""
        groups = (list(same) for _, same in itertools.groupby(pictures, key=lambda picture: picture.shape))
        return [self._input(same) for same in groups]

    def _input(self, pictures: list[np.ndarray]) -> _Input:
        made = self._shared.pictures(
            images=[_widened(picture[..., ::-1]) for picture in pictures],
            return_tensors="pt",
            input_data_format="channels_last",
            do_pad=False,
        )
        return _Input(pictures, made["pixel_values"])

    def run(self, prepared: list[_Input], **limits: Any) -> list[tuple[np.ndarray, _Found]]:
        """Pictures and what is kept of each; limits are those of `detect`."""
        import torch

        found = []
        with (
            self._shared.lock,
            device_failures(self._shared.device),
            torch.inference_mode(),
            computing_in(self._shared.precision, self._shared.device),
        ):
            for given in prepared:
                for part in self._shared.in_passes(len(given.pictures), partial(self._pass, given, limits)):
                    found += part
        return found

    def _pass(self, given: _Input, limits: Mapping[str, Any], rows: slice) -> list[tuple[np.ndarray, _Found]]:
        """What is kept of some of the pictures, in all passes over them."""
        import torch

        network, pixels = self._shared.network, given.pixels[rows].to(self._shared.device)
        size = given.pictures[0].shape[1::-1]
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
            (picture, _Found(box, score, feature))
            for picture, (box, score), feature in zip(given.pictures[rows], picked, features, strict=True)
        ]

    def finish(self, output: list[tuple[np.ndarray, _Found]]) -> list[Regions]:
        """Distributions and colours of what is kept."""
        return [
            Regions(
                box=found.box,
                score=found.phrase_score.max(1, initial=0),
                class_prob=_distribution(found.phrase_score),
                attribute_prob=named_colours(picture, found.box).astype(np.float16),
                feature=_half(found.feature),
            )
            for picture, found in output
        ]


def _widened(picture: np.ndarray) -> np.ndarray:
    """The picture, its rows or columns repeated where it is too long a strip for the network."""
    for axis in (0, 1):
        times = -(-picture.shape[1 - axis] // (_LONGEST_SIDE * picture.shape[axis]))
        picture = picture.repeat(times, axis)
    return picture


def _picked(
    answers: Sequence[tuple[np.ndarray, np.ndarray]],
    phrases: Sequence[Sequence[int]],
    size: tuple[int, int],
    count: int,
    limits: Mapping[str, Any],
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes float32 [k, 4] in the pixels of one picture and their phrases' scores float32 [k, count], best first.

    answers: of each pass boxes [Q, 4], centre and size relative to the picture, and scores [Q, P]; phrases: which
    of the `count` its P are. size: width and height of the picture.
    """
    box = np.concatenate([box for box, _ in answers])
    corners = np.concatenate([box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2], 1) * np.tile(size, 2)
    corners = corners.clip(0, np.tile(size, 2)).astype(np.float32)
    score = np.zeros((len(box), count), np.float32)
    asked = np.repeat(np.arange(len(answers)), [len(box) for box, _ in answers])
    for number, ((_, given), rows) in enumerate(zip(answers, phrases, strict=True)):
        score[np.ix_(asked == number, rows)] = given
    kept = best_boxes(corners, score.max(1), **limits)
    merged = [_said(corners, score, asked, row, limits["nms_threshold"]) for row in kept]
    return corners[kept], np.array(merged, np.float32).reshape(-1, count)


def _said(box: np.ndarray, score: np.ndarray, asked: np.ndarray, row: int, threshold: float) -> np.ndarray:
    """The phrases' scores [C] of one box, with the best that other passes said of boxes over it."""
    over = (asked != asked[row]) & (pairwise_iou(box[row], box) > threshold)
    # The best score stays the box's own: a better box over it may have lost to a third.
    return np.minimum(np.maximum(score[row], score[over].max(0, initial=0)), score[row].max())


def _distribution(phrase_score: np.ndarray) -> np.ndarray:
    """float16 [k, C], rows add up to 1."""
    score = phrase_score.astype(np.float64).clip(0, 1 - 1e-6)
    odds = score / (1 - score)
    return (odds / np.maximum(odds.sum(1, keepdims=True), 1e-300)).astype(np.float16)


def _half(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # what is beyond half floats is set to 0 where it is stored
        return values.astype(np.float16)
