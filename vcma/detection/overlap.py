"""Three-step pipeline whose middle step uses the device while the other two run in threads."""

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
    """Yield behind(middle(before(item))) of each item, in order.

    threads: number of threads for `before` and `behind`; 0 runs all steps in the calling thread. `middle` always
    runs in the calling thread, one item at a time. At most `threads` items are ahead of `middle` and as many behind
    it, which bounds memory. The first error of any step ends the iteration after the running steps have finished,
    and so does closing the iterator early.
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
