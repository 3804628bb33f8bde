"""`vcma ground`: sentences in one video of your own, by the stages' functions but beside the pipeline."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import Any

import click
import numpy as np

from vcma.batching.encoder import Encoder
from vcma.detection.base import Detector
from vcma.detection.registry import load_detector
from vcma.errors import InputError
from vcma.inference.untrained import label_encoder
from vcma.model.batch import Batch
from vcma.model.clip import crop
from vcma.model.decoding import predict
from vcma.pipeline.cli import check_device, progress, with_project
from vcma.pipeline.paths import is_file
from vcma.pipeline.project import Project
from vcma.pipeline.storage import replacing, text_lines, write_bytes
from vcma.records.answer import Answer, Prediction, exported
from vcma.records.columns import rows
from vcma.records.sentence import Sentence
from vcma.records.tubes import tube_boxes
from vcma.text.label_matching import class_weights
from vcma.video.decoding import read_frames, shape
from vcma.video.extent import extent
from vcma.video.pictures import scaled

Columns = dict[str, Any]
Way = Callable[[Sequence[Sentence], Columns, int], list[Prediction]]  # of sentences in tubes up to a native frame


@click.command("ground")
@with_project
@click.argument("video", type=click.Path(path_type=Path))
@click.option("--query", "queries", multiple=True, help="A sentence; give it again for more.")
@click.option("--queries", "file", type=click.Path(path_type=Path), help="A text file, one sentence a line.")
@click.option("--model", type=click.Path(path_type=Path), help="A trained model; default: that of the data set.")
@click.option(
    "--untrained",
    is_flag=True,
    help="No model: the detector's labels and what the sentence's verbs and prepositions say.",
)
@click.option("--out", type=click.Path(path_type=Path), default="grounded", show_default=True, help="Folder.")
@click.option("--device", default="cpu", show_default=True, help="Torch device, e.g. cuda:0.")
def ground_command(
    project: Project,
    video: Path,
    queries: tuple[str, ...],
    file: Path | None,
    model: Path | None,
    untrained: bool,
    out: Path,
    device: str,
) -> None:
    """Find what sentences speak of in one VIDEO: spans and boxes as JSON, and an annotated mp4 for each."""
    # A terminal may hand on bytes that are no text.
    texts = [q.encode("utf-8", "replace").decode() for q in (*queries, *(text_lines(file) if file else []))]
    texts = [*dict.fromkeys(text for text in texts if text.strip())]
    if not texts:
        raise click.UsageError("give --query TEXT or --queries FILE")
    if untrained and model:
        raise click.UsageError("--untrained uses no --model")
    check_device(device)
    folder = model or project.artifacts / "model"
    if not (untrained or is_file(folder / "model.json")):
        raise InputError("no trained model", folder, "train one: python stages/train_em.py; or add --untrained")
    if not is_file(video):
        raise InputError("no such video", video, "check its path")
    _check_folder(out)
    # All that can be wrong is found before the minutes that detection takes.
    detector = load_detector(project.detector, project.root, device)
    way = _untrained(project, device) if untrained else _by_model(folder, project.root, detector, device)
    end, missing = extent(video)
    if missing:
        click.echo(f"note: {click.format_filename(video)} {missing}; what there is of it is searched", err=True)
    tubes = tubes_of(video, end, project, detector)
    told = [sentence(text, i) for i, text in enumerate(texts)]
    predictions = way(told, tubes, end)
    fps = shape(video)[0] or _FPS
    films: list[tuple[Path, Answer, str]] = []
    members, lines = [], []
    for i, (text, p) in enumerate(zip(texts, predictions, strict=True)):
        path = out / f"{i:02d}.mp4"
        value: dict[str, Any] = {"video": str(video), "film": path.name, "fps": fps}
        value |= _outcome(p, tubes, end, fps)
        films.append((path, p.answer, text))
        members.append(f"{_json(text)}: {_json(value)}")
        (first, last), (begin, over) = value["span"], value["seconds"]
        lines.append(
            f"{text}: frames {first} to {last} ({begin:.1f} to {over:.1f} s), tube {value['tube']}, a "
            f"'{value['class']}' (probability {value['tube_probability']:.2f}) -> {click.format_filename(path)}"
        )
    write_bytes(out / "predictions.json", ("{\n" + ",\n".join(members) + "\n}\n").encode())
    annotate(video, films, tubes, end)
    for note in _doubts(told, tubes):
        click.echo(f"note: {note}", err=True)
    click.echo("\n".join(lines))


def _outcome(p: Prediction, tubes: Columns, end: int, fps: float) -> dict[str, Any]:
    """An answer as the exchange format has it, its boxes where its tube is, with its times in s and its tube."""
    answer = p.answer
    ((_, told),) = exported([answer], {answer.sample: (answer.begin, answer.end)}, tubes)
    seen, gone = _presence(tubes, answer.tube)
    frames, times = tubes["frame"], tubes["time"]
    over = times[-1] + (end - frames[-1]) / fps
    seconds = np.interp([answer.begin, answer.end], np.append(frames, end), np.append(times, over))
    return {
        "seconds": np.round(seconds, 2).tolist(),
        "tube": answer.tube,
        "class": str(tubes["class_name"][tubes["class_prob"][answer.tube].argmax()]),
        "tube_probability": round(float(p.posterior[p.target][p.candidate == answer.tube].sum()), 4),
        "span": told["span"],
        "boxes": {f: box for f, box in told["boxes"].items() if seen <= int(f) < gone},
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _check_folder(folder: Path) -> None:
    """Raises InputError if nothing can be written there."""
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        fit = there.is_dir() and os.access(there, os.W_OK)
    except OSError:  # a name longer than any
        fit = False
    if not fit:
        raise InputError("nothing can be written there", folder, "choose another --out")


def _doubts(told: Sequence[Sentence], tubes: Columns) -> Iterator[str]:
    """What speaks against the answers, by the heads of what is asked for: no class of the detector is that by name
    or kind, or no tube looks like one.
    """
    names = [str(name) for name in tubes["class_name"]]
    asked = {s.heads[s.target]: class_weights([tuple(s.words(s.target))], names)[0] for s in told}
    for head, weight in asked.items():
        if len(weight) and weight.max() < 1:
            yield f"the detector has no class '{head}'; those closest in meaning stand in for it"
        elif len(weight) and (tubes["class_prob"][:, weight >= 1].sum(1) < _FAINT).all():
            yield f"nothing in the video looks much like '{head}'; what comes nearest is shown"


_FAINT = 0.2  # share of its class distribution below which a tube is hardly of a class


def tubes_of(video: Path, end: int, project: Project, detector: Detector) -> Columns:
    """The TUBES columns of one video file up to native frame `end`, by pipeline.yaml's parameters."""
    from vcma.detection.proposals import propose
    from vcma.linking.linker import link
    from vcma.video.sampling import extract

    frames = extract(video, [(0, end)], **project.section("extract_frames"))
    how = project.section("detect_proposals")
    found = propose(detector, frames, watch=lambda passes: progress(passes, len(passes), "detect"), **how)
    return link(found, **project.section("link_tubes"))


