"""Detection time of the pipeline's detector, the bare model and detectron2's DefaultPredictor.

All three process the same frames at the same size with the same number of threads, in alternation.

    python bench/detect_proposals.py --config envs/detectors/demo.yaml --weights demo/detector.pth
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import turns  # first: it sets the number of threads

# isort: split
import click
import numpy as np

from vcma.detection.detectron2_config import import_detectron2, read_config, without_old_warnings
from vcma.detection.detectron2_model import build_model, fill
from vcma.detection.registry import load_detector
from vcma.detection.weights import read_checkpoint

_WANTED: dict[str, Any] = {"top_k": 20, "score_threshold": 0.05, "nms_threshold": 0.6, "min_size": 4}


def drawn_frames(count: int) -> list[np.ndarray]:
    """Render images of the demo's synthetic world, (240, 320, 3) uint8 BGR."""
    sys.path.append(str(turns.ROOT / "demo"))
    from world.dataset import still_pictures

    return [picture for picture, *_ in still_pictures(11, count)]


def configured(config: str, weights: str) -> tuple[Any, dict[str, Any]]:
    """Return the weights, and the configuration with their number of classes and attributes."""
    cfg = read_config(config, Path())
    checkpoint = read_checkpoint(Path(weights))
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = len(checkpoint["class_names"])
    cfg.MODEL.ROI_ATTRIBUTE_HEAD.NUM_CLASSES = len(checkpoint["attribute_names"])
    cfg.MODEL.WEIGHTS, cfg.MODEL.DEVICE = weights, "cpu"
    cfg.TEST.DETECTIONS_PER_IMAGE = _WANTED["top_k"]
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = _WANTED["score_threshold"]
    return cfg, checkpoint


def bare_loop(cfg: Any, checkpoint: dict[str, Any], frames: list[np.ndarray], batch: int) -> Callable[[], None]:
    """Batched forward passes of the model on precomputed tensors."""
    import torch

    model = build_model(cfg, "cpu").eval()
    fill(model, checkpoint, Path(cfg.MODEL.WEIGHTS))
    tensors = [{"image": torch.from_numpy(np.float32(frame.transpose(2, 0, 1)))} for frame in frames]

    def run() -> None:
        with torch.no_grad():
            for first in range(0, len(tensors), batch):
                model(tensors[first : first + batch])

    return run


def predictor_loop(cfg: Any, frames: list[np.ndarray]) -> Callable[[], None]:
    """detectron2's DefaultPredictor, frame by frame."""
    from detectron2.engine import DefaultPredictor

    predictor = DefaultPredictor(cfg)
    return lambda: [predictor(frame) for frame in frames] and None


def our_loop(config: str, weights: str, frames: list[np.ndarray], batch: int) -> Callable[[], None]:
    """`Detector.detect` with the arguments of the stage."""
    detector = load_detector({"backend": "detectron2", "config": config, "weights": weights}, Path())

    def run() -> None:
        for first in range(0, len(frames), batch):
            detector.detect(frames[first : first + batch], **_WANTED)

    return run


@click.command()
@click.option("--config", default="envs/detectors/demo.yaml", show_default=True, help="detectron2 configuration")
@click.option("--weights", default="demo/detector.pth", show_default=True, help="its weights, with class names")
@click.option("--frames", "count", default=32, show_default=True, help="number of frames, 320 x 240 px")
@click.option("--batch", default=8, show_default=True, help="frames per forward pass")
@click.option("--threads", default=1, show_default=True, help="torch threads")
@click.option("--repeats", default=5, show_default=True, help="repetitions")
@click.option("--json", "output", type=click.Path(path_type=Path), help="write the results to this file")
def main(
    config: str, weights: str, count: int, batch: int, threads: int, repeats: int, output: Path | None
) -> None:
    """Compare detection times of the pipeline, the bare model and detectron2's DefaultPredictor."""
    import torch

    import_detectron2()
    torch.set_num_threads(threads)
    frames = drawn_frames(count)
    cfg, checkpoint = configured(config, weights)
    with without_old_warnings():
        ways = {
            "ours": our_loop(config, weights, frames, batch),
            "bare model": bare_loop(cfg, checkpoint, frames, batch),
            "DefaultPredictor": predictor_loop(cfg, frames),
        }
        spent = turns.in_turns(ways, repeats)
    turns.finish({f"detect in {count} frames, 320 x 240": spent}, output, batch=batch, threads=threads)


if __name__ == "__main__":
    main()
