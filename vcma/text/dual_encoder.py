"""Region-text encoders: embeddings of image regions and phrases whose cosine measures how well they match.

Supports any dual encoder that transformers can load from a local folder: CLIP, SigLIP, SigLIP 2 and others with a
text and an image tower (docs/encoders.md). Downloads nothing, runs no code of the folder, and opens no pickle.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError
from vcma.text.model_folder import digest, tokenizer_files, weight_files

_BATCH = 128  # texts per forward pass
_VERSION = 1  # part of the name: increment it when the same folder would give other vectors
_SCALING = ("preprocessor_config.json", "processor_config.json")  # image preprocessing: either file
_REMEDY = "docs/encoders.md lists the files that the folder must contain"
_LOCAL = {"local_files_only": True, "trust_remote_code": False}
_USUAL_SCALE = 100.0  # CLIP's, where its training clips it


class DualEncoder:
    """A dual encoder: unit-length embeddings of images and texts.

    name: model family and digest of the folder; width: of the embeddings; scale: factor of cosines in training,
    which turns them into logits; max_tokens: texts are truncated to so many tokens.
    """

    def __init__(self, folder: Path, device: str = "cpu"):
        """Load the encoder; raises InputError that says what is wrong with the folder."""
        with _as_input_error(folder):
            config = _config(folder)
            files = _files(folder)
            model, self._tokenizer, self._image_processor = _loaded(folder, config)
            self._model, self._device = model.eval().to(device), device
        self.name = f"{config.model_type}:{digest([folder / 'config.json', *files])}.{_VERSION}"
        self._is_siglip = config.model_type.startswith("siglip")
        self.max_tokens = _max_tokens(config, self._tokenizer)
        self.scale = _scale(model)
        self._one_at_a_time = threading.Lock()
        with _as_input_error(folder):
            # Texts of unequal length reveal a tokenizer of another model, or one that does not pad.
            image = self.embed_images([np.zeros((20, 10, 3), np.uint8), np.zeros((4, 9, 3), np.uint8)])
            text = self._embed_batch(["a", "a dog " * 200])
        if image.shape != text.shape or not np.isfinite([image, text]).all():
            raise InputError("the encoder's two towers do not give comparable embeddings", folder, _REMEDY)
        self.width = image.shape[1]

    def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Embed images, each uint8 (H, W, 3) RGB of any size: float32 [n, width], in one forward pass.

        An image is resized to the encoder's square without cropping, or keeps its aspect ratio if the encoder
        accepts any.
        """
        how: dict[str, Any] = {"return_tensors": "pt", "input_data_format": "channels_last"}
        if getattr(self._image_processor, "do_center_crop", False):
            # By default the processor would crop the head and feet of a standing person.
            side = self._image_processor.crop_size
            how |= {"do_center_crop": False, "size": {"height": side["height"], "width": side["width"]}}
        return self._run("get_image_features", self._image_processor(images=list(images), **how))

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts: float32 [n, width]."""
        rows = [self._embed_batch(texts[i : i + _BATCH]) for i in range(0, len(texts), _BATCH)]
        return np.concatenate([np.zeros((0, self.width), np.float32), *rows])

    def truncates(self, text: str) -> bool:
        """Return whether a text exceeds the encoder's maximum number of tokens."""
        return len(self._tokenizer(text.lower())["input_ids"]) > self.max_tokens

    def _embed_batch(self, texts: Sequence[str]) -> np.ndarray:
        # SigLIP was trained on texts padded to one length without an attention mask; others mask the padding.
        given = self._tokenizer(
            [text.lower() for text in texts],
            return_tensors="pt",
            padding="max_length" if self._is_siglip else True,
            truncation=True,
            max_length=self.max_tokens,
        )
        return self._run("get_text_features", {"input_ids": given["input_ids"]} if self._is_siglip else given)

    def _run(self, method: str, given: Any) -> np.ndarray:
        import torch

        with self._one_at_a_time, torch.inference_mode():
            output = getattr(self._model, method)(**{key: value.to(self._device) for key, value in given.items()})
            vectors = output if isinstance(output, torch.Tensor) else output.pooler_output
            return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()


