"""`vcma train-detector`: a Faster R-CNN from boxes, through detectron2's own trainer.

The boxes are those of still pictures of the drawn world, or a user's, in COCO's or VidOR's format. All numbers of
the training stand in the configuration (SOLVER, INPUT, DATASETS); the result is a checkpoint of half floats that
carries the names of its classes and attributes.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from vcma.detector import Detector, load_detector
from vcma.errors import InputError

_JPEG_QUALITY = 95  # of the pictures kept in memory
_VISIBLE = 0.35  # a thing of which a crop leaves less is no thing any more
_EVALUATED = {"top_k": 20, "score_threshold": 0.02, "nms_threshold": 0.6, "min_size": 4}


@dataclass(frozen=True)
class Still:
    """A picture with boxes. source: a file, or the bytes of one. boxes: (n, 4) xyxy px; labels and attributes: n."""

    source: bytes | Path
    boxes: np.ndarray
    labels: tuple[str, ...]
    attributes: tuple[tuple[str, ...], ...]

    def picture(self) -> np.ndarray:
        """The picture, (H, W, 3) uint8 BGR."""
        import cv2

        data = self.source if isinstance(self.source, bytes) else self.source.read_bytes()
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise InputError("no picture can be decoded from it", str(self.source)[:200], "replace or remove it")
        return picture


def world_stills(seed: int, count: int) -> Iterator[Still]:
    """Still pictures of the drawn world."""
    from vcma.world import still_pictures

    for picture, things in still_pictures(seed, count):
        yield Still(
            _encoded(picture),
            np.array([thing["box"] for thing in things], np.float32).reshape(-1, 4),
            tuple(thing["category"] for thing in things),
            tuple(tuple(thing["attributes"]) for thing in things),
        )


def coco_stills(annotations: Path, pictures: Path) -> Iterator[Still]:
    """Pictures of a COCO annotation file; an annotation may carry `attributes`, a list of names."""
    data = _json(annotations)
    try:
        names = {category["id"]: category["name"] for category in data["categories"]}
        things = defaultdict(list)
        for thing in data["annotations"]:
            if not thing.get("iscrowd"):
                x, y, width, height = thing["bbox"]
                things[thing["image_id"]].append(
                    ([x, y, x + width, y + height], names[thing["category_id"]], tuple(thing.get("attributes", ())))
                )
        files = [(pictures / image["file_name"], things[image["id"]]) for image in data["images"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"not a COCO annotation file: {error!r}", annotations, "give COCO instances JSON") from error
    for file, found in files:
        if not file.is_file():
            raise InputError("picture not found", file, "correct --pictures")
        yield _still(file, found)


def vidor_stills(annotations: Path, videos: Path, step: int) -> Iterator[Still]:
    """Every step-th annotated frame of the videos that VidOR JSON files below a folder describe."""
    files = sorted(annotations.rglob("*.json"))
    if not files:
        raise InputError("holds no VidOR annotation (*.json)", annotations, "correct --vidor")
    for file in files:
        data = _json(file)
        try:
            category = {thing["tid"]: thing["category"] for thing in data["subject/objects"]}
            boxes = {
                frame: [
                    ([thing["bbox"][side] for side in ("xmin", "ymin", "xmax", "ymax")], category[thing["tid"]], ())
                    for thing in things
                ]
                for frame, things in enumerate(data["trajectories"])
                if frame % step == 0
            }
            video = videos / data.get("video_path", f"{file.stem}.mp4")
        except (KeyError, TypeError) as error:
            raise InputError(f"not a VidOR annotation: {error!r}", file, "give VidOR's JSON files") from error
        for frame, picture in _frames(video, set(boxes)):
            yield _still(_encoded(picture), boxes[frame])


def _still(source: bytes | Path, things: Sequence[tuple]) -> Still:
    return Still(
        source,
        np.array([box for box, _, _ in things], np.float32).reshape(-1, 4),
        tuple(label for _, label, _ in things),
        tuple(attributes for _, _, attributes in things),
    )


def _frames(video: Path, wanted: set[int]) -> Iterator[tuple[int, np.ndarray]]:
    """The wanted frames of a video, decoded in order."""
    import cv2

    capture = cv2.VideoCapture(str(video))
    if not capture.isOpened():
        raise InputError("video not found or not readable", video, "correct --videos")
    frame = 0
    while capture.grab():
        if frame in wanted:
            yield frame, capture.retrieve()[1]
        frame += 1
    capture.release()


def _encoded(picture: np.ndarray) -> bytes:
    import cv2

    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()


def _json(file: Path) -> dict:
    try:
        data = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read as JSON: {error}", file, "correct the path or the file") from error
    if not isinstance(data, dict):
        raise InputError("is no JSON object", file, "give an annotation file")
    return data


class _Prepare:
    """detectron2's mapper for stills: its own resizing and flips, and what cameras and codecs do to a picture."""

    def __init__(self, cfg: Any, class_names: Sequence[str], attribute_names: Sequence[str]):
        from detectron2.data import transforms
        from detectron2.data.detection_utils import build_augmentation

        self._classes = {name: i for i, name in enumerate(class_names)}
        self._attributes = {name: i for i, name in enumerate(attribute_names)}
        self._augment = transforms.AugmentationList(
            [
                *build_augmentation(cfg, is_train=True),
                transforms.RandomBrightness(0.75, 1.25),
                transforms.RandomContrast(0.8, 1.2),
            ]
        )
        self._rgb = cfg.INPUT.FORMAT == "RGB"

    def __call__(self, row: dict) -> dict:
        import torch
        from detectron2.data.transforms import AugInput
        from detectron2.structures import Boxes, Instances

        still: Still = row["still"]
        given = AugInput(still.picture(), boxes=still.boxes.astype(np.float64))
        self._augment(given)
        picture = _compressed(given.image)
        height, width = picture.shape[:2]
        boxes = given.boxes.clip(0, [width, height, width, height])
        area, whole = _area(boxes), _area(given.boxes)
        kept = np.flatnonzero(area > _VISIBLE * whole)
        truth = Instances((height, width))
        truth.gt_boxes = Boxes(torch.from_numpy(boxes[kept].astype(np.float32)))
        truth.gt_classes = torch.tensor([self._classes[still.labels[i]] for i in kept], dtype=torch.int64)
        truth.gt_attributes = torch.zeros(len(kept), len(self._attributes))
        for place, i in enumerate(kept):
            for name in still.attributes[i]:
                truth.gt_attributes[place, self._attributes[name]] = 1
        picture = picture[:, :, ::-1] if self._rgb else picture
        image = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32))
        return {"image": image, "instances": truth}


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _compressed(picture: np.ndarray) -> np.ndarray:
    """The picture as a video frame may show it: half of them blurred a little, all with coding noise."""
    import cv2

    picture = picture.clip(0, 255).astype(np.uint8)
    if np.random.rand() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), np.random.uniform(0.3, 1.0))
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(np.random.randint(35, 96))]
    return cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR)


