"""Data sets: one small module an annotation format, each from its files to one Index or, entry by entry, `walk`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from vcma.datasets import clips, hcstvg, vidstg
from vcma.datasets.index import Entry, Index, Problem

# index(annotations: Path, block, project_root: Path, *, strict=False) -> Index
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
