"""Files of trained models: safetensors and JSON, no pickle."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vcma.errors import InputError
from vcma.model.decoding import Decoding
from vcma.model.evidence import Model, build
from vcma.model.settings import Settings
from vcma.model.vocabulary import Vocabulary
from vcma.pipeline.project import Project
from vcma.pipeline.storage import read_json, write_bytes, write_json
from vcma.records.columns import Columns
from vcma.records.embeddings import made_by
from vcma.text.dual_encoder import DualEncoder
from vcma.text.region_text import RegionText

_FORMAT = "vcma-model/7"
_MAX_WIDTH = 1 << 12  # a larger width indicates a damaged description, and would exhaust memory
_REMEDY = "train again: python stages/train_em.py"


def save_model(folder: Path, model: Model, detector: str, extra: dict[str, Any]) -> None:
    """Write the parameters to model.safetensors, and settings, vocabulary, detector and `extra` to model.json."""
    import safetensors.torch

    tensors = {f"theta.{k}": v.contiguous().cpu() for k, v in model.theta.state_dict().items()}
    tensors |= {f"phi.{k}": v.contiguous().cpu() for k, v in model.phi.state_dict().items()}
    content = safetensors.torch.save(tensors)
    write_bytes(folder / "model.safetensors", content)
    description = {
        "format": _FORMAT,
        "settings": asdict(model.settings),
        "vocabulary": model.vocabulary.to_json(),
        "detector": detector,
        "weights": hashlib.sha256(content).hexdigest(),
        **extra,
    }
    write_json(folder / "model.json", description)


def save_nothing(artifacts: Path) -> Path:
    """Write placeholders for the outputs of training, for grounding without a model; returns the model's folder."""
    folder = artifacts / "model"
    shutil.rmtree(folder, ignore_errors=True)
    write_json(folder / "untrained.json", {"untrained": "`untrained: true` in `ground_queries:` of pipeline.yaml"})
    write_json(artifacts / "em_history.json", {})
    return folder


def load_model(
    folder: Path, detector: str | None = None, changes: Mapping[str, Any] = MappingProxyType({})
) -> tuple[Model, dict[str, Any]]:
    """Read a model and its description.

    changes: settings of the E-step that override those of training. Raises InputError if the model is missing or
    damaged, or was trained with a detector other than `detector` (a fingerprint; None accepts any).
    """
    import numpy as np

    description = read_json(folder / "model.json", _REMEDY)
    try:
        if description["format"] != _FORMAT:
            raise InputError(f"has format {description['format']}, not {_FORMAT}", folder / "model.json", _REMEDY)
        settings = Settings.of(description["settings"] | dict(changes))
        if not 0 < settings.width <= _MAX_WIDTH:
            raise ValueError(f"width {settings.width}")
        if not isinstance(settings.text, str):
            raise TypeError(f"text {settings.text}")
        vocabulary = Vocabulary.from_json(description["vocabulary"])
        trained_on = str(description["detector"])
        model = build(vocabulary, lambda names: np.zeros((len(names), vocabulary.text_width), np.float32), settings)
        state = read_tensors(folder / "model.safetensors")[0]
        if hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() != description["weights"]:
            raise InputError("model.safetensors does not match the hash in model.json", folder, _REMEDY)
        for name, module in (("theta.", model.theta), ("phi.", model.phi)):
            module.load_state_dict({k.removeprefix(name): v for k, v in state.items() if k.startswith(name)})
    except (LookupError, AttributeError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InputError(f"not a usable model ({error})", folder, _REMEDY) from error
    if detector is not None and trained_on != detector:
        raise InputError(
            f"the model was trained on features of detector {trained_on}, not {detector}",
            folder,
            "ground with the detector it was trained on, or train again",
        )
    return model, description


def trained_region_text(
    vocabulary: Vocabulary, settings: Settings, encoder: Path | None, model: Path
) -> RegionText | None:
    """Return the agreement by the region-text encoder that a model was trained with; None if it used none.

    encoder: folder of the data set's region-text encoder. Raises InputError if it is None or a different encoder.
    """
    if not vocabulary.region_text:
        return None
    needed = made_by(vocabulary.region_text)
    remedy = "set 'encoder:' of the data set's block to its folder, or train again"
    if encoder is None:
        raise InputError(f"the model was trained with the region-text encoder {needed}", model, remedy)
    found = DualEncoder(encoder)
    if found.name != needed:
        what = f"the model was trained with the region-text encoder {needed}, not {found.name}"
        raise InputError(what, encoder, remedy)
    return RegionText(found, settings.prompts, vocabulary.class_names, settings.scores_relations)


def decoding_of(description: dict[str, Any]) -> Decoding:
    """Return the decoding parameters in a model's description."""
    return Decoding(description["temperature"], description["brevity"])


def describe_decoding(decoding: Decoding) -> dict[str, float]:
    """Return the entries of a model's description for decoding; `brevity` is the length penalty."""
    return {"temperature": decoding.temperature, "brevity": decoding.length_penalty}


def describe_source(project: Project, truth: Columns) -> dict[str, Any]:
    """Return the model description's entry `trained_on`. truth: the TRUTH columns of the validation split."""
    annotated = bool(len(truth["sample"]))
    return {"dataset": project.dataset, "format": project.block["format"], "validated": annotated}


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Read the tensors and metadata of a safetensors file; raises InputError if it is missing or damaged."""
    import safetensors
    import safetensors.torch

    try:
        with safetensors.safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except FileNotFoundError:
        raise InputError("no such file", path, _REMEDY) from None
    except (OSError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise InputError(f"not a readable safetensors file ({error})", path, _REMEDY) from error