def fit(cfg: Any, stills: Sequence[Still], class_names: Sequence[str], attribute_names: Sequence[str]) -> Any:
    """Train the model of a configuration on stills; deterministic in cfg.SEED and the number of threads."""
    import torch
    from detectron2.data import build_detection_train_loader
    from detectron2.data.samplers import TrainingSampler
    from detectron2.engine import SimpleTrainer
    from detectron2.engine.hooks import LRScheduler
    from detectron2.solver import build_lr_scheduler
    from detectron2.solver.build import get_default_optimizer_params

    from vcma.detectron import build_model, without_old_warnings

    random.seed(cfg.SEED)
    np.random.seed(cfg.SEED)
    torch.manual_seed(cfg.SEED)
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = len(class_names)
    cfg.MODEL.ROI_ATTRIBUTE_HEAD.NUM_CLASSES = len(attribute_names)
    model = build_model(cfg, cfg.MODEL.DEVICE)
    rows = [{"still": still} for still in stills]
    with without_old_warnings():
        loader = build_detection_train_loader(
            rows,
            mapper=_Prepare(cfg, class_names, attribute_names),
            sampler=TrainingSampler(len(rows), seed=cfg.SEED),
            total_batch_size=cfg.SOLVER.IMS_PER_BATCH,
            aspect_ratio_grouping=False,
            num_workers=0,
        )
        parameters = get_default_optimizer_params(model, weight_decay_norm=0.0)
        optimizer = torch.optim.AdamW(parameters, cfg.SOLVER.BASE_LR, weight_decay=cfg.SOLVER.WEIGHT_DECAY)
        trainer = SimpleTrainer(model, loader, optimizer)
        trainer.register_hooks([LRScheduler(optimizer, build_lr_scheduler(cfg, optimizer)), _progress(cfg)])
        trainer.train(0, cfg.SOLVER.MAX_ITER)
    return model.eval()


