"""The data doctor: what is wrong with a data set, and what it will take on disk, before hours of work.

First the annotation files are read, then videos (and VidOR's boxes) are looked at in parallel; findings come one
by one as they are made. A finding either `blocks`, so that its sample or video cannot be used and belongs on the
skip list, or is a note. The truth of the train split is not looked at, here as elsewhere.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from vcma.datasets.formats import WALKS, format_of
from vcma.datasets.index import (
    SKIP_FILE,
    Entry,
    Problem,
    Truth,
    UnusableError,
    Video,
    VideoFolder,
    file_facts,
    is_inside,
    known_splits,
    read_skip_list,
)
from vcma.datasets.sizes import published_counts
from vcma.datasets.vidstg import Tracks, VidorFolder, boxed, read_trajectories
from vcma.detection.registry import load_detector
from vcma.errors import InputError
from vcma.pipeline import storage
from vcma.pipeline.cli import progress, with_project
from vcma.pipeline.paths import is_file, root_folder, video_root
from vcma.pipeline.project import Project
from vcma.video.decoding import shape
from vcma.video.extent import broken_frames, extent
from vcma.video.sampling import time_grid

_DETECTOR, _EMPTY = "detector unusable", "split is empty"
BLOCKING = {
    "malformed record": "a field is missing or no number",
    "names an absent object": "target, subject or object is not in the record's list",
    "empty sentence": "nothing to search for",
    "zero-length span": "true span or list of boxes without a frame",
    "span outside its segment": "true span does not meet the searched segment",
    "no boxes": "VidOR's file is missing or broken, or the target has no box in its span",
    _DETECTOR: "detect_proposals would end with it",
    _EMPTY: "nothing to learn from or to score",
    "video missing": "no such file below the video root",
    "video outside its folder": "the path leaves the video root",
    "video unreadable": "cannot be opened, or no frame can be decoded",
    "video truncated": "ends over a second before its container says",
    "video damaged": "holds frames that cannot be decoded",
    "id, sentence or file name is no valid text": "cannot be stored as UTF-8",
}
NOTES = {
    "frame count differs": "from the annotated one",
    "size differs": "from the annotated one",
    "frame rate differs": "by more than 1 % from the annotated one",
    "box outside the picture": "at least a pixel of a true box in its span",
    "frame without a box": "in the true span; counts 0 in vIoU",
    "dropped by evaluators": "STCAT leaves the sample out, TubeDETR stops at it",
    "duplicate": "same sentence, segment and span of the same video",
    "annotations disagree": "records give one video different numbers",
    "not in the official list": "of the split's videos",
    "count differs": "from the published number of sentences",
}


class Finding(NamedTuple):
    """One row of the table; id is a sample, video, record (`<file>#<number>`) or split."""

    kind: str
    split: str
    id: str
    detail: str

    @property
    def blocks(self) -> bool:
        return self.kind not in NOTES


@dataclass
class _Case:
    """One video with what is needed to examine it in a worker: where it and its VidOR annotation are."""

    video: Video
    file: str
    path: str | None
    split: str
    boxes: Path | None = None
    samples: list[tuple[str, str, Truth, tuple[int, int]]] = field(default_factory=list)


def check(
    form: str,
    annotations: Path,
    block: Mapping[str, Any],
    project_root: Path,
    *,
    jobs: int = 1,
    decode: bool = False,
    watch: Callable[[Iterator, int], Iterable] = lambda items, total: items,
) -> Iterator[Finding]:
    """Everything wrong with a data set, the annotations' findings first; the order does not depend on `jobs`.

    decode: decode every frame instead of only unpacking the container. watch(items, total) may show progress over
    the videos. Raises InputError where a file or folder as such is missing.
    """
    folder = VideoFolder(video_root(block, project_root))
    vidor = VidorFolder(root_folder(block, "boxes", project_root)) if block.get("boxes") else None
    cases: dict[str, _Case] = {}
    counts: Counter = Counter()
    used: Counter = Counter()
    seen: dict[tuple, str] = {}
    for entry in WALKS[form](annotations, block, known_splits(block)):
        counts[entry.split, entry.query_type] += 1
        if isinstance(entry, Problem):
            yield Finding(entry.error.kind, entry.split, entry.id, entry.error.detail)
            continue
        used[entry.split] += 1
        yield from _judge(form, entry, seen)
        case = cases.setdefault(entry.video.id, _Case(entry.video, entry.file, entry.path, entry.split))
        if case.video != entry.video:
            detail = f"{astuple(entry.video)[1:]}, elsewhere {astuple(case.video)[1:]}"
            yield Finding("annotations disagree", entry.split, entry.id, detail)
        if entry.truth:
            case.samples.append((entry.id, entry.split, entry.truth, entry.segment))
            case.boxes = vidor.path(entry.video.id) if vidor else None
    for split in dict.fromkeys(split for split, _ in counts):
        if not used[split]:
            n = sum(counts[key] for key in counts if key[0] == split)
            yield Finding(_EMPTY, split, split, f"none of {n:,} sentences is left; see `splits:` and `files:`")
    yield from _compare_counts(form, block, counts)
    yield from _examine_all(list(cases.values()), folder, vidor is not None, jobs, decode, watch)


def _judge(form: str, entry: Entry, seen: dict[tuple, str]) -> Iterator[Finding]:
    """What one entry says about itself, and whether it was `seen` before."""
    if not entry.sentence.strip():
        yield Finding("empty sentence", entry.split, entry.id, "")
    span = entry.truth.span if entry.truth else None
    key = (entry.split, entry.video.id, entry.segment, span, entry.sentence.strip().lower())
    if seen.setdefault(key, entry.id) != entry.id:
        yield Finding("duplicate", entry.split, entry.id, f"of {seen[key]}")
    if span and (reason := _dropped(form, entry, span)):
        yield Finding("dropped by evaluators", entry.split, entry.id, reason)
    if entry.truth and form == "hcstvg":
        yield from _outside(entry.id, entry.split, entry.truth, entry.video)


def _dropped(form: str, entry: Entry, span: tuple[int, int]) -> str:
    last = entry.segment[1] - 1
    if form == "hcstvg" and span[1] > entry.video.frames:
        return f"boxes up to frame {span[1]} of {entry.video.frames}"
    # STCAT wants a box for each frame up to the inclusive end, but clamps boxes and span by different limits.
    if form == "vidstg" and min(span[1], entry.video.frames - 1) != min(span[1], last):
        return f"span ends at {span[1]}, its segment at {last}"
    if entry.video.fps < 5:
        return f"{entry.video.fps:g} frames a second are below TubeDETR's 5"
    return ""


def _outside(sample: str, split: str, truth: Truth, video: Video) -> Iterator[Finding]:
    limit = np.array([video.width, video.height] * 2)
    beyond = np.maximum(-truth.box, truth.box - limit).max(axis=1, initial=0)
    if (beyond >= 1).any():
        worst = int(beyond.argmax())
        box = ", ".join(f"{v:g}" for v in truth.box[worst])
        detail = f"{int((beyond >= 1).sum())} boxes, e.g. [{box}] in frame {truth.box_frame[worst]}"
        yield Finding("box outside the picture", split, sample, f"{detail} of {video.width}x{video.height}")
    missing = truth.span[1] - truth.span[0] - len(truth.box)
    if missing:
        yield Finding("frame without a box", split, sample, f"{missing} of {truth.span[1] - truth.span[0]}")


def _compare_counts(form: str, block: Mapping[str, Any], counts: Counter) -> Iterator[Finding]:
    """Sentences of each split beside the published numbers of the format's data set that fits best."""
    known = published_counts(form).items()
    candidates = [[*_differences(name, splits, block, counts)] for name, splits in known]
    yield from min(candidates, key=len, default=[])


