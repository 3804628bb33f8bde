"""Odd videos, made here: whatever the container, the frames wanted are those of a plain decode from the first one.

Each picture shows its own number as eight black or white stripes, which survive any codec. Two hours are faked: two
frames a second of 32 x 32 pixels, since what matters is the span and that few of many frames are wanted.
"""

import os
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from vcma.errors import InputError
from vcma.video import decoding
from vcma.video.decoding import read_frames, shape
from vcma.video.extent import extent
from vcma.video.pictures import decode
from vcma.video.sampling import extract, time_grid

PLAN = {"rate": 5, "max_frames": 64, "max_side": 640, "quality": 90}


def picture(number, size):
    """BGR picture of `size` (width, height) whose eight stripes are the bits of a number."""
    width, height = size
    bits = np.array([number >> bit & 1 for bit in range(8)])[np.arange(width) * 8 // width]
    return np.tile((40 + 170 * bits).astype(np.uint8)[None, :, None], (height, 1, 3))


def number(shown):
    """The number that a picture shows, read off the middle of its stripes."""
    height, width = shown.shape[:2]
    middle = shown[height // 2, (2 * np.arange(8) + 1) * width // 16].mean(axis=-1)
    return int(((middle > 125) << np.arange(8)).sum())


def write(path, frames=60, size=(64, 48), fps=25, codec="libx264", pixels="yuv420p", times=None, gop=12, **options):
    """A video of numbered pictures; times: presentation times in ms, else evenly spaced."""
    faststart = {"movflags": "faststart"} if path.suffix == ".mp4" else {}  # a cut file still opens
    with av.open(str(path), "w", options=faststart) as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = *size, pixels, gop
        stream.thread_count = 1
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(i % 256, size), format="bgr24")
            frame.pts = i if times is None else times[i]
            frame.time_base = Fraction(1, fps) if times is None else Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def sequential(path):
    """(time in s, picture) of every frame by OpenCV alone, in order."""
    capture, found = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    while capture.grab():
        found.append((capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, capture.retrieve()[1]))
    capture.release()
    return found


IRREGULAR = np.cumsum(np.random.default_rng(0).integers(10, 120, 60)).tolist()
ODD = {
    "mp4": ("a.mp4", {}),
    "mp4 with reordered frames": ("a.mp4", {"bf": "3"}),
    "avi": ("a.avi", {"codec": "mpeg4"}),
    "avi of jpegs": ("a.avi", {"codec": "mjpeg", "pixels": "yuvj420p"}),
    "webm": ("a.webm", {"codec": "libvpx-vp9", "lag-in-frames": "0", "deadline": "realtime"}),
    "webm with hidden frames": ("a.webm", {"codec": "libvpx", "auto-alt-ref": "1", "lag-in-frames": "16"}),
    "mkv": ("a.mkv", {}),
    "variable rate mkv": ("a.mkv", {"times": IRREGULAR}),
    "variable rate mp4": ("a.mp4", {"times": IRREGULAR}),
    "odd sides": ("a.mp4", {"size": (67, 45), "pixels": "yuv444p"}),
    "odd sides, subsampled": ("a.webm", {"size": (67, 45), "codec": "libvpx-vp9", "deadline": "realtime"}),
    "grey": ("a.mkv", {"codec": "ffv1", "pixels": "gray"}),
    "one frame": ("a.mp4", {"frames": 1}),
    "open groups": ("a.mp4", {"bf": "2", "x264-params": "open-gop=1:keyint=12:min-keyint=12"}),
}


def take(road, monkeypatch):
    """Decode in sequence; seek where that gives the same bits; or where it is exact, however little it gains."""
    never = 1 << 60
    monkeypatch.setattr(decoding, "_FEW", 0 if road == "same" else never)
    monkeypatch.setattr(decoding, "_LARGE", 0)
    monkeypatch.setattr(decoding, "_SPARSE", 0 if road == "far" else never)
    monkeypatch.setattr(decoding, "_GAIN", 0.1)


@pytest.mark.parametrize("kind", ODD)
def test_odd_videos_give_the_frames_of_a_plain_decode(tmp_path, kind, monkeypatch):
    name, options = ODD[kind]
    path = write(tmp_path / name, **options)
    told = sequential(path)
    assert [number(shown) for _, shown in told] == list(range(options.get("frames", 60)))
    assert extent(path) == (len(told), "")
    for road in ("sequence", "same", "far"):
        take(road, monkeypatch)
        for wanted in ([0], [0, 1, 2], [7, 30, 31, 59], [13, 14, 50], list(range(60))):
            wanted = np.array([w for w in wanted if w < len(told)], np.int64)
            if len(wanted) == 3 and "libvpx" not in options.get("codec", ""):
                assert decoding._jumps(path, wanted) is not None
            found = list(read_frames(path, wanted))
            assert [index for index, *_ in found] == wanted.tolist()
            for index, time, shown in found:
                assert number(shown) == index and shown.shape == told[index][1].shape
                assert time == told[index][0]
                assert np.abs(shown.astype(int) - told[index][1]).max(initial=0) <= (255 if road == "far" else 0)
                assert np.abs(shown.astype(int) - told[index][1]).mean() < 2
    columns = extract(path, [(0, -1)], **PLAN)
    assert [number(decode(columns["jpeg"][a:b])) for a, b in _pairs(columns)] == columns["frame"].tolist()
    assert (columns["height"], columns["width"]) == told[0][1].shape[:2]


def _pairs(columns):
    return zip(columns["jpeg_offset"][:-1], columns["jpeg_offset"][1:], strict=True)


def turned(content, quarter):
    """An mp4 whose header says, like a phone's, that the picture is to be turned by quarters clockwise."""
    matrix = {1: (0, 1, -1, 0), 2: (-1, 0, 0, -1), 3: (0, -1, 1, 0)}[quarter]
    a, b, c, d = (int(v * 0x10000).to_bytes(4, "big", signed=True) for v in matrix)
    zero, one = bytes(4), (0x40000000).to_bytes(4, "big")
    at = content.index(b"tkhd") + 4 + 40
    return content[:at] + a + b + zero + c + d + zero + zero + zero + one + content[at + 36 :]


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_phones_rotation_is_applied_on_either_road(tmp_path, quarter, monkeypatch):
    path = write(tmp_path / "a.mp4", frames=40)
    path.write_bytes(turned(path.read_bytes(), quarter))
    told, wanted = sequential(path), np.array([3, 20, 39])
    assert shape(path)[1:] == ((48, 64) if quarter % 2 else (64, 48))
    upright = [np.rot90(shown, quarter) for _, shown in told]  # back again
    assert [number(shown) for shown in upright] == list(range(40))
    take("far", monkeypatch)
    assert decoding._jumps(path, wanted) is not None
    for index, _, shown in read_frames(path, wanted):
        assert np.abs(shown.astype(int) - told[index][1]).mean() < 2


def test_4k_is_scaled_down(tmp_path):
    path = write(tmp_path / "a.mp4", frames=2, size=(3840, 2160), preset="ultrafast")
    columns = extract(path, [(0, -1)], **PLAN)
    assert (columns["width"], columns["height"]) == (3840, 2160)
    assert decode(columns["jpeg"][: columns["jpeg_offset"][1]]).shape == (360, 640, 3)


def test_two_hours_are_sampled_without_decoding_them(tmp_path):
    path = write(tmp_path / "a.mp4", frames=14_400, size=(32, 32), fps=2, gop=10, preset="ultrafast")
    assert extent(path) == (14_400, "") and shape(path)[0] == 2
    grid = time_grid([(0, -1)], 14_400, 2, 4, 100)
    at, key, _, gain = decoding._jumps(path, grid)
    one = (at[1] - at[0]) // (grid[1] - grid[0])
    assert ((at - key) // one == grid % 10).all() and gain > 20  # at most ten of 144 frames are decoded
    assert decoding._jumps(path, np.arange(0, 14_400, 7)).gain < 2
    found = list(read_frames(path, grid))
    assert [index for index, *_ in found] == grid.tolist()
    assert [number(shown) for *_, shown in found] == (grid % 256).tolist()
    assert [time for _, time, _ in found] == (grid / 2).tolist()


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4"])
def test_frames_that_no_wanted_one_is_made_from_are_not_decoded(tmp_path, codec, monkeypatch):
    path, wanted = write(tmp_path / "a.mp4", codec=codec, gop=30, bf="3"), [7, 19, 50]
    take("same", monkeypatch)
    needed, decoded = decoding._needed, []
    monkeypatch.setattr(decoding, "_needed", lambda *args: (decoded.append(f.pts) or f for f in needed(*args)))
    found = list(read_frames(path, np.array(wanted)))
    assert [number(shown) for *_, shown in found] == wanted
    assert len(decoded) < 1 + 20 + 21  # the first, for comparison, and what lies between key frame and wanted


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx"), ("a.avi", "mpeg4")]
)
def test_a_file_cut_short_ends_where_its_stream_does_and_is_told(tmp_path, name, codec):
    path = write(tmp_path / name, frames=400, codec=codec)
    assert extent(path) == (400, "")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    last = len(sequential(path)) - 1
    found = [index for index, *_ in read_frames(path, np.array([5, 100, 399]))]
    assert found == [i for i in (5, 100, 399) if i <= last] and 100 < last < 399
    frames, missing = extent(path)
    assert frames == last + 1 and missing.endswith("of the 16.0 s that its header declares")
    for segments in ([(0, -1)], [(0, 50), (300, 400)]):
        with pytest.raises(InputError, match=r"of the 16\.0 s that its header declares; fetch the video"):
            extract(path, segments, **PLAN)
    assert extract(path, [(0, 100)], **PLAN)["frame"].tolist() == list(range(0, 100, 5))  # all that is asked for
    share = {".mp4": 98, ".avi": 77}.get(path.suffix, 92)  # of AVI's index much
    path.write_bytes(whole[: len(whole) * share // 100])  # a few frames
    frames, missing = extent(path)
    assert 376 < frames < 400 and not missing
    assert 369 < extract(path, [(0, -1)], **PLAN)["frame"][-1] < frames


def test_whole_files_with_odd_ends_are_not_said_to_be_cut(tmp_path):
    still = [*range(0, 4000, 40), 10_000]  # ms; the last picture but one stands for six seconds
    for name in ("a.webm", "b.mkv", "c.mp4"):
        path = write(tmp_path / name, frames=101, times=still, codec="libvpx" if name == "a.webm" else "libx264")
        assert extent(path) == (101, "")
    slow = write(tmp_path / "d.mkv", frames=30, fps=1, bf="2")
    assert extent(slow) == (30, "")


def test_a_cut_matroska_file_without_times_of_its_streams_is_told(tmp_path):
    path = write(tmp_path / "a.mkv", frames=200)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2].replace(b"DURATION", b"OTHERTAG"))
    assert extent(path).missing.endswith("of the 8.0 s that its header declares")


def test_a_short_file_that_has_lost_half_is_told(tmp_path):
    path = write(tmp_path / "a.mp4", frames=20, codec="mpeg4", size=(320, 240))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert extent(path).missing.endswith("of the 0.8 s that its header declares")


@pytest.mark.parametrize(("content", "told"), [(None, "no such video"), (b"", "decoded"), (b"no video", "decoded")])
def test_what_is_no_video_is_told(tmp_path, content, told):
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=told):
        extract(path, [(0, -1)], **PLAN)


def test_a_name_that_is_no_text_is_told(tmp_path):
    path = write(tmp_path / "a.mp4", frames=1).rename(tmp_path / os.fsdecode(b"\xff.mp4"))
    with pytest.raises(InputError, match="no valid UTF-8; rename it"):
        extract(path, [(0, -1)], **PLAN)
