"""`vcma show`: describe an artifact or a JSON file as text, or draw an artifact as a contact sheet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from vcma.commands.contact_sheet import draw_contact_sheet
from vcma.commands.sample_choice import sentences_for
from vcma.commands.show_json import describe_json, is_json, json_ids
from vcma.commands.show_samples import answered, ids, one_prediction
from vcma.pipeline import artifact, schemas
from vcma.pipeline.schemas import Schema
from vcma.records.columns import Columns


@click.command(
    "show",
    epilog="""\b
Examples:
  vcma show artifacts/demo/samples.h5 --ids | grep dog
  vcma show artifacts/demo/predictions.h5 --sentence "the white dog"
  vcma show artifacts/demo/predictions.h5 --sentence "the white dog" --png dog.png
  vcma show theirs.json --rows 10""",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--rows",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Number of first rows to print; with --png and truth, of random samples to draw.",
)
@click.option("--png", type=click.Path(path_type=Path), help="Draw the artifact as a contact sheet (.png or .jpg).")
@click.option("--ids", "only_ids", is_flag=True, help="Print only id, split and sentence of each sample, by tabs.")
@click.option(
    "--sentence",
    "sample",
    metavar="ID|TEXT",
    help="Show one prediction (with --png also truth) by its id or by words that only its sentence has.",
)
def show_command(file: Path, rows: int, png: Path | None, only_ids: bool, sample: str | None) -> None:
    """Describe an artifact or a JSON file (contents and first rows), or draw an artifact."""
    if only_ids and (png or sample):
        raise click.UsageError("--ids cannot be combined with --png or --sentence")
    if is_json(file):
        if png:
            raise click.UsageError("--png draws artifacts (.h5), not JSON")
        click.echo(json_ids(file) if only_ids else describe_json(file, rows, sample))
    elif only_ids:
        for line in ids(file):
            click.echo(line)
    elif png:
        click.echo(f"{draw_contact_sheet(file, png, sample, rows)} -> {png}", err=True)
    else:
        click.echo(one_prediction(file, sample) if sample else describe(file, rows))


def describe(path: Path, rows: int) -> str:
    """Describe an artifact as text: schema, parameters, inputs, columns with types, axes and units, first rows."""
    schema = artifact.schema_of(path)
    attributes = artifact.attributes(path)
    data, absent = artifact.read(schema, path), artifact.absent_columns(schema, path)
    lines = [f"{path}: {schema.tag}, by {schema.stage}", f"  {schema.doc}"]
    lines.append(f"  parameters: {json.dumps(attributes['params'])}")
    lines += [f"  input {name}: {digest[:64]}" for name, digest in attributes["inputs"].items()]
    lines.append(f"  content: {attributes['content']}")
    width = max(map(len, schema.columns))
    for name in schema.columns:
        note = f" (absent: {schema.absence(name)})" if name in absent else ""
        lines.append(f"  {name:<{width}}  {_column(schema, name, np.asarray(data[name]))}{note}")
    if schema is schemas.PREDICTIONS:
        lines += _first_predictions(path, data, rows)
    return "\n".join([*lines, *_first_rows(schema, data, rows)])


def _column(schema: Schema, name: str, value: np.ndarray) -> str:
    column = schema.columns[name]
    axes = ", ".join(
        f"{axis}{'+1' if column.offsets else ''}={n}" for axis, n in zip(column.axes, value.shape, strict=True)
    )
    unit = f" ({column.unit})" if column.unit else ""
    return f"{column.dtype:<8} [{axes}]{unit}  {column.doc}"


def _first_rows(schema: Schema, data: Columns, count: int) -> list[str]:
    """Format the first rows of each axis, and the scalars; for queries the first sentences' graphs."""
    if schema is schemas.QUERIES and count:
        return _first_queries(data, count)
    lines = []
    for axis in dict.fromkeys(c.axes[0] for c in schema.columns.values() if c.axes and not c.offsets):
        names = [n for n, c in schema.columns.items() if c.axes[:1] == (axis,) and not c.offsets]
        total = len(data[names[0]])
        shown = min(count, total)
        lines += [f"  first of {total} {axis}:"] * bool(shown)
        lines += [f"    {i}: " + ", ".join(f"{n}={_brief(data[n][i])}" for n in names) for i in range(shown)]
    scalars = [n for n, c in schema.columns.items() if not c.axes]
    return lines + [f"  {n} = {_brief(data[n])}" for n in scalars]


def _first_predictions(path: Path, data: Columns, count: int) -> list[str]:
    """Format the first predictions, with their sentences if they can be found."""
    names = data["sample"][:count]
    sentences = sentences_for(path, names)
    return [f'  {name}: "{sentences.get(name, "")}" -> {answered(data, i)}' for i, name in enumerate(names)]


def _first_queries(data: Columns, count: int) -> list[str]:
    from vcma.parsing.parser import draw
    from vcma.records.query import query_at

    return ["", *(draw(query_at(data, i)) + "\n" for i in range(min(count, len(data["sample"]))))]


def _brief(value: Any) -> str:
    value = np.asarray(value)
    if value.ndim:
        shown = ", ".join(f"{x:.4g}" for x in value.ravel()[:4])
        return f"[{shown}{', …' if value.size > 4 else ''}]"
    return f"{value.item():.4g}" if value.dtype.kind == "f" else str(value.item())
