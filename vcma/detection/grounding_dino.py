"""Grounding DINO of transformers: a text of noun phrases and a picture in, boxes and a score of every phrase out.

The network scores its boxes against tokens. transformers' own post-processing takes the best token of all, the
delimiters among them, and names a box by the tokens above a threshold, which may be of several phrases or of half
a one. Here a phrase's score is the mean over its own tokens, as in the evaluation of the network's authors on
data sets with classes (Liu et al. 2023, their `PostProcessCocoGrounding`). A text has room for so many tokens;
what is beyond is asked in further passes over the same picture, for which its backbone runs once.

Symbols: B pictures, Q boxes of one pass, P phrases of one pass, L tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

_SAMPLES = 8  # points along each side of a box whose mean is its feature


class Text(NamedTuple):
    """The text of one pass: token ids [L], the rows of its phrases [P], and each one's share of tokens [P, L]."""

    ids: Tensor
    phrase: list[int]
    share: Tensor


class Answer(NamedTuple):
    """Of one pass: boxes [B, Q, 4], centre and size relative to the picture, and scores [B, Q, P] in [0, 1]."""

    box: Tensor
    score: Tensor


class GroundingDino:
    """A loaded model with its tokenizer. feature_dim: width of `features`."""

    def __init__(self, model: Any, tokenizer: Any):
        """Raises ValueError where the tokenizer is not of the model."""
        self._model, self._tokenizer = model, tokenizer
        self._backbone = model.model.backbone = _KeptBackbone(model.model.backbone)
        self._projections = model.model.input_proj_vision
        levels = len(self._backbone.maps.conv_encoder.intermediate_channel_sizes)
        self.feature_dim = levels * model.config.d_model
        self._begin, self._end, self._stop = _delimiters(tokenizer, model)
        self._room = min(model.config.max_text_len, model.config.text_config.max_position_embeddings) - 2

    def texts(self, phrases: Sequence[str]) -> list[Text]:
        """The phrases, each of which has a token, in as few passes as have room for them, in order."""
        found: list[Text] = []
        tokens: list[int] = []
        owner: list[int] = []
        for row, phrase in enumerate(phrases):
            own = self.tokens(phrase)
            if len(tokens) + len(own) + 1 > self._room:
                found.append(self._text(tokens, owner))
                tokens, owner = [], []
            tokens += [*own, self._stop]
            owner += [*[row] * len(own), -1]
        return [*found, self._text(tokens, owner)] if tokens else found

    def tokens(self, phrase: str) -> list[int]:
        """The tokens of a phrase, as many as there is room for; none where it is of full stops alone."""
        delimiters = set(self._model.model.special_tokens.tolist())
        ids = self._tokenizer(phrase.lower(), add_special_tokens=False)["input_ids"]
        return [i for i in ids if i not in delimiters][: self._room - 1]

    def _text(self, tokens: list[int], owner: list[int]) -> Text:
        ids, of = torch.tensor([self._begin, *tokens, self._end]), torch.tensor([-1, *owner, -1])
        phrase = sorted({row for row in owner if row >= 0})
        member = (of == torch.tensor(phrase)[:, None]).double()
        return Text(ids, phrase, member / member.sum(1, keepdim=True))

    def __call__(self, pixels: Tensor, text: Text) -> Answer:
        """Boxes and scores of one pass over pixels [B, 3, H, W], which further passes may follow."""
        ids = text.ids.to(pixels.device).expand(len(pixels), -1)
        output = self._model(pixel_values=pixels, input_ids=ids, attention_mask=torch.ones_like(ids))
        # In float64, which autocast leaves alone: scores are exact whatever the network computes in.
        score = output.logits[..., : len(text.ids)].double().sigmoid() @ text.share.T.to(pixels.device)
        return Answer(output.pred_boxes.float(), score.float())

    def features(self, pixels: Tensor, box: list[Tensor]) -> list[Tensor]:
        """What the backbone, which has read no text, saw in boxes [k, 4] of each picture, xyxy in pixels: [k, D].

        The mean over the box of each of its maps, as the network projects them.
        """
        maps, _ = self._backbone(pixels, torch.ones_like(pixels[:, 0], dtype=torch.long))
        pooled = []
        for level, (seen, _) in enumerate(maps):
            scale = seen.shape[-1] / pixels.shape[-1]
            values = roi_align(
                self._projections[level](seen).float(), box, 1, scale, sampling_ratio=_SAMPLES, aligned=True
            )
            pooled.append(values.flatten(1))
        return list(torch.cat(pooled, 1).split([len(b) for b in box]))

    def forget(self) -> None:
        """Let go of what was kept of the latest pixels."""
        self._backbone.kept = None


class _KeptBackbone(nn.Module):
    """A backbone that answers again, without computing, for the pixels it saw last."""

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.maps: Any = backbone
        self.kept: tuple[Tensor, Any] | None = None

    @property
    def position_embedding(self) -> Any:
        return self.maps.position_embedding

    def forward(self, pixels: Tensor, mask: Tensor) -> tuple[list, list]:
        if self.kept is None or self.kept[0] is not pixels:
            self.kept = pixels, self.maps(pixels, mask)
        maps, positions = self.kept[1]
        return list(maps), list(positions)  # the model appends to them


def _delimiters(tokenizer: Any, model: Any) -> tuple[int, int, int]:
    """The tokens around a text and behind a phrase; the network's code knows them by their numbers."""
    own = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.convert_tokens_to_ids(".")
    known = model.model.special_tokens.tolist()
    if list(own) != known[:3]:
        raise ValueError(f"its tokenizer numbers [CLS], [SEP] and '.' {own}, the network {tuple(known[:3])}")
    if len(tokenizer) > model.config.text_config.vocab_size:
        raise ValueError(
            f"its tokenizer has {len(tokenizer):,} tokens, the network {model.config.text_config.vocab_size:,}"
        )
    return own
