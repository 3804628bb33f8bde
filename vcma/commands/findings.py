"""What `vcma check` finds: one row of its table, and the kinds there are.

A finding either `blocks`, so that its sample or video cannot be used and belongs on the skip list, or is a note.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

DETECTOR_UNUSABLE, SPLIT_EMPTY, PARAMETERS_UNUSABLE = "detector unusable", "split is empty", "parameters unusable"
BLOCKING = {
    "malformed record": "a field is missing or no number",
    "names an absent object": "target, subject or object is not in the record's list",
    "empty sentence": "nothing to search for",
    "zero-length span": "true span or list of boxes without a frame",
    "span outside its segment": "true span does not meet the searched segment",
    "no boxes": "VidOR's file is missing or broken, or the target has no box in its span",
    DETECTOR_UNUSABLE: "detect_proposals would end with it",
    SPLIT_EMPTY: "nothing to learn from or to score",
    PARAMETERS_UNUSABLE: "the stage would end with it",
    "video missing": "no such file below the video root",
    "video outside its folder": "the path leaves the video root",
    "video unreadable": "cannot be opened, or no frame can be decoded",
    "video truncated": "ends over a second before its container says",
    "video damaged": "over half of its frames cannot be decoded",
    "another video": "its number of frames is not near the annotated one",
    "id, sentence or file name is not valid text": "cannot be stored as UTF-8",
}
NOTES = {
    "damaged frames": "decoded with faults or left out",
    "picture changes": "midway; later pictures are turned and fitted into the first one's size",
    "odd times": "frames' times are mended",
    "frame count differs": "from the annotated one",
    "size differs": "from the annotated one",
    "frame rate differs": "by more than 1 % from the annotated one",
    "box outside the picture": "at least a pixel of a true box in its span",
    "box wholly outside the picture": "a true box that no prediction in the picture meets; counts 0 in vIoU",
    "empty box": "a true box of no or negative width or height, which nothing meets; counts 0 in vIoU",
    "frame without a box": "in the true span; counts 0 in vIoU",
    "cannot score": "no true box has an area in the picture: 0 in vIoU whatever is predicted",
    "span disagrees": "ed_frame, st_time or ed_time say another span than the boxes, which count",
    "dropped by evaluators": "STCAT leaves the sample out, TubeDETR stops at it",
    "duplicate": "same sentence, segment and span of the same video",
    "annotations disagree": "records give one video different numbers",
    "not in the official list": "of the split's videos",
    "count differs": "from the published number of sentences",
}


_NO_SAMPLE = (DETECTOR_UNUSABLE, SPLIT_EMPTY, PARAMETERS_UNUSABLE)  # no skip list helps


class Finding(NamedTuple):
    """One row of the table; id is a sample, video, record (`<file>#<number>`) or split."""

    kind: str
    split: str
    id: str
    detail: str

    @property
    def blocks(self) -> bool:
        return self.kind not in NOTES


def skip_list(findings: Iterable[Finding]) -> dict[str, str]:
    """{sample or video id: reason} of what cannot be used, as later stages skip it."""
    blocking = (f for f in findings if f.blocks and f.kind not in _NO_SAMPLE)
    return {f.id: f"{f.kind}: {f.detail}" if f.detail else f.kind for f in blocking}
