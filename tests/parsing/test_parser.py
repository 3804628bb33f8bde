"""Claims about the sentence parser: what it reads, that it always answers, and how often it is right."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.parsing.readings import QUESTIONS, STATEMENTS, named_relations, read, unique_name
from vcma.errors import InputError
from vcma.parsing import lexicon as lx
from vcma.parsing.parser import MAX_CHARACTERS, draw, load_model, parse
from vcma.records.query import Query

HERE = Path(__file__).parents[1]
HCSTVG = json.loads((HERE / "data" / "hcstvg_sentences.json").read_text("utf-8"))


def test_number_span_and_kind() -> None:
    query = read("Two red dogs follow the woman with glasses.")
    assert [e.number for e in query.entities] == ["plural", "singular"]
    assert [e.text for e in query.entities] == ["Two red dogs", "the woman with glasses"]
    assert [query.text[slice(*e.span)] for e in query.entities] == [e.text for e in query.entities]
    assert query.kind == "declarative"
    assert read("who runs?").kind == read("is the man running?").kind == "interrogative"


def test_json_line_and_drawing() -> None:
    query = read("a red cat chases the ball.")
    assert query.to_json() == {
        "text": "a red cat chases the ball.",
        "kind": "declarative",
        "entities": [
            {"text": "a red cat", "head": "cat", "attributes": ["red"], "span": [0, 9]},
            {"text": "the ball", "head": "ball", "attributes": [], "span": [17, 25]},
        ],
        "relations": [{"subject": 0, "predicate": "chase", "object": 1}],
        "target": 0,
        "flags": [],
    }
    assert draw(query) == (
        "a red cat chases the ball.\n  *[0] cat (red)\n   [1] ball\n    [0] cat --chase--> [1] ball"
    )
    assert draw(read("a cat jumps")).endswith("[0] cat --jump--|")


def sound(query: Query) -> None:
    """What holds of every query, whatever the text."""
    assert query.entities and 0 <= query.target < len(query.entities)
    for entity in query.entities:
        assert query.text[slice(*entity.span)] == entity.text
        assert entity.number in ("singular", "plural")
    for r in query.relations:
        assert 0 <= r.subject < len(query.entities) and r.predicate.strip() == r.predicate != ""
        assert r.object is None or (0 <= r.object < len(query.entities) and r.object != r.subject)
    assert ("no_relation" in query.flags) == (not query.relations)
    json.dumps(query.to_json())
    assert draw(query).startswith(query.text)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=20))
def test_any_text_is_answered(texts: list[str]) -> None:
    queries = list(parse(texts))
    assert [q.text for q in queries] == texts
    for query in queries:
        sound(query)


WORDS = sorted(
    {*list(lx.VERB_FORMS)[::40], *lx.CONJUNCTIONS, *lx.WH_WORDS, *lx.BE, *lx.DO, *lx.PRONOUNS, *lx.POSSESSIVES}
    | {*lx.BODY, *lx.COLOURS, *lx.MALE, *lx.POSITIONS, *lx.PARTICLES, *(w for p in lx.PREPOSITIONS for w in p)}
    | {
        "there",
        "'s",
        "'",
        "the",
        "a",
        "an",
        "each",
        "other",
        "that",
        ",",
        ".",
        "?",
        "-",
        "/",
        "let",
        "hold",
        "hand",
    }
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join), min_size=1, max_size=20))
def test_any_order_of_known_words_is_answered(texts: list[str]) -> None:
    for query in parse(texts):
        sound(query)


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("?!...", "fallback_entity"),
        ("😀" * 50, "fallback_entity"),
        ("\ud800", "fallback_entity"),
        ("男人走向女人。", "no_relation"),
        ("it falls", "unresolved_pronoun"),
    ],
)
def test_odd_text_is_flagged(text: str, flag: str) -> None:
    query = read(text)
    sound(query)
    assert flag in query.flags


@pytest.mark.parametrize(
    "text",
    [
        "the man walks to the woman and " * 2500,
        "(" * 20_000,
        "a" * 100_000,
        "in front of " * 5000,
        "man 's " * 5000,
        "the red and " * 5000,
        "http://" + "a." * 20_000,
        "😀" * 20_000,
    ],
)
def test_long_text_is_capped_and_fast(text: str) -> None:
    load_model()
    begin = time.process_time()
    query = read(text)
    assert time.process_time() - begin < 5
    assert "truncated" in query.flags and len(text) > MAX_CHARACTERS
    sound(query)


def test_answer_depends_on_the_sentence_alone() -> None:
    texts = [row["text"] for row in HCSTVG] + [text for text, _, _ in QUESTIONS + STATEMENTS]
    together = {q.text: q for q in parse(texts)}
    assert {q.text: q for q in parse(reversed(texts), batch_size=7)} == together
    assert all(read(text) == together[text] for text in texts[::5])


def test_import_is_light_and_model_errors_speak() -> None:
    code = "import sys, vcma.parsing.parser; sys.exit('spacy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(InputError, match="pip install no_such_model"):
        list(parse(["a"], model="no_such_model"))


@pytest.mark.parametrize("half", ["development", "held-back"])
def test_hcstvg_style_chains(half: str) -> None:
    """At least 90 % of the events, 90 % of the chains whole and in order, 98 % of the targets.

    Half: the held-back sentences were written and annotated before any of them was read.
    """
    rows = [row for row in HCSTVG if row["half"] == half]
    events = found = chains = targets = 0
    for row, query in zip(rows, parse(row["text"] for row in rows), strict=True):
        got, wanted = named_relations(query), [tuple(event) for event in row["events"]]
        rest = iter(got)
        events, found = events + len(wanted), found + sum(event in got for event in wanted)
        chains += all(event in rest for event in wanted)
        targets += unique_name(query, query.target) == row["target"]
    assert found >= 0.9 * events
    assert chains >= 0.9 * len(rows)
    assert targets >= 0.98 * len(rows)


def test_vidstg_sentences() -> None:
    """The goals on real sentences, on both halves of the videos."""
    folder = os.environ.get("VCMA_TEST_DATA")
    if not folder:
        pytest.skip("needs VidSTG's val_annotations.json: set VCMA_TEST_DATA to the folder that holds vidstg/")
    evaluate = load_script(HERE.parent / "bench" / "evaluate_parse.py")
    cases = list(evaluate.cases(Path(folder) / "vidstg" / "val_annotations.json"))[::2]
    queries = parse(case.text for case in cases)
    scored = [(case, q, evaluate.score(case, q)) for case, q in zip(cases, queries, strict=True)]
    table = evaluate.tabulate(scored)
    for half in ("development", "held-back"):
        for kind, predicate, directed in (("captions", 95, 88), ("questions", 92, 85)):
            row = table[f"{half}: {kind}"]
            assert row["predicate"] >= predicate and row["directed"] >= directed
            assert row["target"] >= 98 and row["no relation"] <= 0.5


def load_script(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
