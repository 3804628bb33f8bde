"""From videos to answers: hours and GB of every stage on VidSTG and HC-STVG, projected from parts measured here.

    python bench/whole.py [--gpu .bench/gpu.json] [--results bench/results.md]

Each part is measured once on small generated inputs of the data set's shape (bench/data_sets.py), in CPU seconds of
one core, which a busy machine does not stretch. Stages that work video by video are taken to use all cores, the
others one; a core of the larger machine is taken for one of this. What the GPU does comes from the figures that
`python bench/gpu.py --json .bench/gpu.json` wrote on such a machine; without them it is open. Writes its section of
the results.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import turns  # first: it sets the number of threads

# isort: split
import click
import gpu
import numpy as np
import torch
import train_em
import yaml
from data_sets import DATA_SETS, DataSet
from scenes import crossing
from table import WHOLE

from vcma.batching.batches import batches
from vcma.batching.clip_store import ClipStore
from vcma.commands.disk_use import StorageParameters, estimate_disk_use
from vcma.datasets.entries import Entry, Video
from vcma.detection.detectron2_backend import load
from vcma.inference.grounder import Grounder
from vcma.inference.predictions_json import write_predictions
from vcma.inference.reference_answers import reference_answers
from vcma.inference.untrained import settings_of
from vcma.linking.linker import link
from vcma.parsing.parser import parse
from vcma.training.model_files import save_model
from vcma.training.trainer import Trainer, fit_contrast
from vcma.video.pictures import opencv
from vcma.video.sampling import extract

CONFIG = yaml.safe_load((turns.ROOT / "pipeline.yaml").read_text())
TUBES, FEATURES, CLASSES, ATTRIBUTES = CONFIG["link_tubes"]["max_tubes"], 1024, 80, 30
PASSES = CONFIG["train_em"]["warm_up"] + CONFIG["train_em"]["rounds"]  # at most
SENTENCES = ("a dog chases the red ball.", "the adult in black rides towards a cat and then watches the dog.")


@dataclass(frozen=True)
class Scale:
    """How much is measured: seconds of video, frames that are detected in, clips, sentences that are parsed."""

    seconds: int = 20
    frames: int = 2
    clips: int = 24
    parsed: int = 500
    side: int = 800  # px, shorter side of the detector's input
    widest: int = 4096  # px of a drawn frame


SMALL = Scale(1, 1, 4, 8, 64, 96)


@dataclass(frozen=True)
class Cost:
    """CPU seconds of a stage on a whole data set; whether it shares videos among cores, or uses a GPU; memory:
    bytes of all its clips."""

    seconds: float
    by_video: bool = False
    on_device: bool = False
    memory: float = 0


def draw_film(path: Path, size: tuple[int, int], rate: float, frames: int) -> None:
    """An H.264 video of a panning camera with some noise, which takes about as long to decode as home video."""
    import av

    width, height = size
    random = np.random.default_rng(0)
    ground = opencv().resize(random.integers(0, 256, (24, 40, 3), np.uint8), (2 * width, 2 * height))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=round(rate))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for t in range(frames):
            x, y = (int(side * (0.5 + 0.4 * np.sin(t / 40 + phase))) for side, phase in ((width, 0), (height, 1)))
            shown = ground[y : y + height, x : x + width] + random.normal(0, 4, (height, width, 1))
            picture = av.VideoFrame.from_ndarray(shown.clip(0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def extracting(folder: Path, data: DataSet, scale: Scale) -> float:
    """Seconds of a native frame."""
    count, shrunk = round(scale.seconds * data.rate), min(1, scale.widest / data.size[0])
    size = tuple(int(side * shrunk) // 2 * 2 for side in data.size)
    draw_film(folder / "a.mp4", size, data.rate, count)
    return turns.seconds(lambda: extract(folder / "a.mp4", [(0, -1)], **CONFIG["extract_frames"])) / count


def detecting(folder: Path, data: DataSet, scale: Scale) -> float:
    """Seconds of a sampled frame, by COCO's R50-FPN with random weights."""
    shape = gpu.Shape(scale.frames, 1, data.size[::-1], scale.side, 1000 if scale.side > 100 else 40, ())
    detector = load(gpu.generated_detector(folder, shape), folder, "cpu")
    pictures = gpu.Bench("cpu", 1, folder, {}, gpu.generated_frames(folder, shape)).pictures(scale.frames)
    return turns.seconds(lambda: detector.detect(pictures, **gpu.LIMITS)) / scale.frames


