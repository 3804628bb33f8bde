"""Killed at random moments and run again: the same bytes in the end, nothing partial under a final name, no more
redone than what was in hand."""

import json
import os
import random
import shutil
import signal
import time
from contextlib import suppress

import pytest

from tests.faults import workshop
from tests.faults.workshop import FULL, PER_VIDEO, artifacts, contents, end, slow, start
from vcma.pipeline.paths import file_stem

KILLS = 25 if FULL else 2
VIDEOS = 120 if FULL else 40
JOBS = 2


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = workshop.make_project(
        tmp_path_factory.mktemp("kills"), VIDEOS, train_em={"rounds": 30, "patience": 30}
    )
    for stage in workshop.ORDER:
        workshop.run(folder, stage)
    return folder


def wait_for_work(process, begun) -> bool:
    """Wait until `begun()`; False if the process ended before."""
    while not begun():
        if process.poll() is not None:
            return False
        time.sleep(0.005)
    return True


def kill(process, whole_group: bool) -> None:
    """SIGKILL to a stage, with its workers or (they live on for a while) without."""
    if whole_group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()


def finished(ledger) -> set[str]:
    """The videos whose lines in a ledger are whole."""
    done = set()
    for line in ledger.read_text().splitlines() if ledger.exists() else ():
        with suppress(ValueError):
            done.add(json.loads(line)[0])
    return done


@pytest.mark.parametrize("stage", PER_VIDEO if FULL else ["link_tubes"])
def test_a_killed_stage_goes_on_and_ends_with_the_same_bytes(project, stage):
    chance = random.Random(f"kills of {stage}")
    folder, ledger = artifacts(project) / PER_VIDEO[stage], artifacts(project) / ".ledger" / f"{stage}.jsonl"
    shutil.rmtree(folder)
    ledger.unlink()
    process = start(project, stage, "--jobs", str(JOBS))
    assert wait_for_work(process, lambda: finished(ledger))
    begin = time.monotonic()
    workshop.finish(process, project)
    whole = time.monotonic() - begin
    expected = contents(folder)
    assert len(expected) == VIDEOS
    kills, shares, told, orphans = 0, [], "", []
    while kills < KILLS:
        shutil.rmtree(folder)
        ledger.unlink()
        done: set[str] = set()
        stamps: dict[str, int] = {}
        while True:  # one data set from nothing to its end, with kills
            process = start(project, stage, "--jobs", str(JOBS))
            before = len(done)
            begun = wait_for_work(process, lambda before=before: len(finished(ledger)) > before)
            if begun and kills < KILLS:
                time.sleep(chance.uniform(0, whole * (VIDEOS - before) / VIDEOS))
            if kills == KILLS or not begun or process.poll() is not None:
                told = workshop.finish(process, project)
                break
            while orphans:
                end(orphans.pop())
            kill(process, chance.random() < 0.7)
            kills += 1
            found = {k: v for k, v in contents(folder).items() if not k.endswith(".partial")}
            assert all(expected[name] == content for name, content in found.items())
            for video, stamp in stamps.items():  # what an earlier run had finished was not made again
                assert (folder / f"{file_stem(video)}.h5").stat().st_mtime_ns == stamp
            done = finished(ledger)
            stamps = {v: (folder / f"{file_stem(v)}.h5").stat().st_mtime_ns for v in done}
            assert len(found) - len(done) <= 2 * JOBS  # finished, but the run died before it knew
            shares.append(len(done) / VIDEOS)
            orphans.append(process)
        assert contents(folder) == expected
        assert f"{VIDEOS:,} videos" in told and "skipped" not in told
    while orphans:
        end(orphans.pop())
    print(f"{stage}: {kills} kills, when so much was done: {' '.join(f'{s:.0%}' for s in sorted(shares))}")


@slow
def test_killed_training_goes_on_and_ends_with_the_same_model(project):
    chance = random.Random("kills of train_em")
    model, history = artifacts(project) / "model", artifacts(project) / "em_history.json"
    rounds = artifacts(project) / ".ledger" / "train_em.safetensors"
    lock = artifacts(project) / ".ledger" / "train_em.lock"
    expected = contents(model) | {"history": history.read_bytes()}

    def since(stamp):
        return lambda: rounds.exists() and rounds.stat().st_mtime_ns > stamp

    process = start(project, "train_em")
    assert wait_for_work(process, since(0))
    begin = time.monotonic()
    workshop.finish(process, project)
    whole, kills, moments = time.monotonic() - begin, 0, []
    while kills < (KILLS if FULL else 1):
        shutil.rmtree(model)
        history.unlink()
        while True:
            stamp = rounds.stat().st_mtime_ns if rounds.exists() else 0
            process = start(project, "train_em")
            if not wait_for_work(process, since(stamp)):
                break
            wait = chance.uniform(0, whole)
            time.sleep(wait)
            if process.poll() is not None:
                break
            kill(process, True)
            kills += 1
            moments.append(wait / whole)
            if kills == KILLS or not FULL:
                process = start(project, "train_em")
                break
        workshop.finish(process, project)
        assert contents(model) | {"history": history.read_bytes()} == expected
        assert not rounds.exists() and lock.exists()
    print(f"train_em: {kills} kills, at {' '.join(f'{m:.0%}' for m in sorted(moments))} of a run's length")
