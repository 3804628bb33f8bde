"""Looking into artifacts: `vcma show` in text and as contact sheets, and the closing table of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError, did_you_mean
from vcma.evaluation.tables import metrics_table, whose
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.paths import file_stem
from vcma.pipeline.project import Project
from vcma.pipeline.schemas import Schema
from vcma.records.columns import Columns, rows
from vcma.records.tubes import Tubes
from vcma.report.palette import PALETTE


def describe(path: Path, rows: int) -> str:
    """What a file holds, as text: schema, columns with types, axes and units, parameters, inputs, first rows."""
    schema = artifact.schema_of(path)
    attributes = artifact.attributes(path)
    data, absent = artifact.read(schema, path), artifact.absent_columns(schema, path)
    lines = [f"{path}: {schema.tag}, by {schema.stage}", f"  {schema.doc}"]
    lines.append(f"  parameters: {json.dumps(attributes['params'])}")
    lines += [f"  input {name}: {digest[:64]}" for name, digest in attributes["inputs"].items()]
    lines.append(f"  content: {attributes['content']}")
    width = max(map(len, schema.columns))
    for name, column in schema.columns.items():
        value = np.asarray(data[name])
        axes = ", ".join(
            f"{axis}{'+1' if column.offsets else ''}={n}" for axis, n in zip(column.axes, value.shape, strict=True)
        )
        unit = f" ({column.unit})" if column.unit else ""
        note = f" (absent: {schema.absence(name)})" if name in absent else ""
        lines.append(f"  {name:<{width}}  {column.dtype:<8} [{axes}]{unit}  {column.doc}{note}")
    return "\n".join([*lines, *_first_rows(schema, data, rows)])


def _first_rows(schema: Schema, data: Columns, rows: int) -> list[str]:
    if schema is schemas.QUERIES and rows:
        from vcma.parsing.parser import draw
        from vcma.records.query import query_at

        return ["", *(draw(query_at(data, i)) + "\n" for i in range(min(rows, len(data["sample"]))))]
    lines = []
    for axis in dict.fromkeys(c.axes[0] for c in schema.columns.values() if c.axes and not c.offsets):
        names = [n for n, c in schema.columns.items() if c.axes[:1] == (axis,) and not c.offsets]
        count = min(rows, len(data[names[0]]))
        lines += [f"  first of {len(data[names[0]])} {axis}:"] * bool(count)
        lines += [f"    {i}: " + ", ".join(f"{n}={_brief(data[n][i])}" for n in names) for i in range(count)]
    scalars = [n for n, c in schema.columns.items() if not c.axes]
    lines += [f"  {n} = {_brief(data[n])}" for n in scalars]
    return lines


def _brief(value: Any) -> str:
    value = np.asarray(value)
    if value.ndim:
        shown = ", ".join(f"{x:.4g}" for x in value.ravel()[:4])
        return f"[{shown}{', …' if value.size > 4 else ''}]"
    return f"{value.item():.4g}" if value.dtype.kind == "f" else str(value.item())


_JPEG = (".jpg", ".jpeg")


def draw(path: Path, png: Path, sample: str | None, count: int) -> str:
    """Draw an artifact as a contact sheet, a .png or .jpg; returns what it is.

    Of frames, proposals, tubes and one prediction the frames with boxes and ids; of truth the chosen sample, or
    `count` at random (always the same), as strips with their sentence and true boxes. sample: as `_row_of` takes
    it. Frames and sentences are looked up beside the artifact, where the pipeline puts them. Raises InputError
    where there is nothing to draw or no such file to draw to.
    """
    if png.suffix.lower() not in (".png", *_JPEG):
        raise InputError("ends in neither .png nor .jpg", png, "name the picture so")
    if png.is_dir():
        raise InputError("is a folder", png, "name a picture in it")
    schema = artifact.schema_of(path)
    if schema is schemas.PREDICTIONS:
        return _draw_prediction(path, png, sample)
    if schema is schemas.TRUTH:
        return _draw_truth(path, png, sample, count)
    if schema not in (schemas.FRAMES, schemas.PROPOSALS, schemas.TUBES):
        known = "frames, proposals, tubes, truth or predictions"
        raise InputError(f"{schema.tag} holds no pictures", path, f"draw {known}")
    if sample:
        raise InputError(f"{schema.tag} has no samples to choose from", path, "leave out --sentence")
    data = artifact.read(schema, path)
    frames = data if schema is schemas.FRAMES else _frames_beside(path.parent.parent, path.name)
    per_frame = _boxes_by_frame(schema, data)
    shown = np.unique(np.linspace(0, len(frames["frame"]) - 1, 20).astype(int))
    pictures = [_annotated(frames, row, per_frame.get(int(frames["frame"][row]), [])) for row in shown]
    _write_sheet(pictures, png)
    return f"{len(pictures)} of {len(frames['frame'])} frames"


def _frames_beside(artifacts: Path, name: str) -> Columns:
    return artifact.read(schemas.FRAMES, artifacts / "frames" / name)


Drawn = tuple[np.ndarray, str, tuple[int, int, int]]  # box in native pixels, label, RGB


def _boxes_by_frame(schema: Schema, data: Columns) -> dict[int, list[Drawn]]:
    found: dict[int, list[Drawn]] = {}
    if schema is schemas.PROPOSALS:
        owner = np.repeat(data["frame"], np.diff(data["box_offset"]))
        label = [str(data["class_name"][c]) for c in data["class_prob"].argmax(1)] if len(owner) else []
        for i, frame in enumerate(owner):
            text = f"{label[i]} {data['score'][i]:.2f}"
            found.setdefault(int(frame), []).append((data["box"][i], text, PALETTE[i % len(PALETTE)]))
    elif schema is schemas.TUBES:
        tubes = Tubes.of(data)
        for tube in range(len(tubes)):
            for i in range(*tubes.point_offset[tube : tube + 2]):
                text = f"{tube} {tubes.class_of(tube)}" + "~" * bool(tubes.interpolated[i])
                frame = int(tubes.frame[tubes.position[i]])
                found.setdefault(frame, []).append((tubes.box[i], text, PALETTE[tube % len(PALETTE)]))
    return found


def _draw_prediction(path: Path, png: Path, sample: str | None) -> str:
    data = artifact.read(schemas.PREDICTIONS, path)
    if not len(data["sample"]):
        raise InputError("no prediction", path, "ground again: python stages/ground_queries.py")
    row = _row_of(sample, data["sample"], _sentences(path)) if sample else 0
    name = f"{file_stem(data['video'][row])}.h5"
    frames = _frames_beside(path.parent, name)
    tubes = Tubes.of(artifact.read(schemas.TUBES, path.parent / "tubes" / name))
    span = int(data["span_begin"][row]), int(data["span_end"][row])
    boxes: dict[int, list[Drawn]] = {}
    tube = int(data["tube"][row])
    if tube >= len(tubes):
        raise InputError(f"names tube {tube}, its video has {len(tubes)}", path, "ground again")
    if tube >= 0:
        for frame, box in zip(*tubes.points(tube), strict=True):
            if span[0] <= frame < span[1]:
                boxes[int(frame)] = [(box, f"tube {tube}", PALETTE[tube % len(PALETTE)])]
    shown = np.unique(np.linspace(0, len(frames["frame"]) - 1, 12).astype(int))
    _write_sheet([_annotated(frames, r, boxes.get(int(frames["frame"][r]), [])) for r in shown], png)
    return f"{data['sample'][row]}: frames {span[0]} to {span[1]}, tube {tube}"


def _draw_truth(path: Path, png: Path, sample: str | None, count: int) -> str:
    truth = artifact.read(schemas.TRUTH, path)
    if not len(truth["sample"]):
        raise InputError("nothing is annotated in this split", path, "draw predictions")
    sentence = _sentences(path)
    order = np.random.default_rng(0).permutation(len(truth["sample"]))[: max(count, 1)]
    rows = [_row_of(sample, truth["sample"], sentence)] if sample else order
    _write_sheet([_strip(truth, int(row), sentence, path.parent) for row in rows], png, columns=1)
    return f"{len(rows)} of {len(truth['sample'])} samples"


def _sentences(beside: Path) -> dict[str, str]:
    """The sentence of each sample, from the samples.h5 beside an artifact."""
    samples = artifact.read(schemas.SAMPLES, beside.with_name("samples.h5"), ("sample", "sentence"))
    return dict(zip(samples["sample"], samples["sentence"], strict=True))


def _row_of(wanted: str, samples: np.ndarray, sentence: dict[str, str]) -> int:
    """Which sample is meant: by its id, its sentence, or a part that no other sentence has; or InputError."""
    told, part = [sentence.get(sample, "").casefold() for sample in samples], wanted.strip().casefold()
    for fits in (samples == wanted, [t == part for t in told], [part in t for t in told]):
        rows = np.flatnonzero(fits)
        if len(rows) == 1:
            return int(rows[0])
        if len(rows):
            some = ", ".join(f"'{sample}'" for sample in samples[rows[:3]])
            raise InputError(f"{len(rows)} samples have '{wanted}'", remedy=f"choose one by its id: {some} …")
    remedy = did_you_mean(wanted, samples) or f"ids are like '{samples[0]}'; "
    raise InputError(f"no sample '{wanted}'", remedy=f"{remedy}name an id or words of a sentence")


def _strip(truth: Columns, row: int, sentence: dict[str, str], artifacts: Path) -> np.ndarray:
    """A sample's sentence above a frame before its true span, four in it with the true box, and one after it."""
    from PIL import Image, ImageDraw, ImageFont

    name, begin, end = truth["sample"][row], int(truth["span_begin"][row]), int(truth["span_end"][row])
    frames = _frames_beside(artifacts, f"{file_stem(truth['video'][row])}.h5")
    mine = rows(truth["box_offset"], row)
    box = dict(zip(truth["box_frame"][mine].tolist(), truth["box"][mine], strict=True))
    first, last = np.searchsorted(frames["frame"], [truth["segment_begin"][row], truth["segment_end"][row]])
    cut = np.searchsorted(frames["frame"], [begin, end]).clip(first, last)
    pictures = []
    for low, high, count in ((first, cut[0], 1), (*cut, 4), (cut[1], last, 1)):
        for i in (int(low + (high - low) * (k + 0.5) / count) for k in range(count)):
            drawn = [(box[f], "", PALETTE[1]) for f in frames["frame"][i : i + 1].tolist() if f in box]
            blank = np.full((1, 200, 3), 255, np.uint8)
            pictures.append(_annotated(frames, i, drawn, 200) if low < high else blank)
    sheet = _sheet(pictures, len(pictures))
    text = Image.new("RGB", (sheet.shape[1], 20), "white")
    told = f"{sentence.get(name, '')}   [{name}, frames {begin} to {end}]"
    ImageDraw.Draw(text).text((4, 2), told, fill="black", font=ImageFont.load_default(14))
    return np.concatenate([np.asarray(text), sheet])


