"""Data sets: one small module an annotation format, each a function `index` from files to one Index."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vcma.datasets import clips, hcstvg, vidstg
from vcma.datasets.index import Index
from vcma.names import file_stem, video_root

__all__ = ["READERS", "Index", "file_stem", "video_root"]

# index(annotations: Path, block, project_root: Path, *, strict=False) -> Index
READERS: Mapping[str, Callable[..., Index]] = {
    "vidstg": vidstg.index,
    "hcstvg": hcstvg.index,
    "clips": clips.index,
}
