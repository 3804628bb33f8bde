"""Checkpoints after each training round, so that an interrupted run can resume."""

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
    """SHA-256 of a checkpoint's contents, to detect corruption."""
    digest = hashlib.sha256(history.encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"\0{name}\0{tuple(value.shape)}\0{value.dtype}\0".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


class Rounds:
    """Checkpoint file of a training run, replaced atomically after each round.

    key: hash of all inputs of the training; a checkpoint with another key is ignored.
    """

    def __init__(self, path: Path, key: str, trainer: Trainer):
        self.path, self.key, self.trainer = path, key, trainer
        self.best = trainer.parameters()

    def resume(self) -> History:
        """Restore the trainer from the checkpoint and return its history; [] without a usable checkpoint."""
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
        """Store the last round, and its parameters as the best ones if its row has `best` set."""
        import safetensors.torch

        if history[-1]["best"]:
            self.best = self.trainer.parameters()
        state = self.trainer.state() | {f"best.{k}": v for k, v in self.best.items()}
        tensors, text = {k: v.contiguous().cpu() for k, v in state.items()}, json.dumps(history)
        metadata = {"key": self.key, "history": text, "content": _digest(tensors, text)}
        write_bytes(self.path, safetensors.torch.save(tensors, metadata))

    def finish(self) -> None:
        """Load the parameters of the best round into the model, and delete the checkpoint."""
        self.trainer.restore(self.best)
        self.path.unlink(missing_ok=True)
