"""What a tube says of itself before any sentence is read."""

from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import make_tubes
from vcma.model.clip import crop
from vcma.model.prominence import prominence, reliability
from vcma.records.tubes import Tubes


@pytest.fixture
def clip():
    """Three like tubes that are there throughout."""
    found = crop(Tubes.of(make_tubes(0, 3, 8, gaps=False)), 0, -1, 64)
    box = np.tile(np.float32([10, 10, 40, 40]), (3, 8, 1))
    return replace(found, box=box, score=np.full(3, 0.5, np.float32), size=(100.0, 100.0))


def test_doubt_cover_and_size_each_count(clip):
    assert np.ptp(prominence(clip)) == 0
    doubted = prominence(replace(clip, score=np.float32([0.5, 0.25, 0.5])))
    assert doubted[0] - doubted[1] == pytest.approx(3 * np.log(2), rel=1e-5)
    present = clip.present.copy()
    present[1, 4:] = False
    brief = prominence(replace(clip, present=present))
    assert brief[0] - brief[1] == pytest.approx(np.log(2), rel=1e-5)
    box = clip.box.copy()
    box[1], box[2] = [10, 10, 20, 20], [0, 0, 100, 100]
    small = prominence(replace(clip, box=box))
    assert small[0] - small[1] == pytest.approx(3 / 8 * np.log(3), rel=1e-5)  # 1 % of the frame, of 3
    assert small[0] == small[2]  # both are large


def test_a_detector_of_half_the_scores_says_the_same(clip):
    clip = replace(clip, score=np.float32([0.8, 0.4, 0.2]))
    shift = prominence(clip) - prominence(replace(clip, score=clip.score / 2))
    assert shift == pytest.approx(np.full(3, shift[0]), abs=1e-5)


def test_tubes_without_scores_or_size_are_told_apart_by_nothing_else(clip):
    none = replace(clip, score=np.zeros(3, np.float32), box=np.zeros_like(clip.box))
    assert np.isfinite(prominence(none)).all() and np.ptp(prominence(none)) == 0
    assert 0 <= reliability(none) < 1e-6


def test_a_sure_tube_makes_a_clip_reliable_whatever_clutter_is_beside_it(clip):
    sure = reliability(replace(clip, score=np.float32([0.95, 0.06, 0.06])))
    assert 0.75 < sure < 0.95**4 and reliability(clip) == pytest.approx(0.5**4)
