"""State of the pass over a sentence's chunks: the result so far, and what the current clause still lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vcma.parsing.chunks import Chunk
from vcma.parsing.word_classes import Words

Referents = tuple[int, ...]  # indices of `WalkState.referents`


@dataclass
class Referent:
    """An entity under construction: its noun phrase. `unresolved`: a pronoun without an antecedent."""

    chunk: Chunk
    unresolved: bool = False


@dataclass
class Event:
    """A relation under construction; a state if it has no `verb`. `setting`: only says where something happens."""

    subjects: Referents
    words: list[str]  # of the predicate
    objects: Referents = ()
    verb: str = ""
    participle: str = ""  # of a passive without a named agent
    direct: bool = False  # its objects follow the verb without a preposition
    open: bool = False  # can still take an object or a preposition
    setting: bool = False
    negated: bool = False

    @property
    def predicate(self) -> str:
        words = ["be", self.participle, *self.words[1:]] if self.participle else self.words
        return " ".join(words)

    def add_particle(self, *particle: str) -> None:
        """Append a particle: "turns around", "picks the cup up"."""
        if (self.verb and not self.objects) or len(self.words) == 1:
            self.words += particle


@dataclass
class Question:
    """The wh-word of a sentence, and the gap that it fills."""

    asked: Referents = ()  # the wh-word
    gap: bool = False  # the gap is not filled yet
    fronted: str = ""  # the preposition of "to whom ..."
    stranded: int | None = None  # index of the chunk of the preposition without a noun phrase


@dataclass
class WalkState:
    """Position and memory of the pass; `referents`, `events` and `target` are its result."""

    words: Words
    chunks: Sequence[Chunk]
    position: int = 0  # of the chunk being read
    referents: list[Referent] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    target: int | None = None  # the target referent, None until one is mentioned
    question: Question = field(default_factory=Question)
    subject: Referents = ()  # of the clause being read
    main_subject: Referents = ()  # of the last full clause, for verbs without one: "..., then sits down"
    newest: Referents = ()  # latest mention, which a preposition or participle describes
    event: Event | None = None  # the clause's latest event with a verb
    awaits_verb: bool = False  # the subject has no verb yet
    after_copula: bool = False  # a form of "be" still lacks its preposition or participle
    negation: bool = False  # "not" still lacks what it negates
    denied: list[str] = field(default_factory=list)  # negated attributes
    subordinate: bool = False  # inside "when ...", whose subject is not the target

    def chunk_type(self, offset: int = 0) -> str:
        """Return the type of the chunk at an offset from the current one, "" outside the sentence."""
        i = self.position + offset
        return self.chunks[i].type if 0 <= i < len(self.chunks) else ""

    def begin_clause(self, subject: Referents) -> None:
        """Begin a clause with its subject; that of the first main clause is the target, unless a wh-word is."""
        self.subject, self.newest, self.event, self.awaits_verb = subject, subject, None, True
        if not self.main_subject or self.chunk_type() in ("verb", "be", "do", "rel"):
            self.main_subject = subject
        if self.target is None and not self.subordinate:
            self.target, self.main_subject = subject[0], subject

    def add_event(self, subjects: Referents, *words: str, objects: Referents = ()) -> Event:
        event = Event(subjects, list(words), objects)
        if words != ("of",):  # possession is not negated
            clause = self.event is not None and self.event.negated and self.event.subjects == subjects
            event.negated, self.negation = self.negation or clause, False
        self.events.append(event)
        return event
