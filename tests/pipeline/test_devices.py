"""Videos on a GPU: two at work in one process, and a device that fails ends the run but keeps what is finished."""

import os
import threading
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from vcma.errors import InputError, RefusedError
from vcma.pipeline import artifact, per_video, schemas
from vcma.pipeline.project import Project
from vcma.pipeline.stage_run import StageRun, stage_lock
from vcma.pipeline.video_artifacts import video_file

VIDEOS = [f"v{i}" for i in range(6)]


def columns(number):
    """Proposals of two frames without a region."""
    return {
        "frame": np.arange(2) + number,
        "time": np.arange(2) / 4,
        "width": np.int64(64),
        "height": np.int64(48),
        "box": np.zeros((0, 4), np.float32),
        "score": np.zeros(0, np.float32),
        "class_prob": np.zeros((0, 1), np.float16),
        "attribute_prob": np.zeros((0, 1), np.float16),
        "feature": np.zeros((0, 3), np.float16),
        "box_offset": np.zeros(3, np.int64),
        "class_name": np.array(["a"], object),
        "attribute_name": np.array(["b"], object),
        "detector": "none",
    }


@pytest.fixture
def make(tmp_path):
    """A function that makes the proposals of all videos on a device by `work(number)`."""

    def made(work, device="cpu:0", **how):  # treated as a GPU is
        project = Project(tmp_path, {"dataset": "demo", "datasets": {"demo": {}}})
        file = Path(__file__).resolve().parents[2] / "stages" / "detect_proposals.py"
        run = StageRun("detect_proposals", file, project, {}, jobs=4, device=device, **how)
        items = {video: (number,) for number, video in enumerate(VIDEOS)}
        with stage_lock(run):
            summary = per_video.per_video(run, schemas.PROPOSALS, items, work, lambda _: {}, lambda _: {"made": 1})
        return summary, run.artifact("proposals")

    return made


def test_of_two_videos_one_is_read_or_written_while_the_other_has_the_device(make):
    together = Barrier(2)

    def work(number):
        together.wait(30)  # breaks unless two are at work
        return columns(number)

    summary, folder = make(work)
    assert summary.made == len(VIDEOS) and summary.counts == {"made": len(VIDEOS)}
    for number, video in enumerate(VIDEOS):
        found = artifact.read(schemas.PROPOSALS, video_file(folder, video))
        assert found["frame"].tolist() == [number, number + 1]


def test_all_videos_are_of_this_process_and_no_more_than_two_at_once(make):
    at_work, most, lock = 0, 0, threading.Lock()

    def work(number):
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        threading.Event().wait(0.02)
        with lock:
            at_work -= 1
        return columns(os.getpid())

    summary, folder = make(work)
    assert summary.made == len(VIDEOS) and most == 2
    found = artifact.read(schemas.PROPOSALS, video_file(folder, VIDEOS[-1]))
    assert found["frame"][0] == os.getpid()


def test_a_device_that_fails_midway_ends_the_run_and_the_finished_videos_are_kept(make):
    failed = threading.Event()

    def work(number):
        if number == 4:
            failed.set()
            raise RefusedError("the device failed", "cuda:0", "run again")
        if number == 5:
            failed.wait(30)
        return columns(number)

    with pytest.raises(RefusedError, match="cuda:0: the device failed; run again"):
        make(work)
    summary, folder = make(columns)
    assert summary.up_to_date >= 3 and summary.made >= 1 and summary.made + summary.up_to_date == len(VIDEOS)
    assert sorted(path.name for path in folder.iterdir()) == sorted(video_file(folder, v).name for v in VIDEOS)


def test_a_bad_video_is_skipped_and_the_others_are_made(make):
    def work(number):
        if number == 1:
            raise InputError("a stored frame is not a readable JPEG")
        return columns(number)

    summary, folder = make(work)
    assert list(summary.failed) == ["v1"] and summary.made == len(VIDEOS) - 1
    assert not video_file(folder, "v1").exists()
    with pytest.raises(InputError, match="not a readable JPEG"):
        make(work, strict=True, force=True)
