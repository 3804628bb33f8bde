"""Which frames a video has and when they are shown: by the times of its frames, whatever its header says."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from tests.video.videos import joined, number, turned, without_default_duration, write
from vcma.errors import InputError
from vcma.video.decoding import read_frames
from vcma.video.sampling import time_grid
from vcma.video.timeline import read_timeline


def grid(timeline, rate):
    return time_grid([(0, -1)], timeline.elapsed, rate, 10**6).tolist()


def by_index(frames, fps, rate):
    """The protocol's grid: a frame is taken whenever floor(frame * rate / fps) grows."""
    slot = np.floor(np.arange(frames) * min(1.0, rate / fps) + 1e-9)
    return np.flatnonzero(np.diff(slot, prepend=-1) > 0).tolist()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts", "a.webm"])
@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(30)])
def test_a_constant_rate_keeps_its_indices_however_its_container_rounds_times(tmp_path, name, fps):
    codec = {"a.webm": "libvpx", "a.avi": "mpeg4"}.get(name, "libx264")
    options = {"deadline": "realtime"} if codec == "libvpx" else {}
    timeline = read_timeline(write(tmp_path / name, frames=700, size=(32, 32), fps=fps, codec=codec, **options))
    assert len(timeline) == 700 and timeline.constant
    assert timeline.fps == pytest.approx(float(fps), rel=1e-6)
    for rate in (0.5, 1, 4, 5, 7, 12, 100):
        assert grid(timeline, rate) == by_index(700, float(fps), rate)


def test_a_recording_without_a_frame_rate_has_that_of_its_times(tmp_path):
    path = write(tmp_path / "a.webm", frames=300, codec="libvpx", times=[33 * i + i % 2 * 4 for i in range(300)])
    path.write_bytes(without_default_duration(path.read_bytes()))
    with av.open(str(path)) as container:
        assert container.streams.video[0].guessed_rate > 900
    timeline = read_timeline(path)
    assert 30 < timeline.fps < 30.5 and not timeline.constant
    assert len(grid(timeline, 4)) == 40


def test_a_variable_rate_is_sampled_by_time(tmp_path):
    gaps = [17] * 120 + [1000] * 20 + [17] * 120 + [300] * 5
    path = write(tmp_path / "a.mkv", frames=265, times=np.cumsum(gaps).tolist())
    timeline = read_timeline(path)
    assert not timeline.constant and timeline.fps == pytest.approx(264 / (timeline.time[-1] - timeline.time[0]))
    time = timeline.elapsed[grid(timeline, 4)]
    assert np.bincount(np.floor(time * 4).astype(int)).max() == 1  # never two in a quarter of a second
    assert len(time) == len(set(np.floor(timeline.elapsed * 4)))  # and one in each that has a frame
    assert grid(timeline, 1000) == list(range(265))


