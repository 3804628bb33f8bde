"""`vcma ground`: sentences in one video of your own, by the stages' functions but beside the pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
import numpy as np

from vcma.artifact import write_json
from vcma.cli import Project, find_config, load_project
from vcma.clip import Clip, crop
from vcma.corpus import Encoder, Sentence
from vcma.errors import InputError
from vcma.grounding import Answer, exported, predict
from vcma.references import tube_boxes
from vcma.untrained import by_labels, label_encoder
from vcma.video import probe, read_frames

Columns = dict[str, Any]


@click.command("ground")
@click.argument("video", type=click.Path(path_type=Path))
@click.option("--query", "queries", multiple=True, help="A sentence; give it again for more.")
@click.option("--queries", "file", type=click.Path(path_type=Path), help="A text file, one sentence a line.")
@click.option("--model", type=click.Path(path_type=Path), help="A trained model; default: that of the data set.")
@click.option("--untrained", is_flag=True, help="No model: the detector's labels alone, over the whole video.")
@click.option("--out", type=click.Path(path_type=Path), default="grounded", show_default=True, help="Folder.")
@click.option("--config", type=click.Path(path_type=Path), help="Another pipeline.yaml than the one here or above.")
@click.option("--device", default="cpu", show_default=True, help="Torch device, e.g. cuda:0.")
def ground_command(
    video: Path,
    queries: tuple[str, ...],
    file: Path | None,
    model: Path | None,
    untrained: bool,
    out: Path,
    config: Path | None,
    device: str,
) -> None:
    """Find what sentences speak of in one VIDEO: spans and boxes as JSON, and an annotated mp4 for each."""
    project = load_project(config or find_config(Path.cwd()))
    texts = [*queries, *(_lines(file) if file else [])]
    if not texts:
        raise click.UsageError("give --query TEXT or --queries FILE")
    tubes = tubes_of(video, project, device)
    told = [sentence(text, i) for i, text in enumerate(texts)]
    end = probe(video)[0]
    clip = crop(tubes, 0, end, 64)
    if not len(clip.tube):
        raise InputError("nothing was detected in it", video, "lower detect_proposals.score_threshold")
    if untrained:
        answers = _by_labels(told, clip, tubes)
    else:
        answers = _by_model(told, end, tubes, model or project.artifacts / "model", project.root, device)
    found = dict(exported(answers, {a.sample: (0, clip.end) for a in answers}, tubes))
    named = {text: found[s.sample] for text, s in zip(texts, told, strict=True)}
    write_json(out / "predictions.json", named)
    for i, (text, answer) in enumerate(zip(texts, answers, strict=True)):
        path = out / f"{i:02d}.mp4"
        annotate(video, path, answer, tubes, text)
        click.echo(f"{text}: frames {answer.begin} to {answer.end}, tube {answer.tube} -> {path}")


def _lines(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text("utf-8", errors="replace").splitlines() if line.strip()]
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file, "name a text file") from error


def tubes_of(video: Path, project: Project, device: str) -> Columns:
    """The TUBES columns of one video file, with the parameters of pipeline.yaml and the data set's detector."""
    from vcma.detector import load_detector
    from vcma.proposing import propose
    from vcma.tubes import link
    from vcma.video import extract

    detector = load_detector(dict(project.block.get("detector") or {}), project.root, device)
    frames = extract(video, [(0, -1)], **project.section("extract_frames"))
    return link(propose(detector, frames, **project.section("detect_proposals")), **project.section("link_tubes"))


def sentence(text: str, number: int) -> Sentence:
    """Parse one text into the model's form; it is searched in the whole video."""
    from vcma.language import parse

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


def _by_labels(told: list[Sentence], clip: Clip, tubes: Columns) -> list[Answer]:
    encoder = label_encoder(tubes)
    encoder.learn(told)
    return [by_labels(s, clip, encoder).answer for s in told]


def _by_model(
    told: list[Sentence], end: int, tubes: Columns, folder: Path, root: Path, device: str
) -> list[Answer]:
    from vcma.checkpoint import load_model
    from vcma.em import ground
    from vcma.embedding import text_features

    model, description = load_model(folder, str(tubes["detector"]))
    thinned = crop(tubes, 0, end, description["max_frames"])
    texts = text_features(model.settings.text, root, model.vocabulary.text)
    encoder = Encoder(model.vocabulary, texts)
    encoder.learn(told)
    posteriors = ground(model.to(device), encoder.batch([thinned], [told]), device)
    return [
        predict(s, thinned, p.log_z, p.y, p.runs, p.evidence, brevity=description["brevity"]).answer
        for s, (p, _) in zip(told, posteriors, strict=True)
    ]


def annotate(video: Path, path: Path, answer: Answer, tubes: Columns, text: str) -> None:
    """Write the video as H.264 with the answer's box drawn in over its span, at most 720 px wide."""
    import av

    count, fps, _, _ = probe(video)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        # x264's usual preset takes longer than detector and model together.
        stream: Any = container.add_stream(
            "libx264", rate=Fraction(fps or 25).limit_denominator(1001), options={"preset": "veryfast"}
        )
        stream.pix_fmt = "yuv420p"
        for i, picture in enumerate(_drawn(video, count, answer, tubes, text)):
            if i == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())


_AMBER = (0, 160, 244)  # BGR, as the pictures are


def _drawn(video: Path, count: int, answer: Answer, tubes: Columns, text: str) -> Iterator[np.ndarray]:
    from PIL import Image, ImageDraw, ImageFont

    boxes = tube_boxes(tubes, answer.tube, np.arange(answer.begin, answer.end))
    font = ImageFont.load_default(14)
    for frame, _, picture in read_frames(video, np.arange(count)):
        image = Image.fromarray(picture)
        scale = min(1.0, 720 / image.width)
        image = image.resize(
            (max(2, int(image.width * scale) // 2 * 2), max(2, int(image.height * scale) // 2 * 2)),
            Image.Resampling.BILINEAR,
        )
        canvas = ImageDraw.Draw(image)
        if answer.begin <= frame < answer.end:
            x1, y1, x2, y2 = (boxes[frame - answer.begin] * scale).tolist()
            canvas.rectangle((x1, y1, max(x1, x2), max(y1, y2)), outline=_AMBER, width=3)
        canvas.text((5, 4), text, fill="white", font=font, stroke_width=2, stroke_fill="black")
        yield np.asarray(image)
