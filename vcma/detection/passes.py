"""Forward passes on a torch device: as many pictures at once as fit into its memory; and a device that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

from vcma.errors import RefusedError

T = TypeVar("T")


class Passes:
    """Does pictures in passes, of half as many from then on where the device's memory is too small for them."""

    def __init__(self, device: str, largest: int = 1 << 30):
        """largest: pictures of one pass."""
        self._device, self._largest = device, largest

    def __call__(self, count: int, forward: Callable[[slice], T]) -> list[T]:
        """forward(part) of all parts of `count` pictures, in order."""
        import torch

        while True:
            size = min(self._largest, count)
            try:
                return [forward(slice(first, first + size)) for first in range(0, count, size)]
            except torch.OutOfMemoryError:
                if size == 1:
                    raise RefusedError(
                        "one frame does not fit into its memory", self._device, "free memory there, or use the CPU"
                    ) from None
            # Outside of the handler, whose traceback holds the tensors.
            torch.accelerator.empty_cache()
            self._largest = size // 2
            click.echo(f"{self._device}: no memory for {size} frames at once; on with {size // 2}", err=True)


@contextmanager
def device_failures(device: str) -> Iterator[None]:
    """Turn a failure of the device itself into an error that ends the run: no video is to blame."""
    import torch

    try:
        yield
    except torch.AcceleratorError as error:
        reason = str(error).strip().splitlines()[0]
        remedy = "run again: finished videos are kept"
        raise RefusedError(f"the device failed: {reason}", device, remedy) from None
