"""What docs/clusters.md tells a SLURM user to save: scripts that sbatch would take, and that do the work."""

import argparse
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults import workshop
from tests.faults.workshop import artifacts, contents, errors, run

DOCUMENT = (ROOT / "docs" / "clusters.md").read_text()
RECIPE, BATCH_JOB = (re.search(rf"```{kind}\n(.*?)```", DOCUMENT, re.S)[1] for kind in ("python", "bash"))
VIDEOS = 3
# Stand-ins for SLURM's programs, which do at once and here what a cluster does later and elsewhere.
PROGRAMS = {
    # sbatch keeps a copy: the script may be gone when the job begins.
    "sbatch": 'script=$(cat "$1"); bash -c "$script" >"$1.log" 2>&1 & echo "Submitted batch job $!"',
    "scancel": 'kill "$@"',
    "srun": 'exec "$@"',
    "dvc": "exec {python} stages/extract_frames.py --force",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return workshop.make_extracted_project(tmp_path_factory.mktemp("a cluster"), VIDEOS)


@pytest.fixture
def slurm(project, tmp_path) -> dict[str, str]:
    """The environment of a shell on whose path SLURM's programs are."""
    for name, lines in PROGRAMS.items():
        program = tmp_path / name
        program.write_text("#!/usr/bin/env bash\n" + lines.format(python=sys.executable) + "\n")
        program.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]])
    library = os.pathsep.join([str(project), os.environ.get("PYTHONPATH", "")])
    cores = {"SLURM_CPUS_PER_TASK": "2"}
    return os.environ | {"PATH": path, "PYTHONPATH": library} | cores


def sbatch_options(script: str) -> dict[str, str]:
    """What sbatch reads of a script, which must be one of bash and have known options only, before any command."""
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    parser = argparse.ArgumentParser(exit_on_error=False, add_help=False, allow_abbrev=False)
    for names in (
        *(("-J", "--job-name"), ("-p", "--partition"), ("-A", "--account"), ("-n", "--ntasks"), ("-N", "--nodes")),
        *(("-c", "--cpus-per-task"), ("-t", "--time"), ("-e", "--error"), ("-o", "--output")),
        *(("--mem",), ("--gres",), ("--ntasks-per-node",)),
    ):
        parser.add_argument(*names)
    first = next(i for i, line in enumerate(script.splitlines()) if line and not line.startswith("#"))
    assert "#SBATCH" not in "".join(script.splitlines()[first:])
    words = [w for line in re.findall(r"^#SBATCH (.*)$", script, re.M) for w in shlex.split(line)]
    return {name: value for name, value in vars(parser.parse_args(words)).items() if value is not None}


def test_sbatch_takes_the_one_job():
    assert BATCH_JOB.startswith("#!")
    options = sbatch_options(BATCH_JOB)
    assert options["mem"] == "48G" and options["cpus_per_task"] == "16" and options["time"] == "08:00:00"


def test_a_stage_waits_for_workers_that_the_recipe_asks_slurm_for(project, slurm, tmp_path):
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed: pip install dask-jobqueue")
    recipe = RECIPE.replace('"port": 8786', '"port": 0').replace("cores=16", "cores=1")
    (tmp_path / "slurm_workers.py").write_text(recipe.replace("processes=16", "processes=1"))
    expected = contents(artifacts(project))
    with open(tmp_path / "said.txt", "w+") as said:
        command = [sys.executable, tmp_path / "slurm_workers.py"]
        cluster = subprocess.Popen(command, cwd=project, env=slurm, stdout=said, stderr=subprocess.STDOUT)
        try:
            address = until_said(cluster, said, r"VCMA_SCHEDULER=(tcp://\S+) dvc repro")
            told = run(project, "extract_frames", "--force", "--scheduler", address)
        finally:
            cluster.send_signal(signal.SIGINT)
            assert cluster.wait(60) == 0
        said.seek(0)
        script = said.read().partition("\nVCMA_SCHEDULER")[0]
    options = sbatch_options(script)
    assert options["partition"] == "cpu" and options["time"] == "08:00:00" and int(options["mem"][:-1]) >= 44
    assert f"cd '{project}'" in script and address in script
    assert f"extract_frames: no worker at {address} yet, waiting up to 600 s for the first" in told
    assert re.search(r"extract_frames: \d workers after \d+ s", told) and "Traceback" not in told
    assert contents(artifacts(project)) == expected


def test_the_one_job_runs_the_pipeline_and_leaves_no_process(project, slurm, tmp_path):
    with socket.create_server(("", 0)) as server:
        port = str(server.getsockname()[1])
    script = BATCH_JOB.replace("8786", port).replace("source .venv/bin/activate\n", "")
    (tmp_path / "pipeline.sbatch").write_text(script)
    expected = contents(artifacts(project))
    command = ["bash", tmp_path / "pipeline.sbatch"]
    done = subprocess.run(command, cwd=project, env=slurm, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and f"{VIDEOS} videos" in done.stderr, done.stderr
    assert contents(artifacts(project)) == expected
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", int(port)), 1)


def test_no_worker_in_time_is_one_line(project, slurm, tmp_path):
    with open(tmp_path / "said.txt", "w+") as said:
        command = ["dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
        scheduler = subprocess.Popen(command, env=slurm, cwd=tmp_path, stdout=said, stderr=subprocess.STDOUT)
        try:
            address = until_said(scheduler, said, r"(tcp://127\.0\.0\.1:\d+)")
            told = run(project, "extract_frames", "--force", "--scheduler", address, "--wait", "0.5", code=1)
        finally:
            scheduler.kill()
            scheduler.wait()
    assert [line for line in errors(told) if "no worker joined within 0.5 s; start one: dask worker tcp://" in line]


def until_said(process: subprocess.Popen, said, pattern: str) -> str:
    """Wait for what a process is to say and return the pattern's group of it."""
    for _ in range(600):
        said.seek(0)
        if found := re.search(pattern, said.read()):
            return found[1]
        assert process.poll() is None, Path(said.name).read_text()
        time.sleep(0.1)
    raise AssertionError(Path(said.name).read_text())
