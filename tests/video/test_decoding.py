"""Whatever the container, the frames wanted are those of a plain decode from the first one.

Two hours are faked: two frames a second of 32 x 32 pixels, since what matters is the span and that few of many
frames are wanted.
"""

import os

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from tests.faults.workshop import slow
from tests.video.videos import ODD, joined, number, picture, sequential, turned, with_matrix, write
from vcma.errors import InputError
from vcma.video import decoding
from vcma.video.decoder import Decoder
from vcma.video.decoding import FrameReader, read_frames
from vcma.video.examination import examine
from vcma.video.orientation import upright
from vcma.video.pictures import decode
from vcma.video.sampling import extract, time_grid
from vcma.video.timeline import read_timeline

PLAN = {"rate": 5, "max_frames": 64, "max_side": 640, "quality": 90}
WANTED = ([0], [0, 1, 2], [7, 30, 31, 59], [13, 14, 50], list(range(60)))


@pytest.fixture(params=[12, 0], ids=["seldom sought", "sought whenever possible"])
def far(request, monkeypatch):
    monkeypatch.setattr(decoding, "_FAR", request.param)


@pytest.mark.parametrize("kind", ODD)
def test_odd_videos_give_the_frames_of_opencvs_plain_decode(tmp_path, kind, far):
    name, options = ODD[kind]
    path = write(tmp_path / name, **options)
    told = sequential(path)
    assert [number(shown) for _, shown in told] == list(range(options.get("frames", 60)))
    timeline = read_timeline(path)
    assert len(timeline) == len(told) and not timeline.missing and not timeline.notes
    assert timeline.pts is not None  # no decoding to know the frames
    for wanted in WANTED:
        wanted = np.array([w for w in wanted if w < len(told)], np.int64)
        found = list(read_frames(path, wanted))
        assert [index for index, *_ in found] == wanted.tolist()
        for index, time, shown in found:
            assert number(shown) == index and time == told[index][0]
            assert np.array_equal(shown, told[index][1])  # to the last bit
    columns = extract(path, [(0, -1)], **PLAN)
    assert [number(decode(columns["jpeg"][a:b])) for a, b in _pairs(columns)] == columns["frame"].tolist()
    assert (columns["height"], columns["width"]) == told[0][1].shape[:2]


def _pairs(columns):
    return zip(columns["jpeg_offset"][:-1], columns["jpeg_offset"][1:], strict=True)


TAGS = {  # transfer, primaries, matrix
    "HLG": (18, 9, 9),
    "PQ": (16, 9, 9),
    "BT.2020": (14, 9, 9),
    "Display P3": (13, 12, 1),
    "BT.709": (1, 1, 1),
    "BT.601": (6, 6, 6),
}
SLOW = ("PQ", "BT.2020", "Display P3")  # seconds each, to fill FFmpeg's table of colours


@pytest.mark.parametrize("tags", [pytest.param(t, marks=slow if t in SLOW else ()) for t in TAGS])
def test_colours_are_those_of_opencv_which_maps_high_dynamic_range(tmp_path, tags):
    def tagged(stream):
        codec = stream.codec_context
        codec.color_trc, codec.color_primaries, codec.colorspace = TAGS[tags]

    path = write(tmp_path / "a.mkv", frames=1, codec="ffv1", pixels="yuv420p10le", prepare=tagged)
    ((_, _, shown),) = read_frames(path, np.arange(1))
    assert np.array_equal(shown, sequential(path)[0][1])
    plain = write(tmp_path / "b.mkv", frames=1, codec="ffv1", pixels="yuv420p10le")
    mapped = np.abs(shown.astype(int) - sequential(plain)[0][1])
    assert (mapped.max() > 20) == (tags in ("HLG", "PQ"))


