"""Batches on their way to a device, which need not wait while the next one is put together."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from vcma.model.batch import Batch

Item = TypeVar("Item")

_AHEAD = 2  # batches made ahead of the one in use


def on_device(batches: Iterable[Batch], device: str) -> Iterator[Batch]:
    """The batches on a device, in order; made ahead in a thread, for a GPU in memory that it copies from."""
    staged = ahead(batches if device == "cpu" else (batch.pinned() for batch in batches))
    yield from (batch.to(device) for batch in staged)


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The items in order, of which up to _AHEAD are made one by one in a thread before they are asked for.

    An error while an item is made is raised in its place. Leaving early ends the thread.
    """
    source = iter(items)
    end = object()
    with ThreadPoolExecutor(1, "ahead") as pool:
        coming = deque(pool.submit(next, source, end) for _ in range(_AHEAD))
        try:
            while (item := coming.popleft().result()) is not end:
                coming.append(pool.submit(next, source, end))
                yield item  # type: ignore[misc]
        finally:
            for future in coming:
                future.cancel()
