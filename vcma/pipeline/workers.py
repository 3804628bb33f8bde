"""Worker processes: here, or of a Dask cluster; one that dies is found out."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from vcma.errors import InputError
from vcma.pipeline.cli import Run


def results(
    run: Run, make: Callable[..., tuple], jobs: list[tuple], isolated: bool
) -> Generator[tuple[str, Any], None, None]:
    """What `make` returns of each job (whose first item is its name), as it comes. A job that kills its process is
    found out, and an InputError stands for its result."""
    waiting = {job[0]: job for job in jobs}
    unexplained = 0
    while unexplained < _DEATHS:
        try:
            for name, made in parallel(run, make, list(waiting.values()), isolated):
                del waiting[name]
                yield name, made
            return
        except _deaths():
            # Nothing says whose work the process died of. It was one of the first: they are taken in order.
            suspects = list(waiting.values())[: 4 * max(run.jobs, 2)]
        unexplained += 1
        for job in suspects:
            try:
                [(name, made)] = parallel(run, make, [job], isolated=True)
            except _deaths():
                name, made = job[0], InputError("killed the process that read it", None, "fetch or make it again")
                unexplained = 0
            del waiting[name]
            yield name, made
    raise InputError(
        f"worker processes died {_DEATHS} times of no one video", None, "run with fewer --jobs: memory may be short"
    )


def parallel(run: Run, function: Callable, jobs: list[tuple], isolated: bool = False) -> Iterator[Any]:
    """function(*job) of all jobs, as they come: on the run's Dask cluster, in its worker processes, or right here.

    isolated: never right here.
    """
    import joblib

    # A run that ends at an error need not be told what else it had begun.
    warnings.filterwarnings("ignore", r"\d+ tasks ", UserWarning, "joblib")
    if run.scheduler:
        backend = _cluster(run.scheduler)
    elif isolated or (len(jobs) > 1 and run.jobs > 1 and run.device == "cpu"):  # a GPU serves one process best
        # One native thread a worker: two pools of threads on the same cores can be ten times slower than one.
        # joblib works right here where it may have one process only: of two the second is handed nothing then.
        n = max(2, min(run.jobs, len(jobs)))
        backend = joblib.parallel_config("loky", n_jobs=n, inner_max_num_threads=1)
    else:
        yield from (function(*job) for job in jobs)
        return
    with backend:
        # Ctrl-C reaches every process of a terminal: workers inherit that they leave it to this one to end them.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            ahead = 1 if run.jobs == 1 and not run.scheduler else "2*n_jobs"
            found = joblib.Parallel(batch_size=1, return_as="generator_unordered", pre_dispatch=ahead)(
                joblib.delayed(function)(*job) for job in jobs
            )
        finally:
            signal.signal(signal.SIGINT, before)
        yield from found


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    """joblib's Dask backend on the cluster of a scheduler; raises InputError if it does not answer."""
    import joblib
    from distributed import Client

    try:
        # A client that cannot begin complains at length when it ends, and waits for ever on a port of another kind.
        asyncio.run(asyncio.wait_for(_greet(address), _PATIENCE))
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError, OverflowError, MemoryError) as error:
        what = f"no Dask scheduler answers ({str(error) or f'nothing in {_PATIENCE} s'})"
        raise InputError(what, address, "give tcp://host:port of one; start it: dask scheduler") from error
    with client, joblib.parallel_config("dask", client=client, n_jobs=-1):
        try:
            yield
        except BaseException:
            # Of what is cut off now the client would tell in tracebacks.
            for name in ("distributed", "tornado.application", "asyncio"):
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
            raise


async def _greet(address: str) -> None:
    """Connect to a scheduler as its clients do, and leave."""
    from distributed.comm import connect
    from distributed.security import Security

    comm = await connect(address, timeout=_PATIENCE, **Security().get_connection_args("client"))
    await comm.close()


_PATIENCE = 10  # s until a scheduler must have answered


def _deaths() -> tuple[type[Exception], ...]:
    """The errors that mean a worker process died."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    found: list[type[Exception]] = [BrokenProcessPool]
    if "distributed" in sys.modules:
        from distributed import KilledWorker

        found.append(KilledWorker)
    return tuple(found)


_DEATHS = 3  # so often may workers die without a video to blame
