"""Full disk, no permission, SIGTERM, Ctrl-C, two runs at once, a worker's death: one line, and nothing harmed."""

import os
import resource
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.faults import workshop
from tests.faults.workshop import (
    PER_VIDEO,
    artifacts,
    contents,
    end,
    errors,
    finish,
    run,
    slow,
    start,
    without_privilege,
)

VIDEOS = 12
LATER = ("parse_queries", "train_em", "ground_queries", "evaluate", "render_report")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = workshop.make_project(tmp_path_factory.mktemp("refusals"), VIDEOS)
    for stage in (*workshop.ORDER, "ground_queries", "evaluate", "render_report"):
        run(folder, stage)
    return folder


def small_files(limit: int):
    """A disk on which no file grows beyond `limit` bytes (for `preexec_fn`)."""

    def set_limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return set_limit


def partials(project: Path) -> list[Path]:
    return [p for p in artifacts(project).rglob("*") if p.suffix == ".partial"]


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("stage", PER_VIDEO)
def test_a_full_disk_ends_the_run_with_one_line_and_harms_nothing(project, stage, jobs):
    before = contents(artifacts(project))
    told = run(project, stage, "--force", "--jobs", jobs, code=1, preexec_fn=small_files(5_000))
    assert len(errors(told)) == 1 and "cannot write: " in told and "skipped" not in told
    assert contents(artifacts(project)) == before and not partials(project)
    assert f"{VIDEOS} videos" in run(project, stage)
    assert contents(artifacts(project)) == before


@pytest.mark.parametrize("stage", ["index_dataset", *LATER])
@slow
def test_a_full_disk_stops_the_other_stages_too(project, stage):
    if stage == "evaluate":
        pytest.skip("of clips without truth it writes two bytes")
    before = contents(artifacts(project))
    told = run(project, stage, code=1, preexec_fn=small_files(1_000))
    assert len(errors(told)) == 1 and "File too large" in told
    if stage != "render_report":  # whose pages are not written as one
        assert {k: v for k, v in contents(artifacts(project)).items() if "truth" not in k} == {
            k: v for k, v in before.items() if "truth" not in k
        }
    assert not partials(project)
    run(project, stage)
    assert contents(artifacts(project)) == before


@pytest.mark.skipif(not Path("/dev/shm").is_dir() or os.geteuid() != 0, reason="needs root to mount")
def test_a_really_full_disk(project, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=400k none '{disk}' 2>/dev/null"):
        pytest.skip("may not mount a tmpfs here")
    kept = artifacts(project)
    moved = kept.with_name("kept")
    try:
        shutil.copy(kept / "samples.h5", disk)
        kept.rename(moved)
        kept.symlink_to(disk)
        told = run(project, "extract_frames", "--jobs", "2", code=1)
        assert len(errors(told)) == 1 and "No space left on device" in told
        frames = moved / "frames"
        assert all((frames / p.name).read_bytes() == p.read_bytes() for p in (disk / "frames").glob("*.h5"))
        assert not partials(project)
    finally:
        kept.unlink(missing_ok=True)
        moved.rename(kept)
        os.system(f"umount '{disk}'")


@pytest.mark.parametrize("stage", [*PER_VIDEO, "parse_queries", "train_em", "render_report"])
@slow
def test_a_folder_that_may_not_be_written_to(project, stage):
    before = contents(artifacts(project))
    folders = [p for p in [artifacts(project), *artifacts(project).rglob("*")] if p.is_dir()]
    try:
        for folder in folders:
            folder.chmod(0o555)
        told = run(
            project, stage, *(["--force"] if stage in PER_VIDEO else []), code=1, preexec_fn=without_privilege
        )
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert len(errors(told)) == 1 and "Permission denied" in told
    assert contents(artifacts(project)) == before


def test_files_that_may_not_be_read(project):
    video = next((project / "data" / "clips").glob("*.mp4"))
    samples = artifacts(project) / "samples.h5"
    for path, stage, code in ((video, "extract_frames", 0), (samples, "link_tubes", 1)):
        path.chmod(0o000)
        try:
            told = run(project, stage, *(["--force"] if code == 0 else []), code=code, preexec_fn=without_privilege)
        finally:
            path.chmod(0o644)
        assert path.name in told and "Traceback" not in told
    run(project, "extract_frames")


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize(("stage", "jobs"), [("extract_frames", "1"), ("link_tubes", "2"), ("train_em", None)])
@slow
def test_a_polite_end_is_one_line_and_leaves_nothing_half_written(project, stage, jobs, how):
    options = ["--force", *(["--jobs", jobs] if jobs else [])]
    lock = artifacts(project) / ".ledger" / f"{stage}.lock"
    stamp = lock.stat().st_mtime_ns
    before = contents(artifacts(project))
    process = start(project, stage, *options)
    while lock.stat().st_mtime_ns == stamp:
        time.sleep(0.005)
    time.sleep(0.1)
    number = getattr(signal, how)
    if how == "SIGINT":  # from a terminal it reaches the workers as well
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    told = finish(process, project, 128 + number)
    assert errors(told) == [f"error: stopped by {how}; nothing is left half-written"]
    assert contents(artifacts(project)) == before
    run(project, stage)
    assert contents(artifacts(project)) == before


@pytest.mark.parametrize("stage", ["link_tubes", "parse_queries"])
def test_of_two_runs_at_once_the_second_says_so(project, stage):
    lock = artifacts(project) / ".ledger" / f"{stage}.lock"
    stamp = lock.stat().st_mtime_ns
    process = start(project, stage)
    try:
        while lock.stat().st_mtime_ns == stamp:
            time.sleep(0.002)
        process.send_signal(signal.SIGSTOP)
        told = (project / "told.txt").read_text()
        told = run(project, stage, code=1)
        assert len(errors(told)) == 1 and f"another run of {stage} is in progress" in told and "wait for it" in told
    finally:
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0


DEADLY = """

import os as _os

_extract = extract


def extract(path, *rest, **more):
    if path.name == "clip003.mp4":
        _os.kill(_os.getpid(), 11)
    return _extract(path, *rest, **more)
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_video_that_kills_its_reader_is_reported_and_the_others_are_made(project, jobs):
    source = project / "vcma" / "video" / "sampling.py"
    kept, before = source.read_text(), contents(artifacts(project))
    try:
        source.write_text(kept + DEADLY)
        told = run(project, "extract_frames", "--jobs", jobs)
        assert "skipped clip003.mp4: crashed the process that read it" in told and "1 skipped" in told
        assert f"{VIDEOS - 1} videos" in told
        assert "crashed the process" in run(project, "extract_frames", "--jobs", jobs, "--strict", code=1)
    finally:
        source.write_text(kept)
        run(project, "extract_frames")
    assert contents(artifacts(project)) == before


@slow
def test_a_torn_or_foreign_ledger_costs_time_and_nothing_else(project):
    ledger = artifacts(project) / ".ledger" / "link_tubes.jsonl"
    good, before = ledger.read_text(), contents(artifacts(project))
    for bad in (
        good[:-30],
        "[]\n{}\n3\n" + good,
        good.replace('"counts": {', '"counts": {"x": [],'),
        "\0\udcff" * 9,
    ):
        ledger.write_text(bad, errors="surrogateescape")
        assert f"{VIDEOS} videos" in run(project, "link_tubes")
        assert contents(artifacts(project)) == before
    end(start(project, "link_tubes"))
