"""Chunks to entities and events: who does what to whom, in the order of the text.

The chunks are read in a single pass from left to right. The state of this pass (`state`) holds the subject of the
clause, the event that can still take a particle, a preposition or an object, and the entities mentioned so far, for
pronouns (`mentions`). A question (`questions`) is read in the same pass with a gap that the wh-word fills.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from vcma.parsing import lexicon as lx
from vcma.parsing.attachment import (
    attach_agent,
    attach_bare_preposition,
    attach_object,
    attach_prepositional_phrase,
    is_adverbial,
    takes_object,
)
from vcma.parsing.chunks import Chunk
from vcma.parsing.mentions import read_list, wearer_of
from vcma.parsing.questions import at_stranded_preposition, close_question, fill_gap_at_preposition, open_question
from vcma.parsing.state import Event, Referent, WalkState
from vcma.parsing.verbs import read_verb
from vcma.parsing.word_classes import Words


class Reading(NamedTuple):
    """A parsed sentence; `target`, the index of the target referent, is valid only if there are referents.

    denied: negated attributes of referents, e.g. "not red".
    """

    referents: list[Referent]
    events: list[Event]
    target: int
    denied: list[str]


def read_clauses(words: Words, chunks: Sequence[Chunk]) -> Reading:
    """Read the chunks of a sentence in a single pass from left to right."""
    state = WalkState(words, chunks)
    open_question(state)
    while state.position < len(chunks):
        chunk = chunks[state.position]
        _READERS.get(chunk.type, _skip)(state, chunk)
    close_question(state)
    return Reading(state.referents, state.events, state.target or 0, state.denied)


# Each reader moves `state.position` past what it read.


def _skip(state: WalkState, chunk: Chunk) -> None:
    state.position += 1


def _read_noun_phrase(state: WalkState, chunk: Chunk) -> None:
    """Read an object of the event, or else the subject of the next clause."""
    event = state.event
    if event is not None and event.open and is_adverbial(chunk, event):
        state.position += 1
    elif state.after_copula and chunk.form == "adj" and state.subject:
        for attribute in (chunk.head, *chunk.attributes):  # "is red", "is second from the left"
            _describe(state, state.subject[0], attribute)
        state.position += 1
    elif event is not None and takes_object(state, event):
        attach_object(state, event)
    else:
        state.after_copula, denied, state.negation = False, state.negation, False
        state.begin_clause(read_list(state))
        for referent in state.subject if denied else ():  # "neither the man nor the woman", "not the man"
            state.referents[referent].chunk.negated = True


def _describe(state: WalkState, referent: int, attribute: str) -> None:
    """Add an attribute to a referent, or to the denied ones if negated: "is not red"."""
    if state.negation:
        state.denied.append(f"not {attribute}")
        state.negation = False
    else:
        state.referents[referent].chunk.attributes.append(attribute)


def _read_adverb(state: WalkState, chunk: Chunk) -> None:
    state.position += 1
    state.negation = state.negation or chunk.head in lx.NEGATIONS


def _read_there(state: WalkState, chunk: Chunk) -> None:
    """Skip "there is": what follows is read as if it stood alone."""
    state.position += 1
    while state.chunk_type() in ("be", "adv"):
        state.position += 1


def _read_stop(state: WalkState, chunk: Chunk) -> None:
    state.position += 1
    state.event, state.after_copula, state.awaits_verb, state.subordinate = None, False, False, False
    state.negation = False


def _read_conjunction(state: WalkState, chunk: Chunk) -> None:
    """Close the event to objects; a subordinate clause begins, or ends if it has its verb."""
    state.position += 1
    if chunk.head in lx.SUBORDINATORS:
        state.subordinate = True
    elif state.event is not None:
        state.subordinate = False
    if state.event is not None:
        state.event.open = False
    state.negation = chunk.head == "nor"


def _read_relative_clause(state: WalkState, chunk: Chunk) -> None:
    """Read "the man who holds the cup" or "the cup that the man holds"."""
    state.position += 1
    antecedent, outer_subject = state.newest, state.subject
    state.event, state.awaits_verb = None, True
    if state.chunk_type() != "np":
        state.subject = antecedent
        return
    state.subject = read_list(state)
    if state.chunk_type() == "verb":
        read_verb(state, state.chunks[state.position])
        state.events[-1].objects, state.events[-1].open = antecedent, False
    state.subject, state.awaits_verb = outer_subject, False


def _read_copula(state: WalkState, chunk: Chunk) -> None:
    state.position += 1
    if not state.awaits_verb:
        state.subject = state.main_subject or state.subject
    state.after_copula, state.event, state.awaits_verb = True, None, True


def _read_worn(state: WalkState, chunk: Chunk) -> None:
    """Read clothes that are separate from their wearer: "is standing still in the brown jacket"."""
    state.position += 1
    wearer = wearer_of(state, chunk)
    if wearer is not None:
        _describe(state, wearer, chunk.head)
    if state.after_copula:
        state.after_copula, state.awaits_verb = False, False


def _read_particle(state: WalkState, chunk: Chunk) -> None:
    """Read "turns around" or "picks the cup up"."""
    state.position += 1
    if chunk.head in lx.PARTICLES and state.event is not None:
        state.event.add_particle(chunk.head)


def _read_preposition(state: WalkState, chunk: Chunk) -> None:
    if at_stranded_preposition(state):
        fill_gap_at_preposition(state, chunk.head)
    elif chunk.head == "without" and state.chunk_type(1) == "verb":
        state.position += 1
        state.negation = True  # "without looking at the camera"
    elif chunk.head in lx.SUBORDINATORS and state.chunk_type(2) in ("verb", "be"):
        _read_conjunction(state, chunk)  # "before he leaves"
    elif state.chunk_type(1) != "np":
        attach_bare_preposition(state, chunk)
    elif chunk.head == "by" and state.event is not None and state.event.participle:
        attach_agent(state, state.event)
    else:
        attach_prepositional_phrase(state, chunk, state.chunks[state.position + 1])


_READERS: Mapping[str, Callable[[WalkState, Chunk], None]] = {
    "np": _read_noun_phrase,
    "verb": read_verb,
    "be": _read_copula,
    "prep": _read_preposition,
    "part": _read_particle,
    "adv": _read_adverb,
    "cc": _read_conjunction,
    "rel": _read_relative_clause,
    "worn": _read_worn,
    "there": _read_there,
    "stop": _read_stop,
}