def sentence(text: str, number: int) -> Sentence:
    """Parse one text into the model's form; it is searched in the whole video."""
    from vcma.parsing.parser import parse

    query = next(iter(parse([text])))
    return Sentence(
        sample=str(number),
        video="",
        begin=0,
        end=-1,
        phrases=tuple(e.text for e in query.entities),
        heads=tuple(e.head for e in query.entities),
        attributes=tuple(e.attributes for e in query.entities),
        target=query.target,
        relations=tuple((r.subject, r.predicate, -1 if r.object is None else r.object) for r in query.relations),
    )


def _untrained(project: Project, device: str) -> Way:
    from vcma.inference.untrained import settings_of
    from vcma.model.em import ground_untrained

    settings, max_frames = settings_of(project.section("train_em"))

    def way(told: Sequence[Sentence], tubes: Columns, end: int) -> list[Prediction]:
        posteriors = partial(ground_untrained, settings, device=device)
        return _predicted(told, tubes, end, max_frames, label_encoder(tubes), posteriors, {})

    return way


def _by_model(folder: Path, root: Path, detector: Detector, device: str) -> Way:
    from vcma.model.em import Grounding, ground
    from vcma.text.features import text_features
    from vcma.training.model_files import decoding, load_model

    model, description = load_model(folder, detector.fingerprint)
    encoder = Encoder(model.vocabulary, text_features(model.settings.text, root, model.vocabulary.text))
    most, fitted = description["max_frames"], decoding(description)

    def posteriors(batch: Batch) -> Iterator[Grounding]:
        return (p for p, _ in ground(model.to(device), batch, device))

    def way(told: Sequence[Sentence], tubes: Columns, end: int) -> list[Prediction]:
        return _predicted(told, tubes, end, most, encoder, posteriors, fitted)

    return way


def _predicted(
    told: Sequence[Sentence],
    tubes: Columns,
    end: int,
    max_frames: int,
    encoder: Encoder,
    posteriors: Callable[[Batch], Iterable],
    fitted: Mapping[str, float],
) -> list[Prediction]:
    clip = crop(tubes, 0, end, max_frames)
    if not len(clip.tube):
        raise InputError("nothing was detected in the video", None, "lower detect_proposals.score_threshold")
    encoder.learn(told)
    found = zip(told, posteriors(encoder.batch([clip], [told])), strict=True)
    return [predict(s, clip, p.log_z, p.y, p.runs, p.evidence, **fitted) for s, p in found]


