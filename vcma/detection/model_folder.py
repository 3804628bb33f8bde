"""Folders of models as Hugging Face lays them out: what must be in one, and what its content is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vcma.errors import InputError

_WORDS = ("tokenizer.json", "vocab.txt")
_PICTURES = ("preprocessor_config.json", "processor_config.json")
_DECISIVE = ("*.json", "vocab*", "merges*", "*.model", "*.safetensors")


def model_files(folder: Path) -> list[Path]:
    """The files that decide what a model of words and pictures answers; raises InputError with the one that lacks.

    Weights are safetensors alone: other formats can run code of the file.
    """
    if not folder.is_dir():
        raise InputError("no such folder of a model", folder, "see docs/detectors.md for what it is to hold")
    needed = {"config.json": ("config.json",), "a tokenizer": _WORDS, "what prepares pictures": _PICTURES}
    for what, names in needed.items():
        if not any((folder / name).is_file() for name in names):
            lacking = " or ".join(names)
            raise InputError(
                f"the model's folder lacks {lacking}", folder, f"put {what} there from where it is from"
            )
    if not any(folder.glob("*.safetensors")):
        other = next((path.name for suffix in ("bin", "pth", "pt") for path in folder.glob(f"*.{suffix}")), "")
        remedy = f"convert {other}, see docs/detectors.md" if other else "fetch model.safetensors as well"
        raise InputError("the model's folder lacks weights, *.safetensors", folder, remedy)
    return sorted({path for pattern in _DECISIVE for path in folder.glob(pattern) if path.is_file()})


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Let transformers write nothing of its own to stderr: what matters of it is said in one line."""
    from transformers.utils import logging

    before, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bar:
            logging.enable_progress_bar()
