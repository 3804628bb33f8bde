"""A zoo of containers, codecs, pixels, timings and orientations: every road gives the frames of a plain decode.

`make test` sees a seeded part of it, `make faults` all.
"""

from itertools import product

import av
import numpy as np
import pytest

from tests.faults.workshop import FULL
from tests.video.videos import joined, number, with_matrix, without_default_duration, write
from vcma.commands.check_videos import VideoToCheck, check_videos
from vcma.datasets.entries import Video
from vcma.datasets.video_files import VideoFolder
from vcma.video.conversion import Conversion
from vcma.video.decoder import Shown
from vcma.video.decoding import read_frames
from vcma.video.orientation import display_matrix
from vcma.video.pictures import decode
from vcma.video.sampling import extract
from vcma.video.timeline import read_timeline

QUIET = {"x265-params": "log-level=none"}
FAST = {"deadline": "realtime", "cpu-used": "8"}
CODECS = {
    "H.264": ("libx264", {}, ("mp4", "mkv", "mov", "ts", "flv", "avi", "h264")),
    "H.264 with B-frames": (
        "libx264",
        {"x264-params": "bframes=3:b-adapt=0"},
        ("mp4", "mkv", "ts", "flv", "avi", "h264"),
    ),
    "H.264, open groups": ("libx264", {"x264-params": "open-gop=1:bframes=2:b-adapt=0"}, ("mp4", "mkv", "ts")),
    "H.264, no key frames": ("libx264", {"x264-params": "intra-refresh=1"}, ("mp4", "mkv", "ts")),
    "H.265": ("libx265", QUIET, ("mp4", "mkv", "ts", "hevc")),
    "MPEG-4": ("mpeg4", {"bf": "2"}, ("mp4", "mkv", "avi")),
    "MPEG-2": ("mpeg2video", {"bf": "2"}, ("mpg", "ts", "mkv")),
    "VP8": ("libvpx", FAST, ("webm", "mkv")),
    "VP8, hidden frames": ("libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16"}, ("webm",)),
    "VP9": ("libvpx-vp9", FAST, ("webm", "mp4")),
    "AV1": ("libsvtav1", {"preset": "12"}, ("mp4", "mkv")),
    "JPEGs": ("mjpeg", {}, ("avi", "mov", "mkv")),
    "FFV1": ("ffv1", {}, ("mkv", "avi")),
    "ProRes": ("prores_ks", {}, ("mov", "mkv")),
    "WMV": ("wmv2", {}, ("wmv", "avi")),
}
PIXELS = {
    "H.264": ("yuv420p", "yuv444p", "yuv422p10le"),
    "H.265": ("yuv420p", "yuv420p10le"),
    "VP9": ("yuv420p", "yuv444p"),
    "JPEGs": ("yuvj420p", "yuvj422p"),
    "FFV1": ("yuv420p", "gray", "bgra", "gray16le", "yuva420p"),
    "ProRes": ("yuv422p10le", "yuva444p10le"),
}
FORMS = {"ts": "mpegts", "mpg": "mpeg", "wmv": "asf", "mov": "mov", "hevc": "hevc", "h264": "h264"}
N = 60
TIMES = {
    "even": None,
    "recording": np.cumsum(np.random.default_rng(1).integers(28, 40, N)).tolist(),
    "swinging": np.cumsum([40] * 20 + [900] * 20 + [40] * 20).tolist(),
    "late": [5000 + 40 * i for i in range(N)],
}
TIMED = ("mp4", "mkv", "mov", "webm", "ts", "flv")  # the other containers know constant rates only
MATRICES = {"upright": None, "turned": (0, 1, -1, 0), "mirrored": (-1, 0, 0, 1), "transposed": (0, 1, 1, 0)}

ZOO = [
    (codec, container, pixels, timing, matrix)
    for codec, (_, _, containers) in CODECS.items()
    for container, pixels, timing, matrix in product(containers, PIXELS.get(codec, ("yuv420p",)), TIMES, MATRICES)
    if (timing == "even" or (container in TIMED and codec != "MPEG-2"))
    and (matrix == "upright" or container == "mp4")
]
# A few of each codec, the same ones in every run.
SEEN = ZOO if FULL else [ZOO[i] for i in np.random.default_rng(0).permutation(len(ZOO))[:40]]


