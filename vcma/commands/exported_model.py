"""The folder of an exported model: copy its files, and verify that it is complete.

It contains the model as written by `train_em` (weights, vocabulary and settings), `export.json` (the detector it
was trained with, the parameters, a digest of each file) and README.md, a short model card. `vcma ground --model
FOLDER` uses it in place; `vcma import FOLDER` makes it the model of `ground_queries`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vcma.datasets.video_files import is_inside
from vcma.errors import InputError
from vcma.pipeline.storage import read_json, write_bytes

FORMAT = "vcma-export/1"
MANIFEST = "export.json"
# Sections of pipeline.yaml that determine a model and the tubes it reads.
SECTIONS = ("extract_frames", "detect_proposals", "link_tubes", "embed_tubes", "parse_queries", "train_em")
_REMEDY = "export it again, or copy the folder again"


def copy_files(source: Path, target: Path, names: Iterable[str]) -> dict[str, str]:
    """Copy files between folders; returns relative path -> SHA-256. Raises RefusedError if that fails."""
    digests = {}
    for name in names:
        content = (source / name).read_bytes()
        write_bytes(target / name, content)
        digests[name] = hashlib.sha256(content).hexdigest()
    return digests


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read an exported model's manifest; raises InputError if it is not one, or a file is missing or changed."""
    path = folder / MANIFEST
    manifest = read_json(path, "give a folder written by vcma export")
    try:
        if manifest["format"] != FORMAT:
            raise InputError(f"is {manifest['format']}, not {FORMAT}", path, _REMEDY)
        digests, _, _ = dict(manifest["files"]), dict(manifest["parameters"]), str(manifest["dataset"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"is not {FORMAT} ({error})", path, _REMEDY) from error
    for name, digest in digests.items():
        if not is_inside(name) or not (folder / name).is_file():
            raise InputError(f"lacks {name}", folder, _REMEDY)
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise InputError("differs from the exported file", folder / name, _REMEDY)
    return manifest
