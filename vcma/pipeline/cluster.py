"""Run joblib's jobs on a Dask cluster: connect to the scheduler and wait for workers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vcma.errors import InputError
from vcma.pipeline.cli import print_note

SCHEDULER_TIMEOUT = 10  # s, maximum time to wait for an answer of the scheduler


@contextmanager
def dask_cluster(address: str, who: str, wait: float) -> Iterator[None]:
    """Use the Dask scheduler at `address` as joblib's backend.

    who: name of the stage, for messages on stderr. wait: maximum time to wait for a first worker, seconds; a batch
    system may start workers late. Raises InputError if no scheduler answers or no worker joins in time.
    """
    import joblib
    from distributed import Client

    try:
        # A client that cannot connect logs tracebacks when closed, and hangs on a port of another protocol.
        asyncio.run(asyncio.wait_for(_connect_once(address), SCHEDULER_TIMEOUT))
        client = Client(address, timeout=SCHEDULER_TIMEOUT, set_as_default=False)
    except (OSError, ValueError, TypeError, OverflowError, MemoryError) as error:
        what = f"no Dask scheduler answers ({str(error) or f'nothing in {SCHEDULER_TIMEOUT} s'})"
        raise InputError(what, address, "give its tcp://host:port; start one with: dask scheduler") from error
    with client:
        _wait_for_a_worker(client, address, who, wait)
        with joblib.parallel_config("dask", client=client, n_jobs=-1):
            try:
                yield
            except BaseException:
                # The client would log a traceback for each cancelled job.
                for name in ("distributed", "tornado.application", "asyncio"):
                    logging.getLogger(name).setLevel(logging.CRITICAL + 1)
                raise


def _wait_for_a_worker(client: Any, address: str, who: str, wait: float) -> None:
    """Wait until the cluster has a worker, with a message while it has none."""
    if client.ncores():
        return
    print_note(f"{who}: no worker at {address} yet, waiting up to {wait:g} s for the first")
    begun = time.monotonic()
    # Submit a job, because a cluster that adapts its size starts workers only when there are jobs.
    probe = client.submit(int, pure=False)
    try:
        probe.result(timeout=wait)
    except TimeoutError:
        remedy = f"start one: dask worker {address}; or wait longer, run: {{wait: SECONDS}} in pipeline.yaml"
        raise InputError(f"no worker joined within {wait:g} s", address, remedy) from None
    print_note(f"{who}: {len(client.ncores())} workers after {time.monotonic() - begun:.0f} s")


async def _connect_once(address: str) -> None:
    """Connect to a scheduler as a client does, and disconnect."""
    from distributed.comm import connect
    from distributed.security import Security

    comm = await connect(address, timeout=SCHEDULER_TIMEOUT, **Security().get_connection_args("client"))
    await comm.close()
