"""A Dask cluster as the place where joblib's jobs are done: its scheduler is found, its workers are waited for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vcma.errors import InputError
from vcma.pipeline.cli import tell

SCHEDULER_TIMEOUT = 10  # s until a scheduler must have answered


@contextmanager
def dask_cluster(address: str, who: str, wait: float) -> Iterator[None]:
    """joblib's Dask backend on the cluster of a scheduler.

    who: what waits there, for the lines on stderr. wait: s until the cluster must have a worker, which a queueing
    system may start late. Raises InputError where no scheduler answers or no worker comes in time.
    """
    import joblib
    from distributed import Client

    try:
        # A client that cannot begin logs tracebacks at its end, and waits for ever on a port of another protocol.
        asyncio.run(asyncio.wait_for(_connect_once(address), SCHEDULER_TIMEOUT))
        client = Client(address, timeout=SCHEDULER_TIMEOUT, set_as_default=False)
    except (OSError, ValueError, TypeError, OverflowError, MemoryError) as error:
        what = f"no Dask scheduler answers ({str(error) or f'nothing in {SCHEDULER_TIMEOUT} s'})"
        raise InputError(what, address, "give tcp://host:port of one; start it: dask scheduler") from error
    with client:
        _wait_for_a_worker(client, address, who, wait)
        with joblib.parallel_config("dask", client=client, n_jobs=-1):
            try:
                yield
            except BaseException:
                # The client would log a traceback for each job that is cut off now.
                for name in ("distributed", "tornado.application", "asyncio"):
                    logging.getLogger(name).setLevel(logging.CRITICAL + 1)
                raise


def _wait_for_a_worker(client: Any, address: str, who: str, wait: float) -> None:
    """Return when the cluster has a worker; a line says that it has none yet."""
    if client.ncores():
        return
    tell(f"{who}: no worker at {address} yet, waiting up to {wait:g} s for the first")
    begun = time.monotonic()
    # A job, because a cluster that adapts its size starts workers for jobs only.
    probe = client.submit(int, pure=False)
    try:
        probe.result(timeout=wait)
    except TimeoutError:
        remedy = f"start one: dask worker {address}; or wait longer, run: {{wait: SECONDS}} in pipeline.yaml"
        raise InputError(f"no worker came in {wait:g} s", address, remedy) from None
    tell(f"{who}: {len(client.ncores())} workers after {time.monotonic() - begun:.0f} s")


async def _connect_once(address: str) -> None:
    """Connect to a scheduler as its clients do, and leave."""
    from distributed.comm import connect
    from distributed.security import Security

    comm = await connect(address, timeout=SCHEDULER_TIMEOUT, **Security().get_connection_args("client"))
    await comm.close()
