"""Verbs: each begins an event, whose subject is that of the clause or the noun phrase before it."""

from __future__ import annotations

from vcma.parsing.chunks import Chunk
from vcma.parsing.hands import take_hand
from vcma.parsing.mentions import is_animate
from vcma.parsing.questions import fill_gap_at_verb
from vcma.parsing.state import Event, Referents, WalkState


def read_verb(state: WalkState, verb: Chunk) -> None:
    """Begin an event, and read the particles, hand or stranded preposition that belong to it."""
    if state.event is not None and _is_let_go(state, verb, state.event):
        state.event.add_particle("go")
        state.position += 1
        return
    asking = state.question.gap and (state.after_copula or verb.form != "ing")
    event = _begin_event(state, verb)
    take_hand(state, event)
    if asking:
        fill_gap_at_verb(state, event)


def _is_let_go(state: WalkState, verb: Chunk, event: Event) -> bool:
    return verb.head == "go" and event.verb == "let" and state.chunk_type(-1) == "verb"


def _begin_event(state: WalkState, verb: Chunk) -> Event:
    subjects = _subjects(state, verb)
    alternative = state.chunk_type(-1) == "cc" and state.chunks[state.position - 1].head in ("or", "nor")
    carried_on = alternative and state.event is not None and state.event.negated  # "is not walking or running"
    negated = verb.negated or state.negation or carried_on
    event = state.add_event(subjects, verb.head)
    event.negated = negated
    event.verb, event.open = verb.head, True
    if verb.form == "passive":
        event.participle = state.words[verb.end - 1].lower
    if verb.form in ("fin", "base", "passive"):
        state.subject, state.awaits_verb = subjects, False
    state.event, state.after_copula = event, False
    state.position += 1
    return event


def _subjects(state: WalkState, verb: Chunk) -> Referents:
    """Return the verb's subject: the clause's, the noun before a participle, or that of the last full clause."""
    if state.awaits_verb and (state.event is None or state.after_copula):
        return state.subject
    if state.chunk_type(-1) == "inf" and state.event is not None:
        return state.event.subjects  # "squats down to pick it up"
    behind_noun = state.chunk_type(-1) == "np" and bool(state.newest)
    if verb.form in ("ing", "en", "passive"):
        animate = behind_noun and is_animate(state.referents[state.newest[0]].chunk)
        undergoing = behind_noun and verb.form == "passive" and verb.end - verb.begin == 1
        return state.newest if animate or undergoing else state.subject  # "the tire thrown by the man"
    if verb.form == "base" and behind_noun and not state.question.gap:
        return state.newest
    return state.main_subject or state.subject
