"""Dask workers with a device each; the process that hands out the videos needs none."""

import os
import time
from pathlib import Path

import pytest

from tests.faults import workshop
from tests.faults.workshop import artifacts, contents, errors, run
from tests.pipeline.local_cluster import local_cluster
from vcma.pipeline.project import Project
from vcma.pipeline.stage_run import StageRun
from vcma.pipeline.workers import parallel

VIDEOS = 4


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return workshop.make_extracted_project(tmp_path_factory.mktemp("devices"), VIDEOS, 12)


@pytest.fixture(scope="module")
def address(project, tmp_path_factory):
    """A scheduler with two workers that see a card of their own each, as docs/gpu.md starts them."""
    cards = [{"CUDA_VISIBLE_DEVICES": str(card)} for card in range(2)]
    with local_cluster(project, tmp_path_factory.mktemp("logs"), cards) as (found, _):
        yield found


def test_every_worker_does_its_share_on_the_device_that_it_sees(project, address):
    def work(number):
        import torch

        time.sleep(0.3)  # long enough for the other worker to take the next
        return number, os.environ["CUDA_VISIBLE_DEVICES"], str(torch.zeros(1, device="cpu:0").device)

    how = StageRun("bench", Path(__file__), Project(project, {}), {}, device="cpu:0", scheduler=address, wait=30)
    found = sorted(parallel(how, work, [(number,) for number in range(8)]))
    assert [number for number, *_ in found] == list(range(8))
    assert {(card, device) for _, card, device in found} == {("0", "cpu"), ("1", "cpu")}


def test_proposals_by_workers_with_a_device_are_the_same_bytes(project, address):
    run(project, "detect_proposals", "--device", "cpu:0")
    expected = contents(artifacts(project))
    told = run(project, "detect_proposals", "--device", "cpu:0", "--scheduler", address, "--force")
    assert f"{VIDEOS} videos" in told
    assert contents(artifacts(project)) == expected


def test_only_the_workers_need_have_the_device_and_one_without_it_is_one_line(project, address):
    """A login node has no GPU: what is refused here is refused by a worker."""
    told = run(project, "detect_proposals", "--device", "cuda:0", "--scheduler", address, "--force", code=1)
    assert errors(told) == [
        "error: a worker has another device: torch finds no cuda:0 here; start it where that device is"
    ]
