"""samples -> queries.h5: every sentence parsed into entities and relations."""

import json
from pathlib import Path

import click

from vcma.parsing.parser import parse
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.cli import mode, progress, stage
from vcma.pipeline.stage_run import StageRun
from vcma.records.query import Query, query_columns


@stage(example="--text sentences.txt --json parsed.jsonl")
@click.option(
    "--model",
    type=str,
    help="spaCy model for tags and lemmas; the parse is rule-based. 'auto': the first one that is installed.",
)
@mode("--text", type=click.Path(path_type=Path), help="Parse this text file instead, one sentence per line.")
@mode("--json", "out", type=click.Path(path_type=Path), help="With --text: output file, one JSON object per line.")
def parse_queries(run: StageRun, model: str) -> None:
    """Parse every sentence into entities, relations and the target, the entity to localise."""
    chosen = None if model == "auto" else model
    if run.modes["text"] or run.modes["out"]:
        return _parse_file(run.modes["text"], run.modes["out"], chosen)
    path = run.artifact("samples.h5")
    samples = artifact.read(schemas.SAMPLES, path, ("sample", "sentence"))
    sentences = samples["sentence"].tolist()
    queries = list(progress(parse(sentences, chosen), len(sentences), run.stage))
    columns = {"sample": samples["sample"], **query_columns(queries)}
    inputs = {"samples": artifact.attributes(path)["content"]}
    artifact.write(schemas.QUERIES, run.artifact("queries.h5"), columns, run.params, inputs)
    run.done(_counts(queries), run.artifact("queries.h5"))
    return None


def _parse_file(text: Path | None, out: Path | None, model: str | None) -> None:
    if text is None or out is None:
        raise click.UsageError("--text FILE and --json OUT must be given together")
    queries = list(parse(storage.text_lines(text), model))
    content = "".join(json.dumps(query.to_json(), ensure_ascii=False) + "\n" for query in queries)
    storage.write_bytes(out, content.encode("utf-8", "replace"))
    click.echo(f"parse_queries: {_counts(queries)} -> {out}", err=True)


def _counts(queries: list[Query]) -> str:
    entities, relations = sum(len(q.entities) for q in queries), sum(len(q.relations) for q in queries)
    flagged = sum("fallback_entity" in q.flags for q in queries)
    return f"{len(queries):,} sentences, {entities:,} entities, {relations:,} relations, {flagged:,} not understood"


if __name__ == "__main__":
    parse_queries()