def animal(folder, codec, container, pixels, timing, matrix):
    encoder, options, _ = CODECS[codec]
    path = write(
        folder / f"a.{container}",
        frames=N,
        codec=encoder,
        pixels=pixels,
        times=TIMES[timing],
        form=FORMS.get(container),
        **options,
    )
    if MATRICES[matrix]:
        path.write_bytes(with_matrix(path.read_bytes(), MATRICES[matrix]))
    return path


def plain(path):
    """Pictures of every frame by PyAV's own loop."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        conversion = Conversion()
        return [conversion.picture(Shown(frame, display_matrix(frame))) for frame in container.decode(video=0)]


@pytest.mark.parametrize("kind", SEEN, ids=", ".join)
def test_every_road_gives_the_frames_of_a_plain_decode(tmp_path, kind):
    path = animal(tmp_path, *kind)
    told, timeline = plain(path), read_timeline(path)
    assert len(told) == len(timeline) == N and not timeline.missing
    if TIMES[kind[3]] is None:
        assert timeline.fps == 25 and timeline.constant
    shown = TIMES[kind[3]] or [40 * i for i in range(N)]
    assert timeline.elapsed * 1000 == pytest.approx(np.array(shown) - shown[0], abs=1)
    for wanted in (np.arange(N), np.array([0, 25, 59]), np.array([31]), np.array([5, 6, 40, 41])):
        found = list(read_frames(path, wanted))
        assert [index for index, *_ in found] == wanted.tolist()
        assert all(np.array_equal(picture, told[index]) for index, _, picture in found)
        assert [time for _, time, _ in found] == timeline.time[wanted].tolist()
    for rate in (1, 4, 100):
        columns = extract(path, [(0, -1)], rate=rate, max_frames=N, max_side=640, quality=95)
        slot = np.floor(timeline.elapsed * rate + 1e-9)
        expected = range(N) if rate == 100 else np.flatnonzero(np.diff(slot, prepend=-1) > 0).tolist()
        assert columns["frame"].tolist() == list(expected)
        if kind[4] == "upright":
            begin = columns["jpeg_offset"]
            stored = [decode(columns["jpeg"][begin[i] : begin[i + 1]]) for i in range(len(expected))]
            assert [number(picture) for picture in stored] == list(expected)


def faulty(folder):
    """Files with a fault each, and the kind of finding that names it."""
    whole = write(folder / "whole.mp4", frames=100)
    content = whole.read_bytes()
    parts = [write(folder / f"{i}.ts", size=size).read_bytes() for i, size in enumerate([(64, 48), (48, 64)])]
    found = {
        "cut.mp4": (content[: len(content) * 3 // 4], "video truncated"),
        "empty.mp4": (b"", "video unreadable"),
        "junk.mkv": (b"no video" * 99, "video unreadable"),
        "turned.ts": (joined(*parts), "picture changes"),
        "anew.ts": (joined(parts[0], parts[0]), "odd times"),
    }
    with av.open(str(folder / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    found["sound.mp4"] = ((folder / "sound.wav").read_bytes(), "video unreadable")
    for name, (data, _) in found.items():
        (folder / name).write_bytes(data)
    healthy = write(folder / "live.webm", codec="libvpx", times=TIMES["recording"], **FAST)
    healthy.write_bytes(without_default_duration(healthy.read_bytes()))
    return {name: kind for name, (_, kind) in found.items()} | {"live.webm": None, "whole.mp4": None}


def test_check_names_every_fault_once(tmp_path):
    kinds = faulty(tmp_path)
    videos = [VideoToCheck(Video(name), name, name, "test") for name in kinds]
    found = list(check_videos(videos, VideoFolder(tmp_path), False, 1, False, lambda items, total: items))
    named = {name: sorted(f.kind for f in found if f.id == name) for name in kinds}
    expected = {name: [kind] if kind else [] for name, kind in kinds.items()}
    expected["turned.ts"] = ["odd times", "picture changes"]  # its clock starts anew, too
    assert named == expected


@pytest.mark.parametrize(
    ("annotated", "kind"),
    [
        (60, None),
        (61, "frame count differs"),
        (66, "frame count differs"),
        (67, "another video"),
        (30, "another video"),
    ],
)
def test_a_file_of_another_length_is_another_video(tmp_path, annotated, kind):
    write(tmp_path / "a.mp4")
    videos = [VideoToCheck(Video("a", frames=annotated), "a.mp4", "a.mp4", "test")]
    found = list(check_videos(videos, VideoFolder(tmp_path), False, 1, False, lambda items, total: items))
    assert [f.kind for f in found] == ([kind] if kind else [])
    assert all(f.blocks == (kind == "another video") for f in found)
