"""A Grounding DINO of random weights, small enough for a test, in a folder as public ones are laid out."""

import string

import torch

# The numbers that the network's code knows tokens by.
_NUMBERED = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}
_WORDS = ("person", "dog", "ball", "man", "red", "in", "coat", "small", "who", "table")
FIXED = ("person", "dog", "table")  # what the block prompts in every video
LONGEST = 32  # tokens of one pass


def tiny_grounding_dino(folder, seed=0, spread=1.0):
    """Write a model with its processor; the block is `tiny_block()`."""
    from transformers import GroundingDinoForObjectDetection, GroundingDinoImageProcessor, GroundingDinoProcessor

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = GroundingDinoForObjectDetection(_config())
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim > 1 and "norm" not in name:  # opinionated, as trained ones are
                value.normal_(0, spread * value[0].numel() ** -0.5)
        for layer in model.bbox_embed:
            layer.layers[-1].bias[2:] = 0.9  # boxes larger than the places they begin at
    model.save_pretrained(folder)
    pictures = GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 160})
    GroundingDinoProcessor(pictures, _tokenizer(folder)).save_pretrained(folder)
    (folder / "names").write_text("\n".join(FIXED))
    return folder


def tiny_block(folder="."):
    """The `detector:` block of a tiny model in a folder."""
    return {"backend": "open_vocabulary", "model": str(folder), "classes": f"{folder}/names"}


def _config():
    from transformers import BertConfig, GroundingDinoConfig, SwinConfig

    layers = {"encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
    return GroundingDinoConfig(
        backbone_config=SwinConfig(
            embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, out_indices=[2, 3, 4]
        ),
        text_config=BertConfig(
            vocab_size=1100,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=LONGEST,
        ),
        num_queries=40,
        d_model=64,  # 32 groups must have more than a channel each, of maps of one place
        max_text_len=LONGEST,
        **layers,
        **heads,
    )


def _tokenizer(folder):
    """BERT's, of a few words and all letters."""
    from transformers import BertTokenizer

    known = [*_WORDS, *string.ascii_lowercase, *(f"##{c}" for c in string.ascii_lowercase), *string.digits]
    free = (i for i in range(1, 1100) if i not in _NUMBERED.values())
    numbers = _NUMBERED | dict(zip(known, free, strict=False))
    names = dict.fromkeys(range(1100)) | {i: word for word, i in numbers.items()}
    (folder / "vocab.txt").write_text("".join(f"{name or f'[unused{i}]'}\n" for i, name in names.items()))
    return BertTokenizer(str(folder / "vocab.txt"))
