"""The answer to one sentence in one video, with probabilities and doubts, and functions to draw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vcma.api.video_tubes import VideoTubes, Watch, unwatched
from vcma.errors import InputError
from vcma.inference.doubts import explained
from vcma.records.answer import Prediction, doubts_json
from vcma.records.query import Query, Relation
from vcma.records.tubes import frame_borders
from vcma.video.annotated_film import Film, annotated, write_films
from vcma.video.pictures import scaled

_STRIP_SIDE = 320  # px, longest side of each frame of a strip


@dataclass(frozen=True, eq=False)
class Grounding:
    """The answer to one sentence.

    sentence: the sentence; query: its parse. span: native frames [begin, end); seconds: begin and end of the span
    on a player's clock. tube: index of the chosen tube; class_name: its most probable class. probability: posterior
    probability of the tube among those of the video; absent: probability that nothing in the video fits, None if it
    cannot be estimated; interpolated: share of the answer's sampled frames whose box is interpolated rather than
    detected. flags: doubts about the answer, listed in `vcma.inference.doubts`. frame int64 [n] and box float64 [n,
    4], xyxy px: the native frames of the span in which the tube exists, and its boxes.

    The posteriors it was decoded from: time float64 [T], s: begin of the interval that each sampled frame stands
    for; shown float32 [T]: probability that the frame shows the sentence; evidence float32 [R, T], nats: psi of
    each relation, in the order of `relations`; posterior float32 [M, N]: of each entity over the tubes `candidate`
    int64 [N].
    """

    sentence: str
    query: Query
    span: tuple[int, int]
    seconds: tuple[float, float]
    tube: int
    class_name: str
    probability: float
    absent: float | None
    interpolated: float
    flags: tuple[str, ...]
    frame: np.ndarray = field(repr=False)
    box: np.ndarray = field(repr=False)
    time: np.ndarray = field(repr=False)
    shown: np.ndarray = field(repr=False)
    relations: tuple[Relation, ...] = field(repr=False)
    evidence: np.ndarray = field(repr=False)
    candidate: np.ndarray = field(repr=False)
    posterior: np.ndarray = field(repr=False)
    video: VideoTubes = field(repr=False)
    prediction: Prediction = field(repr=False)

    @property
    def doubts(self) -> list[str]:
        """Doubts about the answer, in words."""
        return list(explained(self.flags))

    def to_json(self) -> dict[str, Any]:
        """Return the answer as `vcma ground` writes it: the exchange format, with times, tube and doubts."""
        return {
            "seconds": [round(second, 2) for second in self.seconds],
            "tube": self.tube,
            "class": self.class_name,
            "tube_probability": round(self.probability, 4),
            **doubts_json(self.prediction),
            "span": list(self.span),
            "boxes": {
                str(frame): box
                for frame, box in zip(self.frame.tolist(), np.round(self.box, 1).tolist(), strict=True)
            },
        }

    def write_film(self, path: str | Path) -> None:
        """Write an mp4 of the span and 5 s before and after it, with box and sentence drawn in."""
        write_groundings([(self, Path(path))])

    def draw(self, count: int = 5) -> np.ndarray:
        """Draw `count` frames spread over the span side by side, with the box (dashed where interpolated).

        Returns uint8 [height, width, 3], RGB. Raises InputError if count < 1 or no frame can be decoded.
        """
        if count < 1:
            raise InputError(f"cannot draw {count} frames", None, "ask for at least one")
        middles = (np.arange(count) + 0.5) / count
        wanted = np.unique((self.span[0] + middles * (self.span[1] - self.span[0])).astype(np.int64))
        guessed = self.video.tubes.interpolated_at(self.tube, wanted)
        boxes = dict(zip(self.frame.tolist(), self.box, strict=True))
        drawn = []
        for frame, time, picture in self.video.pictures.read(wanted):
            small = scaled(picture, _STRIP_SIDE)
            box = boxes[frame] * (small.shape[1] / picture.shape[1]) if frame in boxes else None
            dashed = bool(guessed[np.searchsorted(wanted, frame)])
            drawn.append(annotated(small, box, dashed, f"{time:.1f} s"))
        if not drawn:
            raise InputError("no frame of the span can be decoded", str(self.video.pictures.path))
        return np.ascontiguousarray(np.concatenate(drawn, axis=1)[..., ::-1])


def grounding_of(sentence: str, query: Query, prediction: Prediction, video: VideoTubes) -> Grounding:
    """Build the answer from a prediction."""
    answer, tubes, timeline = prediction.answer, video.tubes, video.timeline
    first, gone = tubes.presence(answer.tube)
    frame = np.arange(answer.begin, answer.end)
    frame = frame[(frame >= first) & (frame < gone)]
    begin, end = timeline.seconds(np.array([answer.begin, answer.end])).tolist()
    return Grounding(
        sentence=sentence,
        query=query,
        span=(answer.begin, answer.end),
        seconds=(begin, end),
        tube=answer.tube,
        class_name=tubes.class_of(answer.tube),
        probability=float(prediction.posterior[prediction.target][prediction.candidate == answer.tube].sum()),
        absent=prediction.absent if prediction.absent >= 0 else None,
        interpolated=prediction.interpolated,
        flags=prediction.flags,
        frame=frame,
        box=tubes.boxes_at(answer.tube, frame),
        time=timeline.seconds(frame_borders(prediction.moment, video.end)[:-1]),
        shown=prediction.moment_prob,
        relations=tuple(query.relations[k] for k in query.evidence_order()),
        evidence=prediction.evidence,
        candidate=prediction.candidate,
        posterior=prediction.posterior,
        video=video,
        prediction=prediction,
    )


def write_groundings(films: Sequence[tuple[Grounding, Path]], watch: Watch = unwatched) -> None:
    """Write a film of each answer; all answers are of one video, which is decoded once."""
    if films:
        video = films[0][0].video
        write_films(
            video.pictures,
            [Film(path, found.prediction.answer, found.sentence) for found, path in films],
            video.tubes,
            partial(watch, what="draw"),
        )
