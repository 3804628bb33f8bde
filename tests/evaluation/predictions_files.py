"""A small annotated data set without any video, and predictions files for it, as another program may write them."""

import json
import shutil

import yaml

from tests.conftest import ROOT
from tests.datasets.examples import lay_out, record, vidor


def configure(root, block, dataset="vidstg"):
    config = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    config |= {"dataset": dataset, "datasets": {dataset: block}}
    (root / "pipeline.yaml").write_text(yaml.safe_dump(config))


def annotate(root):
    """A VidSTG data set without any video: three captions and a question of the test split, one of them broken."""
    broken = record("200", questions=[], temporal_gt={"begin_fid": 9, "end_fid": 9})
    folder, block = lay_out(root, {"test": [record(), record("200", questions=[]), broken]})
    shutil.rmtree(root / "vidor")
    boxes = root / "vidor" / "annotation" / "validation" / "7"
    boxes.mkdir(parents=True)
    for vid in ("100", "200"):
        (boxes / f"{vid}.json").write_text(json.dumps(vidor(vid)))
    configure(root, block | {"boxes": "vidor/annotation"})
    return folder


def answer(begin, end, box):
    return {"span": [begin, end], "boxes": {f: box(f) for f in range(5, 40)}}


def perfect(**more):
    walker = answer(10, 30, lambda f: [f, 1, f + 10, 21])
    dog = answer(10, 30, lambda f: [30, 20, 40, 30])
    return {"100/0/captions/0": walker, "100/0/questions/0": dog, "200/1/captions/0": walker} | more


def write(path, predictions):
    path.write_text(json.dumps(predictions))
    return path