def _progress(cfg: Any) -> Any:
    """A hook that prints the mean losses now and then."""
    from detectron2.engine import HookBase

    class Progress(HookBase):
        def before_train(self) -> None:
            self.start = time.monotonic()

        def after_step(self) -> None:
            done, total = self.trainer.iter + 1, cfg.SOLVER.MAX_ITER
            if done % max(total // 40, 1) == 0 or done == total:
                losses = self.trainer.storage.latest_with_smoothing_hint(50)
                shown = "  ".join(f"{k.removeprefix('loss_')} {v:.3f}" for k, (v, _) in losses.items() if "loss" in k)
                seconds = time.monotonic() - self.start
                left = seconds / done * (total - done)
                click.echo(f"{done}/{total} iterations, {seconds:.0f} s, {left:.0f} s left  {shown}", err=True)

    return Progress()


def save(model: Any, class_names: Sequence[str], attribute_names: Sequence[str], path: Path) -> None:
    """Write the checkpoint, floats in half precision, all or nothing."""
    import torch

    state = {
        name: value.detach().cpu().half() if value.is_floating_point() else value.detach().cpu()
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")  # counts the training's steps; nothing reads it
    }
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": state, "class_names": list(class_names), "attribute_names": list(attribute_names)}, partial)
    os.replace(partial, path)


def evaluate(detector: Detector, stills: Iterable[Still]) -> dict[str, Any]:
    """AP (COCO's), recall at IoU 0.5 over all and by category, and how well classes and attributes are told.

    Keys: ap, ap50, recall, recall_by_category, class_accuracy and attribute_auc (over true things that are found).
    """
    truth, found, told = [], [], _Told(detector)
    for still in stills:
        regions = detector.detect([still.picture()], **_EVALUATED)[0]
        truth.append(still)
        found.append(regions)
        told.add(still, regions)
    return {**_average_precision(detector.class_names, truth, found), **told.summary()}


class _Told:
    """Counts what the best box of each true thing says about it."""

    def __init__(self, detector: Detector):
        self._detector = detector
        self._all, self._hit, self._right = Counter[str](), Counter[str](), Counter[str]()
        self._strength: list[np.ndarray] = []
        self._holds: list[np.ndarray] = []

    def add(self, still: Still, regions: dict[str, np.ndarray]) -> None:
        overlap = _iou_matrix(still.boxes, regions["box"])
        self._all.update(still.labels)
        for i, label in enumerate(still.labels):
            if overlap.shape[1] == 0 or overlap[i].max() < 0.5:
                continue
            best = int(overlap[i].argmax())
            self._hit[label] += 1
            self._right[label] += self._detector.class_names[int(regions["class_prob"][best].argmax())] == label
            self._strength.append(regions["attribute_prob"][best].astype(np.float32))
            self._holds.append(np.isin(self._detector.attribute_names, still.attributes[i]))

    def summary(self) -> dict[str, Any]:
        total, hit = max(self._all.total(), 1), max(self._hit.total(), 1)
        return {
            "recall": self._hit.total() / total,
            "recall_by_category": {name: self._hit[name] / n for name, n in sorted(self._all.items())},
            "class_accuracy": self._right.total() / hit,
            "attribute_auc": self._attribute_auc(),
        }

    def _attribute_auc(self) -> dict[str, float]:
        """Of each attribute that some thing has: how often a thing that has it outranks one that has not."""
        from scipy.stats import rankdata

        auc = {}
        strength, holds = np.array(self._strength), np.array(self._holds)
        for column, name in enumerate(self._detector.attribute_names if len(holds) else ()):
            yes = int(holds[:, column].sum())
            if 0 < yes < len(holds):
                ranks = rankdata(strength[:, column])[holds[:, column]].sum() - yes * (yes + 1) / 2
                auc[name] = float(ranks / (yes * (len(holds) - yes)))
        return auc


def _iou_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of boxes (n, 4) and (m, 4): (n, m)."""
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    common = sides.clip(0).prod(2)
    return common / np.maximum(_area(a)[:, None] + _area(b)[None] - common, 1e-9)


def _average_precision(
    class_names: Sequence[str], truth: Sequence[Still], found: Sequence[dict[str, np.ndarray]]
) -> dict[str, float]:
    """COCO's AP (mean over IoU 0.5 to 0.95) and AP50 of the regions, each counted for its best class."""
    import contextlib
    import io

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    number = {name: i + 1 for i, name in enumerate(class_names)}
    things = [
        (image, box, number[label])
        for image, still in enumerate(truth)
        for box, label in zip(still.boxes, still.labels, strict=True)
    ]
    answers = [
        {"image_id": image, "category_id": int(p.argmax()) + 1, "bbox": _xywh(box), "score": float(score)}
        for image, regions in enumerate(found)
        for box, score, p in zip(regions["box"], regions["score"], regions["class_prob"], strict=True)
    ]
    if not things or not answers:
        return {"ap": 0.0, "ap50": 0.0}
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells its progress on stdout
        coco = COCO()
        coco.dataset = {
            "images": [{"id": image} for image in range(len(truth))],
            "categories": [{"id": i, "name": name} for name, i in number.items()],
            "annotations": [
                {"id": i + 1, "image_id": image, "category_id": c, "bbox": _xywh(b), "area": _xywh(b)[2] * _xywh(b)[3]}
                | {"iscrowd": 0}
                for i, (image, b, c) in enumerate(things)
            ],
        }
        coco.createIndex()
        result = COCOeval(coco, coco.loadRes(answers), "bbox")
        result.evaluate()
        result.accumulate()
        result.summarize()
    return {"ap": float(result.stats[0]), "ap50": float(result.stats[1])}


def _xywh(box: np.ndarray) -> list[float]:
    x1, y1, x2, y2 = map(float, box)
    return [x1, y1, x2 - x1, y2 - y1]


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("train-detector")
@click.option("--config", type=_FILE, required=True, help="detectron2 configuration, e.g. envs/detectors/demo.yaml")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="the weights to write (.pth)")
@click.option("--coco", type=_FILE, help="train on the boxes of this COCO file instead of the drawn world")
@click.option("--pictures", type=_FOLDER, help="folder of the COCO file's pictures")
@click.option("--vidor", type=_FOLDER, help="train on the boxes of the VidOR files below this folder instead")
@click.option("--videos", type=_FOLDER, help="folder of VidOR's videos")
@click.option("--iterations", type=click.IntRange(1), help="instead of the configuration's SOLVER.MAX_ITER")
@click.option("--seed", type=click.IntRange(0), help="instead of the configuration's SEED")
@click.option("--device", help="cpu or cuda, instead of the configuration's MODEL.DEVICE")
@click.option("--threads", type=click.IntRange(1), help="threads of torch; the result depends on their number")
def train_detector(
    config: Path,
    output: Path,
    coco: Path | None,
    pictures: Path | None,
    vidor: Path | None,
    videos: Path | None,
    iterations: int | None,
    seed: int | None,
    device: str | None,
    threads: int | None,
) -> None:
    """Train a detector with boxes: on stills of the drawn world, or on your own in COCO or VidOR format."""
    import torch

    from vcma.detectron import read_config

    if (coco is None) != (pictures is None) or (vidor is None) != (videos is None) or (coco and vidor):
        raise click.UsageError("give --coco with --pictures, or --vidor with --videos, or none of them")
    start = time.monotonic()
    cfg = read_config(str(config), Path())
    cfg.SEED = cfg.SEED if seed is None else seed
    cfg.SOLVER.MAX_ITER = iterations or cfg.SOLVER.MAX_ITER
    cfg.MODEL.DEVICE = device or "cpu"
    if threads:
        torch.set_num_threads(threads)
    train, held_out = _split(cfg, coco, pictures, vidor, videos)
    class_names = tuple(sorted({label for still in train for label in still.labels}))
    attribute_names = tuple(sorted({name for still in train for names in still.attributes for name in names}))
    cfg.MODEL.ATTRIBUTE_ON = bool(attribute_names)
    click.echo(f"{len(train)} pictures, {len(class_names)} classes, {len(attribute_names)} attributes", err=True)
    model = fit(cfg, train, class_names, attribute_names)
    save(model, class_names, attribute_names, output)
    _report(config, output, held_out, sum(p.numel() for p in model.parameters()), time.monotonic() - start)


