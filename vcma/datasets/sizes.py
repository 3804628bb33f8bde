"""Published number of sentences of each split."""

from __future__ import annotations

from collections.abc import Mapping

NAMES = {"vidstg": "VidSTG", "hcstvg": "HC-STVG"}  # annotation format -> prefix of its data sets' names


def published_counts(form: str) -> dict[str, Mapping[str, Mapping[str, int]]]:
    """Return the entries of COUNTS of the data sets that are published in a format."""
    return {name: counts for name, counts in COUNTS.items() if name.startswith(NAMES.get(form, "none"))}


# Data set -> split -> query type -> number of sentences.
COUNTS: Mapping[str, Mapping[str, Mapping[str, int]]] = {
    "VidSTG": {
        "train": {"declarative": 36_202, "interrogative": 44_482},
        "val": {"declarative": 3_996, "interrogative": 4_960},
        "test": {"declarative": 4_610, "interrogative": 5_693},
    },
    "HC-STVG v1": {"train": {"declarative": 4_500}, "test": {"declarative": 1_160}},
    "HC-STVG v2": {"train": {"declarative": 10_131}, "val": {"declarative": 2_000}},
}
