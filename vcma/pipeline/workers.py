"""Run jobs in worker processes, on this machine or a Dask cluster, and handle workers that die."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

import click

from vcma.errors import InputError
from vcma.pipeline.cluster import dask_cluster
from vcma.pipeline.stage_run import StageRun

_MAX_DEATHS = 3  # maximum number of times that workers may die without a job found to cause it


def results(
    run: StageRun, function: Callable[..., tuple], jobs: list[tuple], isolated: bool
) -> Generator[tuple[str, Any], None, None]:
    """Yield what `function` returns for each job, (name, result), in any order; a job's first argument is its name.

    isolated: as in `parallel`. The result of a job that kills its process is an InputError. Raises InputError if
    workers die repeatedly and no job is found to cause it.
    """
    waiting = {job[0]: job for job in jobs}
    unexplained = 0
    while unexplained < _MAX_DEATHS:
        try:
            for name, result in parallel(run, function, list(waiting.values()), isolated):
                del waiting[name]
                yield name, result
            return
        except _death_errors():
            # The job that killed the process is unknown, but jobs start in order: it is one of the first
            # unfinished.
            suspects = list(waiting.values())[: 4 * max(run.jobs, 2)]
        unexplained += 1
        for job in suspects:
            try:
                [(name, result)] = parallel(run, function, [job], isolated=True)
            except _death_errors():
                what = "crashed the process that read it"
                name, result = job[0], InputError(what, None, "download or create it again")
                unexplained = 0
            del waiting[name]
            yield name, result
    what = f"worker processes died {_MAX_DEATHS} times, and no single video caused it"
    raise InputError(what, None, "run with fewer --jobs: memory may be short")


def parallel(run: StageRun, function: Callable, jobs: list[tuple], isolated: bool = False) -> Iterator[Any]:
    """Yield function(*job) for all jobs, in any order.

    Jobs run on the run's Dask cluster, in worker processes, or in this process (on a GPU in two threads). isolated:
    never run in this process.
    """
    if run.device != "cpu" and not (isolated or run.scheduler):
        # A GPU works best with one process. With two threads, one video keeps it busy while another is read or
        # written.
        yield from _in_threads(function, jobs, 2)
        return
    backend = _backend(run, len(jobs), isolated)
    if backend is None:
        yield from (function(*job) for job in jobs)
        return
    import joblib

    # When an error ends the run, joblib's warning about unfinished tasks is of no use.
    warnings.filterwarnings("ignore", r"\d+ tasks ", UserWarning, "joblib")
    with backend:
        # Ctrl-C reaches every process of a terminal; workers inherit that they ignore it, and this process ends
        # them.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            # A cluster gets all jobs at once: if its first worker took them in batches, later workers would be
            # idle.
            ahead = "all" if run.scheduler else 1 if run.jobs == 1 else "2*n_jobs"
            outcomes = joblib.Parallel(batch_size=1, return_as="generator_unordered", pre_dispatch=ahead)(
                joblib.delayed(function)(*job) for job in jobs
            )
        finally:
            signal.signal(signal.SIGINT, before)
        yield from outcomes


def end_workers() -> None:
    """End this machine's idle worker processes, before a step whose work needs other things in memory.

    joblib keeps them for the next step, and would take what that loads (torch, an encoder) for a leak: it ends such
    a worker in the midst of its work, with a warning.
    """
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


def _in_threads(function: Callable, jobs: list[tuple], threads: int) -> Iterator[Any]:
    """Yield function(*job) for all jobs, in any order, run in threads of this process."""
    waiting = iter(jobs)
    with ThreadPoolExecutor(threads) as pool:
        at_work = {pool.submit(function, *job) for job in islice(waiting, threads)}
        while at_work:
            done, at_work = wait(at_work, return_when=FIRST_COMPLETED)
            at_work |= {pool.submit(function, *job) for job in islice(waiting, len(done))}
            yield from (job.result() for job in done)


def _backend(run: StageRun, jobs: int, isolated: bool) -> AbstractContextManager | None:
    """Return the joblib backend for a number of jobs, or None to run them in this process."""
    if run.scheduler:
        return dask_cluster(run.scheduler, run.stage, run.wait)
    wanted = isolated or (jobs > 1 and run.jobs > 1)
    if wanted and jobs and can_have_workers(run.stage):
        # One native thread per worker: two thread pools on the same cores can be ten times slower than one. With
        # n_jobs=1 joblib would run in this process, hence at least two workers; with --jobs 1 the second gets no
        # job.
        import joblib

        workers = max(2, min(run.jobs, jobs))
        return joblib.parallel_config("loky", n_jobs=workers, inner_max_num_threads=1)
    return None


def can_have_workers(who: str) -> bool:
    """Return whether this machine has the semaphores that worker processes need; prints a warning if not.

    Containers without /dev/shm have none; jobs then run in this process.
    """
    try:
        multiprocessing.get_context("fork").Lock()
    except (ImportError, OSError) as error:
        reason = f"cannot start worker processes, there are no semaphores ({error})"
        click.echo(f"{who}: warning: {reason}; using a single process", err=True)
        return False
    return True


def _death_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions raised when a worker process dies."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    errors: list[type[Exception]] = [BrokenProcessPool]
    if "distributed" in sys.modules:
        from distributed import KilledWorker

        errors.append(KilledWorker)
    return tuple(errors)
