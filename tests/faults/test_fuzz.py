"""Corrupted input for every reader: a clear error or a valid result; never a traceback, a hang or much memory.

FFmpeg, HDF5 and the ONNX reader may die natively. That is tolerated only where a stage reads in worker processes
and reports the file (`extract_frames`, tests/faults/test_refusals.py); every other reader must survive. HDF5 is
never given a file whose checksum is wrong, and a child process tries it on a file that has none.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import asdict
from queue import Empty, Queue

import pytest

from tests.conftest import ROOT
from tests.faults.fuzz import READERS
from tests.faults.workshop import FULL
from vcma.text.features import WORDLLAMA

MUTATIONS = 2_000 if FULL else 60
BATCH = 500
SILENCE = 600  # s without a word, were it only because the machine is loaded
MEMORY = 2_000  # MB
DIES = {"videos"}  # whose stage survives the death of a worker


def batch(reader, folder, first, end) -> tuple[Counter, list[str], int]:
    """(counts, what is wrong, first number not tried) of one process."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.faults.fuzz", reader, str(folder), str(first), str(end)]
    counts, wrong, lines, number = Counter(), [], Queue(), None
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, text=True
    )
    reading = threading.Thread(target=lambda: [*map(lines.put, process.stdout), lines.put("")], daemon=True)
    reading.start()
    try:
        while True:
            try:
                line = lines.get(timeout=SILENCE)
            except Empty:
                wrong.append(f"{reader} {number}: hangs")
                return counts + Counter(hang=1), wrong, end if number is None else number + 1
            if not line:
                break
            said = json.loads(line)
            if "start" in said:
                number = said["start"]
                continue
            kind = next(k for k in said if k != "peak")
            counts[kind] += 1
            if kind == "bug":
                wrong.append(f"{reader} {number}: {said['text']}")
            if said["peak"] > MEMORY:
                wrong.append(f"{reader} {number}: takes {said['peak']} MB")
                return counts, wrong, number + 1
    finally:
        process.kill()
        process.wait()
        reading.join()
        process.stdout.close()
    if process.returncode in (0, -9) and counts.total() == end - first:
        return counts, wrong, end
    counts["died"] += 1
    if process.returncode == -signal.SIGPROF:
        wrong.append(f"{reader} {number}: hangs")
    elif reader not in DIES:
        wrong.append(f"{reader} {number}: the process ended with {process.returncode}")
    return counts, wrong, end if number is None else number + 1


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small vocabulary and the settings of a model, for the reader of models."""
    import yaml

    from vcma.model.settings import Settings
    from vcma.model.vocabulary import vocabulary
    from vcma.records.sentence import Sentence

    folder = tmp_path_factory.mktemp("fuzz")
    said = [
        Sentence(str(i), "v", 0, -1, ("a dog", "a ball"), ("dog", "ball"), ((), ("red",)), 0, ((0, "chase", 1),))
        for i in range(3)
    ]
    words = vocabulary(said, ["adult", "dog", "ball"], ["red", "blue"], 6, WORDLLAMA)
    config = yaml.safe_load((ROOT / "pipeline.yaml").read_text())["train_em"] | {"width": 16}
    config.pop("max_frames")
    (folder / "vocabulary.json").write_text(json.dumps(words.to_json()))
    (folder / "settings.json").write_text(json.dumps(asdict(Settings.of(config))))
    return folder


@pytest.mark.parametrize("reader", READERS)
def test_corrupted_input_is_refused_or_read(model, reader):
    total, wrong, first = Counter(), [], 0
    while first < MUTATIONS:
        counts, found, first = batch(reader, model / reader, first, min(first + BATCH, MUTATIONS))
        total += counts
        wrong += found
    print(f"{reader}: {MUTATIONS:,} mutations, {dict(total)}")
    assert not wrong, f"{len(wrong)} wrong:\n" + "\n".join(wrong[:40])
    assert total["refused"] and total["valid"]
