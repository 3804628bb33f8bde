"""Negation: what a sentence denies becomes flags, and is never used as evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vcma.parsing.clauses import Reading
from vcma.parsing.state import Event


def split_negated(reading: Reading) -> tuple[Reading, list[str]]:
    """Split a reading into the affirmed part and descriptions of the denied: "not walk", "no dog", "without hat".

    Events that involve "no ..." are removed as well. Removes denied attributes from the referents in place.
    """
    denied = list(reading.denied)
    absent = {i for i, referent in enumerate(reading.referents) if referent.chunk.negated}
    denied += [f"no {reading.referents[i].chunk.head}" for i in sorted(absent)]
    events = []
    for event in reading.events:
        without = event.words[-1:] == ["without"]
        if event.negated or without:
            denied.append(_description(reading, event, without))
            if without and event.verb and not event.negated:  # "walks without a dog" walks
                events.append(replace(event, words=event.words[:-1], objects=()))
        elif not absent & {*event.subjects, *event.objects}:
            events.append(event)
    for referent in reading.referents:
        attributes = referent.chunk.attributes
        denied += [a for a in attributes if a.startswith("without ")]
        referent.chunk.attributes = [a for a in attributes if not a.startswith("without ")]
    return reading._replace(events=events), list(dict.fromkeys(denied))


def _description(reading: Reading, event: Event, without: bool) -> str:
    objects = " ".join(reading.referents[i].chunk.head for i in event.objects)
    return f"without {objects}".strip() if without else f"not {event.predicate} {objects}".strip()


def only_denied(before: Reading, after: Reading) -> set[int]:
    """Return the referents that occur in denied events only."""
    return _participants(before.events) - _participants(after.events)


def _participants(events: Iterable[Event]) -> set[int]:
    return {i for event in events for i in (*event.subjects, *event.objects)}
