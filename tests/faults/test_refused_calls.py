"""What the operating system refuses, call by call and error by error: one line each, and nothing harmed.

The list of what is tried stands here. `refusing.c` makes a call fail for real, in the process under test.
"""

import errno
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT, make_tubes, unseal
from tests.faults import workshop
from vcma.pipeline import artifact, schemas

ERRORS = ("ENOLCK", "ENOSYS", "EOPNOTSUPP", "EACCES", "EROFS", "ENOSPC", "EMFILE", "ENOMEM")
NO_LOCKS = ("ENOLCK", "ENOSYS", "EOPNOTSUPP")  # network disks: the stage goes on
# Runs a command once for each error and says its exit code; the library that refuses reads the variables each time.
DRIVER = """
import os, sys
from importlib import import_module

call, module, name, errors, *words = sys.argv[1:]
command = getattr(import_module(module), name)
for error in errors.split(","):
    os.environ.update(REFUSE_CALL=call, REFUSE_ERRNO=error)
    try:
        command.main(words)
    except SystemExit as end:
        del os.environ["REFUSE_CALL"]
        print(f"--- {end.code or 0}", file=sys.stderr, flush=True)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    if not sys.platform.startswith("linux") or not shutil.which("gcc"):
        pytest.skip("needs Linux and gcc")
    path = tmp_path_factory.mktemp("library") / "refusing.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", path, ROOT / "tests/faults/refusing.c", "-ldl"], check=True)
    return path


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = workshop.make_project(tmp_path_factory.mktemp("refused"), 2, frames=6)
    workshop.run(folder, "index_dataset")
    return folder


def told(library, project, call, module, name, *words, part="/artifacts/"):
    """(exit code, what was said) of a command for each of ERRORS."""
    numbers = ",".join(str(getattr(errno, error)) for error in ERRORS)
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, call, module, name, numbers, *map(str, words)],
        cwd=project,
        env=os.environ | {"LD_PRELOAD": str(library), "REFUSE_PATH": part, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    parts = done.stderr.split("--- ")
    texts, codes = [parts[0], *(p.partition("\n")[2] for p in parts[1:-1])], [int(p.split()[0]) for p in parts[1:]]
    assert len(codes) == len(ERRORS)
    return dict(zip(ERRORS, zip(codes, texts, strict=True), strict=True))


PROGRESS = re.compile(r": +\d+(%\||it)")


@pytest.mark.parametrize(
    ("call", "part"),
    [
        ("flock", ".lock"),
        ("open", ".lock"),
        ("write", ".lock"),
        *((c, "samples.h5") for c in ("open", "write", "rename")),
    ],
)
def test_a_refused_call_is_one_line_and_harms_nothing(library, project, call, part):
    before = workshop.contents(workshop.artifacts(project))
    for error, (code, said) in told(
        library, project, call, "stages.index_dataset", "index_dataset", part=part
    ).items():
        warned = call == "flock" and error in NO_LOCKS
        assert code == (0 if warned else 1), (error, said)
        lines = [line for line in said.splitlines() if line.strip() and not PROGRESS.search(line)]
        assert len(lines) == (2 if warned else 1), (error, said)
        assert lines[0].startswith("index_dataset: warning: " if warned else "error: ")
        assert str(workshop.artifacts(project)) in lines[0] and "truth_" not in lines[0]
    assert workshop.contents(workshop.artifacts(project)) == before


def test_a_refused_process_is_one_line(library, project, tmp_path):
    """A file of another writer is first read by a child process."""
    artifact.write(schemas.TUBES, tmp_path / "a.h5", make_tubes(0), {}, {})
    path = unseal(tmp_path / "a.h5")
    for error, (code, said) in told(library, project, "fork", "vcma.__main__", "main", "show", path).items():
        assert code == 1 and said.count("\n") == 1, (error, said)
        assert said.startswith(f"error: {path}: cannot start a process to read it: ")


def test_without_semaphores_one_process_does_the_work(library, project):
    for error, (code, said) in told(
        library, project, "sem_open", "stages.extract_frames", "extract_frames", "--jobs", 2, "--force"
    ).items():
        assert code == 0 and "2 videos" in said.splitlines()[-1], (error, said)
        assert said.count("extract_frames: warning: cannot start worker processes, there are no semaphores") == 1
