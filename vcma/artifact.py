"""The artifacts: one schema each, and the only code of the project that opens HDF5.

A schema is the source of truth for writer, reader, `vcma show`, the README's table and the tests. A file is a
flat set of columns whose axes have names; columns that share an axis share its length. Ragged data are a flat
column plus an offsets column of one entry more than its axis: row i owns [offset[i], offset[i + 1]).

HDF5 may loop or crash on a damaged file, so a file begins with a seal, in what HDF5 calls a user block and skips:
one line of JSON with the root attributes and a checksum of the rest, which is checked before HDF5 sees the file.
What has no seal (a file by another writer) is first read by a child process. A seal tells of accidents, it is no
proof against malice.

Conventions everywhere: boxes are continuous xyxy pixels of the *native* picture, frames are native indices from
0, spans are half-open [begin, end).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError, RefusedError

Columns = dict[str, Any]  # column name -> np.ndarray; strings are object arrays of str

_FORMAT = {"libver": ("v110", "v110")}
# What h5py raises on damaged files.
_BROKEN = (KeyError, OSError, RuntimeError, TypeError, ValueError, OverflowError, MemoryError)
_DEFLATE_LIMIT = 1032  # no HDF5 filter of ours packs tighter than this: a file that declares more is damaged
_MAGIC = b"VCMA1 "  # the first bytes of a sealed file; another layout of the seal will have another number


@dataclass(frozen=True)
class Column:
    """One data set of an artifact.

    dtype: a NumPy type name, or "str" for UTF-8 text. axes: the names of its axes; a name like "4" is a fixed
    length. offsets: the axis this column partitions; its own first axis is then one longer than its name says.
    """

    dtype: str
    axes: tuple[str, ...]
    unit: str
    doc: str
    offsets: str | None = None


@dataclass(frozen=True)
class Schema:
    """An artifact: its name and version, the stage that writes it, its columns and what one file holds."""

    name: str
    version: int
    stage: str
    doc: str
    columns: Mapping[str, Column]

    @property
    def tag(self) -> str:
        return f"{self.name}/{self.version}"


_FRAME = {
    "frame": Column("int64", ("frame",), "native frame", "native index of each sampled frame, increasing"),
    "time": Column("float64", ("frame",), "s", "presentation time of each sampled frame"),
}
_PICTURE = {
    "width": Column("int64", (), "px", "width of the native picture"),
    "height": Column("int64", (), "px", "height of the native picture"),
}
_DETECTOR = {
    "class_name": Column("str", ("class",), "", "names of the detector's classes"),
    "attribute_name": Column("str", ("attribute",), "", "names of the attributes, 'upper:red' for a named colour"),
    "detector": Column("str", (), "", "fingerprint of the detector whose features these are"),
}

SAMPLES = Schema(
    "samples",
    1,
    "index_dataset",
    "every video and every sentence of the data set; of the train split no box, span or target",
    {
        "video": Column("str", ("video",), "", "video id, also the name of its artifacts"),
        "video_path": Column("str", ("video",), "", "path below the video root"),
        "video_fps": Column("float64", ("video",), "1/s", "frame rate as annotated, 0 if unknown"),
        "video_frames": Column("int64", ("video",), "frames", "frame count as annotated, 0 if unknown"),
        "video_width": Column("int64", ("video",), "px", "width as annotated, 0 if unknown"),
        "video_height": Column("int64", ("video",), "px", "height as annotated, 0 if unknown"),
        "video_bytes": Column("int64", ("video",), "bytes", "size of the file when it was indexed"),
        "video_modified": Column("int64", ("video",), "s", "modification time of the file, Unix time"),
        "sample": Column("str", ("sample",), "", "sample id"),
        "sample_video": Column("int64", ("sample",), "row of video", "which video the sentence belongs to"),
        "split": Column("str", ("sample",), "", "train, val or test"),
        "sentence": Column("str", ("sample",), "", "the sentence"),
        "query_type": Column("str", ("sample",), "", "declarative, interrogative or unknown"),
        "segment_begin": Column("int64", ("sample",), "native frame", "first frame of the searched segment"),
        "segment_end": Column("int64", ("sample",), "native frame", "end (exclusive); -1: to the video's end"),
        "skipped": Column("str", ("skip",), "", "what was left out"),
        "skipped_reason": Column("str", ("skip",), "", "why it was left out"),
    },
)

TRUTH = Schema(
    "truth",
    2,
    "index_dataset",
    "what evaluation needs of one split: the true span and boxes of each sample",
    {
        "format": Column("str", (), "", "annotation format, whose frame conventions the protocols apply"),
        "sample": Column("str", ("sample",), "", "sample id"),
        "video": Column("str", ("sample",), "", "video id"),
        "query_type": Column("str", ("sample",), "", "declarative or interrogative"),
        "span_begin": Column("int64", ("sample",), "native frame", "first frame of the true span"),
        "span_end": Column("int64", ("sample",), "native frame", "end of the true span (exclusive)"),
        "segment_begin": Column("int64", ("sample",), "native frame", "first frame of the searched segment"),
        "segment_end": Column("int64", ("sample",), "native frame", "end of the searched segment (exclusive)"),
        "frame_count": Column("int64", ("sample",), "frames", "frames of the whole video"),
        "fps": Column("float64", ("sample",), "1/s", "frame rate the protocols use"),
        "target_id": Column("int64", ("sample",), "", "track id of the target in its annotation, -1 if unknown"),
        "category": Column("str", ("sample",), "", "annotated category of the target, empty if unknown"),
        "predicate": Column("str", ("sample",), "", "annotated predicate, empty if unknown"),
        "distractors": Column(
            "int64", ("sample",), "things", "others of its category in the segment, -1 if unknown"
        ),
        "box_offset": Column("int64", ("sample",), "row of box", "rows of box of each sample", offsets="box"),
        "box_frame": Column("int64", ("box",), "native frame", "frame of each box, increasing within a sample"),
        "box": Column("float32", ("box", "4"), "px", "true boxes, xyxy; none where the data set has no boxes"),
        "skipped": Column("str", ("skip",), "", "what of the split was left out, and so is not scored"),
        "skipped_reason": Column("str", ("skip",), "", "why it was left out"),
    },
)

FRAMES = Schema(
    "frames",
    1,
    "extract_frames",
    "the sampled frames of one video as JPEG, on one time grid over all segments its samples use",
    {
        **_FRAME,
        "jpeg_offset": Column("int64", ("frame",), "row of jpeg", "bytes of each frame", offsets="byte"),
        "jpeg": Column("uint8", ("byte",), "", "the JPEG files of all frames, end to end"),
        **_PICTURE,
        "fps": Column("float64", (), "1/s", "native frame rate"),
        "frame_count": Column("int64", (), "frames", "native frames that could be decoded or were declared"),
    },
)

PROPOSALS = Schema(
    "proposals",
    1,
    "detect_proposals",
    "the detector's regions in each sampled frame of one video",
    {
        **_FRAME,
        "box_offset": Column("int64", ("frame",), "row of box", "rows of box of each frame", offsets="box"),
        "box": Column("float32", ("box", "4"), "px", "regions, xyxy in native pixels"),
        "score": Column("float32", ("box",), "", "detection score in [0, 1], falling within a frame"),
        "class_prob": Column("float16", ("box", "class"), "", "distribution over the detector's classes"),
        "attribute_prob": Column("float16", ("box", "attribute"), "", "strength of each attribute in [0, 1]"),
        "feature": Column("float16", ("box", "feature"), "", "appearance of the region"),
        **_DETECTOR,
        **_PICTURE,
    },
)

TUBES = Schema(
    "tubes",
    1,
    "link_tubes",
    "the regions of one video linked over time: at most N tubes",
    {
        **_FRAME,
        "point_offset": Column("int64", ("tube",), "row of point", "points of each tube", offsets="point"),
        "position": Column(
            "int64", ("point",), "row of frame", "sampled frame of each point, increasing in a tube"
        ),
        "box": Column("float32", ("point", "4"), "px", "box of each point, xyxy in native pixels"),
        "score": Column("float32", ("point",), "", "detection score of each point, 0 where interpolated"),
        "interpolated": Column("bool", ("point",), "", "bridged between two detections"),
        "feature": Column("float16", ("point", "feature"), "", "appearance of each point"),
        "tube_score": Column("float32", ("tube",), "", "score of each tube, falling"),
        "class_prob": Column("float16", ("tube", "class"), "", "mean class distribution of the tube"),
        "attribute_prob": Column("float16", ("tube", "attribute"), "", "mean attribute strengths of the tube"),
        **_DETECTOR,
        **_PICTURE,
    },
)

QUERIES = Schema(
    "queries",
    1,
    "parse_queries",
    "every sentence as entities and relations: words only",
    {
        "sample": Column("str", ("sample",), "", "sample id"),
        "text": Column("str", ("sample",), "", "the sentence"),
        "kind": Column("str", ("sample",), "", "declarative or interrogative, read off the sentence"),
        "target": Column("int64", ("sample",), "entity", "the asked-for entity, counted within its sentence"),
        "flags": Column("str", ("sample",), "", "what the parser had to guess, separated by spaces"),
        "entity_offset": Column("int64", ("sample",), "row of entity", "entities of each sentence", "entity"),
        "entity": Column("str", ("entity",), "", "the phrase as it stands in the sentence"),
        "head": Column("str", ("entity",), "", "lemma of its head"),
        "attributes": Column("str", ("entity",), "", "its attributes, separated by '; '"),
        "number": Column("str", ("entity",), "", "singular or plural"),
        "entity_begin": Column("int64", ("entity",), "character", "where the phrase begins"),
        "entity_end": Column("int64", ("entity",), "character", "where it ends (exclusive)"),
        "relation_offset": Column(
            "int64", ("sample",), "row of relation", "relations of each sentence", "relation"
        ),
        "subject": Column("int64", ("relation",), "entity", "who does it, counted within the sentence"),
        "predicate": Column("str", ("relation",), "", "canonical predicate phrase"),
        "object": Column("int64", ("relation",), "entity", "to whom, counted within the sentence; -1: an action"),
    },
)

PREDICTIONS = Schema(
    "predictions",
    1,
    "ground_queries",
    "the grounded tube of each sentence, with the posteriors it was read from",
    {
        "sample": Column("str", ("sample",), "", "sample id"),
        "video": Column("str", ("sample",), "", "video id"),
        "span_begin": Column("int64", ("sample",), "native frame", "first frame of the predicted span"),
        "span_end": Column("int64", ("sample",), "native frame", "end of the predicted span (exclusive)"),
        "tube": Column("int64", ("sample",), "tube", "chosen tube of the video; -1: the video has none"),
        "probability": Column("float32", ("sample",), "", "posterior probability of the chosen tube"),
        "entropy": Column("float32", ("sample",), "nat", "entropy of the asked entity's posterior"),
        "flags": Column("str", ("sample",), "", "fallbacks taken, separated by spaces"),
        "entity_offset": Column("int64", ("sample",), "row of entity", "entities of each sentence", "entity"),
        "entity_tube": Column("int64", ("entity",), "tube", "tube assigned to each entity; -1: none"),
        "candidate_offset": Column(
            "int64", ("entity",), "row of candidate", "candidates of each entity", "candidate"
        ),
        "candidate": Column("int64", ("candidate",), "tube", "candidate tube"),
        "candidate_prob": Column("float32", ("candidate",), "", "q(z_i = n): posterior of the candidate"),
        "moment_offset": Column("int64", ("sample",), "row of moment", "sampled frames of each sample", "moment"),
        "moment": Column("int64", ("moment",), "native frame", "the frames time was judged on"),
        "moment_prob": Column("float32", ("moment",), "", "q(y_t = 1): the frame shows the sentence"),
        "relation_offset": Column(
            "int64", ("sample",), "row of relation", "relations of each sentence", "relation"
        ),
        "evidence_offset": Column(
            "int64", ("relation",), "row of evidence", "evidence of each relation", "evidence"
        ),
        "evidence": Column("float32", ("evidence",), "nat", "psi of the chosen tubes, one value a moment"),
    },
)

REFERENCES = Schema(
    "references",
    1,
    "ground_queries",
    "what simpler methods answer: the reference points that need no truth",
    {
        "method": Column("str", ("row",), "", "contrast, labels or untrained"),
        "sample": Column("str", ("row",), "", "sample id"),
        "span_begin": Column("int64", ("row",), "native frame", "first frame of the predicted span"),
        "span_end": Column("int64", ("row",), "native frame", "end of the predicted span (exclusive)"),
        "tube": Column("int64", ("row",), "tube", "chosen tube of the video; -1: the video has none"),
    },
)

SCHEMAS = {s.name: s for s in (SAMPLES, TRUTH, FRAMES, PROPOSALS, TUBES, QUERIES, PREDICTIONS, REFERENCES)}


def lengths(schema: Schema, data: Columns, where: Path | str) -> dict[str, int]:
    """Length of each axis; raises InputError where columns, types, axes or offsets disagree with the schema."""

    def fail(what: str) -> InputError:
        return InputError(f"not a valid {schema.tag} artifact: {what}", where)

    if set(data) != set(schema.columns):
        missing, extra = set(schema.columns) - set(data), set(data) - set(schema.columns)
        raise fail(f"missing columns {sorted(missing)}, unknown columns {sorted(extra)}")
    sizes: dict[str, int] = {}
    for name, column in schema.columns.items():
        value = np.asarray(data[name])
        if column.dtype != "str" and value.dtype != np.dtype(column.dtype):
            raise fail(f"column {name} is {value.dtype}, not {column.dtype}")
        if value.ndim != len(column.axes):
            raise fail(f"column {name} has {value.ndim} axes, not {len(column.axes)}")
        for axis, length in zip(column.axes, value.shape, strict=True):
            length -= column.offsets is not None
            expected = int(axis) if axis.isdigit() else sizes.setdefault(axis, length)
            if length != expected:
                raise fail(f"column {name} has {length} along '{axis}', other columns have {expected}")
    for name, column in schema.columns.items():
        if column.offsets:
            offset = np.asarray(data[name])
            if len(offset) == 0 or offset[0] != 0 or (np.diff(offset) < 0).any():
                raise fail(f"column {name} does not rise from 0")
            if offset[-1] != sizes[column.offsets]:
                raise fail(f"column {name} ends at {offset[-1]}, '{column.offsets}' has {sizes[column.offsets]}")
        elif (axis := column.unit.removeprefix("row of ")) in sizes and axis != column.unit:
            row = np.asarray(data[name])
            if len(row) and not 0 <= row.min() <= row.max() < sizes[axis]:
                raise fail(f"column {name} names rows {row.min()} to {row.max()}, '{axis}' has {sizes[axis]}")
    for name, column in schema.columns.items():
        if column.unit == "entity":  # counted within its sentence
            count = np.diff(data["entity_offset"])
            if column.axes == ("relation",):
                count = np.repeat(count, np.diff(data["relation_offset"]))
            entity = np.asarray(data[name])
            if (entity >= count).any() or (entity < (-1 if name == "object" else 0)).any():
                raise fail(f"column {name} names an entity that its sentence does not have")
    return sizes


def content_digest(schema: Schema, data: Columns) -> str:
    """SHA-256 over schema and column contents: what an artifact says, whatever wrote it."""
    digest = hashlib.sha256(schema.tag.encode())
    for name, column in schema.columns.items():
        value = np.asarray(data[name])
        digest.update(f"\0{name}\0{value.shape}\0".encode())
        if column.dtype == "str":
            digest.update("\0".join(map(str, value.ravel().tolist())).encode())
        else:
            digest.update(np.ascontiguousarray(value).data)
    return digest.hexdigest()


def write(
    schema: Schema,
    path: Path,
    data: Columns,
    params: Mapping,
    inputs: Mapping[str, str],
    ticket: str = "",
    ready: Callable[[], None] = lambda: None,
) -> str:
    """Write one artifact all or nothing and return its content digest.

    params: the parameters it was made with; inputs: name -> content digest of what it was made from. The same
    arguments give the same bytes. ticket: names the partial file apart from those of another writer of the same
    artifact; ready() is called before the file takes its place, and may raise to prevent that. Raises InputError
    where `data` breaks the schema, RefusedError where the disk refuses.
    """
    import h5py

    lengths(schema, data, path)
    digest = content_digest(schema, data)
    root = {"schema": schema.tag, "stage": schema.stage, "doc": schema.doc, "content": digest}
    made = {"params": params, "inputs": inputs}
    block = max(512, 1 << (len(_seal({**root, **made})) + 150).bit_length())  # HDF5 wants a power of two
    text = h5py.string_dtype("utf-8")
    # In memory first: HDF5 cannot be trusted to survive a disk that refuses in the midst of a file.
    memory = {"driver": "core", "backing_store": False, "block_size": 1 << 20}
    with h5py.File(path.name, "w", userblock_size=block, **memory, **_FORMAT) as file:
        file.attrs.update(root | {key: json.dumps(value, sort_keys=True) for key, value in made.items()})
        for name, column in schema.columns.items():
            value = np.asarray(data[name], dtype=object if column.dtype == "str" else None)
            dataset = file.create_dataset(name, data=value, dtype=text if column.dtype == "str" else None)
            dataset.attrs["unit"] = column.unit
            dataset.attrs["doc"] = column.doc
            for axis, label in enumerate(column.axes):
                dataset.dims[axis].label = label + "+1" if column.offsets else label
        file.flush()
        image = file.id.get_file_image()  # without the user block
    rest = {"block": block, "size": block + len(image), "sha256": hashlib.sha256(image).hexdigest()}
    write_chunks(path, [_seal({**root, **made, **rest}).ljust(block, b"\0"), image], ticket, ready)
    return digest


_SEALED = {
    **dict.fromkeys(("schema", "stage", "doc", "content", "sha256"), str),
    **dict.fromkeys(("params", "inputs"), dict),
    **dict.fromkeys(("block", "size"), int),
}


def _seal(told: Mapping) -> bytes:
    """The first line of a file: JSON and a checksum of that line alone."""
    text = json.dumps(told, sort_keys=True).encode()
    return b"%s%s %08x\n" % (_MAGIC, text, zlib.crc32(text))


class replacing:
    """`with replacing(path) as partial`: write to `partial`; it takes path's place only if all went well.

    ticket and ready as in `write`. What the disk refuses is a RefusedError.
    """

    def __init__(self, path: Path, ticket: str = "", ready: Callable[[], None] = lambda: None):
        self.path, self.ready = Path(path), ready
        self.partial = self.path.with_name(f".{self.path.name}{ticket}.partial")

    def __enter__(self) -> Path:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, self.path) from error
        return self.partial

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if error is None:
                with open(self.partial, "rb+") as file:
                    os.fsync(file.fileno())
                self.ready()
                self.partial.replace(self.path)
                return
        except OSError as late:
            error = late
        finally:
            with suppress(OSError):  # a folder that refuses writing has none, and what it refuses is told below
                self.partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise disk_error(error, self.path) from error


def disk_error(error: OSError, path: Path) -> InputError:
    """The one-line form of a refusal by the operating system."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    odd = error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
    remedy = "name another place" if odd else "free some space or mend the permissions, then run again"
    return RefusedError(f"cannot write: {reason}", path, remedy)


