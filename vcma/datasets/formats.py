"""Data sets: one small module an annotation format, each from its files to one Index or, entry by entry, `walk`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vcma.datasets import clips, hcstvg, vidstg
from vcma.datasets.index import Entry, Index, Problem
from vcma.errors import InputError
from vcma.records.columns import Columns

# index(annotations: Path, block, project_root: Path, *, strict=False, videos=True) -> Index; without `videos` it
# reads annotations alone and asks for no video file.
READERS: Mapping[str, Callable[..., Index]] = {
    "vidstg": vidstg.index,
    "hcstvg": hcstvg.index,
    "clips": clips.index,
}

# walk(annotations: Path, block, known splits) -> every sentence of every split; reads no video and no boxes file
WALKS: Mapping[str, Callable[..., Iterator[Entry | Problem]]] = {
    "vidstg": vidstg.walk,
    "hcstvg": hcstvg.walk,
    "clips": clips.walk,
}


def format_of(block: Mapping[str, Any]) -> str:
    """The annotation format of a data set's block; raises InputError if it is none of ours."""
    form = str(block.get("format"))
    if form not in READERS:
        raise InputError(f"unknown format '{form}'", "pipeline.yaml", f"choose one of {', '.join(READERS)}")
    return form


def annotated_truth(annotations: Path, block: Mapping[str, Any], project_root: Path, split: str) -> Columns:
    """The TRUTH columns of one split, val or test, from its annotations alone: no video is needed.

    Raises InputError where an annotation file is missing or of another format, or no sample is usable.
    """
    splits = block.get("splits") or {}
    if splits.get(split) or split not in splits:  # else it is carved, and needs the file it is carved from
        splits = {name: file for name, file in splits.items() if name == split}
    only = {**block, "splits": splits}
    return READERS[format_of(block)](annotations, only, project_root, videos=False).truths[split]
