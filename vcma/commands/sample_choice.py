"""Samples by what people know of them: an id, a sentence, or words that only one sentence has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from vcma.errors import InputError, did_you_mean
from vcma.pipeline import artifact, schemas
from vcma.pipeline.project import find_config, load_project


def sentences_beside(path: Path) -> dict[str, str]:
    """The sentence of each sample, from the samples.h5 beside an artifact; raises InputError without one."""
    return _sentences(path.with_name("samples.h5"))


def sentences_for(path: Path, ids: Sequence[str]) -> dict[str, str]:
    """The sentences of samples of a file anywhere, as far as they are known.

    By the samples.h5 beside the file, else that of the data set that the project of the working folder has chosen;
    empty where neither has one of the ids.
    """
    with suppress(InputError):
        return sentences_beside(path)
    with suppress(InputError):
        found = _sentences(load_project(find_config(Path.cwd())).artifacts / "samples.h5")
        return found if any(name in found for name in ids) else {}
    return {}


def _sentences(samples: Path) -> dict[str, str]:
    columns = artifact.read(schemas.SAMPLES, samples, ("sample", "sentence"))
    return dict(zip(columns["sample"], columns["sentence"], strict=True))


def sample_row(wanted: str, samples: Sequence[str] | np.ndarray, sentences: Mapping[str, str]) -> int:
    """Which sample is meant: by its id, its sentence, or a part that no other sentence has; or InputError."""
    ids = np.array(list(samples), dtype=object)
    texts, part = [sentences.get(sample, "").casefold() for sample in ids], wanted.strip().casefold()
    for fits in (ids == wanted, [text == part for text in texts], [part in text for text in texts]):
        found = np.flatnonzero(fits)
        if len(found) == 1:
            return int(found[0])
        if len(found):
            some = ", ".join(f"'{sample}'" for sample in ids[found[:3]])
            raise InputError(f"{len(found)} samples have '{wanted}'", remedy=f"choose one by its id: {some} …")
    remedy = did_you_mean(wanted, ids) or (f"ids are like '{ids[0]}'; " if len(ids) else "there are none; ")
    raise InputError(f"no sample '{wanted}'", remedy=f"{remedy}name an id or words of a sentence")
