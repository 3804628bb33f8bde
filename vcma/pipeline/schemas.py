"""Schemas of the artifacts: name, version, the stage that writes them, and every column with its axes and unit.

A schema is the source of truth for writer, reader, `vcma show`, docs/artifacts.md and the tests. A file is a flat
set of columns with named axes; columns that share an axis have the same length along it. docs/artifacts.md
("Versions") states when a version must be raised.

Conventions everywhere: boxes are continuous xyxy pixels of the *native* frame, frames are native indices from 0,
spans are half-open [begin, end).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vcma.records.columns import Columns


@dataclass(frozen=True)
class Column:
    """One data set of an artifact.

    dtype: a NumPy type name, or "str" for UTF-8 text. axes: the names of its axes; a number such as "4" is a fixed
    length. offsets: the axis that this column partitions; the column is then one longer than its own axis. default:
    None if the column is required; otherwise the column is optional, and in a file without it every value is the
    default (`contents.with_defaults`). Our own writer always writes it. rule: constraint on finite values
    (`values.check_values`): "rising" (not negative and strictly ascending, within each part if an offsets column
    partitions its axis), "filled" (no empty part), "box" (x1 < x2, y1 < y2, within the frame) or "probability" (0
    to 1).
    """

    dtype: str
    axes: tuple[str, ...]
    unit: str
    doc: str
    offsets: str | None = None
    default: bool | float | str | None = None
    rule: str = ""


@dataclass(frozen=True)
class Schema:
    """An artifact: name, version, the stage that writes it, a description of one file, and the columns."""

    name: str
    version: int
    stage: str
    doc: str
    columns: Mapping[str, Column]

    @property
    def tag(self) -> str:
        return f"{self.name}/{self.version}"

    @property
    def remedy(self) -> str:
        """The remedy for a file that is damaged or of another version: run its stage again."""
        return f"make it again: python stages/{self.stage}.py"

    @property
    def required(self) -> list[str]:
        """The names of the columns that every file must have."""
        return [name for name, column in self.columns.items() if column.default is None]

    def measures(self, axis: str) -> str | None:
        """Return the first required column with a given axis, which determines its length, or None."""
        return next((name for name in self.required if axis in self.columns[name].axes), None)

    def absence(self, name: str) -> str:
        """Describe the default of an optional column in a file without it; empty for a required column."""
        column = self.columns[name]
        if column.default is None:
            return ""
        empty = any(not axis.isdigit() and self.measures(axis) is None for axis in column.axes)
        return "none" if empty else json.dumps(column.default)


_FRAME = {
    "frame": Column(
        "int64", ("frame",), "native frame", "native index of each sampled frame, increasing", rule="rising"
    ),
    "time": Column("float64", ("frame",), "s", "presentation time of each sampled frame"),
}


_CUT = {
    "cut": Column("bool", ("frame",), "", "a new shot began after the previous sampled frame", default=False),
}


_PICTURE = {
    "width": Column("int64", (), "px", "width of the native frame"),
    "height": Column("int64", (), "px", "height of the native frame"),
}


_DETECTOR = {
    "class_name": Column("str", ("class",), "", "names of the detector's classes"),
    "prompted": Column(
        "bool",
        ("class",),
        "",
        "the class comes from the video's sentences and may be missing in others",
        default=False,
    ),
    "attribute_name": Column(
        "str", ("attribute",), "", "names of the attributes, 'upper:red' for a named colour", default=""
    ),
    "detector": Column("str", (), "", "fingerprint of the detector that made the features"),
}


SAMPLES = Schema(
    "samples",
    1,
    "index_dataset",
    "every video and every sentence of the data set, without any box, span or target",
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
        "sample_video": Column("int64", ("sample",), "row of video", "video of the sentence"),
        "split": Column("str", ("sample",), "", "train, val or test"),
        "sentence": Column("str", ("sample",), "", "the sentence"),
        "query_type": Column("str", ("sample",), "", "declarative, interrogative or unknown"),
        "segment_begin": Column("int64", ("sample",), "native frame", "first frame of the segment to search"),
        "segment_end": Column(
            "int64", ("sample",), "native frame", "end of that segment (exclusive); -1: the video's end"
        ),
        "skipped": Column("str", ("skip",), "", "what was left out"),
        "skipped_reason": Column("str", ("skip",), "", "why it was left out"),
    },
)


TRUTH = Schema(
    "truth",
    2,
    "index_dataset",
    "ground truth of one split for evaluation: the true span and boxes of each sample",
    {
        "format": Column("str", (), "", "annotation format; its frame conventions apply in the protocols"),
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
            "int64", ("sample",), "things", "other objects of its category in the segment, -1 if unknown"
        ),
        "box_offset": Column("int64", ("sample",), "row of box", "rows of box of each sample", offsets="box"),
        "box_frame": Column(
            "int64", ("box",), "native frame", "frame of each box, increasing within a sample", rule="rising"
        ),
        "box": Column("float32", ("box", "4"), "px", "true boxes, xyxy; none where the data set has no boxes"),
        "width": Column("int64", ("sample",), "px", "frame width as annotated, 0 if unknown", default=0),
        "height": Column("int64", ("sample",), "px", "frame height as annotated, 0 if unknown", default=0),
        "skipped": Column("str", ("skip",), "", "item of the split that was left out and is not scored"),
        "skipped_reason": Column("str", ("skip",), "", "why it was left out"),
    },
)


FRAMES = Schema(
    "frames",
    1,
    "extract_frames",
    "the sampled frames of one video as JPEG, on one time grid over all segments of its samples",
    {
        **_FRAME,
        **_CUT,
        "jpeg_offset": Column("int64", ("frame",), "row of jpeg", "bytes of each frame", offsets="byte"),
        "jpeg": Column("uint8", ("byte",), "", "the JPEG files of all frames, concatenated"),
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
        **_CUT,
        "box_offset": Column("int64", ("frame",), "row of box", "rows of box of each frame", offsets="box"),
        "box": Column("float32", ("box", "4"), "px", "regions, xyxy in native pixels", rule="box"),
        "score": Column(
            "float32", ("box",), "", "detection score in [0, 1], descending within a frame", rule="probability"
        ),
        "class_prob": Column(
            "float16", ("box", "class"), "", "distribution over the detector's classes", rule="probability"
        ),
        "attribute_prob": Column(
            *("float16", ("box", "attribute"), "", "strength of each attribute in [0, 1]"),
            default=0,
            rule="probability",
        ),
        "feature": Column("float16", ("box", "feature"), "", "appearance feature of the region", default=0),
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
        "point_offset": Column(
            "int64", ("tube",), "row of point", "points of each tube", offsets="point", rule="filled"
        ),
        "position": Column(
            "int64", ("point",), "row of frame", "sampled frame of each point, increasing in a tube", rule="rising"
        ),
        "box": Column("float32", ("point", "4"), "px", "box of each point, xyxy in native pixels", rule="box"),
        "score": Column(
            "float32", ("point",), "", "detection score of each point, 0 where interpolated", rule="probability"
        ),
        "interpolated": Column("bool", ("point",), "", "interpolated between two detections", default=False),
        "feature": Column("float16", ("point", "feature"), "", "appearance feature of each point", default=0),
        "tube_score": Column("float32", ("tube",), "", "score of each tube, descending"),
        "class_prob": Column(
            "float16", ("tube", "class"), "", "mean class distribution of the tube", rule="probability"
        ),
        "attribute_prob": Column(
            *("float16", ("tube", "attribute"), "", "mean attribute strengths of the tube"),
            default=0,
            rule="probability",
        ),
        **_DETECTOR,
        **_PICTURE,
    },
)


EMBEDDINGS = Schema(
    "embeddings",
    1,
    "embed_tubes",
    "some regions of each tube of one video, embedded in the space that a region-text encoder shares with phrases",
    {
        "crop_offset": Column("int64", ("tube",), "row of crop", "crops of each tube", offsets="crop"),
        "point": Column(
            *("int64", ("crop",), "row of point", "point of the video's tubes, increasing in a tube"), rule="rising"
        ),
        "frame": Column("int64", ("crop",), "native frame", "native frame of each crop"),
        "embedding": Column("float16", ("crop", "embedding"), "", "the encoder's vector of each crop, unit length"),
        "encoder": Column("str", (), "", "fingerprint of the encoder, including the context around a region"),
    },
)


QUERIES = Schema(
    "queries",
    1,
    "parse_queries",
    "every sentence parsed into entities and relations, as text",
    {
        "sample": Column("str", ("sample",), "", "sample id"),
        "text": Column("str", ("sample",), "", "the sentence"),
        "kind": Column("str", ("sample",), "", "declarative or interrogative, derived from the sentence"),
        "target": Column("int64", ("sample",), "entity", "the entity to localise, counted within its sentence"),
        "flags": Column("str", ("sample",), "", "guesses of the parser, separated by spaces"),
        "entity_offset": Column("int64", ("sample",), "row of entity", "entities of each sentence", "entity"),
        "entity": Column("str", ("entity",), "", "the phrase, verbatim"),
        "head": Column("str", ("entity",), "", "lemma of its head noun"),
        "attributes": Column("str", ("entity",), "", "its attributes, separated by '; '"),
        "number": Column("str", ("entity",), "", "singular or plural"),
        "entity_begin": Column("int64", ("entity",), "character", "first character of the phrase"),
        "entity_end": Column("int64", ("entity",), "character", "end of the phrase (exclusive)"),
        "relation_offset": Column(
            "int64", ("sample",), "row of relation", "relations of each sentence", "relation"
        ),
        "subject": Column("int64", ("relation",), "entity", "its subject, counted within the sentence"),
        "predicate": Column("str", ("relation",), "", "canonical predicate phrase"),
        "object": Column(
            "int64", ("relation",), "entity", "its object, counted within the sentence; -1: none (an action)"
        ),
    },
)


PREDICTIONS = Schema(
    "predictions",
    1,
    "ground_queries",
    "the grounded tube of each sentence, with the posteriors it was decoded from",
    {
        "sample": Column("str", ("sample",), "", "sample id"),
        "video": Column("str", ("sample",), "", "video id"),
        "span_begin": Column("int64", ("sample",), "native frame", "first frame of the predicted span"),
        "span_end": Column("int64", ("sample",), "native frame", "end of the predicted span (exclusive)"),
        "tube": Column("int64", ("sample",), "tube", "chosen tube of the video; -1: the video has none"),
        "probability": Column("float32", ("sample",), "", "posterior probability of the chosen tube"),
        "entropy": Column("float32", ("sample",), "nat", "entropy of the target's posterior over tubes"),
        "flags": Column("str", ("sample",), "", "doubts about the answer, separated by spaces"),
        "absent": Column(
            "float32", ("sample",), "", "probability that nothing in the video fits; -1: not estimated", default=-1
        ),
        "interpolated": Column(
            "float32", ("sample",), "", "share of the answer's sampled frames without a detection", default=0
        ),
        "entity_offset": Column("int64", ("sample",), "row of entity", "entities of each sentence", "entity"),
        "entity_tube": Column("int64", ("entity",), "tube", "tube assigned to each entity; -1: none"),
        "candidate_offset": Column(
            "int64", ("entity",), "row of candidate", "candidates of each entity", "candidate"
        ),
        "candidate": Column("int64", ("candidate",), "tube", "candidate tube"),
        "candidate_prob": Column("float32", ("candidate",), "", "q(z_i = n): posterior of the candidate"),
        "moment_offset": Column("int64", ("sample",), "row of moment", "sampled frames of each sample", "moment"),
        "moment": Column("int64", ("moment",), "native frame", "the sampled frames of the temporal posterior"),
        "moment_prob": Column("float32", ("moment",), "", "q(y_t = 1): probability that it shows the sentence"),
        "relation_offset": Column(
            "int64", ("sample",), "row of relation", "relations of each sentence", "relation"
        ),
        "evidence_offset": Column(
            "int64", ("relation",), "row of evidence", "evidence of each relation", "evidence"
        ),
        "evidence": Column("float32", ("evidence",), "nat", "psi of the chosen tubes, one value per moment"),
    },
)


REFERENCES = Schema(
    "references",
    1,
    "ground_queries",
    "answers of simpler methods: the baselines that need no ground truth",
    {
        "method": Column("str", ("row",), "", "contrast, labels or untrained"),
        "sample": Column("str", ("row",), "", "sample id"),
        "span_begin": Column("int64", ("row",), "native frame", "first frame of the predicted span"),
        "span_end": Column("int64", ("row",), "native frame", "end of the predicted span (exclusive)"),
        "tube": Column("int64", ("row",), "tube", "chosen tube of the video; -1: the video has none"),
    },
)


SCHEMAS = {
    s.name: s for s in (SAMPLES, TRUTH, FRAMES, PROPOSALS, TUBES, EMBEDDINGS, QUERIES, PREDICTIONS, REFERENCES)
}


def empty(schema: Schema, **scalars: Any) -> Columns:
    """Return the columns of an empty artifact; its scalars must be given."""
    data: Columns = dict(scalars)
    for name, column in schema.columns.items():
        if column.axes:
            shape = [int(axis) if axis.isdigit() else 0 for axis in column.axes]
            shape[0] += column.offsets is not None
            data[name] = np.zeros(shape, object if column.dtype == "str" else column.dtype)
    return data


def schema_tables() -> str:
    """Return all schemas as Markdown tables, for docs/artifacts.md."""
    blocks = []
    for schema in SCHEMAS.values():
        lines = [f"**{schema.tag}** (`{schema.stage}`): {schema.doc}.", ""]
        lines += ["| column | type | axes | unit | meaning |", "|---|---|---|---|---|"]
        for name, column in schema.columns.items():
            axes = ", ".join(a + "+1" if column.offsets else a for a in column.axes) or "–"
            absence = schema.absence(name)
            meaning = f"{column.doc}; optional ({absence} if absent)" if absence else column.doc
            lines.append(f"| `{name}` | {column.dtype} | {axes} | {column.unit or '–'} | {meaning} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
