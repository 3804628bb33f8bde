"""The sentences of a split in the order of its annotation file, by which other programs number them."""

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

_AGREEMENT = 0.9  # share of the numbers that must name what the annotations have; cleaned sentences differ a little


_UNKNOWN = Video("")


@dataclass(frozen=True)
class Sample:
    """A sentence with its id and video as annotated; of one that cannot be used only the id is known.

    file, path: the video's, as in Entry. first: first frame of its true span, None where that is not known.
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
    """The samples of one split in the order of its annotation file.

    form: the annotation format; source: the annotation file, None where the split is carved out of another one.
    unreadable: the first record whose number of sentences cannot be told, empty if there is none.
    """

    form: str
    split: str
    source: Path | None
    samples: tuple[Sample, ...]
    unreadable: str = ""

    def by_id(self) -> dict[str, Sample]:
        return {sample.id: sample for sample in self.samples}

    def numbered(self, questions_first: bool = False) -> tuple[Sample, ...]:
        """The samples in the order of their numbers in other programs: that of the file.

        questions_first: of a VidSTG record its questions come before its captions. Raises InputError where numbers
        cannot be told.
        """
        remedy = "give predictions by sample ids: --from vcma"
        if self.form == "clips":
            raise InputError("clips have no numbers in other programs", remedy=remedy)
        if self.source is None:
            raise InputError(f"the split {self.split} is carved out of another, and has no numbers", remedy=remedy)
        if self.unreadable:
            raise InputError("a record is malformed, numbers behind it are unknown", self.unreadable, remedy)
        if not (questions_first and self.form == "vidstg"):
            return self.samples

        def place(item: tuple[int, Sample]) -> tuple[int, bool, int]:
            position, sample = item
            record, key = sample.id.split("/")[-3:-1]
            return int(record), key != "questions", position

        return tuple(sample for _, sample in sorted(enumerate(self.samples), key=place))


def read_samples(project: Project, split: str) -> SampleTable:
    """Read the annotations of a split; no video is needed. Raises InputError."""
    block = project.block
    form, splits = format_of(block), block.get("splits") or {}
    own = splits.get(split)
    if own:
        block["splits"] = {split: own}
    elif split not in splits:
        raise InputError(f"the data set has no split {split}", "pipeline.yaml", f"it has {', '.join(splits)}")
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
    told: Mapping[str, Mapping[str, Any]],
    where: Path,
    dropped: Dropped,
) -> dict[str, Sample]:
    """The sample of each number of a results file; raises InputError where they do not fit.

    A few that disagree are kept and noted in `dropped`: other programs clean sentences.

    told: what the file itself says of its numbers, {query_type, video, words or first: {number: value}}; right
    numbers agree with it.
    """
    remedy = "choose the --split, --dataset and --from that it was made with"
    found: dict[str, Sample] = {}
    for number in numbers:
        if not is_number(number) or int(number) >= len(order):
            what = f"number {number} is none of the {len(order):,} sentences of the split"
            raise InputError(what, where, remedy)
        found[number] = order[int(number)]
    for name, values in told.items():
        compared = [(values[n], _fact(s, name)) for n, s in found.items() if n in values and s.sentence]
        wrong = sum(given != known for given, known in compared if known is not None)
        if wrong > (1 - _AGREEMENT) * len(compared):
            what = f"{wrong:,} of {len(compared):,} numbers have other {_FACTS[name]} in the annotations"
            raise InputError(what, where, remedy)
        if wrong:
            dropped.doubt(f"kept: {wrong:,} of {len(compared):,} numbers, with other {_FACTS[name]} as annotated")
    return found


def is_number(text: str) -> bool:
    """Whether a text is a whole number from 0, in plain digits."""
    return text.isascii() and text.isdigit()


def words(sentence: str) -> str:
    """A sentence without case and punctuation: other programs clean sentences, and change a word or two."""
    return " ".join(re.findall(r"\w+", sentence.casefold()))


def _fact(sample: Sample, name: str) -> Any:
    facts = {"video": sample.video.id, "words": words(sample.sentence)}
    return facts[name] if name in facts else getattr(sample, name)
