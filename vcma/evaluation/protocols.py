"""The published evaluation protocols: which frames count, and how each reads the annotated spans.

- `tubedetr` (Yang et al., CVPR 2022) counts only the frames that its model samples, and reads HC-STVG's 1-based
  st_frame as 0-based, so its ground truth is one frame late.
- `stcat` (Jin et al., NeurIPS 2022; also CG-STVG and TA-STVG) counts every frame and reads an inclusive last
  frame as exclusive: HC-STVG's ground truth loses its last frame, VidSTG's only if it is the segment's last.
  (Its true boxes include that last frame, but no temporal intersection contains it.)
- `official` (HC-STVG's own evaluator) counts every frame of the annotation as given.

Ground truth is given as the columns of the `truth` artifact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from vcma.errors import InputError
from vcma.records.columns import Columns
from vcma.records.predicted_tubes import frame_key

SAMPLING_RATE = 5.0  # frames per second that TubeDETR samples
MAX_SAMPLED_FRAMES = 200  # per sample


@dataclass(frozen=True)
class View:
    """Ground truth as a protocol reads it.

    begin, end int64 [sample]: the span. late: frames by which the boxes are shifted. counted: `frame_key` of each
    counted frame, ascending; None if every native frame counts.
    """

    begin: np.ndarray
    end: np.ndarray
    late: int = 0
    counted: np.ndarray | None = None


def tubedetr(truth: Columns) -> View:
    """Return TubeDETR's view: sampled frames of [begin_fid, end_fid), where end_fid is the segment's last frame."""
    late = int(_is_hcstvg(truth))
    segments = zip(truth["segment_begin"], truth["segment_end"], truth["fps"], strict=True)
    sampled = [sampled_frames(begin, end - 1, fps) for begin, end, fps in segments]
    keys = [frame_key(row, frames) for row, frames in enumerate(sampled)]
    counted = np.concatenate([np.zeros(0, np.int64), *keys])
    return View(truth["span_begin"] + late, truth["span_end"] + late, late, counted)


def stcat(truth: Columns) -> View:
    """Return STCAT's view: every frame; the span ends at the segment's last frame or earlier, exclusive."""
    end = np.minimum(truth["span_end"] - int(_is_hcstvg(truth)), truth["segment_end"] - 1)
    return View(truth["span_begin"], end)


def official(truth: Columns) -> View:
    """Return HC-STVG's own view: every frame, as annotated. Raises InputError for other data sets.

    Its union, max_end - min_start + 1 of inclusive spans, equals that of half-open spans wherever they overlap.
    """
    if not _is_hcstvg(truth):
        raise InputError(
            f"protocol 'official' is not defined for {truth['format']}", remedy="choose stcat or tubedetr"
        )
    return View(truth["span_begin"], truth["span_end"])


PROTOCOLS: Mapping[str, Callable[[Columns], View]] = {
    "tubedetr": tubedetr,
    "stcat": stcat,
    "official": official,
}


def view_of(truth: Columns, protocol: str) -> View:
    """Return the ground truth as a protocol reads it; raises InputError if not defined for the data set."""
    if protocol not in PROTOCOLS:
        raise InputError(f"unknown protocol '{protocol}'", remedy=f"choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol](truth)


def protocols_for(truth: Columns) -> tuple[str, ...]:
    """Return the protocols defined for a data set, its default first."""
    return ("official", "stcat", "tubedetr") if _is_hcstvg(truth) else ("stcat", "tubedetr")


def chosen_protocols(truth: Columns, choice: str) -> tuple[str, ...]:
    """Return the protocols that an option selects: `default`, `all` defined for the data set, or a single one."""
    defined = protocols_for(truth)
    return {"all": defined, "default": defined[:1]}.get(choice, (choice,))


def sampled_frames(begin: int, end: int, fps: float) -> np.ndarray:
    """Return the frames of [begin, end) that TubeDETR samples, int64, ascending.

    These are the first frame and each at which floor(frame * 5 / fps) increases; of n > 200 such frames, those
    at indices floor(j * n / 200), j = 0..199.
    """
    frame = np.arange(begin, max(end, begin + 1), dtype=np.int64)
    # TubeDETR's order of operations: another rounding error would shift a frame.
    frame = frame[np.diff(np.floor(frame * (SAMPLING_RATE / fps)), prepend=-1) > 0]
    if len(frame) > MAX_SAMPLED_FRAMES:
        frame = frame[np.arange(MAX_SAMPLED_FRAMES) * len(frame) // MAX_SAMPLED_FRAMES]
    return frame


def _is_hcstvg(truth: Columns) -> bool:
    return str(truth["format"]) == "hcstvg"