def _split(
    cfg: Any, coco: Path | None, pictures: Path | None, vidor: Path | None, videos: Path | None
) -> tuple[list[Still], list[Still]]:
    """Stills to train on and stills held out: other seeds of the drawn world, every tenth of a user's."""
    if coco is None and vidor is None:
        sets = cfg.DATASETS
        return list(world_stills(cfg.SEED, sets.STILLS_TRAIN)), list(world_stills(cfg.SEED + 1, sets.STILLS_TEST))
    if coco is not None:
        stills = list(coco_stills(coco, pictures))  # type: ignore[arg-type]
    else:
        stills = list(vidor_stills(vidor, videos, cfg.DATASETS.VIDEO_STEP))  # type: ignore[arg-type]
    stills = [still for still in stills if still.labels]
    if len(stills) < 2:
        raise InputError("fewer than two pictures with boxes", coco or vidor, "give more")
    return [still for i, still in enumerate(stills) if i % 10 != 9], stills[9::10] or stills[-1:]


def _report(config: Path, output: Path, held_out: Sequence[Still], parameters: int, seconds: float) -> None:
    """Judge the file that was written, on pictures it was not trained on."""
    settings = {"backend": "detectron2", "config": str(config.resolve()), "weights": str(output.resolve())}
    result = evaluate(load_detector(settings, Path()), held_out)
    auc = list(result["attribute_auc"].values())
    click.echo(f"AP {result['ap']:.3f}, AP50 {result['ap50']:.3f}, recall@0.5 {result['recall']:.3f}, ", nl=False)
    click.echo(f"class {result['class_accuracy']:.3f}, attributes (AUC) {np.mean(auc) if auc else float('nan'):.3f}")
    for name, recall in result["recall_by_category"].items():
        click.echo(f"  {name}: recall {recall:.3f}")
    size = output.stat().st_size / 1e6
    click.echo(f"{parameters / 1e6:.2f} M parameters, {size:.1f} MB, {seconds:.0f} s -> {output}")
