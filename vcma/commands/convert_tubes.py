"""`vcma convert tubes`: the tracks of other programs as the tubes of the chosen data set."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import numpy as np

from vcma.commands.convert_embeddings import EmbeddingWriter, embedding_writer, embeddings_options
from vcma.commands.convert_options import conventions_options, described, tell
from vcma.conversion.dropped import Dropped
from vcma.conversion.row_arrays import read_rows
from vcma.conversion.sources import unique_names
from vcma.conversion.track_rows import TrackRows
from vcma.conversion.track_sources import CONVENTIONS, FORMATS, track_sources
from vcma.conversion.tubes import TubeSettings, tube_columns
from vcma.conversion.video_facts import VideoLookup
from vcma.datasets.entries import Video
from vcma.errors import InputError, RefusedError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.cli import progress, with_project
from vcma.pipeline.project import CONFIG, Project
from vcma.pipeline.storage import text_lines
from vcma.pipeline.video_artifacts import video_file

_PATH = click.Path(path_type=Path)
_CONVERTED = "converted_from"  # among an artifact's parameters


@click.command(
    "tubes",
    epilog="""\b
Examples:
  vcma convert tubes bytetrack/ --from mot --name bytetrack --class-name person --features reid/
  vcma convert tubes bytetrack/ --from mot --name bytetrack --class-name person --embeddings clip/
    --encoder envs/encoders/clip-b16
  vcma convert tubes runs/detect/track --from ultralytics --name yolo11n --classes coco.names
  vcma convert tubes masks/ --from masks --name sam2 --class-name person
  vcma convert tubes tracks.json --from coco --name mmtracking
Then: python stages/parse_queries.py, and python stages/ground_queries.py --untrained""",
)
@with_project
@click.argument("source", type=_PATH)
@click.option("--from", "form", type=click.Choice(FORMATS), required=True, help="Format of SOURCE.")
@click.option("--name", required=True, help="What made the tracks; a model is only used with tubes of one name.")
@click.option("--video", help="Id of the video, where SOURCE is one video's and does not say which.")
@click.option("--videos", type=_PATH, help="Of COCO results: the file that names their videos.")
@click.option("--class-name", help="The class of every track, e.g. person.")
@click.option("--classes", type=_PATH, help="Names of the classes by number, one a line.")
@click.option(
    "--first-class", type=click.IntRange(0, 1), default=0, show_default=True, help="Number of the first name."
)
@click.option("--features", type=_PATH, help="Appearance of each box: .npy or .h5, or a folder with one a video.")
@embeddings_options
@click.option("--max-tubes", type=click.IntRange(1), help="Most tubes of one video.  [default: link_tubes']")
@click.option(
    "--stride", type=click.IntRange(1), help="Every how many frames the tracker looked, if its numbers say so."
)
@conventions_options
@click.option("--out", type=_PATH, help="Folder of the tubes.  [default: the data set's]")
@click.option("--force", is_flag=True, help="Replace tubes that were linked here.")
@click.option("--strict", is_flag=True, help="Stop at the first bad video instead of skipping it.")
def convert_tubes(project: Project, source: Path, form: str, name: str, **options: Any) -> None:
    """Make tubes of the tracks in SOURCE, a file or a folder, for the videos of the data set.

    The data set must be indexed (python stages/index_dataset.py). `link_tubes` would replace the tubes: go on with
    the stages behind it.
    """
    dropped, videos = Dropped(), _videos(project)
    sources = track_sources(form, source, list(videos), options["video"], options["videos"], dropped)
    out = options["out"] or project.artifacts / "tubes"
    _spare_linked((video_file(out, video) for video in sources.readers), options["force"])
    max_tubes = options["max_tubes"] or project.section("link_tubes").get("max_tubes")
    if not isinstance(max_tubes, int):
        raise InputError("section 'link_tubes' has no usable 'max_tubes'", project.root / CONFIG)
    settings = TubeSettings(
        _conventions(form, options), _class_names(sources.class_names, options), name, max_tubes
    )
    params = {_CONVERTED: form, "source": source.name, "max_tubes": settings.max_tubes}
    embeddings = embedding_writer(project, out.parent / "embeddings", options, params, dropped)
    write = _Writer(VideoLookup(project), videos, settings, options["features"], embeddings, out, params, dropped)
    counts = Counter[str]()
    for video, reader in progress(sources.readers.items(), len(sources.readers), "convert"):
        try:
            tubes = write(video, reader())
            counts.update(videos=1, tubes=tubes, empty=not tubes)
        except InputError as error:
            if options["strict"] or len(sources.readers) == 1 or isinstance(error, RefusedError):
                raise
            counts.update(skipped=1)
            click.echo(f"skipped: {video}: {error}", err=True)
    without = [video for video in videos if video not in sources.readers]
    dropped.add("videos of the data set without tracks", (without or [""])[0], len(without))
    tell(dropped)
    if not counts["videos"]:
        raise InputError("no video could be converted", source, "see the lines above")
    told = ", ".join(f"{counts[key]:,} {key}" for key in ("videos", "tubes", "empty", "skipped"))
    click.echo(f"convert: {told} -> {out}", err=True)


@dataclass(frozen=True)
class _Writer:
    """Writes the tubes of videos, and their embeddings where there are vectors.

    features: where those of their boxes are; params: of the artifacts.
    """

    lookup: VideoLookup
    videos: Mapping[str, tuple[Video, str]]
    settings: TubeSettings
    features: Path | None
    embeddings: EmbeddingWriter | None
    out: Path
    params: Mapping[str, Any]
    dropped: Dropped

    @cached_property
    def _names(self) -> dict[str, tuple[str, ...]]:
        return unique_names(self.videos)

    def __call__(self, video: str, rows: TrackRows) -> int:
        """Write a video's tubes and return how many there are; raises InputError."""
        features = read_rows(self.features, self._names[video], rows.total) if self.features else None
        vectors = self._vectors(video, rows.total)
        facts = self.lookup.facts(*self.videos[video])
        columns, row = tube_columns(rows, facts, self.settings, self.dropped)
        if features is not None:
            columns["feature"] = features[row]
        path = video_file(self.out, video)
        content = artifact.write(schemas.TUBES, path, columns, self.params, _digests(rows, features))
        if self.embeddings and vectors is not None:
            self.embeddings(video, path, content, vectors[row])
        return len(columns["tube_score"])

    def _vectors(self, video: str, rows: int) -> np.ndarray | None:
        """The encoder's vectors of a video's boxes at unit length, if there are any."""
        if self.embeddings is None:
            return None
        vectors = read_rows(self.embeddings.source, self._names[video], rows)
        return self.embeddings.unit_vectors(vectors, video)


