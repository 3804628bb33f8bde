"""Grounding DINO (transformers): boxes and a score per phrase, for an image and a list of noun phrases.

The network scores its boxes against tokens. transformers' post-processing takes the maximum over all tokens,
delimiters included, and labels a box with the tokens above a threshold, which may span several phrases or part of
one. Here a phrase's score is the mean over its own tokens, as in the authors' evaluation on data sets with classes
(Liu et al. 2023, `PostProcessCocoGrounding`). The text encoder limits the number of tokens; further phrases are
scored in further passes over the same image, for which the vision backbone runs only once.

Symbols: B images, Q boxes per pass, P phrases per pass, L tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

_SAMPLES = 8  # sampling points per side of a box, averaged to its feature


class Text(NamedTuple):
    """Text of one pass: token ids [L], indices of its phrases [P], and their averaging weights [P, L]."""

    ids: Tensor
    phrase: list[int]
    share: Tensor


class Answer(NamedTuple):
    """Output of one pass: boxes [B, Q, 4], centre and size relative to the image, scores [B, Q, P] in [0, 1]."""

    box: Tensor
    score: Tensor


class GroundingDino:
    """A loaded model with its tokenizer. feature_dim: width of `features`."""

    def __init__(self, model: Any, tokenizer: Any):
        """Raises ValueError if the tokenizer does not belong to the model."""
        self._model, self._tokenizer = model, tokenizer
        self._backbone = model.model.backbone = _KeptBackbone(model.model.backbone)
        self._projections = model.model.input_proj_vision
        levels = len(self._backbone.maps.conv_encoder.intermediate_channel_sizes)
        self.feature_dim = levels * model.config.d_model
        self._begin, self._end, self._stop = _delimiters(tokenizer, model)
        self._room = min(model.config.max_text_len, model.config.text_config.max_position_embeddings) - 2

    def texts(self, phrases: Sequence[str]) -> list[Text]:
        """Pack phrases, none of them without tokens, in order into texts that fit the text encoder."""
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
        """Tokenize a phrase, truncated to the limit of the text encoder; [] if it consists of full stops."""
        delimiters = set(self._model.model.special_tokens.tolist())
        ids = self._tokenizer(phrase.lower(), add_special_tokens=False)["input_ids"]
        return [i for i in ids if i not in delimiters][: self._room - 1]

    def _text(self, tokens: list[int], owner: list[int]) -> Text:
        ids, owners = torch.tensor([self._begin, *tokens, self._end]), torch.tensor([-1, *owner, -1])
        phrase = sorted({row for row in owner if row >= 0})
        member = (owners == torch.tensor(phrase)[:, None]).double()
        return Text(ids, phrase, member / member.sum(1, keepdim=True))

    def __call__(self, pixels: Tensor, text: Text) -> Answer:
        """Run one pass over pixels [B, 3, H, W]; passes over the same tensor reuse the backbone's output."""
        ids = text.ids.to(pixels.device).expand(len(pixels), -1)
        output = self._model(pixel_values=pixels, input_ids=ids, attention_mask=torch.ones_like(ids))
        # In float64, which autocast does not change: the mean is exact at any precision of the network.
        score = output.logits[..., : len(text.ids)].double().sigmoid() @ text.share.T.to(pixels.device)
        return Answer(output.pred_boxes.float(), score.float())

    def features(self, pixels: Tensor, box: list[Tensor]) -> list[Tensor]:
        """Return features [k, D] of boxes [k, 4], xyxy in pixels, of each image.

        They are the means over the box of the backbone's maps, projected as in the network; they do not depend on
        the text.
        """
        maps, _ = self._backbone(pixels, torch.ones_like(pixels[:, 0], dtype=torch.long))
        pooled = []
        for level, (level_map, _) in enumerate(maps):
            scale = level_map.shape[-1] / pixels.shape[-1]
            projected = self._projections[level](level_map).float()
            values = roi_align(projected, box, 1, scale, sampling_ratio=_SAMPLES, aligned=True)
            pooled.append(values.flatten(1))
        return list(torch.cat(pooled, 1).split([len(b) for b in box]))

    def forget(self) -> None:
        """Release the cached backbone output."""
        self._backbone.kept = None


class _KeptBackbone(nn.Module):
    """Backbone that caches its output for the most recent pixels."""

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
        return list(maps), list(positions)  # copies: the model appends to the lists


def _delimiters(tokenizer: Any, model: Any) -> tuple[int, int, int]:
    """Token ids of [CLS], [SEP] and '.'; the network's code contains these ids as constants.

    Raises ValueError if the tokenizer has other ids, or more tokens than the network.
    """
    ids = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.convert_tokens_to_ids(".")
    expected = model.model.special_tokens.tolist()[:3]
    if list(ids) != expected:
        raise ValueError(f"its tokenizer has ids {ids} for [CLS], [SEP] and '.', the network {tuple(expected)}")
    if len(tokenizer) > model.config.text_config.vocab_size:
        raise ValueError(
            f"its tokenizer has {len(tokenizer):,} tokens, the network {model.config.text_config.vocab_size:,}"
        )
    return ids
