"""Read frames of a video by native index: few of many by seeking, all by decoding from the start."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np

from vcma.video.conversion import Conversion, Picture, fitted
from vcma.video.decoder import Decoder, Shown
from vcma.video.timeline import Timeline, read_timeline

_FAR = 3  # minimum number of frames to skip for which seeking to a key frame is faster than decoding on


class FrameReader:
    """Reads frames of one video, all in the size of its first frame, to which box coordinates refer.

    broken: number of packets that could not be decoded so far; damaged: number of frames read of which FFmpeg had
    to conceal parts; resized: index and size of the first frame read that has another size than the first one, None
    if there was none. Raises InputError if the file is missing or not a video.
    """

    def __init__(self, path: Path, timeline: Timeline | None = None):
        self.path, self.timeline = path, timeline or read_timeline(path)
        self.broken = self.damaged = 0
        self.size: tuple[int, int] | None = None  # width and height, px, once a frame is read
        self.resized: tuple[int, tuple[int, int]] | None = None
        self._conversion = Conversion()

    def read(self, wanted: np.ndarray) -> Iterator[tuple[int, float, Picture]]:
        """Yield (native index, time in s, image uint8 [H, W, 3] BGR) of the wanted frames.

        wanted: native indices in ascending order. Frames that cannot be decoded, or are beyond the end, are left
        out. Seeks and skips frames that are not needed, if that gives the same result as decoding everything.
        """
        time = self.timeline.time
        for index, shown in self._wanted(wanted[wanted < len(time)].tolist()):
            self.damaged += bool(shown.frame.is_corrupt)
            picture = self._conversion.picture(shown)
            if self.size is None:
                self.size = picture.shape[1::-1] if index == 0 else self._first_size() or picture.shape[1::-1]
            if self.resized is None and picture.shape[1::-1] != self.size:
                self.resized = index, picture.shape[1::-1]
            yield index, float(time[index]), fitted(picture, self.size)

    def _wanted(self, wanted: list[int]) -> Iterator[tuple[int, Shown]]:
        """Yield the wanted frames with their indices."""
        if wanted and len(runs := self._runs(wanted)) > 1:
            wanted = wanted[(yield from self._sought(runs)) :]
        if not wanted:
            return
        with Decoder(self.path) as decoder:
            yield from self._one_by_one(decoder, wanted, None)
            self.broken += decoder.broken

    def _runs(self, wanted: list[int]) -> list[tuple[int | None, list[int]]]:
        """Group the wanted frames into runs (index of the key frame to seek to, frames); None: no seek."""
        runs: list[tuple[int | None, list[int]]] = [(None, [])]
        key, last = self.timeline.key, -1
        before = np.searchsorted(key, wanted, side="right") - 1
        for index, place in zip(wanted, before.tolist(), strict=True):
            if place >= 0 and key[place] - last > _FAR:
                runs.append((int(key[place]), []))
            runs[-1][1].append(index)
            last = index
        return runs

    def _sought(self, runs: list[tuple[int | None, list[int]]]) -> Generator[tuple[int, Shown], None, int]:
        """Like `_wanted`, but seek to each run; returns the number of frames found.

        Stops at the first frame that is not where its packet says: the file may be damaged, or seeking is not
        exact.
        """
        done = 0
        with Decoder(self.path) as decoder:
            for key, run in runs:
                for index, shown in self._one_by_one(decoder, run, key):
                    if index != run[0]:
                        return done
                    del run[0]
                    yield index, shown
                    done += 1
                if run:
                    return done
            self.broken += decoder.broken
        return done

    def _one_by_one(self, decoder: Decoder, wanted: list[int], key: int | None) -> Iterator[tuple[int, Shown]]:
        """Yield the wanted frames that are found when decoding on, or from the key frame of index `key`."""
        pts = self.timeline.pts
        if pts is None:
            named: Iterator[tuple[int, Shown]] = enumerate(decoder.frames())
        else:
            named = self._named(decoder, {int(pts[index]): index for index in wanted}, key)
        missing = list(reversed(wanted))
        while missing and (found := next(named, None)):
            while missing and missing[-1] < found[0]:
                missing.pop()
            if missing and missing[-1] == found[0]:
                missing.pop()
                yield found

    def _named(self, decoder: Decoder, index_of: dict[int, int], key: int | None) -> Iterator[tuple[int, Shown]]:
        """Yield frames up to the last of these presentation times with their indices, other frames with -1."""
        last, pts = max(index_of, default=0), self.timeline.pts
        start = None if key is None or pts is None else int(pts[key])
        for shown in decoder.frames(index_of, start):
            time = shown.frame.pts
            yield index_of.get(time, -1), shown
            if time is not None and time > last:
                return

    def _first_size(self) -> tuple[int, int] | None:
        """Return width and height, upright, of the first frame that can be decoded; None if there is none."""
        with Decoder(self.path) as decoder:
            first = next(decoder.frames(), None)
            return None if first is None else first.size


def read_frames(path: Path, wanted: np.ndarray) -> Iterator[tuple[int, float, Picture]]:
    """Yield (native index, time in s, image uint8 [H, W, 3] BGR) of the wanted frames, as `FrameReader.read`."""
    yield from FrameReader(path).read(wanted)
