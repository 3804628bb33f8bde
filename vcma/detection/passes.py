"""Forward passes on a torch device: batches that fit into its memory, and errors of the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

from vcma.errors import RefusedError

T = TypeVar("T")


class Passes:
    """Splits images into forward passes; halves the batch size permanently when the device runs out of memory."""

    def __init__(self, device: str, largest: int = 1 << 30):
        """largest: maximum number of images in one pass."""
        self._device, self._largest = device, largest

    def __call__(self, count: int, forward: Callable[[slice], T]) -> list[T]:
        """Return forward(part) for consecutive slices of `count` images.

        Raises RefusedError if a single image does not fit into memory.
        """
        import torch

        while True:
            size = min(self._largest, count)
            try:
                return [forward(slice(first, first + size)) for first in range(0, count, size)]
            except torch.OutOfMemoryError:
                if size == 1:
                    raise RefusedError(
                        "out of memory for a single frame", self._device, "free memory there, or use the CPU"
                    ) from None
            # Outside the handler, whose traceback keeps the tensors alive.
            torch.accelerator.empty_cache()
            self._largest = size // 2
            click.echo(f"{self._device}: out of memory for {size} frames at once; trying {size // 2}", err=True)


@contextmanager
def device_failures(device: str) -> Iterator[None]:
    """Convert errors of the device to RefusedError, which stops the whole run instead of skipping one video."""
    import torch

    try:
        yield
    except torch.AcceleratorError as error:
        reason = str(error).strip().splitlines()[0]
        remedy = "run again: finished videos are kept"
        raise RefusedError(f"the device failed: {reason}", device, remedy) from None
