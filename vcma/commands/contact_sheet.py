"""Contact sheets: draw an artifact's frames, proposals, tubes, prediction or true boxes as one image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vcma.commands.drawing import JPEG_SUFFIXES, DrawnBox, annotated_frame, captioned, tiled, write_picture
from vcma.commands.sample_choice import sample_row, sentences_beside, sentences_for
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.schemas import Schema
from vcma.pipeline.video_artifacts import video_file
from vcma.records.columns import Columns, rows
from vcma.records.tubes import Tubes
from vcma.report.palette import PALETTE

_COLUMNS = 4  # frames side by side


def draw_contact_sheet(path: Path, png: Path, sample: str | None, count: int) -> str:
    """Draw an artifact as a contact sheet, a .png or .jpg; returns a description of what was drawn.

    For frames, proposals, tubes and one prediction, frames are drawn with boxes and labels. For truth, the chosen
    sample or `count` random ones (always the same) are drawn as strips with sentence and true boxes. sample: an id,
    a sentence, or a part of a sentence that no other has. Frames and sentences are read from the artifact's folder,
    where the pipeline stores them. Raises InputError if there is nothing to draw or `png` cannot be written.
    """
    if png.suffix.lower() not in (".png", *JPEG_SUFFIXES):
        raise InputError("ends in neither .png nor .jpg", png, "use one of these suffixes")
    if png.is_dir():
        raise InputError("is a folder", png, "give a file in it")
    schema = artifact.schema_of(path)
    if schema is schemas.PREDICTIONS:
        return _draw_prediction(path, png, sample)
    if schema is schemas.TRUTH:
        return _draw_truth(path, png, sample, count)
    if schema not in (schemas.FRAMES, schemas.PROPOSALS, schemas.TUBES):
        remedy = "draw frames, proposals, tubes, truth or predictions"
        raise InputError(f"{schema.tag} artifacts cannot be drawn", path, remedy)
    if sample:
        raise InputError(f"{schema.tag} has no samples to choose from", path, "leave out --sentence")
    return _draw_video(schema, path, png)


def _draw_video(schema: Schema, path: Path, png: Path) -> str:
    """Draw up to 20 frames of a video with its proposals or tubes, if given."""
    data = artifact.read(schema, path)
    frames = data
    if schema is not schemas.FRAMES:
        frames = artifact.read(schemas.FRAMES, path.parent.parent / "frames" / path.name)
    boxes: dict[int, list[DrawnBox]] = {}
    if schema is schemas.PROPOSALS:
        boxes = _proposal_boxes(data)
    elif schema is schemas.TUBES:
        boxes = _tube_boxes(Tubes.of(data))
    pictures = _evenly_spaced(frames, boxes, 20)
    write_picture(tiled(pictures, _COLUMNS), png)
    return f"{len(pictures)} of {len(frames['frame'])} frames"


def _read_frames(artifacts: Path, video: str) -> Columns:
    return artifact.read(schemas.FRAMES, video_file(artifacts / "frames", video))


def _evenly_spaced(frames: Columns, boxes: dict[int, list[DrawnBox]], count: int) -> list[np.ndarray]:
    """Return up to `count` evenly spaced frames with their boxes; boxes: by native frame."""
    shown = np.unique(np.linspace(0, len(frames["frame"]) - 1, count).astype(int))
    return [annotated_frame(frames, row, boxes.get(int(frames["frame"][row]), [])) for row in shown]


def _proposal_boxes(proposals: Columns) -> dict[int, list[DrawnBox]]:
    """Return the regions of each frame, labelled with their best class and score."""
    found: dict[int, list[DrawnBox]] = {}
    frames = np.repeat(proposals["frame"], np.diff(proposals["box_offset"]))
    best = proposals["class_prob"].argmax(1) if len(frames) else []
    for i, (frame, c) in enumerate(zip(frames, best, strict=True)):
        label = f"{proposals['class_name'][c]} {proposals['score'][i]:.2f}"
        box = DrawnBox(proposals["box"][i], label, PALETTE[i % len(PALETTE)])
        found.setdefault(int(frame), []).append(box)
    return found


def _tube_boxes(tubes: Tubes) -> dict[int, list[DrawnBox]]:
    """Return the boxes of each frame, labelled with their tube's number and class; `~` marks interpolated boxes."""
    found: dict[int, list[DrawnBox]] = {}
    for tube in range(len(tubes)):
        for i in range(*tubes.point_offset[tube : tube + 2]):
            label = f"{tube} {tubes.class_of(tube)}" + "~" * bool(tubes.interpolated[i])
            frame = int(tubes.frame[tubes.position[i]])
            found.setdefault(frame, []).append(DrawnBox(tubes.box[i], label, PALETTE[tube % len(PALETTE)]))
    return found


