"""A small project with a tiny detector, a drawn clip, and a model that was never trained but is of its features."""

from pathlib import Path

import numpy as np
import pytest
import yaml

import vcma
from tests.conftest import ROOT
from tests.faults.workshop import draw_video, tiny_network
from vcma.model.evidence import build
from vcma.model.settings import Settings
from vcma.model.vocabulary import Vocabulary
from vcma.text.features import WORDLLAMA
from vcma.training.model_files import save_model


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    """The folder of a project whose chosen data set is `clips`."""
    folder = tmp_path_factory.mktemp("project")
    config = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    block = {"format": "clips", "videos": "data/clips", "splits": {"test": "clips.csv"}}
    block["detector"] = tiny_network(folder)
    config |= {"dataset": "clips", "datasets": {"clips": block, "clips_cpu": block}}
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(config))
    draw_video(folder / "clip.mp4", 0)
    return folder


@pytest.fixture(scope="session")
def untrained(project) -> vcma.Pipeline:
    return vcma.load(config=project / "pipeline.yaml", untrained=True)


def make_model(folder: Path, tubes: vcma.Tubes, **settings) -> Path:
    """A model with fresh parameters, of the detector that made these tubes."""
    section = yaml.safe_load((ROOT / "pipeline.yaml").read_text())["train_em"]
    names = tuple(map(str, tubes.class_name)), tuple(map(str, tubes.attribute_name))
    pairs, actions = ("follow", "next to"), ("run",)
    words = Vocabulary(("dog", "ball"), pairs, actions, (1.0, 1.0), (1.0,), *names, tubes.feature.shape[1], 200)
    model = build(words, WORDLLAMA.embed, Settings.of(section | {"width": 16} | settings))
    save_model(folder, model, tubes.detector, {"max_frames": 24, "temperature": 1.0, "brevity": 0.0})
    return folder


@pytest.fixture(scope="session")
def found(untrained, project) -> vcma.VideoTubes:
    """The clip with its tubes."""
    return untrained.find_tubes(project / "clip.mp4")


@pytest.fixture(scope="session")
def model(project, found) -> Path:
    return make_model(project / "model", found.tubes)


@pytest.fixture
def frames(project) -> np.ndarray:
    """The pictures of the clip, RGB."""
    from vcma.video.decoding import read_frames

    return np.stack([picture[..., ::-1] for *_, picture in read_frames(project / "clip.mp4", np.arange(24))])