MATRICES = {
    "upright": ((1, 0, 0, 1), lambda x: x),
    "a quarter": ((0, 1, -1, 0), lambda x: np.rot90(x, -1)),
    "half": ((-1, 0, 0, -1), lambda x: np.rot90(x, 2)),
    "three quarters": ((0, -1, 1, 0), np.rot90),
    "mirrored": ((-1, 0, 0, 1), lambda x: x[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda x: x[::-1]),
    "transposed": ((0, 1, 1, 0), lambda x: x.transpose(1, 0, 2)),
    "across": ((0, -1, -1, 0), lambda x: np.rot90(x, 2).transpose(1, 0, 2)),
    "10 degrees": ((0.985, 0.174, -0.174, 0.985), lambda x: x),
    "100 degrees": ((-0.174, 0.985, -0.985, -0.174), lambda x: np.rot90(x, -1)),
    "mirrored and enlarged": ((-2, 0, 0, 2), lambda x: x[:, ::-1]),
}


@pytest.mark.parametrize("name", MATRICES)
def test_the_whole_display_matrix_is_applied_on_every_road(tmp_path, name, far):
    matrix, expected = MATRICES[name]
    path = write(tmp_path / "a.mp4", frames=40)
    plain = {index: shown for index, _, shown in read_frames(path, np.arange(40))}
    path.write_bytes(with_matrix(path.read_bytes(), matrix))
    for wanted in (np.array([3, 20, 39]), np.array([39]), np.arange(40)):
        for index, _, shown in read_frames(path, wanted):
            assert np.array_equal(shown, expected(plain[index]))
    columns = extract(path, [(0, -1)], **PLAN)
    assert (columns["height"], columns["width"]) == expected(plain[0]).shape[:2]


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_phones_quarter_turn_is_that_of_opencv(tmp_path, quarter):
    path = write(tmp_path / "a.mp4", frames=40)
    path.write_bytes(turned(path.read_bytes(), quarter))
    told = sequential(path)
    assert [number(np.rot90(shown, quarter)) for _, shown in told] == list(range(40))
    for index, _, shown in read_frames(path, np.arange(40)):
        assert np.array_equal(shown, told[index][1])


def test_a_degenerate_matrix_leaves_the_picture_as_it_is():
    assert np.array_equal(upright(picture(5, (64, 48)), (0, 0, 0, 0)), picture(5, (64, 48)))


def resized(tmp_path, *sizes):
    parts = [write(tmp_path / f"{i}.ts", frames=40, first=40 * i, size=size) for i, size in enumerate(sizes)]
    (tmp_path / "a.ts").write_bytes(joined(*(part.read_bytes() for part in parts)))
    return tmp_path / "a.ts"


def test_pictures_of_another_size_are_fitted_into_the_first_and_that_is_told(tmp_path):
    path = resized(tmp_path, (64, 48), (48, 64), (128, 96))
    found, reader = {}, FrameReader(path)
    for index, _, shown in reader.read(np.arange(120)):
        assert shown.shape == (48, 64, 3)
        found[index] = shown
    assert sorted(found) == list(range(120)) and reader.resized == (40, (48, 64))
    for index in (40, 79):  # upright: black bars left and right of a picture 36 wide
        assert (found[index][:, :14] == 0).all() and (found[index][:, 50:] == 0).all()
        assert number(found[index][:, 14:50]) == index
    assert [number(found[index]) for index in (0, 39, 80, 119)] == [0, 39, 80, 119]
    alone = next(read_frames(path, np.array([50])))[2]  # measured in the first size, though none of it is read
    assert np.array_equal(alone, found[50])
    told = []
    columns = extract(path, [(0, -1)], **PLAN, tell=told.append)
    assert (columns["width"], columns["height"]) == (64, 48)
    assert "its frame size changes from 64x48 to 48x64 by frame 40" in " ".join(told)


def hurt(path, *packets):
    """Overwrite the payload of some packets with zeros."""
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for i, packet in enumerate(container.demux(container.streams.video[0])):
            if i in packets:
                at = content.index(bytes(packet), packet.pos)
                content[at : at + packet.size] = bytes(packet.size)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_damaged_packet_costs_its_own_frame_and_is_told(tmp_path, name):
    path = hurt(write(tmp_path / name, frames=300, bf="0", gop=25, sc_threshold="0"), 40, 180)
    assert len(read_timeline(path)) == 300
    found = {index: shown for index, _, shown in read_frames(path, np.arange(300))}
    assert set(range(300)) - set(found) == {40, 180}
    assert all(number(found[index]) == index % 256 for index in range(0, 300, 25))
    assert [index for index, *_ in read_frames(path, np.array([40, 41, 180, 290]))] == [41, 290]
    told = []
    columns = extract(path, [(0, -1)], **PLAN | {"rate": 25, "max_frames": 300}, tell=told.append)
    assert len(columns["frame"]) == 298 and columns["frame_count"] == 300
    assert told[:2] == [
        "2 of its 300 frames cannot be decoded",
        "2 of 300 sampled frames are lost, the first at 1.6 s",
    ]


def test_a_hole_in_a_container_is_told(tmp_path):
    path = write(tmp_path / "a.mkv", frames=300, bf="0", gop=25, sc_threshold="0")
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        place = [packet.pos for packet in container.demux(container.streams.video[0]) if packet.size]
    content[place[40] : place[160]] = bytes(place[160] - place[40])
    path.write_bytes(content)
    timeline = read_timeline(path)
    assert len(timeline) < 200 and "has no frame for" in timeline.notes[0] and "at 1.6 s" in timeline.notes[0]
    assert [number(shown) for *_, shown in read_frames(path, np.arange(40))] == list(range(40))
    later = [(time, shown) for _, time, shown in read_frames(path, np.arange(300)) if time >= 11]
    assert later and all(number(shown) == round(25 * time) % 256 for time, shown in later)


def test_a_file_of_which_more_than_half_is_lost_is_refused(tmp_path):
    path = hurt(write(tmp_path / "a.mp4", frames=100, bf="0", gop=50, sc_threshold="0"), *range(10, 90))
    with pytest.raises(InputError, match=r"a\.mp4: only \d+ of 20 sampled frames could be decoded"):
        extract(path, [(0, -1)], **PLAN)


def test_4k_is_scaled_down(tmp_path):
    path = write(tmp_path / "a.mp4", frames=2, size=(3840, 2160), preset="ultrafast")
    columns = extract(path, [(0, -1)], **PLAN)
    assert (columns["width"], columns["height"]) == (3840, 2160)
    assert decode(columns["jpeg"][: columns["jpeg_offset"][1]]).shape == (360, 640, 3)


def test_two_hours_are_sampled_without_decoding_them(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", frames=14_400, size=(32, 32), fps=2, gop=10, preset="ultrafast")
    timeline = read_timeline(path)
    assert len(timeline) == 14_400 and not timeline.missing and timeline.fps == 2
    grid = time_grid([(0, -1)], timeline.elapsed, 4, 100)
    counted = decoded(monkeypatch)
    found = list(read_frames(path, grid))
    assert [index for index, *_ in found] == grid.tolist()
    assert [number(shown) for *_, shown in found] == (grid % 256).tolist()
    assert [time for _, time, _ in found] == (grid / 2).tolist()
    assert len(counted) < 14_400 / 12  # at most ten of 144 frames


def decoded(monkeypatch):
    """A list that every frame decoded from now on is noted in."""
    frames, found = Decoder.frames, []
    monkeypatch.setattr(Decoder, "frames", lambda *args: (found.append(f.frame.pts) or f for f in frames(*args)))
    return found


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4"])
def test_frames_that_no_wanted_one_is_made_from_are_not_decoded(tmp_path, codec, monkeypatch):
    path, wanted = write(tmp_path / "a.mp4", codec=codec, gop=30, bf="3"), [7, 19, 50]
    counted = decoded(monkeypatch)
    found = list(read_frames(path, np.array(wanted)))
    assert [number(shown) for *_, shown in found] == wanted
    assert len(counted) < 1 + 20 + 21  # the first, whose size counts, and what lies between key frame and wanted


def test_a_wrong_index_of_key_frames_costs_time_and_nothing_else(tmp_path, monkeypatch):
    """Frames that are called key frames and are none: what is found there is not what was sought."""
    path = write(tmp_path / "a.mp4", frames=200, gop=50)
    timeline = read_timeline(path)
    object.__setattr__(timeline, "key", np.arange(0, 200, 20))
    monkeypatch.setattr(decoding, "_FAR", 0)
    found = list(FrameReader(path, timeline).read(np.array([5, 77, 190])))
    assert [(index, number(shown)) for index, _, shown in found] == [(5, 5), (77, 77), (190, 190)]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx"), ("a.avi", "mpeg4")]
)
def test_a_file_cut_short_ends_where_its_stream_does_and_is_told(tmp_path, name, codec):
    path = write(tmp_path / name, frames=400, codec=codec)
    assert len(read_timeline(path)) == 400 and not read_timeline(path).missing
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with Decoder(path) as decoder:
        last = sum(1 for _ in decoder.frames()) - 1
    found = [index for index, *_ in read_frames(path, np.array([5, 100, 399]))]
    assert found == [i for i in (5, 100, 399) if i <= last] and 100 < last < 399
    frames, missing = _extent(path)
    assert frames == last + 1 and missing.endswith("of the 16.0 s that its header declares")
    for segments in ([(0, -1)], [(0, 50), (300, 400)]):
        with pytest.raises(InputError, match=r"of the 16\.0 s that its header declares; download the video"):
            extract(path, segments, **PLAN)
    assert extract(path, [(0, 100)], **PLAN)["frame"].tolist() == list(range(0, 100, 5))  # all that is asked for
    share = {".mp4": 98, ".avi": 79}.get(path.suffix, 92)  # of AVI's index much
    path.write_bytes(whole[: len(whole) * share // 100])  # a few frames
    frames, missing = _extent(path)
    assert 376 < frames < 400 and not missing
    assert 369 < extract(path, [(0, -1)], **PLAN)["frame"][-1] < frames


def _extent(path):
    timeline = read_timeline(path)
    return len(timeline), timeline.missing


def test_whole_files_with_odd_ends_are_not_said_to_be_cut(tmp_path):
    still = [*range(0, 4000, 40), 10_000]  # ms; the last picture but one stands for six seconds
    for name in ("a.webm", "b.mkv", "c.mp4"):
        path = write(tmp_path / name, frames=101, times=still, codec="libvpx" if name == "a.webm" else "libx264")
        assert _extent(path) == (101, "")
    slow = write(tmp_path / "d.mkv", frames=30, fps=1, bf="2")
    assert _extent(slow) == (30, "")


def test_a_cut_matroska_file_without_times_of_its_streams_is_told(tmp_path):
    path = write(tmp_path / "a.mkv", frames=200)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2].replace(b"DURATION", b"OTHERTAG"))
    assert read_timeline(path).missing.endswith("of the 8.0 s that its header declares")


def test_a_short_file_that_has_lost_half_is_told(tmp_path):
    path = write(tmp_path / "a.mp4", frames=20, codec="mpeg4", size=(320, 240))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert read_timeline(path).missing.endswith("of the 0.8 s that its header declares")


@pytest.mark.parametrize(("content", "told"), [(None, "no such video"), (b"", "decoded"), (b"no video", "decoded")])
def test_what_is_no_video_is_told(tmp_path, content, told):
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=told):
        extract(path, [(0, -1)], **PLAN)


