"""Predictions in the exchange format: {sample: {"span": [begin, end), "boxes": {frame: box}, doubts}}."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from vcma.batching.clip_store import ClipStore
from vcma.pipeline.storage import write_chunks
from vcma.records.answer import Prediction, doubts_json, exported
from vcma.records.sentence import Sentence


def write_predictions(
    path: Path, predictions: Sequence[Prediction], sentences: Sequence[Sentence], clips: ClipStore
) -> None:
    """Write the predictions of sentences, video by video to bound memory."""

    def chunks() -> Iterator[bytes]:
        separator = "{\n"
        by_video = sorted(zip(predictions, sentences, strict=True), key=lambda pair: pair[1].video)
        for video, pairs in groupby(by_video, key=lambda pair: pair[1].video):
            mine = list(pairs)
            segments = {s.sample: (s.begin, s.end) for _, s in mine}
            answers = exported([p.answer for p, _ in mine], segments, clips.tubes(video))
            for (prediction, _), (sample, value) in zip(mine, answers, strict=True):
                line = json.dumps(value | doubts_json(prediction))
                yield f"{separator}{json.dumps(sample)}: {line}".encode()
                separator = ",\n"
        yield b"{}\n" if separator == "{\n" else b"\n}\n"

    write_chunks(path, chunks())
