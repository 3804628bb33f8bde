"""Where videos are found below their root, and which of them are skipped."""

import json
import os

import pytest

from tests.commands.real_videos import write_video
from tests.datasets.examples import lay_out, read, reasons, record, vidor


def test_videos_lie_flat_in_group_folders_or_where_vidor_says(tmp_path):
    records = {"test": [record("100", questions=[]), record("200", questions=[]), record("300", questions=[])]}
    boxes = {vid: vidor(vid, f"0001/{vid}.mp4") for vid in ("100", "200", "300")}
    data, block = lay_out(tmp_path, records, boxes)
    videos = tmp_path / "vidor" / "video"
    for folder in ("0000", "0001"):
        (videos / folder).mkdir()
    (videos / "200.mp4").rename(videos / "0000" / "200.mp4")
    (videos / "300.mp4").rename(videos / "0000" / "300.mp4")
    (videos / "0001" / "300.mp4").write_bytes(b"the right one")
    samples = read(data, block, tmp_path).samples
    assert samples["video_path"].tolist() == ["100.mp4", "0000/200.mp4", "0001/300.mp4"]


def test_a_video_path_never_leaves_the_video_root(tmp_path):
    boxes = {"100": vidor(path="../outside.mp4"), "200": vidor(path=str(tmp_path / "vidor" / "outside.mp4"))}
    data, block = lay_out(tmp_path, {"test": [record(), record("200"), record("../outside")]}, boxes)
    (tmp_path / "vidor" / "outside.mp4").write_bytes(b"secret")
    (tmp_path / "vidor" / "annotation" / "outside.json").write_text(json.dumps(vidor()))
    index = read(data, block, tmp_path)
    assert index.samples["video_path"].tolist() == ["100.mp4", "200.mp4"]
    assert set(reasons(index)) == {"../outside/2/captions/0", "../outside/2/questions/0"}


def test_unreadable_videos_are_skipped(tmp_path):
    records = [record(vid, questions=[]) for vid in ("100", "200", "300", "400")]
    data, block = lay_out(tmp_path, {"test": records})
    videos = tmp_path / "vidor" / "video"
    (videos / "200.mp4").write_bytes(b"")
    (videos / "300.mp4").unlink()
    (videos / "400.mp4").unlink()
    (videos / "400.mp4").mkdir()
    index = read(data, block, tmp_path)
    assert index.samples["video"].tolist() == ["100"]
    assert reasons(index) == {
        "200/1/captions/0": "video unreadable: empty file",
        "300/2/captions/0": "video missing",
        "400/3/captions/0": "video missing",
    }


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_video_without_permission_is_skipped(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record(), record("200", questions=[])]})
    (tmp_path / "vidor" / "video" / "200.mp4").chmod(0)
    assert reasons(read(data, block, tmp_path)) == {
        "200/1/captions/0": "video unreadable: no permission, or not a file"
    }


def test_a_file_of_another_length_is_another_video(tmp_path):
    records = [record(vid, questions=[], frame_count=50) for vid in ("100", "200")]
    data, block = lay_out(tmp_path, {"test": records})
    write_video(tmp_path / "vidor" / "video" / "100.mp4", frames=51)
    write_video(tmp_path / "vidor" / "video" / "200.mp4", frames=20)
    index = read(data, block, tmp_path)
    assert index.samples["video"].tolist() == ["100"]
    assert reasons(index) == {"200/1/captions/0": "another video: 20 frames, annotated 50"}
