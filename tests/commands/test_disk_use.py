"""What a data set will take on disk."""

import pytest

from tests.datasets.examples import FILES, lay_out, record, segment
from vcma.commands.disk_use import StorageParameters, estimate_disk_use
from vcma.datasets.formats import ENTRY_READERS
from vcma.pipeline import schemas

PARAMETERS = StorageParameters(
    rate=5,
    max_frames=64,
    max_side=640,
    quality=90,
    proposals=100,
    features=1024,
    classes=80,
    attributes=0,
    tubes=20,
)


def test_estimate_of_one_video(tmp_path):
    """100 regions of 1,024 half floats in 64 frames are 13 MB; boxes, scores and classes come on top."""
    long = record(frame_count=900, used_segment=segment(0, 899), temporal_gt=segment(10, 30), width=640, height=480)
    data, block = lay_out(tmp_path, {"test": [long]})
    size = {f.artifact: f for f in estimate_disk_use(ENTRY_READERS["vidstg"](data, block, ()), PARAMETERS)}
    assert size["proposals"].files == 1
    assert size["proposals"].bytes == pytest.approx(13.1e6 * (1 + (160 + 20) / 2048), rel=0.01)
    assert size["frames"].bytes == pytest.approx(64 * 640 * 480 * 0.26, rel=0.05)
    assert size["tubes"].bytes < size["proposals"].bytes
    assert size["predictions.json"].bytes == pytest.approx(2 * 900 * 42, rel=0.01)


def test_estimate_grows_with_what_is_asked_for(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record(frame_count=900, used_segment=segment(0, 899))]})
    fewer = estimate_disk_use(ENTRY_READERS["vidstg"](data, block, ()), PARAMETERS)
    more = estimate_disk_use(
        ENTRY_READERS["vidstg"](data, block, ()),
        StorageParameters(**{**vars(PARAMETERS), "max_frames": 128, "rate": 25}),
    )
    assert all(b.bytes >= a.bytes for a, b in zip(fewer, more, strict=True))
    assert sum(f.bytes for f in more) > 1.5 * sum(f.bytes for f in fewer)


def test_estimate_matches_what_is_written(test_data, tmp_path):
    """The frames of the two real clips, made and weighed."""
    from vcma.pipeline import artifact
    from vcma.video.sampling import extract

    root = test_data / "vidstg"
    total = 0
    videos = {"4240545211": 485, "8665030691": 830}
    for vid, frames in videos.items():
        columns = extract(
            root / "videos" / f"{vid}.mp4", [(0, frames)], rate=5, max_frames=64, max_side=640, quality=90
        )
        artifact.write(schemas.FRAMES, tmp_path / f"{vid}.h5", columns, {}, {})
        total += (tmp_path / f"{vid}.h5").stat().st_size
    block = {"splits": {"test": FILES["val"]}}
    entries = [e for e in ENTRY_READERS["vidstg"](root, block, ()) if e.id.split("/")[0] in videos]
    size = {f.artifact: f.bytes for f in estimate_disk_use(entries, PARAMETERS)}
    assert size["frames"] == pytest.approx(total, rel=0.15)
