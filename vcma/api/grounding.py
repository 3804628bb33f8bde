"""What is found of one sentence in one video: the answer, its probabilities and doubts, and how to see it."""

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

_STRIP_SIDE = 320  # px, longest side of a picture of a strip


@dataclass(frozen=True, eq=False)
class Grounding:
    """The answer to one sentence.

    sentence, and query, what was read of it; span: native frames [begin, end); seconds: when it begins and ends,
    as a player shows it. tube: which of the video's; class_name: its likeliest class. probability: that the tube is
    the one, among those of the video; absent: that nothing in the video fits, None where that cannot be judged;
    interpolated: share of the answer's sampled frames whose box no detection confirms. flags: what speaks against
    the answer, as `vcma.inference.doubts` lists it. frame int64 [n] and box float64 [n, 4], xyxy px: the native
    frames of the span in which the tube is there, and its boxes.

    What it was read from: time float64 [T], s, when what each sampled frame stands for begins; shown float32 [T],
    the probability that the sentence shows there; evidence float32 [R, T], nats, that relations are seen there, in
    the order of `relations`; posterior float32 [M, N]: which tube, `candidate` int64 [N], each entity is.
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
        """What speaks against the answer, in words."""
        return list(explained(self.flags))

    def to_json(self) -> dict[str, Any]:
        """The answer as `vcma ground` writes it: the exchange format, with its times, its tube and its doubts."""
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
        """Write a small mp4 of the span and 5 s around it, with the box and the sentence drawn in."""
        write_groundings([(self, Path(path))])

    def draw(self, count: int = 5) -> np.ndarray:
        """`count` pictures spread over the span, with the box drawn in (dashed where interpolated), side by side:
        uint8 [height, width, 3] RGB."""
        if count < 1:
            raise InputError(f"no strip has {count} pictures", None, "ask for at least one")
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
    """The answer that a prediction gives, with all that belongs to it."""
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
    """Write a film of each answer in one video, which is read once for all of them."""
    if films:
        video = films[0][0].video
        write_films(
            video.pictures,
            [Film(path, found.prediction.answer, found.sentence) for found, path in films],
            video.tubes,
            partial(watch, what="draw"),
        )
