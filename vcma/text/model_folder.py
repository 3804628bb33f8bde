"""Files of a transformers model in a local folder (Hugging Face layout), and their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

_TOKENIZERS = ("tokenizer*", "vocab*", "merges*", "special_tokens*", "added_tokens*", "*.model")


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a folder, sorted."""
    return sorted(folder.glob("*.safetensors"))


def tokenizer_files(folder: Path) -> list[Path]:
    """Return the files of a folder's tokenizer, sorted; none if its vocabulary is missing.

    Without a vocabulary, transformers would create a tokenizer that knows no word.
    """
    found = sorted({path for pattern in _TOKENIZERS for path in folder.glob(pattern)})
    return [] if all(path.name == "tokenizer_config.json" for path in found) else found


def digest(paths: Iterable[Path]) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of names and contents."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    return total.hexdigest()[:16]
