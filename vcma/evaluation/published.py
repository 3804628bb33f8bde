"""Published results, and which of them are comparable to a given evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vcma.datasets.sizes import COUNTS, NAMES
from vcma.evaluation.protocols import protocols_for


@dataclass(frozen=True)
class Published:
    """A published result, values in percent. protocol is empty if the paper does not state it."""

    method: str
    supervision: str
    data: str
    query_type: str
    n: int
    protocol: str
    values: Mapping[str, float]

    @property
    def label(self) -> str:
        """Row label in a table; always contains the word "published"."""
        return f"{self.method}, {self.supervision}, published{'' if self.protocol else ', protocol not stated'}"


def published(form: str, split: str, query_type: str, n: int, protocol: str) -> list[Published]:
    """Return the published results on the same sentences by the same protocol.

    form: the annotation format. n: samples of that query type; only a complete test split has the published number.
    Results without a stated protocol are listed with the data set's default protocol only.
    """
    default = protocols_for({"format": form})[0]
    return [
        p
        for p in PUBLISHED
        if split == "test"
        and p.data.startswith(NAMES.get(form, "none"))
        and (p.query_type, p.n, p.protocol or default) == (query_type, n, protocol)
    ]


def _row(data: str, query_type: str, method: str, supervision: str, protocol: str, *values: float) -> Published:
    n = COUNTS[data]["test"][query_type]
    names = ("m_vIoU", "vIoU@0.3", "vIoU@0.5")
    return Published(method, supervision, data, query_type, n, protocol, dict(zip(names, values, strict=True)))


_DECLARATIVE, _INTERROGATIVE = ("VidSTG", "declarative"), ("VidSTG", "interrogative")


_HCSTVG = ("HC-STVG v1", "declarative")


PUBLISHED: tuple[Published, ...] = (
    _row(*_DECLARATIVE, "WINNER (CVPR 2023)", "weak", "", 11.6, 14.1, 7.4),
    _row(*_DECLARATIVE, "VCMA (ECCV 2024)", "weak", "", 14.45, 18.57, 8.8),
    _row(*_DECLARATIVE, "STPro (CVPR 2025)", "weak", "", 15.5, 19.4, 12.7),
    _row(*_DECLARATIVE, "CoSPaL (ICLR 2025)", "weak", "", 16.0, 20.1, 13.1),
    _row(*_DECLARATIVE, "TA-STVG (ICLR 2025)", "full", "stcat", 34.4, 48.2, 33.5),
    _row(*_INTERROGATIVE, "WINNER (CVPR 2023)", "weak", "", 10.2, 12.0, 5.5),
    _row(*_INTERROGATIVE, "VCMA (ECCV 2024)", "weak", "", 13.25, 16.7, 7.7),
    _row(*_INTERROGATIVE, "CoSPaL (ICLR 2025)", "weak", "", 13.5, 16.4, 10.2),
    _row(*_INTERROGATIVE, "TA-STVG (ICLR 2025)", "full", "stcat", 29.5, 41.5, 28.0),
    _row(*_HCSTVG, "WINNER (CVPR 2023)", "weak", "", 14.2, 17.2, 6.1),
    _row(*_HCSTVG, "VCMA (ECCV 2024)", "weak", "", 14.64, 18.60, 5.8),
    _row(*_HCSTVG, "STPro (CVPR 2025)", "weak", "", 17.6, 27.0, 12.9),
    _row(*_HCSTVG, "CoSPaL (ICLR 2025)", "weak", "", 22.1, 31.8, 19.6),
    _row(*_HCSTVG, "TA-STVG (ICLR 2025)", "full", "stcat", 39.1, 63.1, 36.8),
)
