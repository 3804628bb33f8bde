"""The likeliest tubes of each entity, as the detector describes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vcma.records.tubes import Tubes
from vcma.report.cases import Case


class Candidate(NamedTuple):
    """A tube that an entity may be: its name, its likeliest attributes, and its posterior probability."""

    tube: int
    name: str
    traits: str
    share: float


def candidates(case: Case, tubes: Tubes, maximum: int = 5) -> list[list[Candidate]]:
    """For each entity its likeliest tubes."""
    found = []
    for tube, probability in case.posterior:
        best = np.argsort(-probability, kind="stable")[:maximum]
        pairs = [(int(tube[n]), float(probability[n])) for n in best]
        found.append([Candidate(n, tube_name(tubes, n), _traits(tubes, n), p) for n, p in pairs])
    return found


def tube_name(tubes: Tubes, tube: int) -> str:
    """A tube as the detector sees it: its number and likeliest class."""
    return f"{tube} {tubes.class_of(tube)}".strip()


def _traits(tubes: Tubes, tube: int, maximum: int = 3) -> str:
    strength = tubes.attribute_prob[tube]
    best = [a for a in np.argsort(-strength)[:maximum] if strength[a] > 0.3]
    return ", ".join(str(tubes.attribute_name[a]).split(":")[-1] for a in best)