def _differences(name: str, splits: Mapping, block: Mapping[str, Any], counts: Counter) -> Iterator[Finding]:
    """Numbers that differ; a split with less than a tenth of the sentences is another data set of that format."""
    carved = "val" in block["splits"] and not block["splits"]["val"] and "val" not in splits
    for split, published in splits.items():
        parts = ("train", "val") if carved and split == "train" else (split,)
        found = {kind: sum(counts[part, kind] for part in parts) for kind in published}
        if sum(found.values()) * _SHARE < sum(published.values()):
            continue
        for kind, n in published.items():
            if found[kind] != n:
                yield Finding("count differs", split, name, f"{found[kind]:,} {kind} sentences, published {n:,}")


def _examine_all(
    cases: Sequence[_Case], folder: VideoFolder, with_boxes: bool, jobs: int, decode: bool, watch: Callable
) -> Iterator[Finding]:
    work = [(case, folder.root, _find(folder, case), with_boxes, decode) for case in cases]
    if jobs == 1 or len(cases) < 2:
        results: Iterator = (_examine(*item) for item in work)
    else:
        import joblib

        # One native thread a worker: two pools of threads on the same cores can be ten times slower than one.
        with joblib.parallel_config("loky", inner_max_num_threads=1):
            parallel = joblib.Parallel(n_jobs=jobs, return_as="generator")
            results = parallel(joblib.delayed(_examine)(*item) for item in work)
    for findings in watch(results, len(cases)):
        yield from findings


