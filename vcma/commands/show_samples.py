"""Print samples as text: the ids of an artifact with their sentences, or one prediction in full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vcma.commands.sample_choice import sample_row, sentences_for
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.records.columns import Columns, rows

_WITH_IDS = (schemas.SAMPLES, schemas.TRUTH, schemas.QUERIES, schemas.PREDICTIONS)
_TOP = 5  # number of candidates and frames that are printed


def ids(path: Path) -> Iterator[str]:
    """Yield a line for each sample of an artifact: id, split if there is one, and sentence, separated by tabs."""
    schema = artifact.schema_of(path)
    if schema not in _WITH_IDS:
        raise InputError(f"{schema.tag} lists no samples", path, "give samples.h5")
    names = [name for name in ("sample", "split", "sentence", "text") if name in schema.columns]
    columns = artifact.read(schema, path, names)
    if schema in (schemas.TRUTH, schemas.PREDICTIONS):
        sentences = sentences_for(path, columns["sample"])
        columns["sentence"] = [sentences.get(name, "") for name in columns["sample"]]
    for fields in zip(*columns.values(), strict=True):
        yield "\t".join(" ".join(str(field).split("\t")) for field in fields)


def one_prediction(path: Path, wanted: str) -> str:
    """Format one prediction in full, with its sentence; wanted: an id, a sentence, or words of one."""
    schema = artifact.schema_of(path)
    if schema is not schemas.PREDICTIONS:
        raise InputError(
            f"{schema.tag} holds no predictions", path, "--sentence needs predictions, or truth with --png"
        )
    data = artifact.read(schema, path)
    sentences = sentences_for(path, data["sample"])
    row = sample_row(wanted, data["sample"], sentences)
    return "\n".join(_lines(data, row, sentences.get(data["sample"][row], "")))


def answered(data: Columns, row: int) -> str:
    """Describe span and tube of a row of the PREDICTIONS columns in words."""
    tube, probability = int(data["tube"][row]), float(data["probability"][row])
    span = f"frames {data['span_begin'][row]} to {data['span_end'][row]}"
    return f"{span}, tube {tube} (probability {probability:.2f})" if tube >= 0 else f"{span}, no tube"


def _lines(data: Columns, row: int, sentence: str) -> Iterator[str]:
    yield f'{data["sample"][row]}: "{sentence}"' if sentence else str(data["sample"][row])
    yield f"  video {data['video'][row]}, {answered(data, row)}"
    if absent := max(float(data["absent"][row]), 0):
        yield f"  probability that nothing in the video fits: {absent:.2f}"
    if data["flags"][row]:
        yield f"  doubts: {', '.join(str(data['flags'][row]).split())}"
    for number, entity in enumerate(range(*rows(data["entity_offset"], row).indices(len(data["entity_tube"])))):
        mine = rows(data["candidate_offset"], entity)
        tubes, chances = data["candidate"][mine], data["candidate_prob"][mine]
        best = np.argsort(-chances, kind="stable")[:_TOP]
        listed = ", ".join(f"tube {tubes[i]} {chances[i]:.2f}" for i in best) or "no candidate"
        yield f"  entity {number}: {listed}"
    mine = rows(data["moment_offset"], row)
    frames, chances = data["moment"][mine], data["moment_prob"][mine]
    if len(frames):
        best = np.sort(np.argsort(-chances, kind="stable")[:_TOP])
        listed = ", ".join(f"{frames[i]} {chances[i]:.2f}" for i in best)
        yield f"  most likely of {len(frames)} frames: {listed}"
