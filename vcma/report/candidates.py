"""The most probable tubes of each entity, with the detector's labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vcma.records.tubes import Tubes
from vcma.report.cases import Case


class Candidate(NamedTuple):
    """A candidate tube of an entity: its name, its strongest attributes, and its posterior probability."""

    tube: int
    name: str
    traits: str
    share: float


def candidates(case: Case, tubes: Tubes, maximum: int = 5) -> list[list[Candidate]]:
    """Return the most probable tubes of each entity, at most `maximum`."""
    found = []
    for tube, probability in case.posterior:
        best = np.argsort(-probability, kind="stable")[:maximum]
        pairs = [(int(tube[n]), float(probability[n])) for n in best]
        found.append([Candidate(n, tube_name(tubes, n), _traits(tubes, n), p) for n, p in pairs])
    return found


def tube_name(tubes: Tubes, tube: int) -> str:
    """Return a tube's name: its number and most probable class."""
    return f"{tube} {tubes.class_of(tube)}".strip()


def _traits(tubes: Tubes, tube: int, maximum: int = 3) -> str:
    strength = tubes.attribute_prob[tube]
    best = [a for a in np.argsort(-strength)[:maximum] if strength[a] > 0.3]
    return ", ".join(str(tubes.attribute_name[a]).split(":")[-1] for a in best)
