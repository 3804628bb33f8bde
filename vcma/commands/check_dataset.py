"""Find all problems of a data set before the pipeline runs.

First the annotation files are read, then videos (and VidOR's boxes) are examined in parallel; findings are yielded
as they are made. The ground truth of the train split is never read, unless the data set says `train_truth: true`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

from vcma.commands.check_annotations import check_entry, compare_counts
from vcma.commands.check_videos import Progress, VideoToCheck, check_videos
from vcma.commands.findings import SPLIT_EMPTY, Finding
from vcma.datasets.annotation_files import splits_with_truth
from vcma.datasets.entries import Entry, UnusableEntry
from vcma.datasets.formats import ENTRY_READERS
from vcma.datasets.skip_list import SKIP_FILE, read_skip_list
from vcma.datasets.video_files import VideoFolder
from vcma.datasets.vidor import VidorFolder
from vcma.pipeline.paths import root_folder, video_root


def check_dataset(
    form: str,
    annotations: Path,
    block: Mapping[str, Any],
    project_root: Path,
    *,
    jobs: int = 1,
    decode: bool = False,
    progress: Progress = lambda items, total: items,
) -> Iterator[Finding]:
    """Yield the findings about a data set, those of the annotations first; the order does not depend on `jobs`.

    decode: decode every frame instead of only reading the container's packets. progress: wraps the iteration over
    videos with a progress bar. Raises InputError if an annotation file or a folder is missing.
    """
    folder = VideoFolder(video_root(block, project_root))
    vidor = VidorFolder(root_folder(block, "boxes", project_root)) if block.get("boxes") else None
    videos: dict[str, VideoToCheck] = {}
    counts: Counter = Counter()
    usable: Counter = Counter()
    first_ids: dict[tuple, str] = {}
    left_out = read_skip_list(annotations / SKIP_FILE)
    for entry in ENTRY_READERS[form](annotations, block, splits_with_truth(block)):
        counts[entry.split, entry.query_type] += 1
        if isinstance(entry, UnusableEntry):
            yield Finding(entry.error.kind, entry.split, entry.id, entry.error.detail)
            continue
        usable[entry.split] += entry.id not in left_out and entry.video.id not in left_out
        yield from check_entry(form, entry, first_ids)
        yield from _add_to_its_video(entry, videos, vidor)
    yield from _empty_splits(counts, usable)
    yield from compare_counts(form, block, counts)
    yield from check_videos(list(videos.values()), folder, vidor is not None, jobs, decode, progress)


def _add_to_its_video(
    entry: Entry, videos: dict[str, VideoToCheck], vidor: VidorFolder | None
) -> Iterator[Finding]:
    """Add an entry to its video, created with its first entry; yields a finding if their facts about it differ."""
    video = videos.setdefault(entry.video.id, VideoToCheck(entry.video, entry.file, entry.path, entry.split))
    if video.video != entry.video:
        detail = f"{astuple(entry.video)[1:]}, elsewhere {astuple(video.video)[1:]}"
        yield Finding("annotations disagree", entry.split, entry.id, detail)
    if entry.truth:
        video.entries.append(entry)
        video.vidor_file = vidor.path(entry.video.id) if vidor else None


def _empty_splits(counts: Counter, usable: Counter) -> Iterator[Finding]:
    for split in dict.fromkeys(split for split, _ in counts):
        if not usable[split]:
            n = sum(counts[key] for key in counts if key[0] == split)
            yield Finding(
                SPLIT_EMPTY,
                split,
                split,
                f"none of {n:,} sentences can be used; see `splits:`, `files:` and {SKIP_FILE}",
            )
