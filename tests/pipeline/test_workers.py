"""Many machines: the same bytes from a Dask cluster, also if a worker dies; and artifacts through a DVC remote."""

import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults import workshop
from tests.faults.workshop import artifacts, contents, errors, finish, run, slow, start
from tests.pipeline.local_cluster import local_cluster
from vcma.errors import InputError
from vcma.pipeline import cluster as dask

VIDEOS = 60


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = workshop.make_project(tmp_path_factory.mktemp("cluster"), VIDEOS)
    for stage in workshop.ORDER[:4]:
        run(folder, stage)
    return folder


@pytest.fixture
def cluster(project, tmp_path):
    """(address, processes) of a scheduler and two workers on loopback."""
    with local_cluster(project, tmp_path, [{}, {}]) as started:
        yield started


def test_a_cluster_makes_the_same_bytes_though_a_worker_is_killed(project, cluster):
    address, processes = cluster
    expected = contents(artifacts(project))
    shutil.rmtree(artifacts(project) / "frames")
    process = start(project, "extract_frames", "--scheduler", address, "--force")
    while len(list(artifacts(project).glob("frames/*.h5"))) < 5:
        assert process.poll() is None, (project / "told.txt").read_text()
        time.sleep(0.01)
    processes[2].send_signal(signal.SIGKILL)
    assert f"{VIDEOS} videos" in finish(process, project)
    told = run(project, "link_tubes", "--scheduler", address, "--force")  # by the one that is left
    assert f"{VIDEOS} videos" in told
    assert contents(artifacts(project)) == expected
    assert f"{VIDEOS} up to date" in run(project, "extract_frames")


@slow
def test_workers_of_other_code_are_refused_and_the_scheduler_may_stand_in_the_configuration(project, cluster):
    address, _ = cluster
    run(project, "link_tubes", "--scheduler", address, "--force")
    expected = contents(artifacts(project))
    source, config = project / "vcma" / "boxes.py", project / "pipeline.yaml"
    kept, plain = source.read_text(), config.read_text()
    try:
        source.write_text(kept + "\n# edited\n")
        config.write_text(plain + f"\nrun:\n  scheduler: {address}\n")
        told = run(project, "link_tubes", code=1)
        assert errors(told) == ["error: a worker runs a different version of the code; restart the workers"]
    finally:
        source.write_text(kept)
        config.write_text(plain)
    assert contents(artifacts(project)) == expected


@slow
def test_no_scheduler_is_one_line(project):
    told = run(project, "link_tubes", "--scheduler", "foo", "--force", code=1)
    assert len(errors(told)) == 1 and "foo: no Dask scheduler answers (missing port number" in told
    assert "Traceback" not in told and "Exception" not in told


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", None])
def test_a_port_of_another_kind_or_none_is_told_in_time(monkeypatch, capfd, answer):
    monkeypatch.setattr(dask, "SCHEDULER_TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        if answer is None:
            server.close()
        else:
            server.settimeout(5)
            caller = threading.Thread(target=lambda: stack.enter_context(server.accept()[0]).sendall(answer))
            caller.start()
            stack.callback(caller.join)
        with (
            pytest.raises(InputError, match=f"{address}: no Dask scheduler answers"),
            dask.dask_cluster(address, "link_tubes", 1),
        ):
            pass
    gc.collect()
    assert capfd.readouterr() == ("", "")


def test_tubes_are_linked_on_another_machine_from_a_remote(project, tmp_path):
    """`dvc push` where the detector ran, `dvc pull` where there is neither video nor detector."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    def dvc(folder, *words):
        env = os.environ | {"PATH": path, "PYTHONPATH": str(folder)}
        done = subprocess.run(["dvc", *words], cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for name in ("envs/detectors", "demo"):
        (project / name).mkdir(parents=True, exist_ok=True)
    (project / "demo" / "detector.pth").write_bytes(b"")
    dvc(project, "init", "--no-scm", "-q")
    dvc(project, "config", "core.analytics", "false")
    dvc(project, "remote", "add", "-d", "store", str(tmp_path / "store"))
    parse = [sys.executable, "stages/parse_queries.py"]
    subprocess.run(parse, cwd=project, env=os.environ | {"PYTHONPATH": str(project)}, check=True)
    dvc(project, "commit", "-f", "detect_proposals", "extract_frames", "index_dataset")
    dvc(project, "push", "-q", "detect_proposals", "index_dataset")
    other = tmp_path / "other"
    other.mkdir()
    for name in ("stages", "vcma"):
        shutil.copytree(project / name, other / name)
    for name in ("dvc.yaml", "dvc.lock", "pipeline.yaml"):
        shutil.copy(project / name, other)
    dvc(other, "init", "--no-scm", "-q")
    dvc(other, "remote", "add", "-d", "store", str(tmp_path / "store"))
    dvc(other, "pull", "-q", "detect_proposals", "index_dataset")
    assert "Running stage 'link_tubes'" in dvc(other, "repro", "-s", "link_tubes")
    assert contents(other / "artifacts/clips/tubes") == contents(artifacts(project) / "tubes")
