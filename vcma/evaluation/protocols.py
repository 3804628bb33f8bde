"""The published protocols: which frames count, and what the annotation's numbers mean.

- `tubedetr` (Yang et al., CVPR 2022) counts only the frames its model samples, and takes HC-STVG's 1-based
  st_frame as 0-based, so that its truth is one frame late.
- `stcat` (Jin et al., NeurIPS 2022; also CG-STVG and TA-STVG) counts every frame, and takes an inclusive last
  frame as if it were exclusive: HC-STVG's truth loses its last frame, VidSTG's only where it reaches the
  segment's end. (Its boxes go up to that last frame, which no intersection contains.)
- `official` (HC-STVG's own evaluator) counts every frame of the annotation as it is.

Truth is given as the columns of the `truth` artifact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from vcma.errors import InputError
from vcma.records.columns import Columns
from vcma.records.predicted_tubes import frame_key

SAMPLING_RATE = 5.0  # frames a second that TubeDETR samples
MAX_SAMPLED_FRAMES = 200  # of one sample


@dataclass(frozen=True)
class View:
    """Truth as one protocol sees it.

    begin, end int64 [sample]: the span. late: frames by which its boxes are moved. counted: the `frame_key` of each
    frame that counts, increasing; None if every native frame does.
    """

    begin: np.ndarray
    end: np.ndarray
    late: int = 0
    counted: np.ndarray | None = None


def tubedetr(truth: Columns) -> View:
    """TubeDETR's view: sampled frames of [begin_fid, end_fid), whose end_fid is the segment's last frame."""
    late = int(_is_hcstvg(truth))
    segments = zip(truth["segment_begin"], truth["segment_end"], truth["fps"], strict=True)
    sampled = [sampled_frames(begin, end - 1, fps) for begin, end, fps in segments]
    keys = [frame_key(row, frames) for row, frames in enumerate(sampled)]
    counted = np.concatenate([np.zeros(0, np.int64), *keys])
    return View(truth["span_begin"] + late, truth["span_end"] + late, late, counted)


def stcat(truth: Columns) -> View:
    """STCAT's view: every frame, the end at most the segment's last frame and taken as exclusive."""
    end = np.minimum(truth["span_end"] - int(_is_hcstvg(truth)), truth["segment_end"] - 1)
    return View(truth["span_begin"], end)


def official(truth: Columns) -> View:
    """HC-STVG's own view: every frame, the annotation as it is. Raises InputError for other data sets.

    Its union, max_end - min_start + 1 of inclusive spans, is the union of half-open ones wherever they meet.
    """
    if not _is_hcstvg(truth):
        raise InputError(
            f"the protocol 'official' is not defined for {truth['format']}", remedy="choose stcat or tubedetr"
        )
    return View(truth["span_begin"], truth["span_end"])


PROTOCOLS: Mapping[str, Callable[[Columns], View]] = {
    "tubedetr": tubedetr,
    "stcat": stcat,
    "official": official,
}


def view_of(truth: Columns, protocol: str) -> View:
    """The truth as a protocol sees it; raises InputError for an unknown one or one not defined for the data set."""
    if protocol not in PROTOCOLS:
        raise InputError(f"no protocol '{protocol}'", remedy=f"choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol](truth)


def protocols_for(truth: Columns) -> tuple[str, ...]:
    """The protocols defined for a data set, its default first."""
    return ("official", "stcat", "tubedetr") if _is_hcstvg(truth) else ("stcat", "tubedetr")


def chosen_protocols(truth: Columns, choice: str) -> tuple[str, ...]:
    """The protocols that an option names: `default` or `all` of those defined for the data set, or a single one."""
    defined = protocols_for(truth)
    return {"all": defined, "default": defined[:1]}.get(choice, (choice,))


def sampled_frames(begin: int, end: int, fps: float) -> np.ndarray:
    """The frames TubeDETR samples of [begin, end), int64, increasing.

    The first, then each at which floor(frame * 5 / fps) grows; of n > 200 the j-th kept is number
    floor(j * n / 200).
    """
    frame = np.arange(begin, max(end, begin + 1), dtype=np.int64)
    # The order of the operations is TubeDETR's: a rounding error would move a frame.
    frame = frame[np.diff(np.floor(frame * (SAMPLING_RATE / fps)), prepend=-1) > 0]
    if len(frame) > MAX_SAMPLED_FRAMES:
        frame = frame[np.arange(MAX_SAMPLED_FRAMES) * len(frame) // MAX_SAMPLED_FRAMES]
    return frame


def _is_hcstvg(truth: Columns) -> bool:
    return str(truth["format"]) == "hcstvg"
