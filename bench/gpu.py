"""The pipeline on a GPU: detection as the stage does it beside the network alone, equality to the CPU, and EM.

    python bench/gpu.py                       measures cuda:0 with COCO's R50-FPN at its usual size; minutes
    python bench/gpu.py --device cpu --tiny   runs every line of it without a GPU; its figures mean nothing

The network has random weights and the frames are generated, so that nothing is fetched. All figures are of one call
on one card, taken in turns, by the clock, with the device waited for; frames/s are of the median turn. Prints
tables in Markdown under the card's name.

    the stage          as `detect_proposals`: read frames, decode, resize, network, select, colours, write
    network            the same network and selection on frames that wait in memory
    detectron2         its own model, called on tensors that wait on the device
    backbone           the feature pyramid alone
"""

from __future__ import annotations

import platform
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import turns  # first: it sets the number of threads

# isort: split
import click
import numpy as np
import torch
import train_em
from data_sets import DATA_SETS

from vcma.detection.detectron2_backend import DetectronDetector, load
from vcma.detection.detectron2_config import read_config, without_old_warnings
from vcma.detection.detectron2_model import build_model
from vcma.detection.precision import PRECISIONS, computing_in
from vcma.detection.proposals import propose
from vcma.pipeline import artifact, schemas
from vcma.pipeline.project import Project
from vcma.pipeline.stage_run import StageRun
from vcma.pipeline.workers import parallel
from vcma.records.regions import Regions
from vcma.training.trainer import Trainer
from vcma.video.pictures import opencv, still

LIMITS: dict[str, Any] = {"top_k": 20, "score_threshold": 0.05, "nms_threshold": 0.6, "min_size": 4}
VIDSTG = DATA_SETS["VidSTG"]
NEAR = 1e-3  # of scores, and of boxes in parts of the frame's longer side: closer regions count as the same


@dataclass(frozen=True)
class Shape:
    """frames of a video, videos, (height, width) of stored frames, shorter side of the network's input in px,
    proposals of a frame, sizes of EM's corpus.
    """

    frames: int
    videos: int
    size: tuple[int, int]
    side: int
    proposals: int
    corpora: tuple[str, ...]


USUAL = Shape(128, 4, (360, 640), 800, 1000, tuple(train_em.SIZES))
TINY = Shape(3, 2, (54, 96), 64, 40, ("vidstg",))


def generated_detector(folder: Path, shape: Shape) -> dict[str, str]:
    """The `detector:` block of a COCO R50-FPN of random weights, below `folder`.

    Its last normalisations are weak, as after training, lest activations grow out of half precision; its scores are
    then spread from 0.2 to 0.7.
    """
    base = turns.ROOT / "envs/detectors/coco_r50_fpn.yaml"
    (folder / "model.yaml").write_text(
        f"_BASE_: {base}\n"
        f"INPUT: {{MIN_SIZE_TEST: {shape.side}}}\n"
        f"MODEL: {{RPN: {{POST_NMS_TOPK_TEST: {shape.proposals}}}}}\n"
    )
    torch.manual_seed(0)
    model = build_model(read_config("model.yaml", folder), "cpu")
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith("conv3.norm.weight"):
                buffer.mul_(0.2)
    torch.save({"model": model.state_dict()}, folder / "model.pth")
    return {"backend": "detectron2", "config": "model.yaml", "weights": "model.pth"}