def write_chunks(
    path: Path, chunks: Iterable[bytes], ticket: str = "", ready: Callable[[], None] = lambda: None
) -> None:
    """Write a file all or nothing; ticket and ready as in `write`."""
    with replacing(path, ticket, ready) as partial, open(partial, "wb") as file:
        for chunk in chunks:
            file.write(chunk)


def write_bytes(path: Path, content: bytes) -> None:
    """`write_chunks` of one piece."""
    write_chunks(path, [content])


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, all or nothing."""
    write_bytes(path, (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())


def read_json(path: Path, remedy: str) -> Any:
    """Read a JSON file; raises InputError naming the file and the remedy if it is missing or no JSON."""
    try:
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise InputError("no such file", path, remedy) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"not readable as JSON ({error})", path, remedy) from error


def read(schema: Schema, path: Path, columns: Iterable[str] | None = None) -> Columns:
    """Read an artifact, or some of its columns. Numbers come as arrays, text as object arrays of str.

    Raises InputError if the file is missing, damaged, of another schema, or declares impossible sizes. A sealed
    file is always checked as a whole. With all columns the schema is checked as a whole, too, and the content's
    digest where there is no seal.
    """
    remedy = f"make it again: python stages/{schema.stage}.py"
    names = list(schema.columns) if columns is None else list(columns)
    sealed = _admitted(path, remedy, lambda: _read_columns(schema, path, names, remedy))
    data, content = _read_columns(schema, path, names, remedy)
    if columns is None:
        lengths(schema, data, path)
        if not sealed and content != content_digest(schema, data):
            raise InputError(f"damaged {schema.tag} artifact (its content is not what was written)", path, remedy)
    return data


def _read_columns(schema: Schema, path: Path, names: list[str], remedy: str) -> tuple[Columns, str]:
    """Columns, and the digest of all of them that the file tells."""
    with _opened(path, remedy) as file:
        _expect(schema, _attribute(file, "schema"), path, remedy)
        return {name: _read_column(file, name, schema.columns[name]) for name in names}, _attribute(file, "content")


@contextmanager
def _bytes(path: Path, remedy: str) -> Iterator[Any]:
    """A file's bytes; what the operating system refuses is an InputError."""
    try:
        with open(path, "rb") as file:
            yield file
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise InputError("no such artifact", path, remedy) from None
    except OSError as error:
        raise InputError(f"not readable ({error.strerror})", path, remedy) from error


