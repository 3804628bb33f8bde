"""What extract_frames says of odd videos, and that it counts them."""

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from stages.extract_frames import extract_frames
from stages.index_dataset import index_dataset
from tests.conftest import ROOT
from tests.video.test_decoding import hurt, resized
from tests.video.videos import write
from vcma.pipeline import artifact, schemas


@pytest.fixture
def project(tmp_path):
    config = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    block = {"format": "clips", "videos": "data/clips", "splits": {"test": "clips.csv"}}
    config |= {"dataset": "clips", "datasets": {"clips": block}}
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(config))
    root = tmp_path / "data" / "clips"
    root.mkdir(parents=True)
    write(root / "well.mp4")
    hurt(write(root / "hurt.mp4", frames=300, bf="0", gop=25, sc_threshold="0"), 40)
    resized(tmp_path, (64, 48), (48, 64)).rename(root / "turned.ts")
    hurt(write(root / "lost.mp4", frames=100, bf="0", gop=50, sc_threshold="0"), *range(10, 90))
    rows = [f"{video},a dog\n" for video in ("well.mp4", "hurt.mp4", "turned.ts", "lost.mp4")]
    (root / "clips.csv").write_text("video,sentence\n" + "".join(rows))
    return tmp_path


def run(stage, project):
    done = CliRunner().invoke(stage, ["--config", str(project / "pipeline.yaml")])
    assert done.exit_code == 0, done.output
    return done.stderr


def test_odd_videos_are_used_as_far_as_they_go_and_told(project):
    run(index_dataset, project)
    told = run(extract_frames, project)
    assert "extract_frames: hurt.mp4: 1 of its 300 frames cannot be decoded\n" in told
    assert "extract_frames: turned.ts: its frame size changes from 64x48 to 48x64 by frame" in told
    assert "extract_frames: skipped lost.mp4:" in told and "of 16 sampled frames could be decoded" in told
    assert "well.mp4:" not in told
    assert "3 videos, 71 frames, 2 with notes, 1 skipped" in told
    again = run(extract_frames, project)
    assert "3 videos, 71 frames, 2 with notes, 3 up to date, 1 skipped" in again  # counted still
    frames = artifact.read(schemas.FRAMES, project / "artifacts" / "clips" / "frames" / "hurt.mp4.h5")
    assert frames["frame_count"] == 300 and np.diff(frames["time"]).max() < 0.3