def _find(folder: VideoFolder, case: _Case) -> str | None:
    try:
        return folder.find(case.file, case.path)
    except UnusableError:
        return None


def _examine(case: _Case, root: Path, found: str | None, with_boxes: bool, decode: bool) -> list[Finding]:
    """The findings about one video and, `with_boxes`, about the true boxes of its samples."""
    findings: list[Finding] = []
    if with_boxes and case.samples:
        try:
            trajectories = read_trajectories(case.boxes)
            hint = trajectories.video_path
            found = hint if hint and is_inside(hint) and is_file(root / hint) else found
            findings += _examine_boxes(case, trajectories.tracks)
        except UnusableError as error:
            findings += [Finding(error.kind, split, sample, error.detail) for sample, split, *_ in case.samples]
    try:
        if found is None:
            raise UnusableError("video missing")
        file_facts(root / found)
        findings += _examine_video(case, root / found, decode)
    except UnusableError as error:
        findings.append(Finding(error.kind, case.split, case.video.id, error.detail))
    return findings


def _examine_boxes(case: _Case, tracks: Tracks) -> Iterator[Finding]:
    for sample, split, truth, segment in case.samples:
        try:
            yield from _outside(sample, split, boxed(truth, segment, tracks), case.video)
        except UnusableError as error:
            yield Finding(error.kind, split, sample, error.detail)


def _examine_video(case: _Case, path: Path, decode: bool) -> Iterator[Finding]:
    """What the file says beside what the annotation says; 0 in either is unknown. Raises UnusableError."""
    try:
        fps, width, height = shape(path)
        frames, missing = extent(path, exact=False)
    except InputError as error:
        raise UnusableError("video unreadable", error.what) from error
    if missing:
        raise UnusableError("video truncated", missing)
    if decode and (broken := broken_frames(path)):
        raise UnusableError("video damaged", f"{broken} of {frames} frames cannot be decoded")
    said = case.video

    def note(kind: str, detail: str) -> Finding:
        return Finding(kind, case.split, said.id, detail)

    if said.frames and frames != said.frames:
        yield note("frame count differs", f"{frames}, annotated {said.frames}")
    if said.width and said.height and (width, height) != (said.width, said.height):
        yield note("size differs", f"{width}x{height}, annotated {said.width}x{said.height}")
    if said.fps and abs(fps - said.fps) > said.fps / 100:
        yield note("frame rate differs", f"{fps:.6g}, annotated {said.fps:.6g}")


def skip_list(findings: Iterable[Finding]) -> dict[str, str]:
    """{sample or video id: reason} of what cannot be used, as later stages skip it."""
    blocking = (f for f in findings if f.blocks and f.kind not in (_DETECTOR, _EMPTY))
    return {f.id: f"{f.kind}: {f.detail}" if f.detail else f.kind for f in blocking}