def generated_frames(folder: Path, shape: Shape) -> list[Path]:
    """The FRAMES artifacts of videos of moving rectangles before noise."""
    height, width = shape.size
    paths = []
    for video in range(shape.videos):
        random = np.random.default_rng(video)
        ground = opencv().resize(random.integers(0, 256, (9, 16, 3), np.uint8), (width, height))
        corner, side = random.uniform(0, 0.7, (6, 2)), random.uniform(0.1, 0.3, (6, 2))
        speed, colour = random.normal(0, 0.004, (6, 2)), random.integers(0, 256, (6, 3))
        files = []
        for frame in range(shape.frames):
            picture = ground.copy()
            for start, extent, step, paint in zip(corner, side, speed, colour, strict=True):
                (x1, y1), (x2, y2) = ((start + frame * step + e) * (width, height) for e in (0, extent))
                picture[max(int(y1), 0) : max(int(y2), 0), max(int(x1), 0) : max(int(x2), 0)] = paint
            files.append(opencv().imencode(".jpg", picture, [opencv().IMWRITE_JPEG_QUALITY, 90])[1].ravel())
        columns = {
            "jpeg": np.concatenate(files),
            "jpeg_offset": np.cumsum([0, *map(len, files)]),
            "frame": np.arange(shape.frames) * 6,
            "time": np.arange(shape.frames) / 4,
            "width": np.int64(width),
            "height": np.int64(height),
            "fps": np.float64(24),
            "frame_count": np.int64(shape.frames * 6),
        }
        paths.append(folder / f"frames{video}.h5")
        artifact.write(schemas.FRAMES, paths[-1], columns, {}, {})
    return paths


