"""Display matrices: how players mirror and turn what is stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from vcma.video.pictures import opencv

Matrix = tuple[int, int, int, int]  # (a, b, c, d): a point (x, y) is shown at (a x + c y, b x + d y), shifted


def display_matrix(frame: Any) -> Matrix | None:
    """That of one frame of PyAV; None where it has none."""
    stored = frame.side_data.get("DISPLAYMATRIX")
    if stored is None:
        return None
    a, b, _, c, d, *_ = np.frombuffer(stored, np.int32).tolist()
    return a, b, c, d


class Orientation:
    """The display matrix in force as frames go by: one that a key frame brings holds up to the next key frame."""

    def __init__(self) -> None:
        self._of_key: Matrix | None = None

    def at(self, frame: Any) -> Matrix | None:
        """The display matrix of the next frame."""
        matrix = display_matrix(frame)
        if frame.key_frame:
            self._of_key = matrix
        return matrix or self._of_key


def is_turned(matrix: Matrix | None) -> bool:
    """Whether width and height change places."""
    if matrix is None:
        return False
    a, b, c, d = matrix
    return abs(b) + abs(c) > abs(a) + abs(d)


def upright(picture: np.ndarray, matrix: Matrix | None) -> np.ndarray:
    """A picture [h, w, 3] under that of the eight mirrorings and quarter turns which is nearest to a matrix."""
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
