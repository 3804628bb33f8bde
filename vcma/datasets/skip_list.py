"""The skip list: samples and videos that are left out by hand or by `vcma check --fix-index`."""

from __future__ import annotations

from pathlib import Path

from vcma.datasets.annotation_files import read_annotations

SKIP_FILE = "skip.json"  # beside the annotations: {sample or video id: reason}, written by `vcma check --fix-index`


def read_skip_list(path: Path) -> dict[str, str]:
    """{sample or video id: reason} of what is left out, empty without the file; raises InputError if it is none."""
    if not path.exists():
        return {}
    listed = read_annotations(path, dict, "a skip list {id: reason}")
    return {str(key): str(reason) for key, reason in listed.items()}
