"""Display matrices: how players mirror and rotate the stored frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from vcma.video.pictures import opencv

Matrix = tuple[int, int, int, int]  # (a, b, c, d): a point (x, y) is shown at (a x + c y, b x + d y), shifted


def display_matrix(frame: Any) -> Matrix | None:
    """Return the display matrix of a PyAV frame, None if it has none."""
    stored = frame.side_data.get("DISPLAYMATRIX")
    if stored is None:
        return None
    a, b, _, c, d, *_ = np.frombuffer(stored, np.int32).tolist()
    return a, b, c, d


class Orientation:
    """Tracks the display matrix over consecutive frames: a key frame's matrix holds until the next key frame."""

    def __init__(self) -> None:
        self._of_key: Matrix | None = None

    def at(self, frame: Any) -> Matrix | None:
        """Return the display matrix of the next frame."""
        matrix = display_matrix(frame)
        if frame.key_frame:
            self._of_key = matrix
        return matrix or self._of_key


def is_turned(matrix: Matrix | None) -> bool:
    """Return whether a matrix swaps width and height."""
    if matrix is None:
        return False
    a, b, c, d = matrix
    return abs(b) + abs(c) > abs(a) + abs(d)


def upright(picture: np.ndarray, matrix: Matrix | None) -> np.ndarray:
    """Apply to an image [H, W, 3] the flip and rotation by a multiple of 90 degrees that is nearest to a matrix."""
    if matrix is None:
        return picture
    cv2 = opencv()
    a, b, c, d = matrix
    turned = is_turned(matrix)
    if turned:
        picture = cv2.transpose(picture)
    right_to_left, upside_down = (c < 0, b < 0) if turned else (a < 0, d < 0)
    if right_to_left or upside_down:
        picture = cv2.flip(picture, -1 if right_to_left and upside_down else 1 if right_to_left else 0)
    return picture