def _videos(project: Project) -> dict[str, tuple[Video, str]]:
    """{id: (video as annotated, path below the video root)} of the indexed data set."""
    names = ("video", "video_fps", "video_frames", "video_width", "video_height", "video_path")
    rows = zip(*artifact.read(schemas.SAMPLES, project.artifacts / "samples.h5", names).values(), strict=True)
    return {v: (Video(v, float(fps), int(n), int(w), int(h)), str(path)) for v, fps, n, w, h, path in rows}


def _conventions(form: str, options: Mapping[str, Any]) -> Any:
    said = {key: options[key] for key in ("boxes", "normalised", "times", "first_frame")}
    written = described(CONVENTIONS[form], **said)
    return replace(written, stride=options["stride"]) if options["stride"] else written


def _class_names(told: Mapping[int, str], options: Mapping[str, Any]) -> dict[int | None, str]:
    """{number: name} of the classes: those of --classes or of the file; {None: name} of a single one."""
    if options["class_name"]:
        if options["classes"]:
            raise click.UsageError("--class-name and --classes exclude each other")
        return {None: options["class_name"]}
    names: dict[int | None, str] = {number: name for number, name in told.items()}
    if options["classes"]:
        lines = [line.strip() for line in text_lines(options["classes"])]
        names = {i: line for i, line in enumerate(lines, options["first_class"]) if line}
    if not names:
        raise click.UsageError("say what the tracks are: --class-name NAME, or --classes FILE")
    return names


def _spare_linked(files: Iterable[Path], force: bool) -> None:
    """Raise InputError where a file is there that was not converted, unless it may be replaced."""
    for path in files:
        if not force and path.exists() and _CONVERTED not in artifact.attributes(path)["params"]:
            raise InputError("was linked here", path, "replace such tubes with --force, or name another --out")


def _digests(rows: TrackRows, features: np.ndarray | None) -> dict[str, str]:
    """What tubes were made from, as digests."""
    parts = {"tracks": [rows.time, rows.track, rows.box, rows.score, rows.category]}
    parts |= {} if features is None else {"features": [features]}
    return {name: hashlib.sha256(b"".join(map(bytes, arrays))).hexdigest() for name, arrays in parts.items()}
