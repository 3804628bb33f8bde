"""Train the demo's region-text encoder on still images of the drawn world; demo/encoder was made with

python demo/train_encoder.py --output demo/encoder

The encoder is a CLIP of 0.9 M parameters (transformers' CLIPModel), trained on crops of objects and phrases that
describe them. Images are drawn as for demo/train_detector.py, with other seeds; no sentence or video of the
benchmark is used.
"""

import shutil
import time
from pathlib import Path

import click
import torch

from region_text.files import load, new_model, new_tokenizer, save
from region_text.phrases import every_word
from region_text.scores import phrase_accuracy, picking_accuracy
from region_text.training import Schedule, train
from train_detector import world_pictures
from vcma.errors import InputError
from vcma.pipeline.exit_codes import exit_on_error


@click.command()
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Output folder.")
@click.option("--stills", type=click.IntRange(1), default=6000, show_default=True, help="Training images.")
@click.option("--held-out", type=click.IntRange(1), default=400, show_default=True, help="Test images.")
@click.option("--epochs", type=float, default=5.0, show_default=True, help="Passes over the training images.")
@click.option("--batch", type=click.IntRange(1), default=20, show_default=True, help="Images per batch.")
@click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="Peak learning rate of AdamW.")
@click.option("--seed", type=click.IntRange(0), default=11, show_default=True, help="Seed of all random choices.")
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="Torch threads; affect the weights."
)
def main(
    output: Path,
    stills: int,
    held_out: int,
    epochs: float,
    batch: int,
    learning_rate: float,
    seed: int,
    threads: int,
) -> None:
    """Train an encoder of crops and phrases, save it in Hugging Face's layout, and evaluate the saved model."""
    with exit_on_error():
        if output.exists() and any(output.iterdir()) and not (output / "model.safetensors").exists():
            raise InputError("is not an encoder", output, "choose another folder")
        start, cpu = time.monotonic(), time.process_time()
        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        pictures = [p for p in world_pictures(seed, stills) if p.labels]
        click.echo(f"{len(pictures)} images, {sum(len(p.labels) for p in pictures)} objects", err=True)
        tokenizer = new_tokenizer(every_word())
        model = new_model(tokenizer)
        train(model, tokenizer, pictures, Schedule(epochs, min(batch, len(pictures)), learning_rate, seed))
        partial = output.with_name(f".{output.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        save(model, tokenizer, partial)
        shutil.rmtree(output, ignore_errors=True)
        partial.rename(output)
        _evaluate(output, seed + 1, held_out)
        parameters = sum(p.numel() for p in model.parameters()) / 1e6
        click.echo(
            f"{parameters:.2f} M parameters, {time.monotonic() - start:.0f} s "
            f"({time.process_time() - cpu:.0f} s of CPU without drawing) -> {output}"
        )


def _evaluate(folder: Path, seed: int, count: int) -> None:
    """Print the scores of a saved encoder on held-out images, with tight and with square crops."""
    model, processor = load(folder)
    pictures = [p for p in world_pictures(seed, count) if p.labels]
    for square in (False, True):
        scores = phrase_accuracy(model, processor, pictures, square)
        scores |= picking_accuracy(model, processor, pictures, seed, square)
        shown = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
        click.echo(f"{'square' if square else 'tight'} crops: {shown}")


if __name__ == "__main__":
    main()
