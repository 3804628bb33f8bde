"""`vcma check`: validate a data set before running the pipeline, and estimate the size of its artifacts.

All findings are written to a table and summarised on stdout; `--fix-index` writes the blocking ones to a skip list.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import click

from vcma.commands.check_dataset import check_dataset
from vcma.commands.check_parameters import check_parameters
from vcma.commands.disk_use import DiskUse, estimate_disk_use, storage_parameters
from vcma.commands.findings import BLOCKING, DETECTOR_UNUSABLE, NOTES, Finding, skip_list
from vcma.datasets.entries import Entry
from vcma.datasets.formats import ENTRY_READERS, format_of
from vcma.datasets.skip_list import SKIP_FILE, read_skip_list, remaining
from vcma.detection.registry import load_detector
from vcma.errors import InputError
from vcma.pipeline import storage
from vcma.pipeline.cli import examples, progress, with_project
from vcma.pipeline.project import Project
from vcma.pipeline.workers import can_have_workers


@click.command("check", epilog=examples("vcma check --dataset vidstg --fix-index", "vcma check --estimate"))
@with_project
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=lambda: os.cpu_count() or 1,
    show_default="all cores",
    help="Number of worker processes, one video each.",
)
@click.option("--decode", is_flag=True, help="Decode every frame, to find damage inside videos; slow.")
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    help="File for the table of findings, tab-separated.  [default: artifacts/<dataset>/check.tsv]",
)
@click.option(
    "--fix-index", is_flag=True, help=f"Write the skip list data/<dataset>/{SKIP_FILE} for index_dataset."
)
@click.option("--estimate", "only_estimate", is_flag=True, help="Only estimate the disk space of the artifacts.")
def check_command(
    project: Project, jobs: int, decode: bool, table: Path | None, fix_index: bool, only_estimate: bool
) -> None:
    """Check the chosen data set, its detector and the parameters; exit code 1 if anything is unusable."""
    form, skip_file = format_of(project.block), project.data / SKIP_FILE
    if only_estimate:
        entries = ENTRY_READERS[form](project.data, project.block, ())
        parameters = storage_parameters(project)
        _print_disk_use(estimate_disk_use(remaining(entries, read_skip_list(skip_file)), parameters))
        return
    findings = check_dataset(
        form,
        project.data,
        project.block,
        project.root,
        jobs=jobs if jobs == 1 or can_have_workers("check") else 1,
        decode=decode,
        progress=lambda videos, total: progress(videos, total, "check"),
    )
    table = table or project.artifacts / "check.tsv"
    found = _write_table(chain(findings, _check_detector(project), check_parameters(project)), table)
    _print_summary(found, table)
    if fix_index:
        storage.write_json(skip_file, skip_list(found))
    left_out = read_skip_list(skip_file)
    blocking = [f for f in found if f.blocks and f.id not in left_out]
    if left_out:
        click.echo(f"check: {len(left_out):,} ids are skipped by {skip_file}", err=True)
    _print_remaining(remaining(ENTRY_READERS[form](project.data, project.block, ()), left_out))
    if skip_list(blocking):
        click.echo("check: --fix-index writes the blocking items to a skip list", err=True)
    raise click.exceptions.Exit(int(bool(blocking)))


def _check_detector(project: Project) -> Iterator[Finding]:
    """Load the detector as detect_proposals does, to find errors early; weights given by URL are not downloaded."""
    settings = project.detector
    if not settings or "://" in (settings.get("weights") or "://"):
        return
    try:
        load_detector(settings, project.root)
    except InputError as error:
        yield Finding(DETECTOR_UNUSABLE, "", "detector", str(error))


def _write_table(findings: Iterable[Finding], path: Path) -> list[Finding]:
    """Write the table row by row to a partial file, which takes its place when complete; returns the findings."""
    kept = []
    with (
        storage.replacing(path) as partial,
        open(partial, "w", encoding="utf-8", errors="replace", newline="", buffering=1) as file,
    ):
        rows = csv.writer(file, delimiter="\t", lineterminator="\n")
        rows.writerow([*Finding._fields, "blocks"])
        for finding in findings:
            rows.writerow([*finding, "yes" if finding.blocks else "no"])
            kept.append(finding)
    return kept


def _print_summary(findings: Sequence[Finding], table: Path) -> None:
    """Print the number of findings of each kind with an example, blocking kinds first."""
    counts = Counter(f.kind for f in findings)
    first = {f.kind: f for f in reversed(findings)}
    for kind, n in sorted(counts.items(), key=lambda item: (not first[item[0]].blocks, -item[1])):
        meaning = (BLOCKING | NOTES).get(kind, "")
        example = f"{first[kind].id} {first[kind].detail}".strip()
        click.echo(f"{n:>9,}  {'blocks' if first[kind].blocks else 'note':6}  {kind}: {meaning}; e.g. {example}")
    if not findings:
        click.echo("no problems found")
    blocking = sum(f.blocks for f in findings)
    click.echo(f"check: {len(findings):,} findings, {blocking:,} blocking -> {table}", err=True)


def _print_remaining(entries: Iterable[Entry]) -> None:
    videos, splits = set(), Counter[str]()
    for entry in entries:
        videos.add(entry.video.id)
        splits[entry.split] += 1
    listed = ", ".join(f"{n:,} {split}" for split, n in splits.items()) or "none"
    click.echo(f"check: {len(videos):,} videos and {splits.total():,} sentences remain ({listed})", err=True)


def _print_disk_use(artifacts: Sequence[DiskUse]) -> None:
    for name, files, size in artifacts:
        click.echo(f"{name:17} {files:>9,} files {size / 1e6:>12,.1f} MB")
    click.echo(f"{'total':17} {sum(f.files for f in artifacts):>9,} files ", nl=False)
    click.echo(f"{sum(f.bytes for f in artifacts) / 1e6:>12,.1f} MB")