def test_a_name_that_is_no_text_is_told(tmp_path):
    path = write(tmp_path / "a.mp4", frames=1).rename(tmp_path / os.fsdecode(b"\xff.mp4"))
    with pytest.raises(InputError, match="not valid UTF-8; rename it"):
        extract(path, [(0, -1)], **PLAN)


def reoriented(path, angle):
    """A transport stream whose H.264 says in its key frame by how many degrees it is to be turned."""
    with av.open(str(path)) as source, av.open(str(path.with_suffix(".new.ts")), "w", format="mpegts") as copy:
        stream = source.streams.video[0]
        filters = BitStreamFilterContext(f"h264_metadata=display_orientation=insert:rotate={angle}", stream)
        target = copy.add_stream_from_template(stream)
        for packet in (*source.demux(stream), None):
            for changed in filters.filter(packet):
                if changed.dts is not None:
                    changed.stream = target
                    copy.mux(changed)
    return path.with_suffix(".new.ts")


def test_an_orientation_that_changes_within_the_stream_is_applied_frame_by_frame(tmp_path):
    one = write(tmp_path / "1.ts", frames=40)
    two = reoriented(write(tmp_path / "2.ts", frames=40, first=40, gop=40, sc_threshold="0"), 180)
    path = tmp_path / "a.ts"
    path.write_bytes(joined(one.read_bytes(), two.read_bytes()))
    with Decoder(path) as decoder:
        turns = [shown.matrix is not None for shown in decoder.frames()]
    assert turns == [False] * 40 + [True] * 40
    found = {index: shown for index, _, shown in read_frames(path, np.arange(80))}
    assert all(number(found[index]) == index for index in range(40))
    assert all(number(found[index][::-1, ::-1]) == index for index in range(40, 80))
    assert examine(path, thorough=False).changes == ("orientation",)
