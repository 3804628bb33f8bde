"""Text features: fixed embeddings of words and phrases, the input of the networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError
from vcma.text.model_folder import digest, tokenizer_files, weight_files
from vcma.text.static_vectors import static_vectors

_BATCH = 256  # texts per forward pass of an encoder
_LONGEST = 32  # maximum tokens of a phrase; longer ones are truncated


@dataclass(frozen=True)
class TextFeatures:
    """Text features. embed(texts): float32 [len(texts), width], unit length or 0; name: stored in the model."""

    name: str
    width: int
    embed: Callable[[Sequence[str]], np.ndarray]


def _nothing(texts: Sequence[str]) -> np.ndarray:
    return np.zeros((len(texts), 1), np.float32)


WORDLLAMA = TextFeatures("wordllama", 256, static_vectors)
LEARNED = TextFeatures("learned", 1, _nothing)  # only what training learns: unseen words have no features


def text_features(choice: str, root: Path, trained_with: str | None = None) -> TextFeatures:
    """Return the features that `train_em.text` selects: wordllama, learned, or a Hugging Face encoder's folder.

    root: base of a relative folder. trained_with: the name stored in a trained model. Raises InputError if the
    folder has no encoder, or another one than the model was trained with.
    """
    simple = {f.name: f for f in (WORDLLAMA, LEARNED)}
    found = simple[choice] if choice in simple else _encoder(root / choice)
    if trained_with is not None and found.name != trained_with:
        raise InputError(
            f"the model was trained with text features {trained_with}, not {found.name}",
            root / choice,
            "restore the encoder that it was trained with, or train again",
        )
    return found


def _encoder(folder: Path) -> TextFeatures:
    """Load an encoder from a local folder (configuration, tokenizer, safetensors); mean of last hidden states."""
    weights, words = weight_files(folder), tokenizer_files(folder)
    if not weights or not words:
        raise InputError(
            "no such encoder",
            folder,
            "train_em.text is wordllama, learned, or a folder with config.json, a tokenizer and model.safetensors",
        )
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        # Downloads nothing, runs no code of the folder, and opens no pickle.
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = AutoModel.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
        model = model.get_encoder() if model.config.is_encoder_decoder else getattr(model, "text_model", model)
        model.eval()
        # Texts of unequal length reveal a tokenizer of another model, or one that does not pad.
        _means(tokenizer, model, ["a", "a dog " * _LONGEST])
    except Exception as error:  # any failure is due to the folder's files, which are the user's
        raise InputError(f"not a usable encoder ({error})", folder, "export it with save_pretrained") from error
    name = f"huggingface:{digest([folder / 'config.json', *words, *weights])}"

    def embed(texts: Sequence[str]) -> np.ndarray:
        rows = [_means(tokenizer, model, texts[i : i + _BATCH]) for i in range(0, len(texts), _BATCH)]
        return np.concatenate([np.zeros((0, model.config.hidden_size), np.float32), *rows])

    return TextFeatures(name, int(model.config.hidden_size), embed)


def _means(tokenizer: Any, model: Any, texts: Sequence[str]) -> np.ndarray:
    import torch

    inputs = tokenizer(list(texts), return_tensors="pt", padding=True, truncation=True, max_length=_LONGEST)
    kept = {key: inputs[key] for key in ("input_ids", "attention_mask")}
    with torch.no_grad():
        hidden = model(**kept).last_hidden_state
    mask = kept["attention_mask"][..., None].to(hidden.dtype)
    mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
    # An empty text gets the zero vector, whatever its special tokens are embedded as.
    has_text = torch.tensor([bool(text.strip()) for text in texts])[:, None]
    return torch.nn.functional.normalize(mean * has_text, dim=-1).float().numpy()
