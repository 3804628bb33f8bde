"""Region-text encoders: pictures of regions and phrases as vectors whose cosine says how well they fit.

Any dual encoder that transformers can load from a local folder: CLIP, SigLIP, SigLIP 2 and others with a text and
an image tower (docs/encoders.md). Nothing is fetched, no code of the folder is run, no pickle opened.
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

_BATCH = 128  # texts of one pass
_VERSION = 1  # part of the name: raise it when the same folder would give other vectors
_SCALING = ("preprocessor_config.json", "processor_config.json")  # how pictures are scaled: either file
_REMEDY = "docs/encoders.md says what the folder must hold"
_LOCAL = {"local_files_only": True, "trust_remote_code": False}
_USUAL_SCALE = 100.0  # CLIP's, at which its training caps it


class DualEncoder:
    """A dual encoder: vectors of unit length for pictures and for texts.

    name: family and digest of the folder; width: of the vectors; scale: what cosines are multiplied by in training,
    which makes them log-odds; longest: tokens of a text, what is beyond is cut.
    """

    def __init__(self, folder: Path, device: str = "cpu"):
        """Raises InputError with what is wrong with the folder."""
        with _one_line(folder):
            config = _config(folder)
            files = _files(folder)
            model, self._tokenizer, self._pictures = _loaded(folder, config)
            self._model, self._device = model.eval().to(device), device
        self.name = f"{config.model_type}:{digest([folder / 'config.json', *files])}.{_VERSION}"
        self._is_siglip = config.model_type.startswith("siglip")
        self.longest = _longest(config, self._tokenizer)
        self.scale = _scale(model)
        self._one_at_a_time = threading.Lock()
        with _one_line(folder):
            # A tokenizer of another model, or none that pads, shows at texts of unequal length.
            seen = self.embed_pictures([np.zeros((20, 10, 3), np.uint8), np.zeros((4, 9, 3), np.uint8)])
            read = self._some_texts(["a", "a dog " * 200])
        if seen.shape != read.shape or not np.isfinite([seen, read]).all():
            raise InputError("the encoder's towers give no comparable vectors", folder, _REMEDY)
        self.width = seen.shape[1]

    def embed_pictures(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors of pictures, each uint8 (H, W, 3) RGB of any size: float32 [n, width], in one forward pass.

        A picture is squeezed into the encoder's square, or keeps its shape where the encoder takes any: nothing of
        it is cut off.
        """
        how: dict[str, Any] = {"return_tensors": "pt", "input_data_format": "channels_last"}
        if getattr(self._pictures, "do_center_crop", False):
            # As it is, the processor would cut the head and feet off a standing person.
            side = self._pictures.crop_size
            how |= {"do_center_crop": False, "size": {"height": side["height"], "width": side["width"]}}
        return self._run("get_image_features", self._pictures(images=list(pictures), **how))

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of texts: float32 [n, width]."""
        rows = [self._some_texts(texts[i : i + _BATCH]) for i in range(0, len(texts), _BATCH)]
        return np.concatenate([np.zeros((0, self.width), np.float32), *rows])

    def cuts(self, text: str) -> bool:
        """Whether a text is longer than the encoder reads."""
        return len(self._tokenizer(text.lower())["input_ids"]) > self.longest

    def _some_texts(self, texts: Sequence[str]) -> np.ndarray:
        # SigLIP was trained on texts padded to one length, padding attended to; others stop at a text's end.
        given = self._tokenizer(
            [text.lower() for text in texts],
            return_tensors="pt",
            padding="max_length" if self._is_siglip else True,
            truncation=True,
            max_length=self.longest,
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
    """Like `DualEncoder`, loaded once a process: for workers that are handed one video after another."""
    return DualEncoder(folder, device)


def needed_encoder(folder: Path | None, needed: bool) -> DualEncoder | None:
    """The encoder in a folder; None where there is none, or it has no weight in anything."""
    return DualEncoder(folder) if folder and needed else None


@contextmanager
def _one_line(folder: Path) -> Iterator[None]:
    """What a folder's files make of transformers, whatever it is, is the user's to know."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise InputError(f"not a usable encoder ({text[:300]})", folder, _REMEDY) from error


def _config(folder: Path) -> Any:
    """The configuration of a folder's model; raises InputError where that has not both towers."""
    if not folder.is_dir():
        raise InputError("no such encoder", folder, "fetch it, or correct 'encoder:' in the data set's block")
    if not (folder / "config.json").is_file():
        raise InputError("the encoder lacks config.json", folder, _REMEDY)
    from transformers import MODEL_MAPPING, AutoConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(folder, **_LOCAL)
    model = MODEL_MAPPING[type(config)]
    towers = {"text": "get_text_features", "image": "get_image_features"}
    if missing := [tower for tower, method in towers.items() if not hasattr(model, method)]:
        what = f"it has no {missing[0]} tower" if len(missing) == 1 else "it is a tower of pictures or text alone"
        raise InputError(f"'{config.model_type}' is no region-text encoder: {what}", folder, _REMEDY)
    return config


def _files(folder: Path) -> list[Path]:
    """Tokenizer, picture settings and weights of a folder; raises InputError naming what is not there."""
    scaling = [folder / name for name in _SCALING if (folder / name).is_file()]
    found = {
        "a tokenizer (tokenizer.json)": tokenizer_files(folder),
        _SCALING[0]: scaling,
        "model.safetensors": weight_files(folder),
    }
    for name, files in found.items():
        if not files:
            pickled = name == "model.safetensors" and any(folder.glob("*.bin"))
            remedy = "docs/encoders.md says how its .bin becomes safetensors" if pickled else _REMEDY
            raise InputError(f"the encoder lacks {name}", folder, remedy)
    return [path for files in found.values() for path in files]


def _loaded(folder: Path, config: Any) -> tuple[Any, Any, Any]:
    """Model, tokenizer and image processor of a folder."""
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    model, told = AutoModel.from_pretrained(
        folder, config=config, use_safetensors=True, output_loading_info=True, **_LOCAL
    )
    # transformers fills what a file lacks with random numbers.
    if absent := sorted(told["missing_keys"]):
        tower = {"text": "text tower", "vision": "image tower"}.get(absent[-1].split("_")[0], absent[-1])
        raise InputError(f"the encoder's weights lack its {tower} ({len(absent)} tensors)", folder, _REMEDY)
    tokenizer = AutoTokenizer.from_pretrained(folder, **_LOCAL)
    return model, tokenizer, AutoImageProcessor.from_pretrained(folder, **_LOCAL)


def _longest(config: Any, tokenizer: Any) -> int:
    """Tokens that the text tower reads."""
    text = getattr(config, "text_config", config)
    return int(min(getattr(text, "max_position_embeddings", math.inf), tokenizer.model_max_length))


def _scale(model: Any) -> float:
    """What the model multiplies cosines by."""
    logarithm = getattr(model, "logit_scale", None)
    return _USUAL_SCALE if logarithm is None else float(logarithm.detach().exp())
