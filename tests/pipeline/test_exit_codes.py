"""Ctrl-C and SIGTERM end a program wherever they find it, once, and clean-up is left to finish."""

import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from vcma.__main__ import main

# Where an exception is dropped that the signal's handler raises: in a destructor, a callback, a library.
SWALLOWED = {
    "nowhere": "stop()",
    "destructor": "Thing()",
    "callback": "thing = Plain(); r = weakref.ref(thing, lambda _: stop()); del thing",
    "except": """
try:
    stop()
except:
    pass
""",
    "three callbacks": """
for _ in range(3):
    thing = Plain(); r = weakref.ref(thing, lambda _: stop()); del thing
""",
}
PROGRAM = """
import os, signal, time, weakref
from vcma.pipeline.exit_codes import exit_on_error

def stop():
    os.kill(os.getpid(), signal.{name})

class Plain:
    pass

class Thing(Plain):
    def __del__(self):
        stop()

signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell has it ignored
with exit_on_error(), exit_on_error():
    try:
        {where}
        begun = time.monotonic()
        while time.monotonic() < begun + 10:
            sum(range(1000))
        print("went on")
    finally:
        time.sleep(0.2)  # longer than a signal waits until it is sent again
        print("cleaned up")
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("where", SWALLOWED)
def test_a_signal_ends_the_program_though_its_exception_is_swallowed(where, name):
    program = PROGRAM.format(name=name, where=SWALLOWED[where].strip().replace("\n", "\n        "))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "cleaned up\n"
    assert done.stderr == f"error: stopped by {name}; nothing is left half-written\n"
    assert done.returncode == 128 + getattr(signal, name)


@pytest.mark.parametrize("dvc", [True, False])
def test_a_stage_ends_with_the_dvc_that_runs_it(dvc):
    stage = """
import time
from vcma.pipeline.exit_codes import exit_on_error
with exit_on_error():
    print("at work", flush=True)
    time.sleep({seconds})
    print("finished", flush=True)
"""
    program = stage.format(seconds=60 if dvc else 1)
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {program!r}])"
    environment = {k: v for k, v in os.environ.items() if k != "DVC_STAGE"} | ({"DVC_STAGE": "a"} if dvc else {})
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": environment}
    process = subprocess.Popen([sys.executable, "-c", parent], **pipe)
    assert process.stdout.readline() == "at work\n"
    process.kill()
    told = process.communicate(timeout=30)[0]  # until the stage has closed the pipe
    assert told == ("error: stopped by SIGTERM; nothing is left half-written\n" if dvc else "finished\n")


def test_a_command_leaves_the_signals_as_they_were(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)], sys.unraisablehook
    assert CliRunner().invoke(main, ["show", str(tmp_path / "none.h5")]).exit_code == 1
    assert ([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)], sys.unraisablehook) == before
