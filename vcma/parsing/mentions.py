"""Mentions: the referent of a noun phrase, pronoun or possessor, either new or mentioned before."""

from __future__ import annotations

from vcma.parsing import lexicon as lx
from vcma.parsing.attributes import can_wear, is_dressed
from vcma.parsing.chunks import Chunk
from vcma.parsing.state import Referent, Referents, WalkState

_NOT_PERSONS = (lx.OBJECTS | lx.THINGS | lx.CLOTHES | lx.BODY | lx.SCENES | lx.ANIMALS | lx.COLOURS) - lx.PERSONS


def read_list(state: WalkState, excluded: Referents = ()) -> Referents:
    """Read a list of noun phrases, "a cup and a plate", and move past it; pronouns do not refer to `excluded`."""
    found = [referent_of(state, state.chunks[state.position], excluded)]
    state.position += 1
    while state.chunk_type() == "cc" and state.chunk_type(1) == "np" and _list_goes_on(state):
        found.append(referent_of(state, state.chunks[state.position + 1], excluded))
        state.position += 2
    state.newest = tuple(found)
    return state.newest


def _list_goes_on(state: WalkState) -> bool:
    """Return whether the noun phrase after this conjunction continues the list, rather than begins a clause."""
    if state.chunks[state.position].head not in ("and", "or", "nor", ",", "&"):
        return False
    if state.chunk_type(-2) in ("", "cc", "stop", "there") or state.chunk_type(2) not in ("verb", "be", "do"):
        return True
    return state.chunks[state.position + 2].form in ("ing", "en")


def referent_of(state: WalkState, chunk: Chunk, excluded: Referents = ()) -> int:
    """Return the referent of a noun phrase: an earlier one for a pronoun or a second mention, else a new one."""
    older = _antecedent(state, chunk, excluded) if chunk.pronoun else _first_mention(state, chunk, excluded)
    return _add_referent(state, chunk, excluded) if older is None else older


def _add_referent(state: WalkState, chunk: Chunk, excluded: Referents) -> int:
    owner = None
    if chunk.owner is not None and chunk.head not in lx.SCENES:
        owner = _owner(state, chunk.owner)
    state.referents.append(Referent(chunk, unresolved=chunk.pronoun))
    index = len(state.referents) - 1
    # In "raises his hand", the subject's own hand is not another object.
    if owner is not None and owner not in state.subject and owner not in excluded:
        state.add_event((index,), "of", objects=(owner,))
    return index


def _owner(state: WalkState, owner: Chunk) -> int | None:
    return _antecedent(state, owner, ()) if owner.pronoun else referent_of(state, owner)


def is_animate(chunk: Chunk) -> bool:
    return chunk.wh or chunk.head not in _NOT_PERSONS or chunk.head in lx.ANIMALS


def wearer_of(state: WalkState, worn: Chunk) -> int | None:
    """Return the wearer of clothes that stand apart: the noun before them, its owner, the subject, or the latest.

    A referent that has clothes already is skipped: "an adult in white gets on a bench in purple clothes".
    """
    newest = state.newest if state.chunk_type(-2) == "np" else ()
    owners = tuple(i for e in state.events if e.predicate == "of" and e.subjects == newest for i in e.objects)
    subjects = state.event.subjects if state.event is not None else state.subject
    others = (i for i in reversed(range(len(state.referents))) if is_animate(state.referents[i].chunk))
    candidates = (*newest, *owners, *subjects, *others)
    chunks = {i: state.referents[i].chunk for i in candidates}
    # A hat or a place, or "with ...", does not conflict with other clothes.
    also = not worn.form or worn.head.startswith("with")
    fit = [i for i in candidates if can_wear(chunks[i], worn.form) and (also or not is_dressed(chunks[i]))]
    return next(iter([*fit, *candidates]), None)


# second mentions


def _first_mention(state: WalkState, chunk: Chunk, excluded: Referents) -> int | None:
    """Return the referent that "the girl" of a later clause repeats. Within a clause, equal nouns are distinct."""
    definite = state.words[chunk.begin].lower in ("the", "this", "that")
    if not definite or chunk.attributes or chunk.owner or not any(e.verb for e in state.events):
        return None
    clause = _clause_begin(state)
    same = [
        i
        for i, referent in enumerate(state.referents)
        if referent.chunk.head == chunk.head and i not in excluded and referent.chunk.end <= clause
    ]
    return same[0] if len(same) == 1 else None


def _clause_begin(state: WalkState) -> int:
    """Return the index of the word after the last conjunction or full stop."""
    read = state.chunks[: state.position + 1]
    return next((c.end for c in reversed(read) if c.type in ("cc", "stop")), 0)


# pronouns


def _antecedent(state: WalkState, pronoun: Chunk, excluded: Referents) -> int | None:
    """Return the best referent that agrees with a pronoun, the most recent one of equals."""
    agreeing = [
        i
        for i in reversed(range(len(state.referents)))
        if i not in excluded and _agrees(pronoun.head, state.referents[i].chunk)
    ]
    gendered = lx.FEMALE if pronoun.head in lx.FEMININE else lx.MALE
    handled = _handled(state) if pronoun.head in lx.NEUTER else ()

    def doubt(i: int) -> tuple[bool, ...]:
        head = state.referents[i].chunk.head
        no_subject = pronoun.head in lx.SUBJECTIVE and i not in state.main_subject
        return (no_subject, head in lx.SCENES, i not in handled, head not in gendered)

    return min(agreeing, key=doubt, default=None)


def _handled(state: WalkState) -> Referents:
    """Return the direct objects of the previous event: "takes the cup and washes it"."""
    before = next((e for e in reversed(state.events) if e.verb and e is not state.event), None)
    return before.objects if before is not None and before.direct else ()


def _agrees(pronoun: str, chunk: Chunk) -> bool:
    """Return whether a pronoun agrees with a noun phrase in gender and number."""
    if chunk.pronoun:
        return chunk.head == pronoun
    if pronoun in lx.NEUTER:
        return chunk.head not in lx.PERSONS - {"baby", "child"} and not chunk.plural
    if pronoun in lx.PLURAL:
        return chunk.plural or chunk.head not in _NOT_PERSONS
    person = chunk.head not in _NOT_PERSONS and not chunk.plural
    if pronoun in lx.MASCULINE:
        return person and chunk.head not in lx.FEMALE
    return person and pronoun in lx.FEMININE and chunk.head not in lx.MALE
