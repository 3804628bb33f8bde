"""Cuts: found where scenes change, not where a camera moves, a light flashes or a thing passes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from vcma.video.cuts import BINS, colour_histogram, find_cuts, sampled_cuts
from vcma.video.decoding import read_frames


def scene(seed: int) -> np.ndarray:
    """A wide picture [120, 640, 3] of coloured patches, smaller than the part of it that a camera shows."""
    patches = np.random.default_rng(seed).integers(0, 256, (6, 32, 3)).astype(np.uint8)
    return cv2.resize(patches, (640, 120), interpolation=cv2.INTER_LINEAR)


def panned(wide: np.ndarray, frames: int, speed: int) -> list[np.ndarray]:
    """What a camera shows, 160 px wide, that moves `speed` px a frame."""
    return [wide[:, speed * t : speed * t + 160] for t in range(frames)]


def cuts_of(pictures: Iterable[np.ndarray]) -> list[int]:
    histograms = np.array([colour_histogram(picture) for picture in pictures]).reshape(-1, BINS)
    return np.flatnonzero(find_cuts(histograms)).tolist()


def test_a_cut_is_found_at_the_first_frame_of_the_new_shot() -> None:
    shots = [panned(scene(seed), frames, speed=4) for seed, frames in ((1, 9), (2, 7), (3, 12))]
    assert cuts_of(chain(*shots)) == [9, 16]


def test_a_moving_camera_cuts_nothing() -> None:
    assert cuts_of(panned(scene(4), 40, speed=12)) == []


def test_a_flash_is_no_cut() -> None:
    pictures = panned(scene(5), 20, speed=2)
    for t in (8, 9):
        pictures[t] = np.full_like(pictures[t], 250)
    assert cuts_of(pictures) == []


def test_a_light_that_goes_on_in_small_steps_is_no_cut() -> None:
    picture = scene(6)[:, :160].astype(float)
    assert cuts_of([(picture * level).astype(np.uint8) for level in np.linspace(0.2, 1, 12)]) == []


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_the_first_frame_begins_no_shot(frames: int) -> None:
    assert cuts_of([scene(7)[:, :160]] * frames) == []


def test_a_histogram_counts_every_pixel_of_a_small_picture() -> None:
    histogram = colour_histogram(np.array([[[0, 0, 0], [255, 255, 255], [255, 255, 255], [64, 0, 0]]], np.uint8))
    assert {i: histogram[i] for i in np.flatnonzero(histogram).tolist()} == {0: 0.25, 16: 0.25, BINS - 1: 0.5}


def test_sampled_frames_tell_of_cuts_only_where_they_are_close_in_time() -> None:
    shots = [panned(scene(seed), 8, speed=4) for seed in (1, 2)]
    histograms = np.array([colour_histogram(picture) for picture in chain(*shots)])
    assert np.flatnonzero(sampled_cuts(histograms, np.arange(16) * 0.25)).tolist() == [8]
    assert not sampled_cuts(histograms, np.arange(16) * 1.0).any()
    assert sampled_cuts(np.zeros((0, BINS), np.float32), np.zeros(0)).tolist() == []


@pytest.fixture(scope="module")
def real_clips(test_data: Path) -> list[np.ndarray]:
    """Colour histograms [T, BINS] of the real single clips and two of the street's, most of moving cameras."""
    paths = sorted((test_data / "real" / "single" / "video").rglob("*.mp4"))
    paths += sorted((test_data / "street" / "video").rglob("*.mp4"))[:2]
    frames = np.arange(1 << 20)
    return [np.array([colour_histogram(picture) for _, _, picture in read_frames(p, frames)]) for p in paths]


@pytest.mark.parametrize("step", [1, 2])
def test_real_clips_have_no_cuts_and_joined_ones_theirs(real_clips: list[np.ndarray], step: int) -> None:
    clips = [clip[::step] for clip in real_clips]
    for clip in clips:
        assert not find_cuts(clip).any()
    for first, second in pairwise(clips[:12]):
        assert np.flatnonzero(find_cuts(np.concatenate([first, second]))).tolist() == [len(first)]
