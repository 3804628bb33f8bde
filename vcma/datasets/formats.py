"""Annotation formats: one module each, which reads its files as an Index or entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vcma.datasets import clips, hcstvg, vidstg
from vcma.datasets.entries import Entry, UnusableEntry
from vcma.datasets.index import Index
from vcma.errors import InputError
from vcma.records.columns import Columns

# index(annotations: Path, block, project_root: Path, *, strict=False, videos=True, watch=iter) -> Index; with
# videos=False only annotations are read and no video file is required.
READERS: Mapping[str, Callable[..., Index]] = {
    "vidstg": vidstg.index,
    "hcstvg": hcstvg.index,
    "clips": clips.index,
}

# read_entries(annotations: Path, block, truth_splits) -> every sentence of every split; reads neither videos nor
# box files.
ENTRY_READERS: Mapping[str, Callable[..., Iterator[Entry | UnusableEntry]]] = {
    "vidstg": vidstg.read_entries,
    "hcstvg": hcstvg.read_entries,
    "clips": clips.read_entries,
}


def format_of(block: Mapping[str, Any]) -> str:
    """Return the annotation format of a data set's block; raises InputError if it is unknown."""
    form = str(block.get("format"))
    if form not in READERS:
        raise InputError(f"unknown format '{form}'", "pipeline.yaml", f"choose one of {', '.join(READERS)}")
    return form


def annotated_truth(annotations: Path, block: Mapping[str, Any], project_root: Path, split: str) -> Columns:
    """Return the TRUTH columns of a split, val or test, from its annotations alone; needs no video.

    Raises InputError if an annotation file is missing or in another format, or no sample is usable.
    """
    splits = block.get("splits") or {}
    if splits.get(split) or split not in splits:  # else it is carved out of another split, whose file is needed
        splits = {name: file for name, file in splits.items() if name == split}
    block = {**block, "splits": splits}
    return READERS[format_of(block)](annotations, block, project_root, videos=False).truths[split]