@lru_cache(maxsize=1)
def cached_encoder(folder: Path, device: str = "cpu") -> DualEncoder:
    """Return a `DualEncoder`, loaded once per process: for workers that process one video after another."""
    return DualEncoder(folder, device)


def needed_encoder(folder: Path | None, needed: bool) -> DualEncoder | None:
    """Load the encoder in a folder; returns None without a folder, or if it is not needed (zero weight)."""
    return DualEncoder(folder) if folder and needed else None


@contextmanager
def _as_input_error(folder: Path) -> Iterator[None]:
    """Convert any exception that transformers raises on a folder's files to an InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise InputError(f"not a usable encoder ({text[:300]})", folder, _REMEDY) from error


def _config(folder: Path) -> Any:
    """Return the configuration of a folder's model; raises InputError if it has not both towers."""
    if not folder.is_dir():
        raise InputError("no such encoder", folder, "download it, or correct 'encoder:' in the data set's block")
    if not (folder / "config.json").is_file():
        raise InputError("the encoder lacks config.json", folder, _REMEDY)
    from transformers import MODEL_MAPPING, AutoConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(folder, **_LOCAL)
    model = MODEL_MAPPING[type(config)]
    towers = {"text": "get_text_features", "image": "get_image_features"}
    if missing := [tower for tower, method in towers.items() if not hasattr(model, method)]:
        what = f"it has no {missing[0]} tower" if len(missing) == 1 else "it is a single image or text tower"
        raise InputError(f"'{config.model_type}' is not a region-text encoder: {what}", folder, _REMEDY)
    return config


def _files(folder: Path) -> list[Path]:
    """Return tokenizer, preprocessing and weight files of a folder; raises InputError that lists a missing one."""
    scaling = [folder / name for name in _SCALING if (folder / name).is_file()]
    found = {
        "a tokenizer (tokenizer.json)": tokenizer_files(folder),
        _SCALING[0]: scaling,
        "model.safetensors": weight_files(folder),
    }
    for name, files in found.items():
        if not files:
            pickled = name == "model.safetensors" and any(folder.glob("*.bin"))
            remedy = "docs/encoders.md says how to convert its .bin to safetensors" if pickled else _REMEDY
            raise InputError(f"the encoder lacks {name}", folder, remedy)
    return [path for files in found.values() for path in files]


def _loaded(folder: Path, config: Any) -> tuple[Any, Any, Any]:
    """Load model, tokenizer and image processor of a folder; raises InputError if weights are missing."""
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    model, loading = AutoModel.from_pretrained(
        folder, config=config, use_safetensors=True, output_loading_info=True, **_LOCAL
    )
    # transformers initialises missing weights at random, with no more than a log message.
    if absent := sorted(loading["missing_keys"]):
        tower = {"text": "text tower", "vision": "image tower"}.get(absent[-1].split("_")[0], absent[-1])
        raise InputError(f"the encoder's weights lack its {tower} ({len(absent)} tensors)", folder, _REMEDY)
    tokenizer = AutoTokenizer.from_pretrained(folder, **_LOCAL)
    return model, tokenizer, AutoImageProcessor.from_pretrained(folder, **_LOCAL)


def _max_tokens(config: Any, tokenizer: Any) -> int:
    """Return the maximum number of tokens of the text tower."""
    text = getattr(config, "text_config", config)
    return int(min(getattr(text, "max_position_embeddings", math.inf), tokenizer.model_max_length))


def _scale(model: Any) -> float:
    """Return the factor by which the model multiplies cosines."""
    logarithm = getattr(model, "logit_scale", None)
    return _USUAL_SCALE if logarithm is None else float(logarithm.detach().exp())
