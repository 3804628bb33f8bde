"""Attachment: the event, subject or entity to which a noun phrase or prepositional phrase belongs, and its role."""

from __future__ import annotations

from vcma.parsing import lexicon as lx
from vcma.parsing.chunks import Chunk
from vcma.parsing.hands import take_owner
from vcma.parsing.mentions import read_list
from vcma.parsing.state import Event, Referents, WalkState

_ENDS_OF_A_WAY = lx.POSITIONS - {"side"}
_PLACES = lx.SCENES - {"ground", "floor"}  # "throws it to the floor" has a second object

# noun phrases after a verb


def is_adverbial(noun: Chunk, event: Event) -> bool:
    """Return whether a noun phrase is no object: "goes two steps", "covers himself with a blanket"."""
    return noun.head in lx.REFLEXIVES or (noun.head in lx.MEASURES and event.verb != "take")


def takes_object(state: WalkState, event: Event) -> bool:
    """Return whether the noun phrase here is an object of the event, rather than the subject of the next clause."""
    begins_clause = state.chunk_type(-1) == "cc" and state.chunk_type(1) in ("verb", "be")
    return not begins_clause and not event.participle and (event.open or _takes_second_object(state, event))


def _takes_second_object(state: WalkState, event: Event) -> bool:
    """Return whether the event takes a second object: "gives the woman a flower"."""
    return event.verb in lx.GIVING and bool(event.objects) and state.chunk_type(-1) == "np"


def attach_object(state: WalkState, event: Event) -> None:
    """Read the object; if there is a second one, the first is the recipient."""
    if event.objects:
        recipient, event.objects = event.objects, read_list(state, event.subjects)
        state.add_event(event.subjects, event.verb, "to", objects=recipient)
    else:
        event.objects, event.open, event.direct = read_list(state, event.subjects), False, True
        take_owner(state, event)


# prepositions


def attach_agent(state: WalkState, event: Event) -> None:
    """Read the agent of a passive, which becomes the subject: "is carried by the man"."""
    state.position += 1
    event.objects, event.participle, event.open = event.subjects, "", False
    event.subjects = read_list(state, event.objects)


def attach_bare_preposition(state: WalkState, prep: Chunk) -> None:
    """Read a preposition without a noun phrase: a particle of the verb, or "what is next to by the table"."""
    state.position += 1
    by_follows = state.chunk_type() == "prep" and state.chunks[state.position].head == "by"
    if state.after_copula and by_follows and state.chunk_type(1) == "np":
        state.position += 1
        state.add_event(read_list(state), prep.head, objects=state.subject)
        state.after_copula = False
    elif state.event is not None and state.event.verb and state.chunk_type(-2) in ("verb", "part", "prep", "np"):
        state.event.add_particle(*(w.lower for w in state.words[prep.begin : prep.end]))


def attach_prepositional_phrase(state: WalkState, prep: Chunk, noun: Chunk) -> None:
    """Read a preposition and its noun phrase; attach them to the event, the subject or the latest referents."""
    state.position += 1
    event = state.event
    if state.after_copula or event is None or not event.verb:
        _add_state(state, prep.head, noun, state.subject if state.after_copula else state.newest)
    elif event.open and noun.head in _ENDS_OF_A_WAY and not noun.attributes:
        event.words += [prep.head, noun.head]  # "walks from the left to the right"
        state.position += 1
    elif event.open and state.words[prep.end - 1].lower == "away":
        event.words.append("away")  # "pushes away the man"
    elif event.objects and _is_touched_part(state, noun):
        state.position += 1
    elif event.open and not event.objects:
        _add_complement(state, event, prep.head, noun)
    elif prep.head in lx.FOLLOWED and state.newest == event.objects and noun.head not in _PLACES:
        objects = read_list(state, event.subjects)
        state.add_event(event.subjects, event.verb, prep.head, objects=objects)
    else:
        _add_state(state, prep.head, noun, state.newest or event.subjects)


def _is_touched_part(state: WalkState, noun: Chunk) -> bool:
    """Return whether it is a touched part of the body: "pats him on the shoulder", "carries her on his back"."""
    owned = (noun.owner is not None and not noun.owner.pronoun) or state.chunk_type(1) == "prep"
    return noun.head in lx.BODY and not owned


def _add_state(state: WalkState, prep: str, noun: Chunk, subjects: Referents) -> None:
    """Add a state, "X is behind Y" or "X behind Y"; the clause's subject stays."""
    objects = read_list(state, subjects)
    if not subjects:
        state.begin_clause(objects)
        return
    event = state.add_event(subjects, prep, objects=objects)
    event.setting = prep in lx.LOCATIVES and noun.head in lx.SCENES
    state.newest = subjects if event.setting or prep == "of" else objects
    state.awaits_verb = state.awaits_verb and not state.after_copula
    state.after_copula = False


def _add_complement(state: WalkState, event: Event, prep: str, noun: Chunk) -> None:
    """Add a complement: "walks to the woman" is one event, "stands in front of her" two; "in a room" a setting."""
    event.open = False
    touching = event.verb in lx.CONTACT and prep in ("on", "over")
    setting = noun.head in lx.SCENES and prep in lx.LOCATIVES and not touching
    objects = read_list(state, event.subjects)
    if setting or prep in lx.SPATIAL:
        state.add_event(event.subjects, prep, objects=objects).setting = setting
    else:
        event.words += prep.split()
        event.objects = objects
