"""Tiny dual encoders with random weights, in Hugging Face's own files: one of each family."""

from __future__ import annotations

from pathlib import Path

import torch

WORDS = ("<pad>", "<unk>", "<s>", "</s>", "a", "photo", "of", "the", "red", "blue", "adult", "dog", "ball")
LONGEST = 16
_SHAPE = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
_TEXT = {
    "vocab_size": 40, "max_position_embeddings": LONGEST, "pad_token_id": 0, "bos_token_id": 2,
    "eos_token_id": 3, **_SHAPE,
}  # fmt: skip
FAMILIES = ("clip", "siglip", "siglip2")


def save_encoder(folder: Path, family: str = "clip", seed: int = 0) -> Path:
    """Save a dual encoder of a family as its own tools would; returns the folder."""
    from transformers import (
        CLIPConfig,
        CLIPImageProcessor,
        CLIPModel,
        Siglip2Config,
        Siglip2ImageProcessor,
        Siglip2Model,
        SiglipConfig,
        SiglipImageProcessor,
        SiglipModel,
    )

    torch.manual_seed(seed)
    vision = {"image_size": 32, "patch_size": 16, **_SHAPE}
    if family == "clip":
        model = CLIPModel(CLIPConfig(text_config=_TEXT, vision_config=vision, projection_dim=8))
        pictures = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    elif family == "siglip":
        model = SiglipModel(SiglipConfig(text_config=_TEXT, vision_config=vision))
        pictures = SiglipImageProcessor(size={"height": 32, "width": 32})
    else:
        vision = {"num_patches": 16, "patch_size": 16, **_SHAPE}
        model = Siglip2Model(Siglip2Config(text_config=_TEXT, vision_config=vision))
        pictures = Siglip2ImageProcessor(patch_size=16, max_num_patches=16)
    for part in (model, letters() if family == "siglip2" else tokenizer(), pictures):
        part.save_pretrained(folder)
    return folder


def letters():
    """SigLIP 2's own tokenizer, without a merge: one token a letter."""
    from transformers import Siglip2Tokenizer

    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *"abcdefghijklmnopqrstuvwxyz"]
    return Siglip2Tokenizer({token: i for i, token in enumerate(tokens)}, [], model_max_length=LONGEST)


def tokenizer():
    """One token a word of WORDS."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("<s>", 2), ("</s>", 3)]
    words.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=LONGEST, **names)
