"""Tubes and predictions without a trained model on real videos, with an ablation of the method's components.

    python bench/real_pixels.py --data FOLDER [--detector fastestdet] [--json FILE]

FOLDER contains `real` (clips with human-written sentences and ground-truth boxes, and join.py, which concatenates
three clips into one video), `street` (pedestrians; captions and questions), `vidstg` (clips with official spans but
no boxes) and the detectors' weights, as described in their READMEs. The pipeline's stages compute frames and
regions once, in .bench/real_pixels/; every run recomputes tubes and predictions. Scores are m_vIoU with protocol
`stcat`, and m_tIoU on `clips`. Below the table: the contribution of each component, as the mean over all sentences
of the score with it minus the score without it, with a 95 % bootstrap interval over videos.

Nothing is trained here. Do not select by a single row: an improvement must hold on every data set.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from vcma.evaluation import baselines, metrics
from vcma.evaluation.bootstrap import mean_with_interval
from vcma.evaluation.protocols import protocols_for
from vcma.inference.grounder import Grounder
from vcma.inference.untrained import label_encoder, settings_of
from vcma.linking.linker import link
from vcma.model.clip import crop
from vcma.pipeline import artifact, schemas
from vcma.pipeline.project import load_project
from vcma.pipeline.video_artifacts import video_file
from vcma.records.answer import boxes_of
from vcma.records.columns import Columns
from vcma.records.sentence import Sentence, grouped, sentences
from vcma.records.tubes import Tubes

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".bench" / "real_pixels"
STAGES = ("index_dataset", "extract_frames", "parse_queries", "detect_proposals")
DETECTORS: Mapping[str, Mapping[str, Any]] = {
    "fastestdet": {"weights": "fastestdet/FastestDet.onnx", "input_size": 352},
    "yolox": {"weights": "yolox/yolox_nano.onnx", "input_size": 416},
}
CLASSES = "fastestdet/coco.names"
# Ablations: values of link_tubes, values of `untrained`.
PARTS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "as configured": ({}, {}),
    "12 tubes": ({"max_tubes": 12}, {}),
    "without the score prior": ({}, {"score_prior": 0.0}),
    "without labels": ({}, {"label_prior": 0.0}),
    "without co-presence": ({}, {"co_presence": 0.0}),
    "without cues": ({}, {"relation_prior": 0.0}),
    "time by cues alone": ({}, {"throughout": 0.0}),
    "time by presence alone": ({}, {"throughout": 1.0}),
}


def prepare(data: Path, detector: str) -> Path:
    """Create a project with the four data sets and compute their regions; returns the path of pipeline.yaml."""
    joined = WORK / "joined"
    if not (joined / "test_annotations.json").exists():
        subprocess.run([sys.executable, data / "real" / "join.py", joined], check=True)
    roots = {"single": data / "real" / "single", "joined": joined, "street": data / "street"}
    config = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    splits = {split: f"{split}_annotations.json" for split in ("train", "val", "test")}
    settings = {**DETECTORS[detector], "backend": "opencv_dnn", "layout": detector}
    settings |= {"weights": str(data / settings["weights"]), "classes": str(data / CLASSES)}
    project = WORK / detector
    blocks = {}
    for name, root in roots.items():
        block = {"videos": str(root / "video"), "boxes": str(root / "vidor" / "annotation"), "splits": splits}
        blocks[name] = {"format": "vidstg", "detector": settings, "train_truth": False, **block}
        for file in splits.values():
            _copy((root / file).read_text(), project / "data" / name / file)
    videos = data / "vidstg" / "videos"
    records = json.loads((data / "vidstg" / "val_annotations.json").read_text())
    mine = [record for record in records if (videos / f"{record['vid']}.mp4").exists()]
    _copy(json.dumps(mine), project / "data" / "clips" / "clips.json")
    blocks["clips"] = {"format": "vidstg", "videos": str(videos), "boxes": None, "detector": settings}
    blocks["clips"]["splits"] = dict.fromkeys(splits, "clips.json")
    path = project / "pipeline.yaml"
    _copy(yaml.safe_dump(config | {"dataset": "single", "datasets": blocks}, sort_keys=False), path)
    for name in blocks:
        for stage in STAGES:
            command: list[str | Path] = [
                sys.executable,
                ROOT / "stages" / f"{stage}.py",
                "--config",
                path,
                "--dataset",
                name,
            ]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path


def _copy(text: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


@dataclass(frozen=True)
class Corpus:
    """A data set: its sentences, their ground truth, and the PROPOSALS columns of its videos."""

    name: str
    truth: Columns
    sentences: list[Sentence]
    proposals: dict[str, Columns]
    linking: Mapping[str, Any]
    untrained: Mapping[str, Any]

    @classmethod
    def read(cls, config: Path, name: str) -> Corpus:
        project = load_project(config, name)
        a = project.artifacts
        mine = sentences(
            artifact.read(schemas.SAMPLES, a / "samples.h5"),
            artifact.read(schemas.QUERIES, a / "queries.h5"),
            "test",
        )
        read = {
            s.video: artifact.read(schemas.PROPOSALS, video_file(a / "proposals", s.video))
            for s in {s.video: s for s in mine}.values()
        }
        truth = artifact.read(schemas.TRUTH, a / "truth_test.h5")
        return cls(name, truth, mine, read, project.section("link_tubes"), project.section("untrained"))

    @cached_property
    def tubes(self) -> dict[str, Tubes]:
        return self.linked({})

    def linked(self, changes: Mapping[str, Any]) -> dict[str, Tubes]:
        return {v: Tubes.of(link(data, **{**self.linking, **changes})) for v, data in self.proposals.items()}

    def scores(self, predictions: Any) -> np.ndarray:
        """Return the vIoU of each sample, or tIoU if the ground truth has no boxes."""
        found = metrics.score(self.truth, predictions, protocols_for(self.truth)[0])
        return found.viou if len(self.truth["box"]) else found.tiou

    def answered(self, linking: Mapping[str, Any], changes: Mapping[str, Any]) -> np.ndarray:
        """Return the scores of predictions without a model, with the given changes of the configuration."""
        tubes = self.linked(linking) if linking else self.tubes
        settings, max_frames = settings_of({**self.untrained, **changes})
        example = next(iter(tubes.values()))
        encoder = label_encoder(example.class_name, example.attribute_name, example.feature.shape[1])
        grounder = Grounder.untrained(settings, max_frames, encoder, "cpu")
        answers = []
        for (video, begin, end), group in grouped(self.sentences).items():
            clip = crop(tubes[video], begin, end, max_frames)
            answers += [p.answer for p in grounder.in_clip(tubes[video], clip, group)]
        videos = {s.sample: s.video for s in self.sentences}
        return self.scores(boxes_of(answers, tubes.__getitem__, videos))


def columns_of(corpus: Corpus, scores: np.ndarray) -> dict[str, float]:
    """Mean score by data set, and by query type on `street`."""
    if corpus.name != "street":
        return {corpus.name: float(np.nanmean(scores))}
    kinds = np.asarray(corpus.truth["query_type"])
    return {f"street {kind}": float(scores[kinds == kind].mean()) for kind in sorted(set(kinds.tolist()))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with data sets and weights")
    parser.add_argument("--detector", choices=list(DETECTORS), default="fastestdet", help="detector")
    parser.add_argument("--fresh", action="store_true", help="recompute frames and regions")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    args = parser.parse_args()
    if args.fresh:
        shutil.rmtree(WORK, ignore_errors=True)
    config = prepare(args.data.resolve(), args.detector)
    corpora = [Corpus.read(config, name) for name in ("single", "joined", "street", "clips")]
    table: dict[str, dict[str, float]] = {}
    scores: dict[str, list[np.ndarray]] = {}
    for corpus in corpora:
        boxes = len(corpus.truth["box"]) > 0
        for row, predictions in references(corpus).items() if boxes else ():
            table.setdefault(row, {}).update(columns_of(corpus, corpus.scores(predictions)))
        for part, changes in PARTS.items():
            found = corpus.answered(*changes)
            scores.setdefault(part, []).append(found)
            table.setdefault(part, {}).update(columns_of(corpus, found))
    names = list(table["as configured"])
    print(f"{'':32}" + "".join(f"{name:>22}" for name in names))
    for row, values in table.items():
        print(f"{row:32}" + "".join(f"{values.get(name, float('nan')):22.3f}" for name in names))
    boxed = [i for i, corpus in enumerate(corpora) if len(corpus.truth["box"])]
    video = np.concatenate([[f"{corpora[i].name}/{v}" for v in corpora[i].truth["video"]] for i in boxed])
    brings = {}
    print("\ncontribution of each component (m_vIoU of all sentences with boxes)")
    for part in list(PARTS)[1:]:
        difference = np.concatenate([scores["as configured"][i] - scores[part][i] for i in boxed])
        value = brings[part] = mean_with_interval(difference, video)
        print(f"{part:32}{value.value:+.3f} [{value.low:+.3f}, {value.high:+.3f}]")
    if args.json:
        args.json.write_text(json.dumps({"table": table, "brings": brings}, indent=1) + "\n")


def references(corpus: Corpus) -> dict[str, Any]:
    """Reference predictions: chance, the best linked tube, and detections linked by ground-truth identities."""
    return {
        "chance": baselines.chance(corpus.truth, corpus.tubes.__getitem__, seed=0, whole=True),
        "best linked tube": baselines.oracle(corpus.truth, corpus.tubes.__getitem__),
        "identities": baselines.identity_oracle(corpus.truth, corpus.proposals.__getitem__),
    }


if __name__ == "__main__":
    main()
