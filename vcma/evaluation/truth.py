"""The truth to score a predictions file by, whether or not the data set has been indexed."""

from __future__ import annotations

from vcma.datasets.formats import annotated_truth
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.project import Project
from vcma.records.columns import Columns


def read_truth(project: Project, split: str) -> Columns:
    """The TRUTH columns of a split as indexed or, where it is not indexed, from its annotations alone.

    An indexed truth comes first, so that every file is scored on the samples that the pipeline's own predictions
    are scored on. Raises InputError where nothing is annotated in the split.
    """
    path = project.artifacts / f"truth_{split}.h5"
    if path.exists():
        truth = artifact.read(schemas.TRUTH, path)
    else:
        truth = annotated_truth(project.data, project.block, project.root, split)
    if not len(truth["sample"]):
        raise InputError(f"nothing is annotated in the split {split}", path, "name another with --split")
    return truth
