"""Convert decoded frames to images: upright, in standard dynamic range, all of one size."""

from __future__ import annotations

import numpy as np

from vcma.video.decoder import Shown
from vcma.video.orientation import upright
from vcma.video.pictures import opencv

Picture = np.ndarray  # uint8 HxWx3 BGR

_BT709 = 1  # AVCOL_PRI_BT709 and AVCOL_TRC_BT709
_WIDE_GAMUTS = (9, 11, 12)  # AVCOL_PRI_BT2020, AVCOL_PRI_SMPTE431, AVCOL_PRI_SMPTE432
_HIGH_DYNAMIC_RANGES = (16, 18)  # AVCOL_TRC_SMPTE2084 (PQ), AVCOL_TRC_ARIB_STD_B67 (HLG)


class Conversion:
    """Converts the PyAV frames of one video to images."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()

    def picture(self, shown: Shown) -> Picture:
        """Convert a frame to uint8 [H, W, 3], BGR, as players show it.

        It is mirrored and rotated by its display matrix; high dynamic range and wide gamut are mapped to BT.709.
        The result equals that of OpenCV's VideoCapture bit for bit, which uses the same FFmpeg scaler with the same
        flags.
        """
        frame, screen = shown.frame, {}
        if frame.color_trc in _HIGH_DYNAMIC_RANGES:
            screen = {"dst_color_trc": _BT709, "dst_color_primaries": _BT709}
        elif frame.color_primaries in _WIDE_GAMUTS:
            screen = {"dst_color_trc": frame.color_trc, "dst_color_primaries": _BT709}
        converted = self._reformatter.reformat(frame, format="bgr24", interpolation="BICUBIC", threads=1, **screen)
        return upright(converted.to_ndarray(), shown.matrix)


def fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    """Scale an image into a size (width, height), keeping its aspect ratio, centred with black bars."""
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