def _annotated(frames: Columns, row: int, boxes: list[Drawn], width: int = 320) -> np.ndarray:
    """One stored frame `width` px wide with its number and boxes: uint8 HxWx3 RGB."""
    from PIL import Image, ImageDraw, ImageFont

    from vcma.video.pictures import decode

    picture = decode(frames["jpeg"][rows(frames["jpeg_offset"], row)])[..., ::-1]
    image = Image.fromarray(np.ascontiguousarray(picture))
    image = image.resize((width, max(1, round(width * image.height / image.width))))
    canvas, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    scale = np.array([image.width / frames["width"], image.height / frames["height"]] * 2)
    places = np.array([box for box, *_ in boxes]).reshape(-1, 4) * scale
    for (x1, y1, x2, y2), (_, _, colour) in zip(places, boxes, strict=True):
        canvas.rectangle((x1, y1, max(x1, x2), max(y1, y2)), outline=colour, width=2)
    told = f"frame {int(frames['frame'][row])}, {float(frames['time'][row]):.1f} s"
    spots = [(0.0, image.height - 14.0, canvas.textlength(told, font) + 6, float(image.height))]
    labels = [(told, (255, 255, 255))]
    for corner, (_, text, colour) in zip(places[:, :2], boxes, strict=True):
        if text:
            x1, y1, x2, y2 = _free_spot(corner, canvas.textlength(text, font) + 6, image.size, places, spots)
            canvas.line((*np.clip(corner, (x1, y1), (x2, y2)), *corner), fill=colour)
            spots.append((x1, y1, x2, y2))
            labels.append((text, colour))
    for spot, (text, colour) in zip(spots, labels, strict=True):
        bright = np.dot(colour, (0.3, 0.6, 0.1)) > 140
        canvas.rectangle(spot, fill=colour)
        canvas.text((spot[0] + 3, spot[1] - 1), text, fill="black" if bright else "white", font=font)
    return np.asarray(image)


