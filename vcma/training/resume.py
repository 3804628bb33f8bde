"""The rounds of one training, kept so that a killed run goes on where it was."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from vcma.errors import InputError
from vcma.pipeline.storage import write_bytes
from vcma.training.model_files import read_tensors
from vcma.training.trainer import History, Trainer


def _digest(tensors: dict[str, Any], history: str) -> str:
    """SHA-256 of what a checkpoint holds: a flipped bit must not be trained on."""
    digest = hashlib.sha256(history.encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"\0{name}\0{tuple(value.shape)}\0{value.dtype}\0".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


class Rounds:
    """The rounds of one training, in one file that is replaced after each: a kill leaves the old or the new one.

    key: digest of all that the training follows from; a file of another key is not gone on from.
    """

    def __init__(self, path: Path, key: str, trainer: Trainer):
        self.path, self.key, self.trainer = path, key, trainer
        self.best = trainer.parameters()

    def resume(self) -> History:
        """Set the trainer as a killed run left it and return its history; an empty one where there is none."""
        try:
            tensors, metadata = read_tensors(self.path)
            if metadata.get("key") != self.key or metadata["content"] != _digest(tensors, metadata["history"]):
                return []
            self.trainer.load({k: v for k, v in tensors.items() if not k.startswith("best.")})
            self.best = {k.removeprefix("best."): v for k, v in tensors.items() if k.startswith("best.")}
            return json.loads(metadata["history"])
        except (InputError, KeyError, TypeError, ValueError, RuntimeError):
            return []

    def keep(self, history: History) -> None:
        """Store the round just done, and its parameters as the best if it is."""
        import safetensors.torch

        if history[-1]["best"]:
            self.best = self.trainer.parameters()
        state = self.trainer.state() | {f"best.{k}": v for k, v in self.best.items()}
        tensors, text = {k: v.contiguous().cpu() for k, v in state.items()}, json.dumps(history)
        metadata = {"key": self.key, "history": text, "content": _digest(tensors, text)}
        write_bytes(self.path, safetensors.torch.save(tensors, metadata))

    def finish(self) -> None:
        """Put the best round's parameters into the model; nothing is left to resume."""
        self.trainer.restore(self.best)
        self.path.unlink(missing_ok=True)
