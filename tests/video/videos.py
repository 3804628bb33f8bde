"""Odd videos, made here. Each picture shows its number as eight black or white stripes, which survive any codec."""

from fractions import Fraction

import av
import cv2
import numpy as np


def picture(number, size):
    """BGR picture of `size` (width, height) whose eight stripes are the bits of a number, inverted in its top."""
    width, height = size
    bits = np.array([number >> bit & 1 for bit in range(8)])[np.arange(width) * 8 // width]
    shown = np.tile((40 + 170 * bits).astype(np.uint8)[None, :, None], (height, 1, 3))
    shown[: height // 4] = 250 - shown[: height // 4]
    return shown


def number(shown):
    """The number that a picture shows, read off the middle of its stripes."""
    height, width = shown.shape[:2]
    middle = shown[height // 2, (2 * np.arange(8) + 1) * width // 16].mean(axis=-1)
    return int(((middle > 125) << np.arange(8)).sum())


def write(
    path,
    frames=60,
    size=(64, 48),
    fps=25,
    codec="libx264",
    pixels="yuv420p",
    times=None,
    gop=12,
    first=0,
    form=None,
    prepare=lambda stream: None,
    **options,
):
    """A video of pictures numbered from `first`; times: presentation times in ms, else evenly spaced.

    form: its container, else by the name. prepare(stream) is called before the first picture is encoded.
    """
    faststart = {"movflags": "faststart"} if path.suffix == ".mp4" else {}  # a cut file still opens
    with av.open(str(path), "w", format=form, options=faststart) as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = *size, pixels, gop
        stream.thread_count = 1
        prepare(stream)
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(picture((first + i) % 256, size), format="bgr24")
            frame.pts = i if times is None else times[i]
            frame.time_base = 1 / Fraction(fps) if times is None else Fraction(1, 1000)
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


QUARTERS = {1: (0, 1, -1, 0), 2: (-1, 0, 0, -1), 3: (0, -1, 1, 0)}


def turned(content, quarter):
    """An mp4 whose header says, like a phone's, that the picture is to be turned by quarters clockwise."""
    return with_matrix(content, QUARTERS[quarter])


def with_matrix(content, matrix):
    """An mp4 with the display matrix (a, b, c, d)."""
    a, b, c, d = (int(v * 0x10000).to_bytes(4, "big", signed=True) for v in matrix)
    zero, one = bytes(4), (0x40000000).to_bytes(4, "big")
    at = content.index(b"tkhd") + 4 + 40
    return content[:at] + a + b + zero + c + d + zero + zero + zero + one + content[at + 36 :]


def joined(*parts):
    """Transport streams one after another, counters going on, as a recorder that restarts writes them."""
    whole, last = bytearray(), {}
    for part in parts:
        for at in range(0, len(part), 188):
            packet = bytearray(part[at : at + 188])
            pid = (packet[1] & 31) << 8 | packet[2]
            step = 1 if packet[3] & 0x10 else 0
            counter = last.get(pid, (packet[3] & 15) - step) + step & 15
            packet[3] = packet[3] & 0xF0 | counter
            last[pid] = counter
            whole += packet
    return bytes(whole)


def without_default_duration(content):
    """A WebM whose header says nothing of its frame rate, as browsers record it."""
    at = content.find(bytes.fromhex("23e383"))
    size = content[at + 3] & 0x7F
    return content[:at] + bytes([0xEC, 0x80 | size + 2]) + bytes(size + 2) + content[at + 4 + size :]