Spot = tuple[float, float, float, float]  # xyxy px


def _free_spot(
    corner: np.ndarray, width: float, picture: tuple[int, int], boxes: np.ndarray, labels: Sequence[Spot]
) -> Spot:
    """Where a label goes: on top of a corner or near, over no other label (if there is room) and over few boxes.

    corner: upper left one of what is labelled, (x, y) px; picture: width and height, px; boxes: [B, 4] xyxy px.
    """
    height = 14
    room = max(picture[0] - width, 0), max(picture[1] - height, 0)
    wanted = np.clip(corner - (0, height), 0, room)
    x, y = np.meshgrid(*(np.append(at, np.arange(0, most, 3)) for at, most in zip(wanted, room, strict=True)))
    cost = (x - wanted[0]) ** 2 + (y - wanted[1]) ** 2
    # To spare a box is worth a way of 30 px, to spare a label any way.
    for price, (x1, y1, x2, y2) in [*((30.0**2, box) for box in boxes), *((1e9, label) for label in labels)]:
        cost += price * ((x < x2) & (x + width > x1) & (y < y2) & (y + height > y1))
    best = int(np.argmin(cost))
    return float(x.flat[best]), float(y.flat[best]), float(x.flat[best] + width), float(y.flat[best] + height)


def _write_sheet(pictures: list[np.ndarray], path: Path, columns: int = 4) -> None:
    import io

    from PIL import Image

    stored = io.BytesIO()
    kind = "JPEG" if path.suffix.lower() in _JPEG else "PNG"
    Image.fromarray(_sheet(pictures, columns)).save(stored, kind)
    storage.write_bytes(path, stored.getvalue())


def _sheet(pictures: list[np.ndarray], columns: int) -> np.ndarray:
    """Pictures, uint8 HxWx3, row by row as one."""
    height, width = (max(p.shape[axis] for p in pictures) for axis in (0, 1))
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * height, min(columns, len(pictures)) * width, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = i // columns * height, i % columns * width
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def summary(project: Project) -> str:
    """The metrics of the last run beside their reference points, as a table, and the path of the report."""
    remedy = "run dvc repro"
    ours = storage.read_json(project.artifacts / "metrics.json", remedy)
    points = storage.read_json(project.artifacts / "reference_points.json", remedy)
    form, split = str(project.block.get("format")), project.section("evaluate")["split"]
    told = project.artifacts / "predictions.h5"
    who = whose(artifact.attributes(told)["inputs"]) if told.exists() else "VCMA"
    table = metrics_table(ours, points, form, split, who) or "nothing is annotated, so nothing is scored"
    return f"{table}\n\nreport: {project.artifacts / 'report' / 'index.html'}"