def _told(path: Path, remedy: str) -> dict[str, Any] | None:
    """What the seal of a file says; None if it has none. Raises InputError if it is damaged or the file cut."""
    with _bytes(path, remedy) as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return None
        text, _, check = file.readline().rpartition(b" ")
        size = os.fstat(file.fileno()).st_size
    if check != b"%08x\n" % zlib.crc32(text):
        raise InputError("damaged artifact (its first line is not what was written)", path, remedy)
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    # The checksum guards from accidents; another writer's line may say anything.
    if not isinstance(told, dict) or any(not isinstance(told.get(key), kind) for key, kind in _SEALED.items()):
        raise InputError("damaged artifact (its first line is no seal)", path, remedy)
    if size != told["size"]:
        raise InputError(f"damaged artifact (it has {size:,} bytes of {told['size']:,})", path, remedy)
    return told


def _admitted(path: Path, remedy: str, action: Callable[[], object]) -> bool:
    """Whether a file is sealed, and so is what was written; if not, a child process survived `action`, a reading.

    Raises InputError if the file is missing, not what was written, or more than HDF5 can bear.
    """
    told = _told(path, remedy)
    if told is None:
        _rehearse(path, remedy, action)
        return False
    with _bytes(path, remedy) as file:
        file.seek(told["block"])
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != told["sha256"]:
        raise InputError("damaged artifact (its bytes are not what was written)", path, remedy)
    return True


