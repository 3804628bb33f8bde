"""Sentences of a split in the order of the annotation file, by which other programs number them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vcma.conversion.dropped import Dropped
from vcma.datasets.annotation_files import splits_with_truth
from vcma.datasets.entries import Entry, UnusableEntry, Video
from vcma.datasets.formats import ENTRY_READERS, format_of
from vcma.errors import InputError
from vcma.pipeline.project import Project

_AGREEMENT = 0.9  # minimum share of numbers that match the annotations; some programs clean sentences slightly


_UNKNOWN = Video("")


@dataclass(frozen=True)
class Sample:
    """A sentence with its id and video as annotated; only the id is set if the entry is unusable.

    file, path: of the video, as in Entry. first: first frame of its true span, None if unknown.
    """

    id: str
    video: Video = _UNKNOWN
    file: str = ""
    path: str | None = None
    sentence: str = ""
    query_type: str = ""
    segment: tuple[int, int] = (0, -1)
    first: int | None = None


_FACTS = {"query_type": "query types", "video": "videos", "words": "sentences", "first": "true spans"}


@dataclass(frozen=True)
class SampleTable:
    """The samples of a split in the order of its annotation file.

    form: the annotation format; source: the annotation file, None if the split is carved out of another one.
    unreadable: id of the first record whose number of sentences is unknown, empty if none.
    """

    form: str
    split: str
    source: Path | None
    samples: tuple[Sample, ...]
    unreadable: str = ""

    def by_id(self) -> dict[str, Sample]:
        return {sample.id: sample for sample in self.samples}

    def numbered(self, questions_first: bool = False) -> tuple[Sample, ...]:
        """Return the samples in the order in which other programs number them, that of the file.

        questions_first: whether the questions of a VidSTG record precede its captions. Raises InputError if the
        numbers are not defined.
        """
        remedy = "give predictions by sample ids: --from vcma"
        if self.form == "clips":
            raise InputError("the format clips has no sentence numbers", remedy=remedy)
        if self.source is None:
            raise InputError(f"split {self.split} is carved out of another and has no numbers", remedy=remedy)
        if self.unreadable:
            raise InputError("malformed record: the numbers after it are unknown", self.unreadable, remedy)
        if not (questions_first and self.form == "vidstg"):
            return self.samples

        def place(item: tuple[int, Sample]) -> tuple[int, bool, int]:
            position, sample = item
            record, key = sample.id.split("/")[-3:-1]
            return int(record), key != "questions", position

        return tuple(sample for _, sample in sorted(enumerate(self.samples), key=place))


def read_samples(project: Project, split: str) -> SampleTable:
    """Read the annotations of a split; needs no video. Raises InputError."""
    block = project.block
    form, splits = format_of(block), block.get("splits") or {}
    own = splits.get(split)
    if own:
        block["splits"] = {split: own}
    elif split not in splits:
        raise InputError(f"the data set has no split {split}", "pipeline.yaml", f"choose from {', '.join(splits)}")
    truth = set(splits_with_truth(block)) & {split}
    entries = [e for e in ENTRY_READERS[form](project.data, block, truth) if e.split == split]
    unreadable = next((e.id for e in entries if isinstance(e, UnusableEntry) and not e.query_type), "")
    return SampleTable(form, split, project.data / own if own else None, tuple(map(_sample, entries)), unreadable)


def _sample(entry: Entry | UnusableEntry) -> Sample:
    if isinstance(entry, UnusableEntry):
        return Sample(entry.id, query_type=entry.query_type)
    first = entry.truth.span[0] if entry.truth else None
    return Sample(
        *(entry.id, entry.video, entry.file, entry.path, entry.sentence, entry.query_type, entry.segment, first)
    )


def checked_numbers(
    numbers: Iterable[str],
    order: Sequence[Sample],
    stated: Mapping[str, Mapping[str, Any]],
    where: Path,
    dropped: Dropped,
) -> dict[str, Sample]:
    """Return the sample of each number of a results file; raises InputError if more than 10 % disagree.

    stated: properties that the file states, {query_type, video, words or first: {number: value}}, to be compared
    with the annotations. Numbers that disagree are kept and noted in `dropped`: other programs clean sentences.
    """
    remedy = "choose the --split, --dataset and --from that it was made with"
    found: dict[str, Sample] = {}
    for number in numbers:
        if not is_number(number) or int(number) >= len(order):
            what = f"number {number} is not one of the {len(order):,} sentences of the split"
            raise InputError(what, where, remedy)
        found[number] = order[int(number)]
    for name, values in stated.items():
        compared = [(values[n], _fact(s, name)) for n, s in found.items() if n in values and s.sentence]
        wrong = sum(given != annotated for given, annotated in compared if annotated is not None)
        if wrong > (1 - _AGREEMENT) * len(compared):
            what = f"{_FACTS[name]} of {wrong:,} of {len(compared):,} numbers differ from the annotations"
            raise InputError(what, where, remedy)
        if wrong:
            dropped.doubt(f"kept: {wrong:,} of {len(compared):,} numbers with other {_FACTS[name]} than annotated")
    return found


def is_number(text: str) -> bool:
    """Return whether a text is a non-negative integer in plain digits."""
    return text.isascii() and text.isdigit()


def words(sentence: str) -> str:
    """Normalise a sentence for comparison: its words in lower case, without punctuation."""
    return " ".join(re.findall(r"\w+", sentence.casefold()))


def _fact(sample: Sample, name: str) -> Any:
    facts = {"video": sample.video.id, "words": words(sample.sentence)}
    return facts[name] if name in facts else getattr(sample, name)
