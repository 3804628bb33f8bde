"""The folder of an exported model: what it holds, and whether all of it has arrived.

It holds the model as `train_em` wrote it (weights, vocabulary and settings), `export.json` (the detector whose
features it reads, the parameters in force, a digest of each file) and README.md, a short model card. It is used as
it lies by `vcma ground --model FOLDER`; imported, it is the model that `ground_queries` finds.
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
# What decides the tubes that a model reads, and the model itself.
SECTIONS = ("extract_frames", "detect_proposals", "link_tubes", "embed_tubes", "parse_queries", "train_em")
_REMEDY = "export it again, or copy the folder again"


def copy_files(source: Path, target: Path, names: Iterable[str]) -> dict[str, str]:
    """Copy files of a folder; the SHA-256 of each by its path there. Raises InputError."""
    digests = {}
    for name in names:
        content = (source / name).read_bytes()
        write_bytes(target / name, content)
        digests[name] = hashlib.sha256(content).hexdigest()
    return digests


def read_manifest(folder: Path) -> dict[str, Any]:
    """What an exported folder says of itself; raises InputError if it is none, or not all of it has arrived."""
    path = folder / MANIFEST
    manifest = read_json(path, "name a folder that vcma export made")
    try:
        if manifest["format"] != FORMAT:
            raise InputError(f"is {manifest['format']}, not {FORMAT}", path, _REMEDY)
        digests, _, _ = dict(manifest["files"]), dict(manifest["parameters"]), str(manifest["dataset"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"is no {FORMAT} ({error})", path, _REMEDY) from error
    for name, digest in digests.items():
        if not is_inside(name) or not (folder / name).is_file():
            raise InputError(f"lacks {name}", folder, _REMEDY)
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise InputError("is not the file that was exported", folder / name, _REMEDY)
    return manifest