def _rehearse(path: Path, remedy: str, action: Callable[[], object]) -> None:
    """Let a child process do `action` first, in bounded time and memory; raises InputError if it cannot."""
    size = Path(path).stat().st_size
    ear, mouth = os.pipe()
    child = os.fork()
    if not child:
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is an answer here
            resource.setrlimit(resource.RLIMIT_CPU, (_PATIENCE + (size >> 24),) * 2)
            with suppress(OSError, ValueError):  # no /proc, or less is allowed already
                used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
                resource.setrlimit(resource.RLIMIT_AS, (used + _ROOM + 16 * size,) * 2)
            action()
        except InputError as error:
            os.write(mouth, error.what.encode("utf-8", "replace"))
        finally:
            os._exit(0)  # any other error comes again, where it can be told
    os.close(mouth)
    with open(ear, "rb") as said:
        what = said.read().decode()
    if os.waitpid(child, 0)[1]:
        what = "damaged: HDF5 crashes on it or does not come to an end"
    if what:
        raise InputError(what, path, remedy)


_PATIENCE = 3  # s of work for a small file
_ROOM = 1 << 30  # bytes


def _read_column(file: Any, name: str, column: Column) -> Any:
    import h5py

    # A link, or a storage elsewhere, could name any file of the user's: what an artifact holds stands in its file.
    dataset = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise ValueError(f"column {name} is no data set of this file")
    stored = Path(file.filename).stat().st_size
    if dataset.nbytes > stored * (_DEFLATE_LIMIT if dataset.chunks else 1):
        raise ValueError(f"column {name} declares {dataset.nbytes} bytes in a file of {stored}")
    if dataset.ndim != len(column.axes):
        raise ValueError(f"column {name} has {dataset.ndim} axes, not {len(column.axes)}")
    if column.dtype == "str":
        return np.asarray(dataset.asstr()[()], dtype=object)
    if dataset.dtype != np.dtype(column.dtype):
        raise ValueError(f"column {name} is {dataset.dtype}, not {column.dtype}")
    return np.asarray(dataset[()])


