"""Questions: the wh-word, and the gap that it fills.

"What does he lean on" is "he leans on what": where an auxiliary and a subject follow the wh-word, its place is
behind the verb or behind a preposition that lacks its noun phrase. "Who runs" has no gap: "who" is the subject.
"""

from __future__ import annotations

from vcma.parsing import lexicon as lx
from vcma.parsing.mentions import read_list, referent_of
from vcma.parsing.state import Event, Question, WalkState


def open_question(state: WalkState) -> None:
    """Read up to the wh-word, and the auxiliary and subject behind it; nothing if no word asks."""
    wh = next((i for i, chunk in enumerate(state.chunks) if chunk.wh), None)
    if wh is None:
        return
    state.target = referent_of(state, state.chunks[wh])
    state.question = Question((state.target,))
    if wh and state.chunks[wh - 1].type == "prep":
        state.question.fronted = state.chunks[wh - 1].head
    state.position = wh + 1
    state.begin_clause(state.question.asked)
    if _is_inverted(state):
        state.after_copula = state.chunk_type() == "be"
        state.position += 1
        _read_subject(state)
    elif _is_embedded(state):
        _read_subject(state)


def _is_inverted(state: WalkState) -> bool:
    """ "does the man ...", "is he ...", but not "is red"."""
    inverted = state.chunk_type() in ("be", "do") and state.chunk_type(1) == "np"
    return inverted and not state.chunks[state.position + 1].form


def _is_embedded(state: WalkState) -> bool:
    """ "show me what the man is holding"."""
    noun = state.chunks[state.position] if state.chunk_type() == "np" else None
    return noun is not None and not noun.form and state.chunk_type(1) in ("verb", "be")


def _read_subject(state: WalkState) -> None:
    """Read the subject: the wh-word is another party, whose place is a gap, unless "to whom" gave it."""
    state.begin_clause(read_list(state))
    state.main_subject = state.subject
    if not state.question.fronted:
        state.question.gap, state.question.stranded = True, _stranded_preposition(state)


def _stranded_preposition(state: WalkState) -> int | None:
    """Where "who is he sitting behind in the room" lacks a noun phrase: the first preposition without one."""
    for i in range(state.position, len(state.chunks)):
        bare = i + 1 == len(state.chunks) or state.chunks[i + 1].type != "np"
        if state.chunks[i].type == "prep" and bare:
            return i
    return None


def at_stranded_preposition(state: WalkState) -> bool:
    return state.question.gap and state.position == state.question.stranded


def fill_gap_at_preposition(state: WalkState, prep: str) -> None:
    """The wh-word belongs to this preposition: "who is she behind", "who does she give the cup to"."""
    verb = state.event.verb if state.event is not None and prep in lx.FOLLOWED else ""
    state.add_event(state.main_subject, *([verb] if verb else []), prep, objects=state.question.asked)
    state.question.gap = False
    state.position += 1


def fill_gap_at_verb(state: WalkState, event: Event) -> None:
    """The verb lacks its object, or the preposition right behind it: "what does he lean on on the stage".

    A preposition further on may still be the place of the wh-word; then the gap stays.
    """
    question = state.question
    while state.chunk_type() == "part":
        event.words.append(state.chunks[state.position].head)
        state.position += 1
    if question.stranded is not None and question.stranded > state.position:
        return
    event.open = False
    if question.stranded == state.position:
        prep = state.chunks[state.position].head
        event = state.add_event(event.subjects) if prep in lx.SPATIAL else event
        event.words.append(prep)
        state.position += 1
    event.objects, question.gap = question.asked, False


def close_question(state: WalkState) -> None:
    """At the end, find a place for a wh-word that has none: "to whom ...", or the last verb without an object."""
    question = state.question
    if not question.gap and not question.fronted:
        return
    verbs = [e for e in state.events if e.verb and e.subjects == state.main_subject]
    last = verbs[-1] if verbs else None
    if question.fronted in lx.SPATIAL or (question.fronted and last is None):
        state.add_event(state.main_subject, question.fronted, objects=question.asked)
    elif last is not None and not last.objects:
        last.words += [question.fronted] if question.fronted else []
        last.objects = question.asked
    elif last is not None and question.fronted:
        state.add_event(state.main_subject, last.verb, question.fronted, objects=question.asked)