def linking(data: DataSet) -> float:
    """Seconds of a sampled frame."""
    columns = crossing(0, noisy=True, frames=round(data.sampled)).data
    columns["feature"] = np.tile(columns["feature"], (1, FEATURES // columns["feature"].shape[1]))
    return turns.seconds(lambda: link(columns, **CONFIG["link_tubes"])) / round(data.sampled)


def parsing(scale: Scale) -> float:
    """Seconds of a sentence."""
    list(parse(SENTENCES))  # loads the model
    texts = SENTENCES * (scale.parsed // len(SENTENCES))
    return turns.seconds(lambda: list(parse(texts))) / len(texts)


@dataclass(frozen=True)
class Learning:
    """Seconds of a clip with its sentences: to load it; in a pass of EM, and in one of the baseline without, when
    it is in memory; in grounding, with loading and the baselines' answers. bytes: of a clip in memory.
    """

    load: float
    em: float
    contrast: float
    ground: float
    bytes: float

    def training(self, clips: dict[str, float]) -> float:
        """Seconds of all passes with validation; clips of each split are loaded once."""
        read = self.load * (clips["train"] + clips["val"])
        each_pass = clips["train"] * (self.em + self.contrast) + clips["val"] * (self.ground - self.load)
        return read + PASSES * each_pass


def learning(folder: Path, data: DataSet, scale: Scale) -> Learning:
    """What training and grounding take of a clip, tubes being read from the disk."""
    clips = scale.clips
    told = round(clips * sum(data.sentences.values()) / (data.video_count * data.clips))
    corpus = train_em.Corpus.of(folder / "tubes", clips, TUBES, round(data.sampled), FEATURES, told)
    frames = CONFIG["train_em"]["max_frames"]
    settings, sentences = replace(corpus.settings, warm_up=0, rounds=1), corpus.sentences

    def store() -> ClipStore:
        return ClipStore(folder / "tubes", frames, {s.video for s in sentences})

    kept = store()

    def passes(number: int) -> Iterator[Any]:
        how = settings.batch_clips, (0, number), settings.train_frames
        return (batch for *_, batch in batches(kept, corpus.encoder, sentences, *how))

    model = replace(corpus.model(), settings=settings)
    trainer = Trainer(model)
    first, again = (turns.seconds(lambda: list(passes(0))) for _ in range(2))
    em = turns.seconds(lambda: trainer.epoch(passes(0), 1, "cpu"))
    contrast = turns.seconds(lambda: fit_contrast(model, passes, "cpu"))
    extra = {"max_frames": frames, "temperature": 1.0, "brevity": 0.0, "window": [0.0, 1.0]}
    save_model(folder / "model", model, "bench", extra)

    def ground() -> None:
        grounder = Grounder.trained(folder / "model", folder, "bench", "cpu")
        found = grounder.in_corpus(store(), sentences)
        untrained = settings_of(CONFIG["untrained"])[0]
        reference_answers(folder / "model", untrained, "bench", store(), grounder.encoder, sentences, "cpu")
        write_predictions(folder / "predictions.json", found, sentences, store())

    spent = (first - again, em, contrast, turns.seconds(ground))
    size = sum(clip.bytes for s in sentences if (clip := kept(s.clip)) is not None) / len(sentences)
    return Learning(*(seconds / clips for seconds in spent), size)


def costs(data: DataSet, scale: Scale) -> dict[str, Cost]:
    """CPU seconds of each stage on a whole data set, from one measurement of each part."""
    torch.set_num_threads(1)
    clips = {split: data.clips * count for split, count in data.videos.items()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        learnt = learning(folder, data, scale)
        native = data.native_frames * data.video_count
        return {
            "extract_frames": Cost(extracting(folder, data, scale) * native, by_video=True),
            "detect_proposals": Cost(detecting(folder, data, scale) * data.frames, by_video=True, on_device=True),
            "link_tubes": Cost(linking(data) * data.frames, by_video=True),
            "parse_queries": Cost(parsing(scale) * sum(data.sentences.values())),
            "train_em": Cost(
                learnt.training(clips), on_device=True, memory=learnt.bytes * (clips["train"] + clips["val"])
            ),
            "ground_queries": Cost(learnt.ground * clips["test"], on_device=True),
        }


def on_gpu(stage: str, data: DataSet, measured: dict[str, Any]) -> float:
    """Seconds of a stage on a GPU, from the figures of bench/gpu.py: its fastest precision and batch. Baseline,
    validation and grounding are taken to be as fast a sentence as a pass of EM.
    """
    if stage == "detect_proposals":
        return data.frames / max(speeds["the stage"] for speeds in measured["speeds"].values())
    rate = max(rate for size, rate in measured["EM"].items() if size.startswith("vidstg"))
    count = data.sentences
    passes = {"train_em": PASSES * (2 * count["train"] + count["val"]), "ground_queries": 3 * count["test"]}
    return passes[stage] / rate


def elapsed(
    found: dict[str, Cost], cores: int, faster: Callable[[str], float] | None = None
) -> dict[str, float | None]:
    """Seconds of each stage with so many cores; faster: those of the stages that a GPU does, None where open."""

    def seconds(stage: str, cost: Cost) -> float | None:
        if cost.on_device and cores > 2:
            return faster(stage) if faster else None
        return cost.seconds / (cores if cost.by_video else 1)

    return {stage: seconds(stage, cost) for stage, cost in found.items()}


def gigabytes(data: DataSet) -> dict[str, float]:
    """GB of each artifact, as `vcma check --estimate` computes them."""
    extraction = CONFIG["extract_frames"]
    sizes = {"proposals": CONFIG["detect_proposals"]["top_k"], "tubes": TUBES}
    labels = {"features": FEATURES, "classes": CLASSES, "attributes": ATTRIBUTES}

    def entries() -> Iterator[Entry]:
        for split, count in data.videos.items():
            each = data.sentences[split] / count
            for v in range(count):
                video = Video(f"{split}{v}", data.rate, data.native_frames, *data.size)
                for s in range(round(each * (v + 1)) - round(each * v)):
                    yield Entry(f"{video.id}/{s}", split, video, "", None, "", "", (0, -1))

    found = estimate_disk_use(entries(), StorageParameters(**extraction, **sizes, **labels))
    made_by = {"samples": "index_dataset", "frames": "extract_frames", "proposals": "detect_proposals"}
    made_by |= {"tubes": "link_tubes", "queries": "parse_queries", "predictions.json": "ground_queries"}
    return {made_by[use.artifact]: use.bytes / 1e9 for use in found}


def told(seconds: float | None) -> str:
    if seconds is None:
        return "open"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 360_000 else f"{seconds / 3600:,.0f} h"


def table(name: str, found: dict[str, Cost], data: DataSet, faster: Callable[[str], float] | None) -> list[str]:
    """The rows of one data set."""
    few, many, space = elapsed(found, 2), elapsed(found, 16, faster), gigabytes(data)
    rows = [f"| {name} | CPU time, one core | on 2 cores | on 16 cores and a GPU | GB |", "|---|---|---|---|---|"]
    for stage, cost in found.items():
        gb = f"{space[stage]:.1f}" if stage in space else "–"
        rows.append(f"| {stage} | {told(cost.seconds)} | {told(few[stage])} | {told(many[stage])} | {gb} |")
    known = [seconds for seconds in many.values() if seconds is not None]
    rest = told(sum(known)) + (" and what is open" if len(known) < len(many) else "")
    total = sum(cost.seconds for cost in found.values()), sum(s or 0 for s in few.values())
    return [*rows, f"| all | {told(total[0])} | {told(total[1])} | {rest} | {sum(space.values()):.0f} |"]


def section(scale: Scale, measured: dict[str, Any] | None) -> str:
    """The section of the results, from its heading on."""
    device = f"measured on {measured['device']}" if measured else "open: no GPU was at hand"
    parts = [
        f"{WHOLE}, by `python bench/whole.py`",
        "From videos to answers, projected from parts that were measured once, on generated inputs of each data"
        f" set's shape. The detector is COCO's R50-FPN in float32 on the CPU; training takes all {PASSES} passes,"
        " with validation and the baseline; stages by video use all cores, the others one. What the GPU does is"
        f" {device}. `index_dataset`, `evaluate` and `render_report` take minutes and are left out.",
    ]
    memory: list[str] = []
    for name, data in DATA_SETS.items():
        faster = (lambda stage, data=data: on_gpu(stage, data, measured)) if measured else None
        found = costs(data, scale)
        parts.append("\n".join(table(name, found, data, faster)))
        memory.append(f"{found['train_em'].memory / 2**30:.0f} of {name}")
    sizes = "; ".join(
        f"{name}: {data.video_count:,} videos, {data.frames:,} sampled frames, {sum(data.sentences.values()):,}"
        f" sentences, {round(data.clips * data.video_count):,} clips"
        for name, data in DATA_SETS.items()
    )
    kept = (
        f"Training keeps all clips in memory, `--memory` GB: {', '.join(memory)}; else each pass reads them anew."
    )
    return "\n\n".join([*parts, f"{sizes}. `bench/data_sets.py` has the sources. {kept}"]) + "\n"


@click.command()
@click.option("--gpu", "figures", default=turns.ROOT / ".bench/gpu.json", type=click.Path(path_type=Path))
@click.option("--results", default=turns.ROOT / "bench/results.md", type=click.Path(path_type=Path))
@click.option("--small", is_flag=True, help="run every line within seconds; the figures mean nothing")
def main(figures: Path, results: Path, small: bool) -> None:
    """Project the whole way, and write it into the results."""
    measured = json.loads(figures.read_text()) if figures.exists() else None
    before = results.read_text().partition(WHOLE)[0].rstrip() if results.exists() else ""
    text = section(SMALL if small else Scale(), measured)
    results.write_text(f"{before}\n\n{text}".lstrip())
    print(text)


if __name__ == "__main__":
    main()
