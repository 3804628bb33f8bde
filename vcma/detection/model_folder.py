"""Model folders in the Hugging Face layout: required files, and the files that determine the results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vcma.errors import InputError

_TOKENIZER = ("tokenizer.json", "vocab.txt")
_IMAGE_PROCESSOR = ("preprocessor_config.json", "processor_config.json")
_DECISIVE = ("*.json", "vocab*", "merges*", "*.model", "*.safetensors")


def model_files(folder: Path) -> list[Path]:
    """Return the files that determine the results of a vision-language model.

    Weights must be safetensors: other formats can execute code. Raises InputError if a file is missing.
    """
    if not folder.is_dir():
        raise InputError("model folder not found", folder, "see docs/detectors.md for its contents")
    needed = {
        "the configuration": ("config.json",),
        "the tokenizer": _TOKENIZER,
        "the image processor": _IMAGE_PROCESSOR,
    }
    for what, names in needed.items():
        if not any((folder / name).is_file() for name in names):
            missing = " or ".join(names)
            raise InputError(
                f"{missing} is missing in the model folder", folder, f"copy {what} from the model's source"
            )
    if not any(folder.glob("*.safetensors")):
        other = next((path.name for suffix in ("bin", "pth", "pt") for path in folder.glob(f"*.{suffix}")), "")
        remedy = f"convert {other}, see docs/detectors.md" if other else "download model.safetensors as well"
        raise InputError("weights (*.safetensors) are missing in the model folder", folder, remedy)
    return sorted({path for pattern in _DECISIVE for path in folder.glob(pattern) if path.is_file()})


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Suppress transformers' own output on stderr; callers report errors in one line."""
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
