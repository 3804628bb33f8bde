"""Decoded frames as pictures: upright, in colours of a screen, all of one size."""

from __future__ import annotations

from typing import Any

import numpy as np

from vcma.video.pictures import opencv

Picture = np.ndarray  # uint8 HxWx3 BGR

_BT709 = 1  # AVCOL_PRI_BT709 and AVCOL_TRC_BT709
_WIDE_GAMUTS = (9, 11, 12)  # AVCOL_PRI_BT2020, AVCOL_PRI_SMPTE431, AVCOL_PRI_SMPTE432
_HIGH_DYNAMIC_RANGES = (16, 18)  # AVCOL_TRC_SMPTE2084 (PQ), AVCOL_TRC_ARIB_STD_B67 (HLG)


class Conversion:
    """Frames of PyAV to pictures of one video."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()

    def picture(self, frame: Any) -> Picture:
        """A frame as uint8 HxWx3 BGR, as players show it: mirrored and turned as its display matrix says, high
        dynamic range and wide gamut mapped to an ordinary screen's (BT.709).

        The same bits as OpenCV's VideoCapture, which has the same FFmpeg scale with the same flags.
        """
        screen = {}
        if frame.color_trc in _HIGH_DYNAMIC_RANGES:
            screen = {"dst_color_trc": _BT709, "dst_color_primaries": _BT709}
        elif frame.color_primaries in _WIDE_GAMUTS:
            screen = {"dst_color_trc": frame.color_trc, "dst_color_primaries": _BT709}
        shown = self._reformatter.reformat(frame, format="bgr24", interpolation="BICUBIC", threads=1, **screen)
        return upright(shown.to_ndarray(), display_matrix(frame))


def display_matrix(frame: Any) -> tuple[int, int, int, int] | None:
    """(a, b, c, d) of a frame's display matrix: a point (x, y) is shown at (a x + c y, b x + d y), shifted."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return None
    a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32).tolist()
    return a, b, c, d


def shown_size(frame: Any) -> tuple[int, int]:
    """Width and height of a frame's picture, upright."""
    matrix = display_matrix(frame)
    return (frame.height, frame.width) if matrix and _is_turned(matrix) else (frame.width, frame.height)


def _is_turned(matrix: tuple[int, int, int, int]) -> bool:
    a, b, c, d = matrix
    return abs(b) + abs(c) > abs(a) + abs(d)


def upright(picture: Picture, matrix: tuple[int, int, int, int] | None) -> Picture:
    """The picture under the nearest of the eight mirrorings and quarter turns; odd angles go to the nearest."""
    if matrix is None:
        return picture
    a, b, c, d = matrix
    cv2 = opencv()
    turned = _is_turned(matrix)
    if turned:
        picture = cv2.transpose(picture)
    right_to_left, upside_down = (c < 0, b < 0) if turned else (a < 0, d < 0)
    if right_to_left or upside_down:
        picture = cv2.flip(picture, -1 if right_to_left and upside_down else 1 if right_to_left else 0)
    return picture


def fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture scaled into a size (width, height) that it keeps its shape in, centred, with black bars."""
    width, height = size
    if picture.shape[:2] == (height, width):
        return picture
    cv2 = opencv()
    scale = min(width / picture.shape[1], height / picture.shape[0])
    inner = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
    small = cv2.resize(picture, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    whole = np.zeros((height, width, 3), np.uint8)
    whole[top : top + inner[1], left : left + inner[0]] = small
    return whole
