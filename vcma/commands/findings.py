"""Findings of `vcma check`: a row of its table, and all kinds with their meaning.

A finding is either blocking (its sample or video cannot be used and belongs on the skip list) or a note.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

DETECTOR_UNUSABLE, SPLIT_EMPTY, PARAMETERS_UNUSABLE = "detector unusable", "split is empty", "parameters unusable"
BLOCKING = {
    "malformed record": "a field is missing or not a number",
    "names an absent object": "target, subject or object is not in the record's list",
    "empty sentence": "nothing to search for",
    "zero-length span": "the true span or list of boxes has no frame",
    "span outside its segment": "the true span does not overlap the segment to search",
    "no boxes": "VidOR's file is missing or malformed, or the target has no box in its span",
    DETECTOR_UNUSABLE: "detect_proposals would fail",
    SPLIT_EMPTY: "nothing to train on or to score",
    PARAMETERS_UNUSABLE: "the stage would fail",
    "video missing": "no such file in the folder of videos",
    "video outside its folder": "the path leaves the folder of videos",
    "video unreadable": "cannot be opened, or no frame can be decoded",
    "video truncated": "ends more than a second before its declared end",
    "video damaged": "more than half of its frames cannot be decoded",
    "another video": "its number of frames is far from the annotated one",
    "id, sentence or file name is not valid text": "cannot be stored as UTF-8",
}
NOTES = {
    "damaged frames": "frames that are decoded with errors or left out",
    "picture changes": "size or rotation changes; later frames are rotated and fitted to the first one's size",
    "odd times": "irregular presentation times, which are corrected",
    "frame count differs": "from the annotated one",
    "size differs": "from the annotated one",
    "frame rate differs": "by more than 1 % from the annotated one",
    "box outside the picture": "a true box extends a pixel or more beyond the frame",
    "box wholly outside the picture": "a true box that no prediction can overlap; its frame counts 0 in vIoU",
    "empty box": "a true box of zero or negative width or height; its frame counts 0 in vIoU",
    "frame without a box": "a frame of the true span without a true box; counts 0 in vIoU",
    "cannot score": "no true box has an area within the frame: vIoU is 0 for any prediction",
    "span disagrees": "ed_frame, st_time or ed_time contradict the span of the boxes, which is used",
    "dropped by evaluators": "STCAT drops the sample, TubeDETR fails on it",
    "duplicate": "same sentence, segment and span of the same video",
    "annotations disagree": "records disagree about a video's size, length or frame rate",
    "not in the official list": "its video is not in the split's official list",
    "count differs": "from the published number of sentences",
}


_NO_SAMPLE = (DETECTOR_UNUSABLE, SPLIT_EMPTY, PARAMETERS_UNUSABLE)  # cannot be resolved by a skip list


class Finding(NamedTuple):
    """One row of the table; id: of a sample or video, a record (`<file>#<number>`), or a split."""

    kind: str
    split: str
    id: str
    detail: str

    @property
    def blocks(self) -> bool:
        return self.kind not in NOTES


def skip_list(findings: Iterable[Finding]) -> dict[str, str]:
    """Return {sample or video id: reason} of the blocking findings, the format of the skip list."""
    blocking = (f for f in findings if f.blocks and f.kind not in _NO_SAMPLE)
    return {f.id: f"{f.kind}: {f.detail}" if f.detail else f.kind for f in blocking}
