"""Chunks to entities and events: who does what to whom, in the order told.

The reader walks over the chunks once and remembers the subject of the clause, the open event, which still takes a
particle, a preposition or an object, and the entities named so far, for pronouns. A question is the same walk with
a gap: the wh-word fills the place that the words leave empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vcma.parsing import lexicon as lx
from vcma.parsing.chunks import Chunk
from vcma.parsing.word_classes import Words

_HANDED = {"hold": "of", "shake": "with", "wave": "to", "put": "on"}  # "holds hands with" is "hold hand of"
_NO_PERSONS = (lx.OBJECTS | lx.CLOTHES | lx.BODY | lx.SCENES | lx.ANIMALS | lx.COLOURS) - lx.PERSONS


@dataclass
class Thing:
    """An entity in the making: its noun phrase; `unresolved`: a pronoun that stands for nothing named."""

    chunk: Chunk
    unresolved: bool = False


@dataclass
class Event:
    """A relation in the making; without `verb` it is a state. `setting`: only says where the rest happens."""

    subjects: list[int]
    words: list[str]
    objects: list[int] = field(default_factory=list)
    verb: str = ""
    participle: str = ""  # of a passive whose agent is not told
    direct: bool = False  # its objects follow the verb without a preposition
    open: bool = False  # still takes an object or a preposition
    setting: bool = False

    @property
    def predicate(self) -> str:
        words = ["be", self.participle, *self.words[1:]] if self.participle else self.words
        return " ".join(words)


class Clauses:
    """Reads chunks; `things`, `events` and `target` (None if nothing is named) hold the result."""

    def __init__(self, words: Words, chunks: Sequence[Chunk]):
        self.words, self.chunks = words, chunks
        self.things: list[Thing] = []
        self.events: list[Event] = []
        self.target: int | None = None
        self.at = 0
        self.subject: list[int] = []  # of the clause being read
        self.chain: list[int] = []  # of the last full clause: "..., then sits down"
        self.fresh = False  # the subject still waits for its verb
        self.copula = False  # a form of "be" waits for its preposition or participle
        self.subordinate = False  # inside "when ...": its subject is not the target
        self.event: Event | None = None
        self.last: list[int] = []  # the newest entities, which a preposition or participle describes
        self.gap: int | None = None  # the wh-word, until its place is found
        self.fronted = ""  # the preposition of "to whom ..."
        self.gap_at: int | None = None  # the chunk of the preposition that lacks its noun phrase
        self._open_question()
        while self.at < len(chunks):
            getattr(self, f"_on_{chunks[self.at].type}", self._skip)(chunks[self.at])
        if self.gap is not None or self.fronted:
            self._close_question()
        if self.target is None and self.things:
            self.target = 0

    # entities

    def _type(self, offset: int = 0) -> str:
        """Type of the chunk at this distance, "" outside the sentence."""
        i = self.at + offset
        return self.chunks[i].type if 0 <= i < len(self.chunks) else ""

    def _list(self, excluded: Sequence[int] = ()) -> list[int]:
        """The entities named here, "a cup and a plate"; moves behind them. Pronouns mean none of `excluded`."""
        found = [self._entity(self.chunks[self.at], excluded)]
        self.at += 1
        while self._type() == "cc" and self._type(1) == "np" and self._continues():
            found.append(self._entity(self.chunks[self.at + 1], excluded))
            self.at += 2
        self.last = found
        return found

    def _continues(self) -> bool:
        """Whether the noun phrase behind this conjunction belongs to the list, rather than opening a clause."""
        if self.chunks[self.at].head not in ("and", "or", ",", "&"):
            return False
        opening = self._type(-2) in ("", "cc", "stop", "there")
        return (
            opening or self._type(2) not in ("verb", "be", "do") or self.chunks[self.at + 2].form in ("ing", "en")
        )

    def _entity(self, chunk: Chunk, excluded: Sequence[int] = ()) -> int:
        """Index of the entity that the noun phrase names: an older one for a pronoun or a second mention."""
        known = self._antecedent(chunk, excluded) if chunk.pronoun else self._mentioned(chunk, excluded)
        if known is not None:
            return known
        owner = None
        if chunk.owner is not None and chunk.head not in lx.SCENES:
            owner = self._owner(chunk.owner)
        self.things.append(Thing(chunk, unresolved=chunk.pronoun))
        index = len(self.things) - 1
        # "raises his hand": one's own hand is no second party.
        if owner is not None and owner not in (*self.subject, *excluded):
            self._emit([index], "of", objects=[owner])
        return index

    def _owner(self, owner: Chunk) -> int | None:
        return self._antecedent(owner, ()) if owner.pronoun else self._entity(owner)

    def _antecedent(self, pronoun: Chunk, excluded: Sequence[int]) -> int | None:
        """The entity meant: the best that agrees, the newest of equals."""
        things = [i for i in reversed(range(len(self.things))) if i not in excluded]
        agreeing = [i for i in things if self._agrees(pronoun.head, self.things[i].chunk)]
        gendered = lx.FEMALE if pronoun.head in lx.FEMININE else lx.MALE
        told = [e for e in self.events if e.verb and e is not self.event]
        handled = told[-1].objects if told and told[-1].direct and pronoun.head in lx.NEUTER else []

        def doubt(i: int) -> tuple[bool, ...]:
            head = self.things[i].chunk.head
            subject = pronoun.head in lx.SUBJECTIVE and i not in self.chain
            return (subject, head in lx.SCENES, i not in handled, head not in gendered)

        return min(agreeing, key=doubt, default=None)

    def _agrees(self, pronoun: str, chunk: Chunk) -> bool:
        if chunk.pronoun:
            return chunk.head == pronoun
        if pronoun in lx.NEUTER:
            return chunk.head not in lx.PERSONS - {"baby", "child"} and not chunk.plural
        if pronoun in lx.PLURAL:
            return chunk.plural or chunk.head not in _NO_PERSONS
        person = chunk.head not in _NO_PERSONS and not chunk.plural
        if pronoun in lx.MASCULINE:
            return person and chunk.head not in lx.FEMALE
        return person and pronoun in lx.FEMININE and chunk.head not in lx.MALE

    def _mentioned(self, chunk: Chunk, excluded: Sequence[int]) -> int | None:
        """The earlier entity that "the girl" of a later clause means. In one clause two names are two things."""
        definite = self.words[chunk.begin].lower in ("the", "this", "that")
        if not definite or chunk.attributes or chunk.owner or not any(e.verb for e in self.events):
            return None
        clause = next((c.end for c in reversed(self.chunks[: self.at + 1]) if c.type in ("cc", "stop")), 0)
        same = [
            i
            for i, thing in enumerate(self.things)
            if thing.chunk.head == chunk.head and i not in excluded and thing.chunk.end <= clause
        ]
        return same[0] if len(same) == 1 else None

    def _animate(self, thing: int) -> bool:
        chunk = self.things[thing].chunk
        return chunk.wh or chunk.head not in _NO_PERSONS or chunk.head in lx.ANIMALS

    # questions

    def _open_question(self) -> None:
        """Read up to the wh-word; where auxiliary and subject follow, it fills their gap."""
        asked = next((i for i, chunk in enumerate(self.chunks) if chunk.wh), None)
        if asked is None:
            return
        self.target = self._entity(self.chunks[asked])
        if asked and self.chunks[asked - 1].type == "prep":
            self.fronted = self.chunks[asked - 1].head
        self.at = asked + 1
        self._begin([self.target])
        if self._type() in ("be", "do") and self._type(1) == "np" and not self.chunks[self.at + 1].form:
            self.copula = self._type() == "be"
            self.at += 1
            self._begin(self._list())
            self.chain = self.subject
            if not self.fronted:
                self.gap, self.gap_at = self.target, self._stranded()

    def _stranded(self) -> int | None:
        """Where "who is he sitting behind in the room" lacks a noun phrase: the first preposition without one."""
        for i in range(self.at, len(self.chunks)):
            bare = i + 1 == len(self.chunks) or self.chunks[i + 1].type != "np"
            if self.chunks[i].type == "prep" and bare:
                return i
        return None

    def _close_question(self) -> None:
        """ "to whom does he give it", or no word lacked an object: the last verb without one takes the wh-word."""
        assert self.target is not None
        asked, verbs = [self.target], [e for e in self.events if e.verb and e.subjects == self.chain]
        last = verbs[-1] if verbs else None
        if self.fronted in lx.SPATIAL or (self.fronted and last is None):
            self._emit(self.chain, self.fronted, objects=asked)
        elif last is not None and not last.objects:
            last.words += [self.fronted] if self.fronted else []
            last.objects = asked
        elif last is not None and self.fronted:
            self._emit(self.chain, last.verb, self.fronted, objects=asked)

    # the walk

    def _emit(self, subjects: Sequence[int], *words: str, objects: Sequence[int] = ()) -> Event:
        self.events.append(Event(list(subjects), list(words), list(objects)))
        return self.events[-1]

    def _begin(self, subject: list[int]) -> None:
        """A clause begins with its subject."""
        self.subject, self.fresh, self.event, self.last = subject, True, None, subject
        self.chain = subject if not self.chain or self._type() in ("verb", "be", "do", "rel") else self.chain
        if self.target is None and not self.subordinate:
            self.target, self.chain = subject[0], subject

    def _skip(self, chunk: Chunk) -> None:
        self.at += 1

    def _on_np(self, chunk: Chunk) -> None:
        event = self.event
        clause = self._type(-1) == "cc" and self._type(1) in ("verb", "be")
        if event is not None and event.open and self._says_how(chunk, event):
            self.at += 1
        elif self.copula and chunk.form == "adj" and self.subject:
            self.things[self.subject[0]].chunk.attributes.append(chunk.head)  # "is red"
            self.at += 1
        elif event is None or clause or event.participle or not (event.open or self._is_second_object()):
            self.copula = False
            self._begin(self._list())
        elif event.objects:
            event.objects, recipient = self._list(event.subjects), event.objects
            self._emit(event.subjects, event.verb, "to", objects=recipient)
        else:
            event.objects, event.open, event.direct = self._list(event.subjects), False, True
            self._own_hand(event)

    def _says_how(self, chunk: Chunk, event: Event) -> bool:
        """ "goes two steps", "covers himself with a blanket": no second party."""
        return chunk.head in lx.REFLEXIVES or (chunk.head in lx.MEASURES and event.verb != "take")

    def _is_second_object(self) -> bool:
        """ "gives the woman a flower"."""
        event = self.event
        return event is not None and event.verb in lx.GIVING and bool(event.objects) and self._type(-1) == "np"

    def _own_hand(self, event: Event) -> None:
        """ "holds the child's hand" is an event between the two people."""
        hand = event.objects[0]
        if event.verb in _HANDED and event.verb != "put" and self.things[hand].chunk.head == "hand":
            owners = [e.objects[0] for e in self.events if e.predicate == "of" and e.subjects == [hand]]
            if owners:
                event.words, event.objects = [event.verb, "hand", _HANDED[event.verb]], owners

    def _on_there(self, chunk: Chunk) -> None:
        self.at += 1
        while self._type() in ("be", "adv"):
            self.at += 1

    def _on_stop(self, chunk: Chunk) -> None:
        self.at += 1
        self.event, self.copula, self.fresh, self.subordinate = None, False, False, False

    def _on_cc(self, chunk: Chunk) -> None:
        self.at += 1
        if chunk.head in lx.SUBORDINATORS:
            self.subordinate = True
        elif self.subordinate and self.event is not None:
            self.subordinate = False
        if self.event is not None:
            self.event.open = False

    def _on_rel(self, chunk: Chunk) -> None:
        """ "the man who holds the cup", "the cup that the man holds"."""
        self.at += 1
        antecedent, outer, chain = list(self.last), self.subject, self.chain
        self.event = None
        if self._type() != "np":
            self.subject, self.fresh = antecedent, True
            return
        self.subject, self.fresh = self._list(), True
        if self._type() == "verb":
            self._on_verb(self.chunks[self.at])
            self.events[-1].objects, self.events[-1].open = antecedent, False
        self.subject, self.chain, self.fresh = outer, chain, False

    def _on_be(self, chunk: Chunk) -> None:
        self.at += 1
        if not self.fresh:
            self.subject = self.chain or self.subject
        self.copula, self.event, self.fresh = True, None, True

    def _verb_subject(self, chunk: Chunk) -> list[int]:
        if self.fresh and (self.event is None or self.copula):
            return self.subject
        if self._type(-1) == "inf" and self.event is not None:
            return self.event.subjects  # "squats down to pick it up"
        behind = self._type(-1) == "np" and bool(self.last)
        if chunk.form in ("ing", "en", "passive"):
            return self.last if behind and self._animate(self.last[0]) else self.subject
        if chunk.form == "base" and behind and self.gap is None:
            return self.last
        return self.chain or self.subject

    def _on_verb(self, chunk: Chunk) -> None:
        if chunk.head == "go" and self._type(-1) == "verb" and self.event is not None and self.event.verb == "let":
            self._add_particle("go")
            self.at += 1
            return
        subjects = self._verb_subject(chunk)
        asking = self.gap is not None and (self.copula or chunk.form != "ing")
        self.at += 1
        event = self._emit(subjects, chunk.head)
        event.verb, event.open = chunk.head, True
        if chunk.form == "passive":
            event.participle = self.words[chunk.end - 1].lower
        if chunk.form in ("fin", "base", "passive"):
            self.fresh, self.subject = False, subjects
        self.copula, self.event = False, event
        self._take_hand(event)
        if asking:
            self._fill_gap(event)

    def _take_hand(self, event: Event) -> None:
        """ "holds hand of", "shakes hands with", "waves hand to", "puts a hand on", "waves": one predicate."""
        if event.verb not in _HANDED or self._type() != "np":
            return
        noun = self.chunks[self.at]
        if noun.head not in ("hand", "hands") or (noun.owner is not None and not noun.owner.pronoun):
            return
        prep = self.chunks[self.at + 1].head if self._type(1) == "prep" else ""
        if prep in ("of", "with", "to", "at", "on") and (prep == "on") == (event.verb == "put"):
            event.words = [event.verb, "hand", _HANDED[event.verb]]
            self.at += 2
        elif event.verb == "wave":
            event.words, event.open = ["wave", "hand"], False
            self.at += 1

    def _fill_gap(self, event: Event) -> None:
        """In "what does he lean on on the stage" a preposition lacks its noun phrase; else the verb its object."""
        while self._type() == "part":
            event.words.append(self.chunks[self.at].head)
            self.at += 1
        if self.gap_at is not None and self.gap_at > self.at:
            return
        assert self.gap is not None
        event.open = False
        if self.gap_at == self.at:
            prep = self.chunks[self.at].head
            event = self._emit(event.subjects) if prep in lx.SPATIAL else event
            event.words.append(prep)
            self.at += 1
        event.objects, self.gap = [self.gap], None

    def _on_part(self, chunk: Chunk) -> None:
        """ "turns around", "picks the cup up"."""
        self.at += 1
        if chunk.head in lx.PARTICLES:
            self._add_particle(chunk.head)

    def _add_particle(self, *words: str) -> None:
        event = self.event
        if event is not None and event.verb and not event.objects:
            event.words += words
        elif event is not None and len(event.words) == 1:
            event.words[1:] = words

    # prepositions

    def _on_prep(self, chunk: Chunk) -> None:
        clause = chunk.head in lx.SUBORDINATORS and self._type(2) in ("verb", "be")
        if self.gap is not None and self.at == self.gap_at:
            self._ask(chunk.head)
        elif clause:
            self._on_cc(chunk)
        elif self._type(1) != "np":
            self._bare(chunk)
        elif chunk.head == "by" and self.event is not None and self.event.participle:
            self._agent(self.event)
        else:
            self.at += 1
            self._attach(chunk.head, self.chunks[self.at])

    def _ask(self, prep: str) -> None:
        """The wh-word belongs to this preposition: "who is she behind", "who does she give the cup to"."""
        assert self.gap is not None
        verb = self.event.verb if self.event is not None and prep in lx.FOLLOWED else ""
        self._emit(self.chain, *([verb] if verb else []), prep, objects=[self.gap])
        self.gap, self.at = None, self.at + 1

    def _agent(self, event: Event) -> None:
        """ "is carried by the man": the man carries."""
        self.at += 1
        event.objects, event.participle, event.open = event.subjects, "", False
        event.subjects = self._list(event.objects)

    def _bare(self, chunk: Chunk) -> None:
        """A preposition without a noun phrase: the verb's particle, or "what is next to by the table"."""
        self.at += 1
        agent = self.copula and self._type() == "prep" and self.chunks[self.at].head == "by"
        if agent and self._type(1) == "np":
            self.at += 1
            self._emit(self._list(), chunk.head, objects=self.subject)
            self.copula = False
        elif self.event is not None and self.event.verb and self._type(-2) in ("verb", "part", "prep", "np"):
            self._add_particle(*(w.lower for w in self.words[chunk.begin : chunk.end]))

    def _attach(self, prep: str, noun: Chunk) -> None:
        """Join a prepositional phrase to the open event, the subject or the newest entity."""
        event = self.event
        if self.copula or event is None or not event.verb:
            self._state(prep, noun, self.subject if self.copula else self.last)
        elif event.open and noun.head in lx.POSITIONS - {"side"} and not noun.attributes:
            event.words += [prep, noun.head]  # "walks from the left to the right"
            self.at += 1
        elif event.open and self.words[self.chunks[self.at - 1].end - 1].lower == "away":
            event.words.append("away")  # "pushes away the man"
        elif event.objects and self._is_touched_part(noun):
            self.at += 1
        elif event.open and not event.objects:
            self._complement(event, prep, noun)
        elif (
            prep in lx.FOLLOWED and self.last == event.objects and noun.head not in lx.SCENES - {"ground", "floor"}
        ):
            self._emit(event.subjects, event.verb, prep, objects=self._list(event.subjects))
        else:
            self._state(prep, noun, self.last or event.subjects)

    def _is_touched_part(self, noun: Chunk) -> bool:
        """ "pats him on the shoulder", "carries her on his back": no third party."""
        owned = (noun.owner is not None and not noun.owner.pronoun) or self._type(1) == "prep"
        return noun.head in lx.BODY and not owned

    def _state(self, prep: str, noun: Chunk, subjects: list[int]) -> None:
        """ "X is behind Y", "X behind Y": leaves the clause's subject as it is."""
        subject, fresh = self.subject, self.fresh and not self.copula
        objects = self._list(subjects)
        if not subjects:
            self._begin(objects)
            return
        state = self._emit(subjects, prep, objects=objects)
        state.setting = prep in lx.LOCATIVES and noun.head in lx.SCENES
        self.last = subjects if state.setting or prep == "of" else objects
        self.subject, self.fresh, self.copula = subject, fresh, False

    def _complement(self, event: Event, prep: str, noun: Chunk) -> None:
        """ "walks to the woman" is one event; "stands in front of her" two; "sings in the room" names a setting."""
        event.open = False
        touching = event.verb in lx.CONTACT and prep in ("on", "over")
        setting = noun.head in lx.SCENES and prep in lx.LOCATIVES and not touching
        objects = self._list(event.subjects)
        if setting or prep in lx.SPATIAL:
            self._emit(event.subjects, prep, objects=objects).setting = setting
        else:
            event.words += prep.split()
            event.objects = objects
