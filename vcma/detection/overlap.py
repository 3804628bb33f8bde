"""Work in three steps of which the middle one has the device: the others run in threads before and behind it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


def overlapped(
    items: Iterable[Any],
    before: Callable[[Any], Any],
    middle: Callable[[Any], Any],
    behind: Callable[[Any], Any],
    threads: int,
) -> Iterator[Any]:
    """behind(middle(before(item))) of each item, in order.

    threads: 0 does one step after the other, here. Otherwise `before` and `behind` run on so many threads, and
    `middle` here, one item at a time: of at most `threads` items `before` is at work or done ahead of it, and of as
    many `behind` after it, so that memory is bounded. The first error of any step ends the iteration, once what the
    threads have begun is done; so does leaving it early.
    """
    if not threads:
        yield from (behind(middle(before(item))) for item in items)
        return
    waiting = iter(items)
    ready: deque[Future] = deque()
    done: deque[Future] = deque()
    with ThreadPoolExecutor(threads, "overlapped") as pool:
        try:
            while True:
                for item in waiting:
                    ready.append(pool.submit(before, item))
                    if len(ready) >= threads:
                        break
                if not ready:
                    break
                done.append(pool.submit(behind, middle(ready.popleft().result())))
                while len(done) >= threads or (done and done[0].done()):
                    yield done.popleft().result()
            while done:
                yield done.popleft().result()
        finally:
            for future in (*ready, *done):
                future.cancel()