def _draw_prediction(path: Path, png: Path, sample: str | None) -> str:
    """Draw up to 12 frames of a sample's video, with the predicted tube during the predicted span."""
    data = artifact.read(schemas.PREDICTIONS, path)
    if not len(data["sample"]):
        raise InputError("has no prediction", path, "ground again: python stages/ground_queries.py")
    row = sample_row(sample, data["sample"], sentences_beside(path)) if sample else 0
    video = data["video"][row]
    frames = _read_frames(path.parent, video)
    tubes = Tubes.of(artifact.read(schemas.TUBES, video_file(path.parent / "tubes", video)))
    begin, end, tube = (int(data[column][row]) for column in ("span_begin", "span_end", "tube"))
    if tube >= len(tubes):
        raise InputError(f"refers to tube {tube}, its video has {len(tubes)}", path, "ground again")
    boxes: dict[int, list[DrawnBox]] = {}
    if tube >= 0:
        for frame, box in zip(*tubes.points(tube), strict=True):
            if begin <= frame < end:
                boxes[int(frame)] = [DrawnBox(box, f"tube {tube}", PALETTE[tube % len(PALETTE)])]
    name = data["sample"][row]
    sentence = sentences_for(path, [name]).get(name, "")
    caption = f"{sentence}   [{name}, frames {begin} to {end}, tube {tube}]"
    write_picture(captioned(tiled(_evenly_spaced(frames, boxes, 12), _COLUMNS), caption), png)
    return f'{name}: frames {begin} to {end}, tube {tube}: "{sentence}"'


def _draw_truth(path: Path, png: Path, sample: str | None, count: int) -> str:
    """Draw a strip for the chosen sample, or for `count` random ones."""
    truth = artifact.read(schemas.TRUTH, path)
    if not len(truth["sample"]):
        raise InputError("has no annotated sample", path, "draw predictions")
    sentences = sentences_beside(path)
    shown = np.random.default_rng(0).permutation(len(truth["sample"]))[: max(count, 1)].tolist()
    if sample:
        shown = [sample_row(sample, truth["sample"], sentences)]
    strips = [_truth_strip(truth, row, sentences, path.parent) for row in shown]
    write_picture(tiled(strips, columns=1), png)
    return f"{len(shown)} of {len(truth['sample'])} samples"


def _truth_strip(truth: Columns, row: int, sentences: dict[str, str], artifacts: Path) -> np.ndarray:
    """Draw a sample's sentence above a frame before its true span, four within it with true boxes, one after."""
    name, begin, end = truth["sample"][row], int(truth["span_begin"][row]), int(truth["span_end"][row])
    frames = _read_frames(artifacts, truth["video"][row])
    own = rows(truth["box_offset"], row)
    box = dict(zip(truth["box_frame"][own].tolist(), truth["box"][own], strict=True))
    first, last = np.searchsorted(frames["frame"], [truth["segment_begin"][row], truth["segment_end"][row]])
    cut = np.searchsorted(frames["frame"], [begin, end]).clip(first, last)
    pictures = []
    for low, high, count in ((first, cut[0], 1), (*cut, 4), (cut[1], last, 1)):
        for i in (int(low + (high - low) * (k + 0.5) / count) for k in range(count)):
            drawn = [DrawnBox(box[f], "", PALETTE[1]) for f in frames["frame"][i : i + 1].tolist() if f in box]
            blank = np.full((1, 200, 3), 255, np.uint8)
            pictures.append(annotated_frame(frames, i, drawn, 200) if low < high else blank)
    caption = f"{sentences.get(name, '')}   [{name}, frames {begin} to {end}]"
    return captioned(tiled(pictures, len(pictures)), caption)
