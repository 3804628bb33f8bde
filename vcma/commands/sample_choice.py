"""Select samples by id, by sentence, or by words that only one sentence has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from vcma.errors import InputError, did_you_mean
from vcma.pipeline import artifact, schemas
from vcma.pipeline.project import find_config, load_project


def sentences_beside(path: Path) -> dict[str, str]:
    """Return the sentence of each sample, from the samples.h5 next to an artifact; InputError if there is none."""
    return _sentences(path.with_name("samples.h5"))


def sentences_for(path: Path, ids: Sequence[str]) -> dict[str, str]:
    """Return the sentences of a file's samples as far as they can be found, by sample id.

    They are read from the samples.h5 next to the file, else from that of the data set chosen in the working
    folder's project; empty if neither has any of the ids.
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
    """Find the row of a sample by its id, its sentence, or a part of the sentence that no other has.

    Raises InputError if none or several match.
    """
    ids = np.array(list(samples), dtype=object)
    texts, part = [sentences.get(sample, "").casefold() for sample in ids], wanted.strip().casefold()
    for fits in (ids == wanted, [text == part for text in texts], [part in text for text in texts]):
        found = np.flatnonzero(fits)
        if len(found) == 1:
            return int(found[0])
        if len(found):
            some = ", ".join(f"'{sample}'" for sample in ids[found[:3]])
            raise InputError(f"{len(found)} samples match '{wanted}'", remedy=f"choose one by its id: {some} …")
    remedy = did_you_mean(wanted, ids) or (f"ids are like '{ids[0]}'; " if len(ids) else "there are none; ")
    raise InputError(f"no sample '{wanted}'", remedy=f"{remedy}give an id or words of a sentence")