def _attribute(file: Any, name: str) -> str:
    """A root attribute, one text; h5py would make room for whatever shape a damaged file declares."""
    if file.attrs.get_id(name).shape != ():
        raise ValueError(f"attribute {name} is not one text")
    return str(file.attrs[name])


@contextmanager
def _opened(path: Path, remedy: str) -> Iterator[Any]:
    """An HDF5 file; what is wrong with it, or found wrong while it is open, is an InputError."""
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except _BROKEN as error:
        raise InputError(f"not a readable artifact ({error})", path, remedy) from error


def _expect(schema: Schema | None, tag: str, path: Path, remedy: str) -> None:
    if schema and tag != schema.tag:
        raise InputError(f"holds {tag}, not {schema.tag}", path, remedy)


def attributes(path: Path, schema: Schema | None = None) -> dict[str, Any]:
    """The root attributes of an artifact: schema, stage, doc, params, inputs (both parsed) and content.

    Of a sealed file its first line alone is read: nothing says that the rest is sound.
    """
    remedy = f"make it again: python stages/{schema.stage}.py" if schema else "name an artifact of this project"
    told = _told(path, remedy)
    if told is None:
        _rehearse(path, remedy, lambda: _read_root(path, remedy))
        told = _read_root(path, remedy)
    _expect(schema, told["schema"], path, remedy)
    return told


