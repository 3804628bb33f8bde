"""EM training on real street videos, compared with predictions without a trained model.

    python bench/learning.py --data FOLDER [--boxes true|fastestdet|yolox] [--seeds 3] [--rounds 12] [--out FOLDER]

FOLDER has the same contents as for bench/real_pixels.py; frames and regions are shared with it. `--boxes true`
replaces detections by the ground-truth boxes, jittered and subsampled by a script of the data set. Training uses
only sentences, no boxes or spans; the last round is evaluated, and nothing is selected on the validation split.
Prints m_vIoU by query type for every seed, and the paired difference from the predictions without a model, with a
95 % confidence interval over videos. `--out` writes the table and figure of the rounds to rounds.md and rounds.png.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from real_pixels import DETECTORS, ROOT, prepare

from vcma.evaluation.bootstrap import mean_with_interval
from vcma.inference.untrained import settings_of
from vcma.model.evidence import build
from vcma.model.settings import Settings
from vcma.pipeline import artifact, schemas
from vcma.pipeline.project import Project, load_project
from vcma.report.rounds import rounds_figure, rounds_table
from vcma.training.instruments import round_row
from vcma.training.trainer import History, Trainer, fit
from vcma.training.training_set import TrainingSet
from vcma.training.validation import Validation


def linked(config: Path, name: str, true_boxes: Path | None) -> Project:
    """Link the tubes of data set `name`; true_boxes: script that replaces the detector. Returns the project."""
    if true_boxes:
        values = yaml.safe_load(config.read_text())
        values["datasets"][name] = values["datasets"]["street"]
        config.write_text(yaml.safe_dump(values, sort_keys=False))
        annotations = config.parent / "data" / name
        if not annotations.exists():
            annotations.symlink_to(config.parent / "data" / "street")
    made = ("index_dataset", "extract_frames", "parse_queries") if true_boxes else ()
    for stage in (*made, "link_tubes"):
        if stage == "link_tubes" and true_boxes:
            a = config.parent / "artifacts" / name
            subprocess.run([sys.executable, true_boxes, a / "proposals", a / "frames"], check=True)
        command = [sys.executable, ROOT / "stages" / f"{stage}.py", "--config", config, "--dataset", name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return load_project(config, name)


def trained(train: TrainingSet, validation: Validation, settings: Settings) -> tuple[History, np.ndarray]:
    """Train a model; returns the history of rounds and the vIoU of each sample after the last."""
    trainer = Trainer(build(train.vocabulary, train.encoder.texts.embed, settings), train.steps(settings))
    history = fit(trainer, train.epochs(settings), partial(round_row, validation), lambda _: None, [], "cpu")
    answers = [j.answer() for j in validation.judged(trainer.ema)]
    return history, validation.scores(answers).viou


def by_type(scores: np.ndarray, kinds: np.ndarray) -> str:
    return "  ".join(f"{kind} {scores[kinds == kind].mean():.3f}" for kind in np.unique(kinds))


def report(untrained: np.ndarray, scores: Sequence[np.ndarray], truth: Any) -> None:
    """Print the scores of each seed, and the paired differences, by query type."""
    kinds = np.asarray(truth["query_type"], str)
    print(f"without a model   {by_type(untrained, kinds)}")
    for seed, found in enumerate(scores):
        print(f"EM, seed {seed}        {by_type(found, kinds)}")
    difference = np.mean(scores, axis=0) - untrained
    for kind in np.unique(kinds):
        mine = kinds == kind
        value = mean_with_interval(difference[mine], np.asarray(truth["video"])[mine])
        print(f"difference, {kind}: {value.value:+.3f} [{value.low:+.3f}, {value.high:+.3f}]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with data sets and weights")
    parser.add_argument("--boxes", choices=["true", *DETECTORS], default="true", help="source of the regions")
    parser.add_argument("--seeds", type=int, default=3, help="number of training seeds")
    parser.add_argument("--rounds", type=int, default=12, help="number of EM rounds")
    parser.add_argument("--out", type=Path, help="write rounds.md and rounds.png to this folder")
    args = parser.parse_args()
    torch.set_num_threads(1)
    data, true = args.data.resolve(), args.boxes == "true"
    config = prepare(data, "fastestdet" if true else args.boxes)
    script = data / "street" / "true_boxes.py"
    project = linked(config, "street_true", script) if true else linked(config, "street", None)
    section = project.section("train_em") | {"stop": "rounds", "rounds": args.rounds}
    a = project.artifacts
    train = TrainingSet.load(a, a / "tubes", int(section["max_frames"]))
    truth = artifact.read(schemas.TRUTH, a / "truth_val.h5")
    validation = train.validation("val", truth, "cpu")
    plain = validation.judged_untrained(settings_of(project.section("untrained"))[0])
    untrained = validation.scores([j.answer() for j in plain]).viou
    runs = [trained(train, validation, Settings.of({**section, "seed": seed})) for seed in range(args.seeds)]
    report(untrained, [scores for _, scores in runs], truth)
    histories = [history for history, _ in runs]
    print("\n" + rounds_table(histories))
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "rounds.md").write_text(rounds_table(histories))
        rounds_figure(histories, args.out / "rounds.png")


if __name__ == "__main__":
    main()