@dataclass(frozen=True)
class Bench:
    """A device, with a detector's files and the stored frames of some videos below `folder`."""

    device: str
    threads: int
    folder: Path
    block: dict[str, str]
    videos: list[Path]

    def detector(self, precision: str) -> DetectronDetector:
        return load(self.block, self.folder, self.device, precision, whole_batches=True)

    def stage(self, detector: DetectronDetector, batch: int) -> Callable[[], None]:
        """All videos through the stage's road: two at work, threads around the network, read and written."""
        device = "cpu:0" if self.device == "cpu" else self.device  # by that name it is treated as a GPU is
        run = StageRun("bench", Path(__file__), Project(self.folder, {}), {}, device=device)

        def make(video: Path) -> None:
            frames = artifact.read(schemas.FRAMES, video)
            columns = propose(detector, frames, batch=batch, threads=self.threads, **LIMITS)
            artifact.write(schemas.PROPOSALS, video.with_name(f"of_{video.name}"), columns, {}, {})

        return lambda: [*parallel(run, make, [(video,) for video in self.videos])] and None

    def pictures(self, count: int) -> list[np.ndarray]:
        """Decoded frames, of one video after another."""
        found = []
        for video in self.videos:
            frames = artifact.read(schemas.FRAMES, video)
            found += [still(frames, row) for row in range(len(frames["frame"]))]
        return found[:count]

    def network(self, detector: DetectronDetector, pictures: list[np.ndarray], batch: int) -> Callable[[], None]:
        prepared = [detector.prepare(pictures[i : i + batch]) for i in range(0, len(pictures), batch)]

        def run() -> None:
            for inputs in prepared:
                output = detector.run(inputs, **LIMITS)
            detector.finish(output)  # waits for the device

        return run

    def bare(self, precision: str, pictures: list[np.ndarray], batch: int) -> dict[str, Callable[[], None]]:
        """detectron2's model, and its backbone, on tensors that are on the device."""
        one_by_one = load(self.block, self.folder, "cpu", whole_batches=False)
        first = [picture.to(self.device) for picture in one_by_one._way.prepare(pictures[:batch])]
        model = load(self.block, self.folder, self.device, whole_batches=False)._way._model
        model.roi_heads.box_predictor.test_topk_per_image = LIMITS["top_k"]

        def repeated(forward: Callable[[list], Any]) -> Callable[[], None]:
            inputs = [{"image": picture} for picture in first]

            def run() -> None:
                with torch.inference_mode(), without_old_warnings(), computing_in(precision, self.device):
                    for _ in range(0, len(pictures), batch):
                        forward(inputs)
                wait(self.device)

            return run

        return {
            "detectron2": repeated(model),
            "backbone": repeated(lambda inputs: model.backbone(model.preprocess_image(inputs).tensor)),
        }

    def speeds(self, precision: str, batch: int, rounds: int) -> dict[str, float]:
        """Frames/s of each way."""
        detector, pictures = self.detector(precision), self.pictures(1 << 20)
        pictures = pictures[: len(pictures) // batch * batch]
        ways = {"the stage": self.stage(detector, batch), "network": self.network(detector, pictures, batch)}
        ways |= self.bare(precision, pictures, batch)
        total = {way: len(pictures) for way in ways} | {"the stage": len(self.pictures(1 << 20))}
        spent = turns.in_turns(ways, rounds, clock=perf_counter)
        return {way: total[way] / statistics.median(spent[way]) for way in ways}


def wait(device: str) -> None:
    if device != "cpu":
        torch.accelerator.synchronize(device)


def busy(device: str, action: Callable[[], object]) -> float | None:
    """Share of the time of an action, from its first to its last kernel, that the device has one; None of a CPU."""
    if torch.device(device).type != "cuda":
        return None
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        action()
        wait(device)
    events = [e.time_range for e in profile.events() if e.device_type == torch.autograd.DeviceType.CUDA]
    return covered([(event.start, event.end) for event in events])


def covered(spans: list[tuple[float, float]]) -> float:
    """Share of the time from the first begin to the last end that lies in any of the spans."""
    reached, total = -np.inf, 0.0
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total / (reached - min(spans)[0])


def agreement(found: list[Regions], wanted: list[Regions], longest: int) -> dict[str, float]:
    """Share of the wanted regions that are found within NEAR, of frames with another number of them, and how far
    scores of the same are apart at most.
    """
    total = same = 0
    apart = 0.0
    for ours, theirs in zip(found, wanted, strict=True):
        for box, score in zip(theirs.box, theirs.score, strict=True):
            total += 1
            close = (np.abs(ours.box - box).max(1) <= NEAR * longest) & (np.abs(ours.score - score) <= NEAR)
            if close.any():
                same += 1
                apart = max(apart, float(np.abs(ours.score[close] - score).min()))
    counts = sum(len(ours) != len(theirs) for ours, theirs in zip(found, wanted, strict=True))
    return {
        "regions": total,
        "same": same / max(total, 1),
        "score apart": apart,
        "frames of another count": counts / max(len(wanted), 1),
    }


def epochs(
    device: str, sizes: tuple[str, ...], share: float, clips_a_step: tuple[int, ...], rounds: int
) -> Iterator[tuple[str, int, float]]:
    """(size, clips a step, sentences/s) of an epoch of EM, loading included."""
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            corpus = train_em.Corpus.generated(size, share, Path(folder), train_em.SIZES[size][1])
            for clips in clips_a_step:
                trainer = Trainer(corpus.model().to(device))

                def epoch(clips: int = clips, trainer: Trainer = trainer, corpus: Any = corpus) -> None:
                    batches = corpus.batches(corpus.sentences, clips)
                    trainer.epoch(batches, corpus.settings.warm_up, device)
                    wait(device)

                spent = turns.in_turns({"ours": epoch}, rounds, clock=perf_counter)
                yield size, clips, len(corpus.sentences) / statistics.median(spent["ours"])


def row(*cells: object) -> None:
    print("| " + " | ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells) + " |")


def head(*cells: str) -> None:
    print()
    row(*cells)
    row(*["---"] * len(cells))


def card(device: str) -> str:
    """The device's name, for the tables' heading."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device} ({platform.processor() or platform.machine()}; not a GPU: these figures mean nothing)"


def detection(bench: Bench, precisions: list[str], batches: tuple[int, ...], rounds: int) -> dict:
    """Print the tables of speed and equality; return their figures."""
    ways = ("the stage", "network", "detectron2", "backbone")
    head("precision", "batch", *(f"{way}, frames/s" for way in ways), "stage / network", "busy", "VidSTG, hours")
    speeds = {}
    for precision in precisions:
        for batch in batches:
            found = bench.speeds(precision, batch, rounds)
            share = busy(bench.device, bench.stage(bench.detector(precision), batch))
            speeds[f"{precision}, batch {batch}"] = found | {"busy": share}
            hours = VIDSTG.frames / found["the stage"] / 3600
            ratio = found["the stage"] / found["network"]
            row(precision, batch, *(found[w] for w in ways), ratio, "–" if share is None else share, hours)
    return {"speeds": speeds, "equality": equality(bench, precisions)}


def equality(bench: Bench, precisions: list[str]) -> dict:
    """Print the table of the device's regions beside the CPU's; return its figures.

    The CPU's whole batches resize and select as the device does: what differs there is the device's arithmetic.
    """
    pictures = bench.pictures(32)
    longest = max(pictures[0].shape)
    ways = {"the CPU's own way": False, "whole batches on the CPU": True}
    cpu = {
        way: load(bench.block, bench.folder, "cpu", whole_batches=whole).detect(pictures, **LIMITS)
        for way, whole in ways.items()
    }
    head(
        "precision", "beside the CPU's", "regions", f"same within {NEAR}", "score apart", "frames of another count"
    )
    found = {}
    for precision in precisions:
        detector = bench.detector(precision)
        first, again = (detector.detect(pictures, **LIMITS) for _ in range(2))
        found[precision] = {way: agreement(first, wanted, longest) for way, wanted in cpu.items()}
        for way, figures in found[precision].items():
            row(precision, way, *figures.values())
        found[precision]["same bytes again"] = all(map(same_bytes, first, again))
    print(f"\nTwice the same bytes: {', '.join(p for p in precisions if found[p]['same bytes again']) or 'none'}.")
    return found


def same_bytes(regions: Regions, others: Regions) -> bool:
    return all(value.tobytes() == getattr(others, name).tobytes() for name, value in vars(regions).items())


@click.command()
@click.option("--device", default="cuda:0", show_default=True, help="torch device")
@click.option("--batch", "batches", default=(8, 32), show_default=True, multiple=True, help="frames in a pass")
@click.option("--precision", "precisions", type=click.Choice(PRECISIONS), multiple=True, help="of these  [all]")
@click.option("--threads", default=16, show_default=True, help="that feed the device")
@click.option("--rounds", default=3, show_default=True, help="turns of each way")
@click.option("--share", default=0.003, show_default=True, help="share of VidSTG's clips that EM is measured on")
@click.option("--tiny", is_flag=True, help="a few frames of 96 x 54")
@click.option("--json", "output", type=click.Path(path_type=Path), help="also write the numbers to this file")
def main(
    device: str,
    batches: tuple[int, ...],
    precisions: tuple[str, ...],
    threads: int,
    rounds: int,
    share: float,
    tiny: bool,
    output: Path | None,
) -> None:
    """Measure detection and EM on a device."""
    from vcma.pipeline.cli import check_device

    try:
        check_device(device)
    except click.BadParameter as error:
        print(f"skipped: {error.message}; --device cpu --tiny runs this without a GPU")
        return
    shape = TINY if tiny else USUAL
    name = card(device)
    print(f"{name}, torch {torch.__version__}; frames {shape.size[1]} x {shape.size[0]}, {threads} threads")
    with tempfile.TemporaryDirectory() as folder:
        block = generated_detector(Path(folder), shape)
        bench = Bench(device, threads, Path(folder), block, generated_frames(Path(folder), shape))
        found = detection(bench, list(precisions or PRECISIONS), batches, rounds)
    head("EM, size of", "clips a step", "sentences/s", "an epoch of VidSTG, minutes")
    found["EM"] = {}
    for size, clips, rate in epochs(device, shape.corpora, share, batches, rounds):
        found["EM"][f"{size}, {clips} clips"] = rate
        row(size, clips, rate, VIDSTG.sentences["train"] / rate / 60 if size == "vidstg" else "–")
    turns.finish({}, output, device=name, torch=torch.__version__, **found)


if __name__ == "__main__":
    main()
