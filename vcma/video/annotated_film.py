"""Write annotated films: the span of each answer and some seconds around it, with box and sentence drawn in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vcma.pipeline.storage import replacing
from vcma.records.answer import Answer
from vcma.records.tubes import Tubes
from vcma.video.conversion import Picture
from vcma.video.fonts import pillow_font
from vcma.video.picture_array import Pictures
from vcma.video.pictures import scaled
from vcma.video.timeline import ASSUMED_FPS

_AMBER = (0, 160, 244)  # BGR, like the frames
_LONGEST = 640  # px, longest side of a film's frames
_DASH = 7  # px, length of the dashes of an interpolated box
_RATE = 15.0  # maximum number of frames per second
_MAX_LINES = 3  # maximum number of lines of a caption
_AROUND = 5.0  # s shown before and after a span
_TICK = Fraction(1, 90_000)  # s, time unit of a film: frames keep the times of the video, whatever its rate
_PICTURES = 1800  # maximum number of frames of a film; the frame rate of longer ones is reduced
_X264 = {"preset": "ultrafast", "crf": "23"}  # x264's default preset takes longer than detector and model together


@dataclass(frozen=True)
class Film:
    """A film to write: its path, the answer it shows, and the sentence."""

    path: Path
    answer: Answer
    sentence: str


def write_films(
    pictures: Pictures,
    films: Sequence[Film],
    tubes: Tubes,
    watch: Callable[[Iterable, int], Iterable] = lambda frames, total: frames,
) -> None:
    """Write each answer's span and some seconds around it as an mp4, with box and sentence drawn in.

    pictures: the frames of the video, which is decoded once for all films. watch: as in `sampling.sample`.
    """
    timeline = pictures.timeline
    fps = timeline.fps or ASSUMED_FPS
    margin = round(_AROUND * fps)
    with ExitStack() as stack:
        shown: dict[int, list[Callable[[int, float, Picture], None]]] = defaultdict(list)
        for film in films:
            answer = film.answer
            step = max(1, round(fps / _RATE), -(-(answer.end - answer.begin + 2 * margin) // _PICTURES))
            add = stack.enter_context(_opened(film, fps / step, tubes))
            first = max(answer.begin % step, answer.begin - margin // step * step)
            for frame in range(first, min(answer.end + margin, len(timeline)), step):
                shown[frame].append(add)
        read = pictures.read(np.array(sorted(shown), np.int64))
        for frame, time, picture in watch(read, len(shown)):
            small = scaled(picture, _LONGEST, even=True)
            for add in shown[frame]:
                add(frame, time, small)


@contextmanager
def _opened(film: Film, rate: float, tubes: Tubes) -> Iterator[Callable]:
    """Open a film and yield a function add(native frame, time in s, image); the mp4 is stored only on success."""
    import av

    answer = film.answer
    frames = np.arange(answer.begin, answer.end)
    boxes, guessed = tubes.boxes_at(answer.tube, frames), tubes.interpolated_at(answer.tube, frames)
    first, gone = tubes.presence(answer.tube)
    native = max(tubes.width, 1.0)
    caption, start = None, 0.0
    with replacing(film.path) as partial, av.open(str(partial.absolute()), "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001), options=_X264)
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = _TICK

        def add(frame: int, time: float, picture: Picture) -> None:
            nonlocal caption, start
            if caption is None:
                start = time
                stream.height, stream.width = picture.shape[:2]
                caption = _caption(film.sentence, picture.shape[1])
            inside = max(answer.begin, first) <= frame < min(answer.end, gone)
            box = boxes[frame - answer.begin] * (picture.shape[1] / native) if inside else None
            dashed = inside and bool(guessed[frame - answer.begin])
            drawn = annotated(picture, box, dashed, f"{time:.1f} s", caption)
            shown = av.VideoFrame.from_ndarray(drawn, format="bgr24")
            shown.pts, shown.time_base = round((time - start) / _TICK), _TICK
            container.mux(stream.encode(shown))

        yield add
        container.mux(stream.encode())


def annotated(
    picture: Picture,
    box: np.ndarray | None,
    dashed: bool,
    time: str,
    caption: tuple[Picture, np.ndarray] | None = None,
) -> Picture:
    """Return a copy of the image with a box (xyxy px), the time and a caption (colours and opacity) drawn in.

    dashed: draw the box with dashes, as interpolated.
    """
    import cv2

    drawn = picture.copy()
    if box is not None:
        x1, y1, x2, y2 = np.rint(box).astype(int).tolist()
        if dashed:
            _draw_dashed(drawn, x1, y1, x2, y2)
        else:
            cv2.rectangle(drawn, (x1, y1), (x2, y2), _AMBER, 2, cv2.LINE_AA)
    if caption is not None:
        colour, opacity = (part[: len(drawn)] for part in caption)
        band = drawn[: len(colour)]
        band[:] = band + (colour.astype(np.float32) - band) * opacity
    for shade, width in ((0, 3), (255, 1)):
        place = 5, len(drawn) - 6
        cv2.putText(drawn, time, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (shade,) * 3, width, cv2.LINE_AA)
    return drawn


def _draw_dashed(picture: Picture, x1: int, y1: int, x2: int, y2: int) -> None:
    """Draw a box with a dashed outline."""
    import cv2

    for (ax, ay), (bx, by) in pairwise([(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)]):
        length = max(abs(bx - ax), abs(by - ay))
        direction = np.sign([bx - ax, by - ay])
        for begin in range(0, length, 2 * _DASH):
            start, stop = ((np.array([ax, ay]) + direction * min(at, length)) for at in (begin, begin + _DASH))
            cv2.line(picture, start.tolist(), stop.tolist(), _AMBER, 2, cv2.LINE_AA)


def _wrapped(text: str, length: Callable[[str], float], width: float) -> list[str]:
    """Wrap a text into lines of at most `width`, measured by `length`; only words longer than a line are split.

    If there are more than _MAX_LINES lines, line number _MAX_LINES ends in an ellipsis.
    """
    lines: list[str] = [""]
    for word in text.split():
        whole = f"{lines[-1]} {word}".lstrip()
        if length(whole) <= width:
            lines[-1] = whole
            continue
        lines += [""] if lines[-1] else []
        for character in word:  # a sentence in a script without spaces is one long word
            if lines[-1] and length(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    if len(lines) > _MAX_LINES:
        last = lines[_MAX_LINES - 1]
        while last and length(f"{last} …") > width:
            last = last[:-1]
        lines[_MAX_LINES - 1] = f"{last.rstrip()} …"
    return lines


def _caption(text: str, width: int) -> tuple[Picture, np.ndarray]:
    """Render a sentence in a band of that width in px: its colours uint8 [h, w, 3], opacity float32 [h, w, 1]."""
    from PIL import Image, ImageDraw

    font = pillow_font(text, 14)
    lines = "\n".join(_wrapped(text, font.getlength, width - 10)[:_MAX_LINES])
    canvas = ImageDraw.Draw(Image.new("RGBA", (1, 1)))
    height = canvas.multiline_textbbox((5, 4), lines, font, stroke_width=2)[3]
    image = Image.new("RGBA", (width, int(height) + 2))
    ImageDraw.Draw(image).multiline_text(
        (5, 4), lines, fill="white", font=font, stroke_width=2, stroke_fill="black"
    )
    pixels = np.asarray(image)
    return pixels[..., :3], pixels[..., 3:].astype(np.float32) / 255
