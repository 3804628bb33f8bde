"""Training of the encoder: batches of whole images, and a contrastive loss with several true phrases per crop.

A batch holds all objects of some images, so that similar objects of one image are contrasted. For each object it
holds phrases that are true of it, and one of an object that differs in a single attribute (a hard negative).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from region_text.crops import training_crop
from region_text.files import SIZE
from region_text.phrases import altered, facts_of, phrase_for, thing_of
from vcma.detector_training.pictures import AnnotatedPicture

_TRUE_PHRASES = 2  # true phrases drawn per crop
_LARGEST_SCALE = math.log(60.0)


@dataclass(frozen=True)
class Schedule:
    """Training schedule: passes over the images, images per batch, peak learning rate, seed."""

    epochs: float
    batch: int
    learning_rate: float
    seed: int

    def steps(self, pictures: int) -> int:
        return max(1, round(self.epochs * pictures / self.batch))


@dataclass(frozen=True)
class Batch:
    """pixels: uint8 BGR [C, SIZE, SIZE, 3]; texts: T distinct ones; true: bool [C, T], text t describes crop c."""

    pixels: np.ndarray
    texts: list[str]
    true: np.ndarray


def batches(pictures: Sequence[AnnotatedPicture], schedule: Schedule) -> Iterator[Batch]:
    """Yield batches endlessly, with the images reshuffled each epoch."""
    rng = np.random.default_rng(schedule.seed)
    while True:
        order = rng.permutation(len(pictures))
        for start in range(0, len(order) - schedule.batch + 1, schedule.batch):
            yield make_batch(rng, [pictures[k] for k in order[start : start + schedule.batch]])


def make_batch(rng: np.random.Generator, pictures: Sequence[AnnotatedPicture]) -> Batch:
    """Make a batch of all objects of the images with their phrases."""
    crops, facts, phrases = [], [], {}
    for picture in pictures:
        pixels = picture.pixels()
        for which, (label, attributes) in enumerate(zip(picture.labels, picture.attributes, strict=True)):
            thing = thing_of(label, attributes)
            crops.append(training_crop(rng, pixels, picture.boxes, which, SIZE))
            facts.append(facts_of(thing))
            said = [thing] * _TRUE_PHRASES + [altered(rng, thing)]
            phrases.update({p.text: p for p in (phrase_for(rng, each) for each in said)})
    true = np.array([[p.is_true_of(known) for p in phrases.values()] for known in facts])
    return Batch(np.stack(crops), list(phrases), true)


def contrastive_loss(logits: Tensor, true: Tensor) -> Tensor:
    """Return the mean over rows and columns of [C, T] of -log(e^positive / (e^positive + sum of e^negatives)).

    Each true pair is contrasted only with the false pairs of its row and of its column, so that general and precise
    phrases for the same crop do not compete. Rows and columns without a true pair are ignored.
    """
    return 0.5 * (_one_way(logits, true) + _one_way(logits.T, true.T))


def _one_way(logits: Tensor, true: Tensor) -> Tensor:
    negatives = logits.masked_fill(true, -1e4).logsumexp(1, keepdim=True)
    each = F.softplus(negatives - logits) * true
    rows = true.any(1)
    return (each.sum(1)[rows] / true.sum(1)[rows]).mean()


def train(model: Any, tokenizer: Any, pictures: Sequence[AnnotatedPicture], schedule: Schedule) -> None:
    """Train a CLIPModel in place; deterministic in the seed, the model and the number of threads."""
    steps = schedule.steps(len(pictures))
    optimizer = torch.optim.AdamW(_groups(model), schedule.learning_rate, betas=(0.9, 0.98))
    warm_up = min(100, steps // 5 + 1)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min((k + 1) / warm_up, 0.5 + 0.5 * math.cos(math.pi * k / steps))
    )
    start, running = time.monotonic(), 0.0
    model.train()
    for step, batch in zip(range(1, steps + 1), batches(pictures, schedule), strict=False):
        words = tokenizer(batch.texts, return_tensors="pt", padding=True, truncation=True)
        out = model(pixel_values=normalised(batch.pixels), **words)
        loss = contrastive_loss(out.logits_per_image, torch.from_numpy(batch.true))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=_LARGEST_SCALE)
        running += loss.item()
        if step % max(steps // 20, 1) == 0 or step == steps:
            seconds = time.monotonic() - start
            click.echo(f"{step}/{steps} steps, {seconds:.0f} s, loss {running / max(steps // 20, 1):.3f}", err=True)
            running = 0.0
    model.eval()


def normalised(pixels: np.ndarray) -> Tensor:
    """Convert BGR uint8 [C, H, W, 3] as the image processor does: RGB float32 [C, 3, H, W] in [-1, 1]."""
    rgb = np.ascontiguousarray(pixels[..., ::-1].transpose(0, 3, 1, 2))
    return torch.from_numpy(rgb).float() / 127.5 - 1


def _groups(model: Any) -> list[dict[str, Any]]:
    """Apply weight decay to weights, but not to biases, norms, positions and the scale."""
    named = list(model.named_parameters())
    decayed = [p for name, p in named if p.ndim > 1 and "position" not in name]
    rest = [p for name, p in named if p.ndim <= 1 or "position" in name]
    return [{"params": decayed, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