def with_cover(path, video):
    """A sound file with a cover picture, and a video stream behind it or not."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000)
        cover = container.add_stream("mjpeg")
        cover.width = cover.height = 16
        cover.pix_fmt = "yuvj420p"
        cover.disposition = Disposition.attached_pic
        shown = container.add_stream("libx264", rate=25) if video else None
        if shown:
            shown.width, shown.height, shown.pix_fmt = 64, 48, "yuv420p"
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        silence.sample_rate, silence.pts = 8000, 0
        container.mux(sound.encode(silence))
        for i in range(25 if shown else 0):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(shown.encode(frame))
        for stream in (sound, shown) if shown else (sound,):
            container.mux(stream.encode())
    return path


def test_a_cover_picture_is_no_video(tmp_path):
    with pytest.raises(InputError, match=r"a\.mp4: holds a cover image, but no video"):
        read_timeline(with_cover(tmp_path / "a.mp4", video=False))
    timeline = read_timeline(with_cover(tmp_path / "b.mp4", video=True))
    assert len(timeline) == 25 and timeline.fps == 25


def test_sound_is_no_video(tmp_path):
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(InputError, match=r"a\.wav: holds no video"):
        read_timeline(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.h264", "libx264", {"bf": "2"}),
        ("a.hevc", "libx265", {"x265-params": "log-level=none"}),
        ("a.m2v", "mpeg2video", {"bf": "2"}),
        ("a.avi", "libx264", {"bf": "3"}),
        ("a.avi", "mpeg4", {"bf": "2"}),
    ],
)
def test_where_no_times_are_stored_frames_are_counted(tmp_path, name, codec, options):
    form = {"m2v": "mpeg2video"}.get(name[2:])
    path = write(tmp_path / name, codec=codec, form=form, **options)
    timeline = read_timeline(path)
    assert timeline.time == pytest.approx(np.arange(60) / 25) and timeline.fps == 25
    assert [number(shown) for *_, shown in read_frames(path, np.arange(60))] == list(range(60))


def test_a_clock_that_starts_anew_runs_on(tmp_path):
    parts = [write(tmp_path / f"{i}.ts", frames=40, first=40 * i, bf="2").read_bytes() for i in range(3)]
    path = tmp_path / "a.ts"
    path.write_bytes(joined(*parts))
    timeline = read_timeline(path)
    assert np.allclose(np.diff(timeline.time), 0.04) and timeline.notes == (
        "its clock restarts 2 times and is treated as continuous",
    )
    for wanted in (np.arange(120), np.array([3, 45, 81, 119]), np.array([100])):
        assert [(i, number(shown)) for i, _, shown in read_frames(path, wanted)] == [(i, i) for i in wanted]


def test_a_clock_that_jumps_ahead_in_a_broadcast_runs_on_and_a_still_stays_long(tmp_path):
    times = [*range(0, 2000, 40), *range(3_600_000, 3_602_000, 40)]
    timeline = read_timeline(write(tmp_path / "a.ts", frames=100, times=times))
    assert np.allclose(np.diff(timeline.time), 0.04) and timeline.notes
    timeline = read_timeline(write(tmp_path / "a.mkv", frames=100, times=times))
    assert timeline.time[50] == 3600 and timeline.notes == ("has no frame for 3598.0 s, the first time at 2.0 s",)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_seconds_are_those_of_a_player_where_the_picture_starts_after_the_sound(tmp_path, name):
    with av.open(str(tmp_path / name), "w") as container:
        sound, shown = container.add_stream("aac", rate=8000), container.add_stream("libx264", rate=25)
        shown.width, shown.height, shown.pix_fmt, shown.codec_context.max_b_frames = 64, 48, "yuv420p", 0
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 32_000), np.float32), format="fltp", layout="mono")
        silence.sample_rate, silence.pts = 8000, 0
        container.mux([*sound.encode(silence), *sound.encode()])
        for i in range(50):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = 50 + i, Fraction(1, 25)
            container.mux(shown.encode(frame))
        container.mux(shown.encode())
    timeline = read_timeline(tmp_path / name)
    assert timeline.time[0] == pytest.approx(2, abs=0.15) and len(timeline) == 50  # sound may begin before 0
    assert timeline.elapsed[:2].tolist() == [0, 0.04]
    assert [time for _, time, _ in read_frames(tmp_path / name, np.array([0, 49]))] == timeline.time[
        [0, 49]
    ].tolist()


def test_times_rise_strictly_or_the_file_is_refused_by_name(tmp_path, monkeypatch):
    from vcma.video import timeline as module

    path = write(tmp_path / "a.mp4")
    monkeypatch.setattr(module._Clock, "seconds", lambda self, stamps: (np.zeros(60), ()))
    with pytest.raises(InputError, match=r"a\.mp4: the times of its frames are not ascending"):
        read_timeline(path)


def test_the_end_is_when_the_last_frame_is_over(tmp_path):
    timeline = read_timeline(write(tmp_path / "a.mp4"))
    assert timeline.seconds(np.array([0, 59, 60, 99])) == pytest.approx([0, 2.36, 2.4, 2.4])
    path = write(tmp_path / "b.mp4", frames=1)
    path.write_bytes(turned(path.read_bytes(), 1))
    assert read_timeline(path).seconds(np.array([1])) == pytest.approx([0.04])
