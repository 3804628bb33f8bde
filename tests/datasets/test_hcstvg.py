"""HC-STVG's reader: its conventions, bad records, and validation carved out of train."""

import pytest

from tests.datasets.examples import lay_out_hcstvg, read, reasons, tube
from vcma.datasets.hcstvg import carve, source_video
from vcma.errors import InputError


def test_hcstvg_conventions(tmp_path):
    block = lay_out_hcstvg(tmp_path, {"test": {"55_vfjywN5CN0Y.mp4": tube()}})
    index = read(tmp_path, block, tmp_path)
    truth = index.truths["test"]
    assert index.samples["sample"].tolist() == ["55_vfjywN5CN0Y.mp4"] == index.samples["video"].tolist()
    assert (truth["span_begin"][0], truth["span_end"][0]) == (10, 40) and truth["format"] == "hcstvg"
    assert (truth["segment_begin"][0], truth["segment_end"][0]) == (0, 400)
    assert truth["fps"][0] == 20 and truth["query_type"][0] == "declarative"
    assert truth["box"][1].tolist() == [1, 2, 11, 22] and truth["box_frame"][:2].tolist() == [10, 11]
    assert truth["distractors"].tolist() == [-1] and truth["category"].tolist() == ["person"]


def test_hcstvg_second_version_and_part_folders(tmp_path):
    record = tube(English="The man runs.", img_size=[720, 1280])
    del record["width"], record["height"]
    block = lay_out_hcstvg(tmp_path, {"val": {"1_abc.mkv": record}})
    (tmp_path / "videos" / "part_1").mkdir()
    (tmp_path / "videos" / "1_abc.mkv").rename(tmp_path / "videos" / "part_1" / "1_abc.mkv")
    samples = read(tmp_path, block, tmp_path).samples
    assert samples["sentence"].tolist() == ["The man runs."] and samples["video_path"].tolist() == [
        "part_1/1_abc.mkv"
    ]
    assert (samples["video_width"][0], samples["video_height"][0]) == (1280, 720)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (tube(n=0), "zero-length span: no box"),
        (tube(caption=""), "empty sentence"),
        (tube(caption=None), "malformed record: no caption"),
        (tube(start=0), "malformed record: st_frame is below 1"),
        (tube(img_num=0), "malformed record: video has no frames"),
        (tube(bbox=[[1, 2, 3]]), "malformed record: bbox is not a list of [x, y, w, h]"),
        (tube(bbox=[[1, 2, 3, float("nan")]]), "malformed record: a box is not finite"),
        (7, "malformed record: not an object"),
    ],
)
def test_bad_hcstvg_records_are_skipped(tmp_path, bad, reason):
    block = lay_out_hcstvg(tmp_path, {"test": {"1_a.mp4": tube(), "2_b.mp4": bad}})
    index = read(tmp_path, block, tmp_path)
    assert index.samples["sample"].tolist() == ["1_a.mp4"] and reasons(index) == {"2_b.mp4": reason}


def test_hcstvg_keys_never_leave_the_video_root(tmp_path):
    block = lay_out_hcstvg(tmp_path, {"test": {"1_a.mp4": tube(), "../2_b.mp4": tube()}})
    (tmp_path / "2_b.mp4").write_bytes(b"secret")
    assert reasons(read(tmp_path, block, tmp_path)) == {"../2_b.mp4": "video outside its folder: ../2_b.mp4"}


def test_hcstvg_train_hides_its_truth(tmp_path):
    broken = tube(bbox="none", st_frame=None)
    block = lay_out_hcstvg(tmp_path, {"train": {"1_a.mp4": broken, "2_b.mp4": tube()}})
    index = read(tmp_path, block, tmp_path)
    assert len(index.samples["sample"]) == 2 and "train" not in index.truths


def test_a_validation_split_is_carved_by_source_video(tmp_path):
    train = {f"{i}_film{i // 3:03d}.mp4": tube() for i in range(60)}
    block = lay_out_hcstvg(tmp_path, {"train": train}, val_share=0.2, val_seed=3)
    block["splits"]["val"] = None
    index = read(tmp_path, block, tmp_path)
    split = dict(zip(index.samples["sample"], index.samples["split"], strict=True))
    val = {key for key in split if split[key] == "val"}
    assert len(val) == 12 and len(split) == 60
    assert not {source_video(k) for k in val} & {source_video(k) for k in set(split) - val}
    assert index.truths["val"]["sample"].size == 12 and "train" not in index.truths
    assert val == carve(reversed(list(train)), 0.2, 3) != carve(train, 0.2, 4)


def test_carving_needs_its_share_and_seed(tmp_path):
    block = lay_out_hcstvg(tmp_path, {"train": {"1_a.mp4": tube()}})
    block["splits"]["val"] = None
    with pytest.raises(InputError, match=r"'val_share:' between 0 and 1 and an integer 'val_seed:'"):
        read(tmp_path, block, tmp_path)


@pytest.mark.parametrize("content", ["[]", "{}", "{", '{"a": {"caption": "x"}}'])
def test_a_file_that_is_not_hcstvg(tmp_path, content):
    block = lay_out_hcstvg(tmp_path, {"test": {"1_a.mp4": tube()}})
    (tmp_path / "test.json").write_text(content)
    with pytest.raises(InputError, match=r"test\.json: .*'splits:'"):
        read(tmp_path, block, tmp_path)
