"""Prefetching of batches in a thread and their transfer to a device."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from vcma.model.batch import Batch

Item = TypeVar("Item")

_AHEAD = 2  # number of prefetched batches


def on_device(batches: Iterable[Batch], device: str) -> Iterator[Batch]:
    """Yield the batches on a device, in order, prefetched in a thread; in pinned memory for a GPU."""
    staged = ahead(batches if device == "cpu" else (batch.pinned() for batch in batches))
    yield from (batch.to(device) for batch in staged)


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items in order, prefetching up to _AHEAD of them in one thread.

    An error in making an item is raised in its place. Closing the iterator ends the thread.
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
