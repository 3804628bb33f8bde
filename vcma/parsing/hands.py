"""Predicates with a hand: "holds hands with the child" relates two people; the hand is not an entity."""

from __future__ import annotations

from vcma.parsing.state import Event, WalkState

# Canonical prepositions: "holds hands with" becomes "hold hand of".
_PREPOSITION_OF = {"hold": "of", "shake": "with", "wave": "to", "put": "on"}


def take_hand(state: WalkState, event: Event) -> None:
    """Read the hand after a verb: "holds hand of", "shakes hands with", "waves hand to", "puts a hand on"."""
    if event.verb not in _PREPOSITION_OF or not _is_hand(state):
        return
    prep = state.chunks[state.position + 1].head if state.chunk_type(1) == "prep" else ""
    if prep in ("of", "with", "to", "at", "on") and (prep == "on") == (event.verb == "put"):
        event.words = _predicate(event.verb)
        state.position += 2
    elif event.verb == "wave":
        event.words, event.open = ["wave", "hand"], False
        state.position += 1


def _is_hand(state: WalkState) -> bool:
    """Return whether the current chunk is a hand, and not another person's."""
    if state.chunk_type() != "np":
        return False
    noun = state.chunks[state.position]
    return noun.head in ("hand", "hands") and (noun.owner is None or noun.owner.pronoun)


def take_owner(state: WalkState, event: Event) -> None:
    """Replace the object of "holds the child's hand" with the child."""
    hand = event.objects[0]
    if event.verb in _PREPOSITION_OF and event.verb != "put" and state.referents[hand].chunk.head == "hand":
        owners = [e.objects[0] for e in state.events if e.predicate == "of" and e.subjects == (hand,)]
        if owners:
            event.words, event.objects = _predicate(event.verb), tuple(owners)


def _predicate(verb: str) -> list[str]:
    return [verb, "hand", _PREPOSITION_OF[verb]]
