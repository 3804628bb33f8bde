"""What grounding needs where there is no model: the words of the detector, no training sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vcma.corpus import Encoder, Vocabulary


def label_encoder(tubes: Mapping[str, Any]) -> Encoder:
    """An encoder that knows the label names of TUBES columns and no training sentence."""
    nothing: Any = ()
    names = tuple(map(str, tubes["class_name"])), tuple(map(str, tubes["attribute_name"]))
    return Encoder(Vocabulary(nothing, nothing, nothing, nothing, nothing, *names, tubes["feature"].shape[1]))
