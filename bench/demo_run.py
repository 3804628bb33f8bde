"""Time of each stage of the demo: every stage once, from scratch, in a temporary project.

python bench/demo_run.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import turns
import yaml

STAGES = tuple(yaml.safe_load((turns.ROOT / "dvc.yaml").read_text())["stages"])  # in the order of the pipeline


def run(stage: str, project: Path) -> dict[str, float]:
    """Run one stage with one worker; returns wall-clock seconds, CPU seconds and peak memory in MB."""
    command = [sys.executable, str(turns.ROOT / f"stages/{stage}.py"), "--config", str(project / "pipeline.yaml")]
    begin = time.perf_counter()
    with subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        told = child.stderr.read() if child.stderr else b""
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(told.decode(errors="replace").strip().splitlines()[-1])
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "MB": used.ru_maxrss / 1024}


def main() -> None:
    options = argparse.ArgumentParser(description="Time of each stage of the demo, with one worker.")
    options.add_argument("--json", type=Path, help="write the results to this file")
    args = options.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for name in ("data", "demo", "envs"):
            (project / name).symlink_to(turns.ROOT / name)
        config = (turns.ROOT / "pipeline.yaml").read_text()
        (project / "pipeline.yaml").write_text(config + "\nrun: {jobs: 1}\n")
        shutil.copytree(turns.ROOT / "results", project / "results")
        for stage in STAGES:
            found[stage] = run(stage, project)
            print("{0}: {seconds:.1f} s, {cpu:.1f} s CPU, {MB:.0f} MB".format(stage, **found[stage]), flush=True)
    if args.json:
        args.json.write_text(json.dumps({"stages": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