class Footprint(NamedTuple):
    """What one artifact of a data set will take: number of files, and bytes on disk."""

    artifact: str
    files: int
    bytes: int


@dataclass(frozen=True)
class Plan:
    """The parameters that decide how much is stored: sampled frames a second and at most a video, longest side in
    px and JPEG quality; regions a frame with their features, classes and attributes; tubes a video."""

    rate: float
    max_frames: int
    max_side: int
    quality: int
    proposals: int
    features: int
    classes: int
    attributes: int
    tubes: int


def estimate(entries: Iterable[Entry | Problem], plan: Plan) -> list[Footprint]:
    """What a data set will take on disk, artifact by artifact, before it is made: an upper bound but for JPEG.

    entries: what `walk` yields. A video of unknown length counts as 30 s of 640 x 480 pixels at 30 fps.
    """
    videos: dict[str, Video] = {}
    segments: dict[str, set[tuple[int, int]]] = {}
    sentences, tested, boxes = 0, 0, 0
    for entry in entries:
        if isinstance(entry, Entry):
            video = videos.setdefault(entry.video.id, _assumed(entry.video))
            segments.setdefault(video.id, set()).add(entry.segment)
            sentences += 1
            if entry.split == "test":
                begin, end = entry.segment
                tested, boxes = tested + 1, boxes + (video.frames if end < 0 else end) - begin
    grids = {
        vid: len(time_grid(segments[vid], v.frames, v.fps, plan.rate, plan.max_frames)) for vid, v in videos.items()
    }
    pixels = sum(n * _pixels(videos[vid], plan.max_side) for vid, n in grids.items())
    T, V = sum(grids.values()), len(videos)
    labels = plan.classes + plan.attributes
    jpeg = pixels * float(np.interp(plan.quality, *_JPEG))
    region = 16 + 4 + 2 * (plan.features + labels)  # box, score, half floats
    point = 8 + 16 + 4 + 1 + 2 * plan.features  # frame, box, score, flag, half floats
    return [
        Footprint("samples", 1, sentences * 200 + V * 150),
        Footprint("frames", V, int(jpeg) + T * 24 + V * _HEAD),
        Footprint("proposals", V, T * (plan.proposals * region + 24) + V * _HEAD),
        Footprint("tubes", V, plan.tubes * (T * point + V * (4 + 2 * labels)) + T * 16 + V * _HEAD),
        Footprint("queries", 1, sentences * 500),
        Footprint("predictions.json", 1, boxes * 42 + tested * 80),
    ]


_HEAD = 30_000  # bytes of an HDF5 file that are no data
_SHARE = 10  # less than one tenth of a published split is no copy of it
# Bytes of JPEG a pixel by quality, measured on two home videos of 640 x 480 and 640 x 362 pixels.
_JPEG = ((30, 50, 75, 85, 90, 95, 100), (0.08, 0.11, 0.16, 0.21, 0.26, 0.37, 0.67))


def _assumed(video: Video) -> Video:
    return Video(video.id, video.fps or 30.0, video.frames or 900, video.width or 640, video.height or 480)


def _pixels(video: Video, max_side: int) -> float:
    return video.width * video.height * min(1.0, max_side / max(video.width, video.height)) ** 2


