"""`make demo` leaves empty locks empty, other locks alone. Only the last test runs DVC, the others fake it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo.run import EMPTY, LOCKS, MARK
from tests.conftest import ROOT

# A fake `dvc repro`: writes a stage into each lock that has none, then runs the test's own shell code.
DVC = """#!/bin/sh
for lock in dvc.lock demo/dvc.lock; do
  if grep -q ^stages: $lock; then echo "$lock: up to date"; else echo "stages: {train: $HASH}" >> $lock; fi
done
eval "$THEN"
"""
OWN = EMPTY + "stages: {train: mine}\n"


def git(project: Path, *words: str) -> str:
    command = ("git", "-c", "user.name=a", "-c", "user.email=a@b", *words)
    return subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout


def start(project: Path, then: str = "") -> subprocess.Popen:
    path = os.pathsep.join([str(project / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.Popen(
        [sys.executable, project / "demo" / "run.py"],
        env=os.environ | {"PATH": path, "HASH": "ours", "THEN": then},
        cwd=project.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(project: Path, then: str = "", code: int = 0) -> str:
    process = start(project, then)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == code, output
    return output


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def locks(project: Path) -> list[str]:
    return [(project / name).read_text() for name in LOCKS]


@pytest.fixture
def project(tmp_path) -> Path:
    """A repository with demo/run.py, empty locks and a fake dvc."""
    folder = tmp_path / "project"
    (folder / "demo").mkdir(parents=True)
    shutil.copy(ROOT / "demo" / "run.py", folder / "demo")
    for name in LOCKS:
        (folder / name).write_text(EMPTY)
    (folder / "pipeline.yaml").write_text("dataset: demo  # chosen\n")
    (folder / ".gitignore").write_text("/.dvc/tmp\n*.partial\n")
    (folder / "bin").mkdir()
    (folder / "bin" / "dvc").write_text(DVC)
    (folder / "bin" / "dvc").chmod(0o755)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "a project")
    return folder


def test_the_status_stays_clean_and_a_second_run_finds_everything_up_to_date(project):
    assert "up to date" not in run(project)
    assert git(project, "status", "--porcelain") == ""
    assert (project / ".dvc/tmp/demo/dvc.lock").read_text() == EMPTY + "stages: {train: ours}\n"
    assert run(project).splitlines() == [f"{name}: up to date" for name in LOCKS]
    assert git(project, "status", "--porcelain") == ""


@pytest.mark.parametrize("committed", [True, False])
def test_a_lock_of_the_users_own_is_dvcs_to_write(project, committed):
    run(project)
    (project / "dvc.lock").write_text(OWN)
    if committed:
        git(project, "commit", "-q", "-a", "-m", "my lock")
    run(project, then="echo '# changed' >> dvc.lock")
    assert locks(project) == [OWN + "# changed\n", EMPTY]


def test_locks_of_another_data_set_stay(project):
    run(project)
    (project / "pipeline.yaml").write_text("dataset: demo_full\n")
    run(project)
    assert locks(project) == [EMPTY + "stages: {train: ours}\n"] * 2


def test_a_failed_run_says_so_and_the_next_one_begins_where_the_last_good_one_ended(project):
    run(project)
    run(project, then="echo '{' >> dvc.lock; exit 3", code=3)
    assert git(project, "status", "--porcelain") == ""
    assert "dvc.lock: up to date" in run(project, then="! grep -q '^{' dvc.lock")


def test_a_killed_run_is_taken_up_by_the_next(project):
    run(project, then="kill -9 $PPID", code=-signal.SIGKILL)
    assert locks(project) == [MARK + EMPTY + "stages: {train: ours}\n"] * 2
    assert "dvc.lock: up to date" in run(project)
    assert git(project, "status", "--porcelain") == ""
    assert MARK not in (project / ".dvc/tmp/demo/dvc.lock").read_text()


def test_a_lock_of_a_killed_run_is_kept_by_deleting_its_first_line(project):
    run(project, then="kill -9 $PPID", code=-signal.SIGKILL)
    lock = project / "dvc.lock"
    lock.write_text(lock.read_text().removeprefix(MARK))
    run(project)
    assert locks(project) == [EMPTY + "stages: {train: ours}\n", EMPTY]


@pytest.mark.parametrize(("number", "to_all"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_a_signal_ends_dvc_and_the_locks_are_put_back(project, number, to_all):
    process = start(project, then="touch ../started; exec sleep 60")
    wait_for(project.parent / "started")
    if to_all:  # as a terminal's Ctrl-C
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert git(project, "status", "--porcelain") == ""


def test_two_at_a_time_are_refused_also_where_dvc_outlives_a_killed_run(project):
    go = "kill -9 $PPID; touch ../started; until [ -e ../go ]; do sleep 0.05; done; touch ../ended"
    process = start(project, then=go)
    wait_for(project.parent / "started")
    process.wait(timeout=30)
    assert "another `make demo` is running" in run(project, code=1)
    assert all(lock.startswith(MARK) for lock in locks(project))
    (project.parent / "go").touch()
    process.communicate(timeout=30)
    wait_for(project.parent / "ended")
    run(project)
    assert git(project, "status", "--porcelain") == ""


def test_with_dvc_itself_and_without_git(project):
    """DVC reads an empty lock, preserves the mark, and finds everything up to date with a restored lock."""
    shutil.rmtree(project / ".git")
    (project / "bin" / "dvc").unlink()
    (project / ".dvc" / "config").parent.mkdir(exist_ok=True)
    (project / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    (project / "demo" / "dvc.yaml").write_text("stages: {draw: {cmd: echo 1 > world, outs: [world]}}\n")
    second = "{cmd: head -n 1 dvc.lock > b, deps: [a], outs: [b]}"
    first = "{cmd: cp demo/world a, deps: [demo/world], outs: [a]}"
    (project / "dvc.yaml").write_text(f"stages:\n  first: {first}\n  second: {second}\n")
    assert "Running stage 'second'" in run(project)
    assert (project / "b").read_text() == MARK
    assert locks(project) == [EMPTY, EMPTY]
    assert "stages:" in (project / ".dvc/tmp/demo/demo/dvc.lock").read_text()
    assert "Data and pipelines are up to date." in run(project)
    assert locks(project) == [EMPTY, EMPTY]
