"""annotation files -> samples.h5, truth_val.h5, truth_test.h5: sentences and videos, separate from ground truth."""

from collections import Counter
from functools import partial

import click

from vcma.datasets.formats import READERS, format_of
from vcma.pipeline import artifact, schemas
from vcma.pipeline.cli import progress, stage
from vcma.pipeline.stage_run import StageRun


@stage("strict", example="--dataset hcstvg --strict")
def index_dataset(run: StageRun) -> None:
    """Read the chosen data set's annotation files into an index of samples and the ground truth of val and test."""
    form = format_of(run.block)
    index = READERS[form](
        run.project.data,
        run.block,
        run.project.root,
        strict=run.strict,
        watch=partial(progress, total=None, what=run.stage),
    )
    params = {"dataset": run.project.dataset, "format": form, "splits": run.block["splits"]}
    content = artifact.write(schemas.SAMPLES, run.artifact("samples.h5"), index.samples, params, {})
    for split in ("train", "val", "test"):
        path = run.artifact(f"truth_{split}.h5")
        path.unlink(missing_ok=True)
        truth = index.truths.get(split)
        if truth is None and split != "train":
            # Validation and test always have a file, if only an empty one, because later stages depend on it.
            truth = schemas.empty(schemas.TRUTH, format=form)
        if truth is not None:
            artifact.write(schemas.TRUTH, path, truth, params, {"samples": content})
    samples = index.samples
    kinds = [reason.partition(":")[0] for reason in samples["skipped_reason"]]
    for kind, n in Counter(kinds).items():
        first = kinds.index(kind)
        example = f"{samples['skipped'][first]}: {samples['skipped_reason'][first]}"
        click.echo(f"{run.stage}: skipped {n:,}, e.g. {example}", err=True)
    splits = ", ".join(f"{n:,} {split}" for split, n in Counter(samples["split"]).items())
    counts = f"{len(samples['video']):,} videos, {len(samples['sample']):,} sentences ({splits})"
    run.done(f"{counts}, {len(kinds):,} skipped", run.artifact("samples.h5"))


if __name__ == "__main__":
    index_dataset()
