"""The encoder's files in Hugging Face's layout: model, tokenizer, image processor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModel,
    AutoProcessor,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    PreTrainedTokenizerFast,
)

from region_text.phrases import UNKNOWN

SIZE = 48  # side of the encoder's input, pixels
_LONGEST = 32  # maximum tokens of a phrase
_SPECIAL = ("<pad>", UNKNOWN, "<s>", "</s>")


def new_tokenizer(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """Create a tokenizer with one token per word of a closed vocabulary; other words become UNKNOWN."""
    vocabulary = {word: i for i, word in enumerate([*_SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [(name, vocabulary[name]) for name in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token=UNKNOWN,
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=_LONGEST,
        padding_side="right",
    )


def new_image_processor() -> CLIPImageProcessor:
    """Create an image processor that resizes a crop to a square without cropping."""
    return CLIPImageProcessor(
        size={"height": SIZE, "width": SIZE},
        crop_size={"height": SIZE, "width": SIZE},
        do_center_crop=False,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )


def new_model(tokenizer: PreTrainedTokenizerFast) -> CLIPModel:
    """Create a CLIP of about 1 M parameters with random weights."""
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": _LONGEST,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": SIZE,
        "patch_size": 8,
    }
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=64))


def save(model: CLIPModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write all files that AutoModel and AutoProcessor read from a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    new_image_processor().save_pretrained(folder)


def load(folder: Path) -> tuple[CLIPModel, object]:
    """Return the model, in evaluation mode, and the processor of a folder."""
    model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return model.eval(), AutoProcessor.from_pretrained(folder, local_files_only=True)
