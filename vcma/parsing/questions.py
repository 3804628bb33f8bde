"""Questions: the wh-word, and the gap that it fills.

"What does he lean on" means "he leans on what": if an auxiliary and a subject follow the wh-word, its place (the
gap) is after the verb or after a preposition without a noun phrase. "Who runs" has no gap: "who" is the subject.
"""

from __future__ import annotations

from vcma.parsing import lexicon as lx
from vcma.parsing.mentions import read_list, referent_of
from vcma.parsing.state import Event, Question, WalkState


def open_question(state: WalkState) -> None:
    """Read up to the wh-word, and the auxiliary and subject after it; does nothing without a wh-word."""
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
    """Return whether an auxiliary and a subject follow ("does the man ...", "is he ..."), but not "is red"."""
    inverted = state.chunk_type() in ("be", "do") and state.chunk_type(1) == "np"
    return inverted and not state.chunks[state.position + 1].form


def _is_embedded(state: WalkState) -> bool:
    """Return whether a subject and its verb follow: "show me what the man is holding"."""
    noun = state.chunks[state.position] if state.chunk_type() == "np" else None
    return noun is not None and not noun.form and state.chunk_type(1) in ("verb", "be")


def _read_subject(state: WalkState) -> None:
    """Read the subject; unless a preposition precedes the wh-word, it leaves a gap for its role in the clause."""
    state.begin_clause(read_list(state))
    state.main_subject = state.subject
    if not state.question.fronted:
        state.question.gap, state.question.stranded = True, _stranded_preposition(state)


def _stranded_preposition(state: WalkState) -> int | None:
    """Return the first preposition without a noun phrase: "who is he sitting behind in the room"."""
    for i in range(state.position, len(state.chunks)):
        bare = i + 1 == len(state.chunks) or state.chunks[i + 1].type != "np"
        if state.chunks[i].type == "prep" and bare:
            return i
    return None


def at_stranded_preposition(state: WalkState) -> bool:
    return state.question.gap and state.position == state.question.stranded


def fill_gap_at_preposition(state: WalkState, prep: str) -> None:
    """Fill the gap after a preposition: "who is she behind", "who does she give the cup to"."""
    verb = state.event.verb if state.event is not None and prep in lx.FOLLOWED else ""
    state.add_event(state.main_subject, *([verb] if verb else []), prep, objects=state.question.asked)
    state.question.gap = False
    state.position += 1


def fill_gap_at_verb(state: WalkState, event: Event) -> None:
    """Fill the gap after the verb, or after the preposition that follows it: "what does he lean on on the stage".

    The gap stays open if a later preposition may be its place.
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
    """Fill a gap that is left at the end: with "to whom ...", or as object of the last verb without one."""
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
