"""Mentions: which referent a noun phrase, a pronoun or a possessor means, a new one or one named before."""

from __future__ import annotations

from vcma.parsing import lexicon as lx
from vcma.parsing.attributes import can_wear, is_dressed
from vcma.parsing.chunks import Chunk
from vcma.parsing.state import Referent, Referents, WalkState

_NOT_PERSONS = (lx.OBJECTS | lx.THINGS | lx.CLOTHES | lx.BODY | lx.SCENES | lx.ANIMALS | lx.COLOURS) - lx.PERSONS


def read_list(state: WalkState, excluded: Referents = ()) -> Referents:
    """Read the noun phrases here, "a cup and a plate", and move behind them; pronouns mean none of `excluded`."""
    found = [referent_of(state, state.chunks[state.position], excluded)]
    state.position += 1
    while state.chunk_type() == "cc" and state.chunk_type(1) == "np" and _list_goes_on(state):
        found.append(referent_of(state, state.chunks[state.position + 1], excluded))
        state.position += 2
    state.newest = tuple(found)
    return state.newest


def _list_goes_on(state: WalkState) -> bool:
    """Whether the noun phrase behind this conjunction belongs to the list, rather than opening a clause."""
    if state.chunks[state.position].head not in ("and", "or", "nor", ",", "&"):
        return False
    if state.chunk_type(-2) in ("", "cc", "stop", "there") or state.chunk_type(2) not in ("verb", "be", "do"):
        return True
    return state.chunks[state.position + 2].form in ("ing", "en")


def referent_of(state: WalkState, chunk: Chunk, excluded: Referents = ()) -> int:
    """The referent of a noun phrase: an older one for a pronoun or a second mention, else a new one."""
    older = _antecedent(state, chunk, excluded) if chunk.pronoun else _first_mention(state, chunk, excluded)
    return _add_referent(state, chunk, excluded) if older is None else older


def _add_referent(state: WalkState, chunk: Chunk, excluded: Referents) -> int:
    owner = None
    if chunk.owner is not None and chunk.head not in lx.SCENES:
        owner = _owner(state, chunk.owner)
    state.referents.append(Referent(chunk, unresolved=chunk.pronoun))
    index = len(state.referents) - 1
    # "raises his hand": one's own hand is no second party.
    if owner is not None and owner not in state.subject and owner not in excluded:
        state.add_event((index,), "of", objects=(owner,))
    return index


def _owner(state: WalkState, owner: Chunk) -> int | None:
    return _antecedent(state, owner, ()) if owner.pronoun else referent_of(state, owner)


def is_animate(chunk: Chunk) -> bool:
    return chunk.wh or chunk.head not in _NOT_PERSONS or chunk.head in lx.ANIMALS


def wearer_of(state: WalkState, worn: Chunk) -> int | None:
    """Who wears clothes that stand apart: the noun before them, its owner, the verb's subject, or the last named.

    One who is dressed already is not dressed twice: "an adult in white gets on a bench in purple clothes".
    """
    newest = state.newest if state.chunk_type(-2) == "np" else ()
    owners = tuple(i for e in state.events if e.predicate == "of" and e.subjects == newest for i in e.objects)
    subjects = state.event.subjects if state.event is not None else state.subject
    others = (i for i in reversed(range(len(state.referents))) if is_animate(state.referents[i].chunk))
    candidates = (*newest, *owners, *subjects, *others)
    chunks = {i: state.referents[i].chunk for i in candidates}
    # Whoever is dressed may have a hat as well, or none, and be somewhere.
    also = not worn.form or worn.head.startswith("with")
    fit = [i for i in candidates if can_wear(chunks[i], worn.form) and (also or not is_dressed(chunks[i]))]
    return next(iter([*fit, *candidates]), None)


# second mentions


def _first_mention(state: WalkState, chunk: Chunk, excluded: Referents) -> int | None:
    """The referent that "the girl" of a later clause means. In one clause two names are two things."""
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
    """The word behind the last conjunction or full stop."""
    read = state.chunks[: state.position + 1]
    return next((c.end for c in reversed(read) if c.type in ("cc", "stop")), 0)


# pronouns


def _antecedent(state: WalkState, pronoun: Chunk, excluded: Referents) -> int | None:
    """The referent that a pronoun means: the best that agrees, the newest of equals."""
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
    """What the event before this one was done to: "takes the cup and washes it"."""
    before = next((e for e in reversed(state.events) if e.verb and e is not state.event), None)
    return before.objects if before is not None and before.direct else ()


def _agrees(pronoun: str, chunk: Chunk) -> bool:
    """Whether a pronoun can mean a noun phrase, by gender and number."""
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
