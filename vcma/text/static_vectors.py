"""Static embeddings of words and short phrases, from the weights in the wordllama package."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np


@lru_cache(maxsize=1)
def _wordllama() -> Any:
    import importlib.util
    import logging
    from pathlib import Path

    logging.getLogger("wordllama").setLevel(logging.ERROR)
    from wordllama import WordLlama

    spec = importlib.util.find_spec("wordllama")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    return WordLlama.load(cache_dir=folder, disable_download=True)


def static_vectors(words: Sequence[str]) -> np.ndarray:
    """Return static embeddings of words or short phrases: float32 [len(words), 256], unit length, 0 for empty text.

    The weights are part of the wordllama package: every word has a vector, and nothing is downloaded.
    """
    if not len(words):
        return np.zeros((0, 256), np.float32)
    vectors = np.asarray(_wordllama().embed(list(words)), dtype=np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > 1e-6, vectors / np.maximum(length, 1e-6), 0).astype(np.float32)
