"""Data sets with real little videos, healthy and damaged."""

import numpy as np

from tests.datasets.examples import lay_out, record, vidor


def write_video(path, frames=50, size=(64, 48), fps=25, container="mp4"):
    """A little H.264 file of noise, its table of contents in front, so that a cut one still opens."""
    import av

    random = np.random.default_rng(0)
    options = {"movflags": "faststart"} if container == "mp4" else {}
    with av.open(str(path), "w", format={"mp4": "mp4", "mkv": "matroska"}[container], options=options) as file:
        stream = file.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = *size, "yuv420p", 1
        for _ in range(frames):
            picture = random.integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        file.mux(stream.encode())


def healthy(root, clip, records=None, **boxes):
    """A VidSTG data set with real little videos and nothing wrong but its number of sentences."""
    records = records or {"test": [record(questions=[])]}
    data, block = lay_out(root, records, boxes or {vid: vidor(vid) for vid in ("100", "200")})
    for path in (root / "vidor" / "video").iterdir():
        path.write_bytes(clip)
    return data, block


def damage(clip, how):
    moov = clip.find(b"mdat")
    parts = {"broken": (1 / 2, 2 / 3), "ruined": (1 / 8, 9 / 10)}
    if how in parts:
        hurt = bytearray(clip)
        begin, end = (round(part * len(clip)) for part in parts[how])
        for i in range(begin, end):
            hurt[i] ^= 0x5A
        return bytes(hurt)
    return {"empty": b"", "junk": b"no video" * 99, "cut": clip[: len(clip) // 2], "headless": clip[moov:]}[how]
