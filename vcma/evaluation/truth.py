"""Ground truth for scoring a predictions file, whether or not the data set has been indexed."""

from __future__ import annotations

from vcma.datasets.formats import annotated_truth
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.project import Project
from vcma.records.columns import Columns


def read_truth(project: Project, split: str) -> Columns:
    """Return the TRUTH columns of a split: as indexed if it is, else read from its annotations alone.

    The indexed truth takes precedence, so that all predictions are scored on the pipeline's samples. Raises
    InputError if the split has no annotated sample.
    """
    path = project.artifacts / f"truth_{split}.h5"
    if path.exists():
        truth = artifact.read(schemas.TRUTH, path)
    else:
        truth = annotated_truth(project.data, project.block, project.root, split)
    if not len(truth["sample"]):
        raise InputError(f"split {split} has no annotated sample", path, "choose another with --split")
    return truth