def _read_root(path: Path, remedy: str) -> dict[str, Any]:
    with _opened(path, remedy) as file:
        texts = {key: _attribute(file, key) for key in ("schema", "stage", "doc", "content")}
        return texts | {key: json.loads(_attribute(file, key)) for key in ("params", "inputs")}


def schema_of(path: Path) -> Schema:
    """The schema a file says it has; raises InputError if it is none of this version's."""
    tag = attributes(path)["schema"]
    for schema in SCHEMAS.values():
        if schema.tag == tag:
            return schema
    known = ", ".join(s.tag for s in SCHEMAS.values())
    raise InputError(f"holds {tag}, which this version does not know (it knows {known})", path)


def empty(schema: Schema, **scalars: Any) -> Columns:
    """Columns of an artifact that holds nothing; its scalars must be given."""
    data: Columns = dict(scalars)
    for name, column in schema.columns.items():
        if column.axes:
            shape = [int(axis) if axis.isdigit() else 0 for axis in column.axes]
            shape[0] += column.offsets is not None
            data[name] = np.zeros(shape, object if column.dtype == "str" else column.dtype)
    return data


def rows(offset: np.ndarray, i: int) -> slice:
    """The rows that entry i of an offsets column owns."""
    return slice(int(offset[i]), int(offset[i + 1]))


def offsets(counts: Iterable[int]) -> np.ndarray:
    """Offsets column (int64) of consecutive runs with the given counts."""
    return np.concatenate([[0], np.cumsum(np.fromiter(counts, dtype=np.int64))]).astype(np.int64)


def schema_tables() -> str:
    """All schemas as Markdown, for docs/artifacts.md."""
    blocks = []
    for schema in SCHEMAS.values():
        lines = [f"**{schema.tag}** (`{schema.stage}`): {schema.doc}.", ""]
        lines += ["| column | type | axes | unit | meaning |", "|---|---|---|---|---|"]
        for name, column in schema.columns.items():
            axes = ", ".join(a + "+1" if column.offsets else a for a in column.axes) or "–"
            lines.append(f"| `{name}` | {column.dtype} | {axes} | {column.unit or '–'} | {column.doc} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
