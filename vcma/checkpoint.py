"""Trained models and the rounds of a run, as safetensors plus JSON: nothing here is a pickle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vcma.artifact import read_json, write_bytes, write_json
from vcma.corpus import Vocabulary
from vcma.em import Model, Settings, Trainer, build
from vcma.errors import InputError

_REMEDY = "train again: python stages/train_em.py"


def save_model(folder: Path, model: Model, detector: str, extra: dict[str, Any]) -> None:
    """Write model.safetensors and model.json: parameters; configuration, vocabulary, detector and `extra`."""
    import safetensors.torch

    tensors = {f"theta.{k}": v.contiguous().cpu() for k, v in model.theta.state_dict().items()}
    tensors |= {f"phi.{k}": v.contiguous().cpu() for k, v in model.phi.state_dict().items()}
    write_bytes(folder / "model.safetensors", safetensors.torch.save(tensors))
    description = {
        "format": "vcma-model/1",
        "settings": asdict(model.settings),
        "vocabulary": model.vocabulary.to_json(),
        "detector": detector,
        **extra,
    }
    write_json(folder / "model.json", description)


def load_model(folder: Path, detector: str | None = None) -> tuple[Model, dict[str, Any]]:
    """Read a model and its description; raises InputError if it is missing, damaged, or of another detector."""
    import numpy as np

    description = read_json(folder / "model.json", _REMEDY)
    try:
        if description["format"] != "vcma-model/1":
            raise InputError(f"holds {description['format']}, not vcma-model/1", folder / "model.json", _REMEDY)
        settings = Settings.of(description["settings"])
        vocabulary = Vocabulary.from_json(description["vocabulary"])
        trained_on = description["detector"]
        model = build(vocabulary, lambda names: np.zeros((len(names), 256), np.float32), settings)
        state = read_tensors(folder / "model.safetensors")[0]
        for name, module in (("theta.", model.theta), ("phi.", model.phi)):
            module.load_state_dict({k.removeprefix(name): v for k, v in state.items() if k.startswith(name)})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"not a usable model ({error})", folder, _REMEDY) from error
    if detector is not None and trained_on != detector:
        raise InputError(
            f"the model was trained on features of detector {trained_on}, not {detector}",
            folder,
            "ground with the detector it was trained on, or train again",
        )
    return model, description


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """(tensors, metadata) of a safetensors file; raises InputError if it is missing or damaged."""
    import safetensors
    import safetensors.torch

    try:
        with safetensors.safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except FileNotFoundError:
        raise InputError("no such file", path, _REMEDY) from None
    except (OSError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise InputError(f"not a readable safetensors file ({error})", path, _REMEDY) from error


class Rounds:
    """The rounds of one training, in one file that is replaced after each: a kill leaves the old or the new one.

    key: digest of all that the training follows from; a file of another key is not gone on from.
    """

    def __init__(self, path: Path, key: str, trainer: Trainer):
        self.path, self.key, self.trainer = path, key, trainer
        self.best = trainer.parameters()

    def resume(self) -> list[dict]:
        """Set the trainer as a killed run left it and return its history; an empty one where there is none."""
        try:
            tensors, metadata = read_tensors(self.path)
            if metadata.get("key") != self.key:
                return []
            self.trainer.load({k: v for k, v in tensors.items() if not k.startswith("best.")})
            self.best = {k.removeprefix("best."): v for k, v in tensors.items() if k.startswith("best.")}
            return json.loads(metadata["history"])
        except (InputError, KeyError, ValueError, RuntimeError):
            return []

    def keep(self, history: list[dict]) -> None:
        """Store the round just done, and its parameters as the best if it is."""
        import safetensors.torch

        if history[-1]["best"]:
            self.best = self.trainer.parameters()
        state = self.trainer.state() | {f"best.{k}": v for k, v in self.best.items()}
        metadata = {"key": self.key, "history": json.dumps(history)}
        write_bytes(
            self.path, safetensors.torch.save({k: v.contiguous().cpu() for k, v in state.items()}, metadata)
        )

    def finish(self) -> None:
        """Put the best round's parameters into the model; nothing is left to resume."""
        self.trainer.restore(self.best)
        self.path.unlink(missing_ok=True)