_FPS = 25.0  # where a file says none
_AMBER = (0, 160, 244)  # BGR, as the pictures are
_LONGEST = 640  # px, longest side of an annotated picture
_RATE = 15.0  # most pictures a second
_AROUND = 5.0  # s shown before and after a span
_PICTURES = 1800  # most pictures of one film: of a longer span fewer are shown a second
# x264's usual preset takes longer than detector and model together.
_X264 = {"preset": "ultrafast", "crf": "23"}
Picture = np.ndarray  # uint8 HxWx3 BGR


def annotate(video: Path, films: Sequence[tuple[Path, Answer, str]], tubes: Columns, count: int) -> None:
    """Write each answer's span and some seconds around it as a small mp4, with its box and its sentence drawn in.

    films: where to, answer, sentence. count: frames of the video, which is decoded once for all of them.
    """
    fps = shape(video)[0] or _FPS
    margin = round(_AROUND * fps)
    with ExitStack() as stack:
        shown: dict[int, list[Callable[[int, float, Picture], None]]] = defaultdict(list)
        for path, answer, text in films:
            step = max(1, round(fps / _RATE), -(-(answer.end - answer.begin + 2 * margin) // _PICTURES))
            add = stack.enter_context(_film(path, fps / step, answer, tubes, text))
            first = max(answer.begin % step, answer.begin - margin // step * step)
            for frame in range(first, min(answer.end + margin, count), step):
                shown[frame].append(add)
        for frame, time, picture in read_frames(video, np.array(sorted(shown), np.int64)):
            small = scaled(picture, _LONGEST, even=True)
            for add in shown[frame]:
                add(frame, time, small)


def _presence(tubes: Columns, tube: int) -> tuple[float, float]:
    """Native frames [first, end) in which a tube is there: up to the sampled frame that no longer has it."""
    frame = np.append(tubes["frame"], np.inf)
    position = tubes["position"][rows(tubes["point_offset"], tube)]
    return float(frame[position[0]]), float(frame[position[-1] + 1])


@contextmanager
def _film(path: Path, rate: float, answer: Answer, tubes: Columns, text: str) -> Iterator[Callable]:
    """A function of (native frame, time in s, picture) that adds it to the mp4, which is there when all is well."""
    import av

    boxes = tube_boxes(tubes, answer.tube, np.arange(answer.begin, answer.end))
    seen, gone = _presence(tubes, answer.tube)
    native = max(float(tubes["width"]), 1.0)
    caption = None
    with replacing(path) as partial, av.open(str(partial.absolute()), "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001), options=_X264)
        stream.pix_fmt = "yuv420p"

        def add(frame: int, time: float, picture: Picture) -> None:
            nonlocal caption
            if caption is None:
                stream.height, stream.width = picture.shape[:2]
                caption = _caption(text, picture.shape[1])
            inside = max(answer.begin, seen) <= frame < min(answer.end, gone)
            box = boxes[frame - answer.begin] * (picture.shape[1] / native) if inside else None
            drawn = _drawn(picture, box, caption, f"{time:.1f} s")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(drawn, format="bgr24")))

        yield add
        container.mux(stream.encode())


def _drawn(picture: Picture, box: np.ndarray | None, caption: tuple[Picture, np.ndarray], time: str) -> Picture:
    """A copy of the picture with a box (xyxy px), a caption (colours and their opacity) and the time drawn in."""
    import cv2

    drawn = picture.copy()
    if box is not None:
        x1, y1, x2, y2 = np.rint(box).astype(int).tolist()
        cv2.rectangle(drawn, (x1, y1), (x2, y2), _AMBER, 2, cv2.LINE_AA)
    colour, opacity = (part[: len(drawn)] for part in caption)
    band = drawn[: len(colour)]
    band[:] = band + (colour.astype(np.float32) - band) * opacity
    for shade, width in ((0, 3), (255, 1)):
        place = 5, len(drawn) - 6
        cv2.putText(drawn, time, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (shade,) * 3, width, cv2.LINE_AA)
    return drawn


def _caption(text: str, width: int) -> tuple[Picture, np.ndarray]:
    """A sentence in lines over a band of that width in px: its colours, and their opacity float32 [h, w, 1]."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(14)
    lines = "\n".join(wrap(text, max(8, width // 7), max_lines=3, placeholder=" …"))
    canvas = ImageDraw.Draw(Image.new("RGBA", (1, 1)))
    height = canvas.multiline_textbbox((5, 4), lines, font, stroke_width=2)[3]
    image = Image.new("RGBA", (width, int(height) + 2))
    ImageDraw.Draw(image).multiline_text(
        (5, 4), lines, fill="white", font=font, stroke_width=2, stroke_fill="black"
    )
    pixels = np.asarray(image)
    return pixels[..., :3], pixels[..., 3:].astype(np.float32) / 255