@click.command("check")
@with_project
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=lambda: os.cpu_count() or 1,
    show_default="all cores",
    help="Worker processes over videos.",
)
@click.option("--decode", is_flag=True, help="Decode every frame, to find damage inside of videos; slow.")
@click.option("--table", type=click.Path(path_type=Path), help="Where the table goes (tab-separated).")
@click.option("--fix-index", is_flag=True, help=f"Write data/<dataset>/{SKIP_FILE}, which index_dataset honours.")
@click.option("--estimate", "only_estimate", is_flag=True, help="Only say what the artifacts will take on disk.")
def check_command(
    project: Project, jobs: int, decode: bool, table: Path | None, fix_index: bool, only_estimate: bool
) -> None:
    """Examine the chosen data set and its detector before hours of work; exit code 1 if anything cannot be used."""
    form = format_of(project.block)
    if only_estimate:
        plan = _plan(project)
        _say_footprints(estimate(WALKS[form](project.data, project.block, ()), plan))
        return
    findings = check(
        form,
        project.data,
        project.block,
        project.root,
        jobs=jobs,
        decode=decode,
        watch=lambda items, total: progress(items, total, "check"),
    )
    found = _write_table(chain(findings, _examine_detector(project)), table or project.artifacts / "check.tsv")
    path = project.data / SKIP_FILE
    if fix_index:
        storage.write_json(path, skip_list(found))
    left_out = read_skip_list(path)
    blocking = [f for f in found if f.blocks and f.id not in left_out]
    if left_out:
        click.echo(f"check: {len(left_out):,} are left out by {path}", err=True)
    if skip_list(blocking):
        click.echo("check: --fix-index writes a list that leaves out what blocks", err=True)
    raise click.exceptions.Exit(int(bool(blocking)))


def _examine_detector(project: Project) -> Iterator[Finding]:
    """Build the detector as detect_proposals will, after hours of extraction; weights by URL are left unfetched."""
    settings = project.detector
    if not settings or "://" in (settings.get("weights") or "://"):
        return
    try:
        load_detector(settings, project.root)
    except InputError as error:
        yield Finding(_DETECTOR, "", "detector", str(error))


def _plan(project: Project) -> Plan:
    """The plan that a project's parameters and detector make; raises InputError if a key is missing.

    Where the detector is not there yet, 1,024 features, 80 classes and 30 attributes are assumed, and that is said.
    """

    def value(section: str, key: str) -> Any:
        try:
            return project.section(section)[key]
        except KeyError:
            raise InputError(f"section '{section}' lacks the key '{key}'", "pipeline.yaml") from None

    return Plan(
        rate=value("extract_frames", "rate"),
        max_frames=value("extract_frames", "max_frames"),
        max_side=value("extract_frames", "max_side"),
        quality=value("extract_frames", "quality"),
        proposals=value("detect_proposals", "top_k"),
        **_of_detector(project),
        tubes=value("link_tubes", "max_tubes"),
    )


def _of_detector(project: Project) -> dict[str, int]:
    try:
        detector = load_detector(project.detector, project.root)
    except InputError as error:
        click.echo(f"note: assuming 1,024 features, 80 classes and 30 attributes, because {error}", err=True)
        return {"features": 1024, "classes": 80, "attributes": 30}
    names = {"classes": len(detector.class_names), "attributes": len(detector.attribute_names)}
    return {"features": detector.feature_dim, **names}


def _write_table(findings: Iterable[Finding], path: Path) -> list[Finding]:
    """Write the table row by row beside its place and put it there when complete; say how many of each kind."""
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
    _say_summary(kept)
    click.echo(f"check: {len(kept):,} findings, {sum(f.blocks for f in kept):,} blocking -> {path}", err=True)
    return kept


def _say_summary(findings: Sequence[Finding]) -> None:
    counts = Counter(f.kind for f in findings)
    first = {f.kind: f for f in reversed(findings)}
    for kind, n in sorted(counts.items(), key=lambda item: (not first[item[0]].blocks, -item[1])):
        meaning = (BLOCKING | NOTES).get(kind, "")
        example = f"{first[kind].id} {first[kind].detail}".strip()
        click.echo(f"{n:>9,}  {'blocks' if first[kind].blocks else 'note':6}  {kind}: {meaning}; e.g. {example}")
    if not findings:
        click.echo("nothing wrong found")


def _say_footprints(footprints: Sequence[Footprint]) -> None:
    for name, files, size in footprints:
        click.echo(f"{name:17} {files:>9,} files {size / 1e6:>12,.1f} MB")
    click.echo(f"{'together':17} {sum(f.files for f in footprints):>9,} files ", nl=False)
    click.echo(f"{sum(f.bytes for f in footprints) / 1e6:>12,.1f} MB")
