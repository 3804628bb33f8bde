"""What a sentence denies: told as flags, and never used as if it were said to be so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vcma.parsing.clauses import Reading
from vcma.parsing.state import Event


def split_negated(reading: Reading) -> tuple[Reading, list[str]]:
    """The reading without what is denied, and what is denied: "not walk", "no dog", "without hat", "not red".

    Events of nobody, or without somebody, are denied as well. Takes denied attributes off the referents.
    """
    denied = list(reading.denied)
    nobody = {i for i, referent in enumerate(reading.referents) if referent.chunk.negated}
    denied += [f"no {reading.referents[i].chunk.head}" for i in sorted(nobody)]
    events = []
    for event in reading.events:
        without = event.words[-1:] == ["without"]
        if event.negated or without:
            denied.append(_told(reading, event, without))
            if without and event.verb and not event.negated:  # "walks without a dog" walks
                events.append(replace(event, words=event.words[:-1], objects=()))
        elif not nobody & {*event.subjects, *event.objects}:
            events.append(event)
    for referent in reading.referents:
        attributes = referent.chunk.attributes
        denied += [a for a in attributes if a.startswith("without ")]
        referent.chunk.attributes = [a for a in attributes if not a.startswith("without ")]
    return reading._replace(events=events), list(dict.fromkeys(denied))


def _told(reading: Reading, event: Event, without: bool) -> str:
    objects = " ".join(reading.referents[i].chunk.head for i in event.objects)
    return f"without {objects}".strip() if without else f"not {event.predicate} {objects}".strip()


def only_denied(before: Reading, after: Reading) -> set[int]:
    """Referents that only denied events name."""
    return _named(before.events) - _named(after.events)


def _named(events: Iterable[Event]) -> set[int]:
    return {i for event in events for i in (*event.subjects, *event.objects)}
