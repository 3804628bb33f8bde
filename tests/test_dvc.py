"""The committed locks hold no hash of one machine, and by-products in folders of source rerun no stage."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from demo.run import EMPTY, LOCKS
from tests.conftest import ROOT
from vcma.report.ablation import write_sweeps

SWEEP = ((0.5, 0, 0.2), (0.5, 1, 0.42), (0, 1, 0.3))  # alpha, beta, m_vIoU


@pytest.mark.parametrize("name", LOCKS)
def test_the_repositorys_locks_are_empty(name):
    lock = (ROOT / name).read_text()
    if lock != EMPTY and (ROOT / ".dvc" / "cache").exists():
        pytest.skip("a lock of one's own is fine beside DVC's cache that it belongs to; a fresh clone has neither")
    assert lock == EMPTY


def run(folder: Path, *words: str) -> str:
    """Run a program in a folder whose terminal is 120 columns wide, and return what it says."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = os.environ | who | {"PATH": path, "COLUMNS": "120", "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_an_experiment_changes_no_line_of_the_configuration_but_its_own(tmp_path):
    """DVC rewrites the file: lines are laid out as it would lay them out (lists and mappings below 80 columns)."""
    from dvc.utils.serialize import modify_yaml

    shutil.copy(ROOT / "pipeline.yaml", tmp_path)
    before = (tmp_path / "pipeline.yaml").read_text().splitlines()
    with modify_yaml(tmp_path / "pipeline.yaml") as config:
        config["train_em"]["beta"] = 0.25
    after = (tmp_path / "pipeline.yaml").read_text().splitlines()
    assert len(before) == len(after)
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1 and changed[0][1].startswith("  beta: 0.25 # weight"), changed


def experimental_project(folder: Path) -> None:
    """A project of the last stages' results alone, in git, whose `evaluate` copies them from two files."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    evaluate = stages["stages"]["evaluate"] | {
        "cmd": "cp new.json artifacts/demo/metrics.json",
        "deps": ["new.json"],
    }
    evaluate |= {"params": [{"pipeline.yaml": ["train_em"]}], "outs": []}
    train = {"cmd": "echo", "deps": [], "outs": ["artifacts/${dataset}/em_history.json"]}
    chosen = stages | {"stages": {"train_em": train, "evaluate": evaluate}}
    (folder / "dvc.yaml").write_text(yaml.safe_dump(chosen, sort_keys=False))
    shutil.copy(ROOT / "pipeline.yaml", folder)
    (folder / "artifacts" / "demo").mkdir(parents=True)
    rounds = [{"round": i, "score_p": 0.1 * i, "score_q": 0.05, "elbo": -1.0 + i, "best": False} for i in (0, 1)]
    history = {"score": "m_vIoU", "sentences": 330, "rounds": rounds}
    (folder / "artifacts" / "demo" / "em_history.json").write_text(json.dumps(history))
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    (folder / ".gitignore").write_text("/artifacts/\n/.dvc/tmp\n")


def evaluated(folder: Path, score: float) -> None:
    """Run the stage, whose four metrics are all that score."""
    means = dict.fromkeys(("m_tIoU", "m_vIoU", "vIoU@0.3", "vIoU@0.5"), score)
    (folder / "new.json").write_text(json.dumps(means))
    run(folder, "dvc", "repro", "-q", "-s", "evaluate")


def test_experiments_read_well_in_a_terminal_and_plots_show_training_and_sweep(tmp_path):
    experimental_project(tmp_path)
    evaluated(tmp_path, 0.4321987654321)
    run(tmp_path, "git", "add", "-A")
    run(tmp_path, "git", "commit", "-q", "-m", "base")
    config = (tmp_path / "pipeline.yaml").read_text()
    (tmp_path / "pipeline.yaml").write_text(config.replace("  beta: 1.0", "  beta: 0.25"))
    evaluated(tmp_path, 0.51234567)
    run(tmp_path, "dvc", "exp", "save", "-n", "a-quarter-of-beta")
    shown = run(tmp_path, "dvc", "exp", "show", "--no-pager", "--only-changed", "--drop", "artifacts|new.json")
    for wanted in ("[a-quarter-of-beta]", "m_tIoU", "m_vIoU", "vIoU@0.3", "vIoU@0.5", "train_em.beta", "0.51235"):
        assert wanted in shown, shown
    assert "…" not in shown and max(map(len, shown.splitlines())) <= 120, shown
    difference = run(tmp_path, "dvc", "metrics", "diff")
    assert "m_vIoU" in difference and "0.08015" in difference and len(difference.splitlines()) == 5, difference
    assert "failed" not in run(tmp_path, "dvc", "plots", "show")  # without an ablation, too
    results = tmp_path / "results" / "demo"
    results.mkdir(parents=True)
    header = "variant,alpha,beta,seed,split,query_type,m_tIoU,m_vIoU,vIoU@0.3,vIoU@0.5"
    rows = [f"em,{alpha},{beta},0,test,all,0,{score},0,0" for alpha, beta, score in SWEEP]
    (results / "ablation.csv").write_text("\n".join([header, *rows]) + "\n")
    write_sweeps(results / "ablation.csv", results)
    assert "failed" not in run(tmp_path, "dvc", "plots", "show")
    page = (tmp_path / "dvc_plots" / "index.html").read_text()
    for name in ("p and q by round", "ELBO by round", "m_vIoU by alpha, demo", "m_vIoU by beta, demo"):
        assert name in page or name.replace(" ", "_") in page
    assert '"field": "score_p"' in page and '"field": "score_q"' in page and '"m_vIoU": "0.4200"' in page


def test_byte_code_and_partial_files_rerun_no_stage_and_an_edit_does(tmp_path):
    def dvc(*words: str) -> str:
        return run(tmp_path, "dvc", *words)

    dvc("init", "--no-scm", "-q")
    shutil.copy(ROOT / ".dvcignore", tmp_path)
    source = tmp_path / "vcma" / "model"
    source.mkdir(parents=True)
    (source / "em.py").write_text("alpha = 1\n")
    (tmp_path / "dvc.yaml").write_text(
        "stages: {train: {cmd: echo 1 > model, deps: [vcma/model], outs: [model]}}\n"
    )
    dvc("repro", "-q")
    (source / "__pycache__").mkdir()
    for name in ("__pycache__/em.cpython-311.pyc", "em.pyc", ".em.py.partial", ".em.py.swp", ".DS_Store"):
        (source / name).write_text("x")
    assert "up to date" in dvc("status")
    (source / "em.py").write_text("alpha = 2\n")
    assert "modified:           vcma/model" in dvc("status")
    (source / "em.py").write_text("alpha = 1\n")
    assert "up to date" in dvc("status")
    (source / "new.py").write_text("")
    assert "modified:           vcma/model" in dvc("status")
