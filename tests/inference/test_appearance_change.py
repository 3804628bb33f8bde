"""A tube that follows one object and then another is told."""

import numpy as np
import pytest

from tests.conftest import make_tubes
from tests.inference.test_doubts import asked, predicted
from vcma.inference.appearance_change import SEVERAL_OBJECTS, cosine_over_time
from vcma.inference.doubts import explained
from vcma.records.tubes import Tubes

T = 20


@pytest.fixture
def tubes() -> dict:
    """Three tubes of constant appearance and a little noise: two adults and a dog."""
    made = make_tubes(0, 3, T, gaps=False)
    noise = np.random.default_rng(0).normal(size=(3 * T, 6)) * 0.1
    made["feature"] = (np.eye(6)[np.repeat([0, 1, 2], T)] + noise).astype(np.float16)
    made["class_prob"] = np.eye(3, dtype=np.float16)[[0, 0, 1]]
    return made


def spliced(tubes: dict) -> dict:
    """The dog's tube goes on as an adult's after half of its time."""
    feature = tubes["feature"].copy()
    feature[2 * T + T // 2 : 3 * T] = feature[T // 2 : T]
    return tubes | {"feature": feature}


def test_one_object_looks_like_itself_and_a_splice_does_not(tubes):
    end = int(tubes["frame"][-1]) + 1
    assert all(cosine_over_time(Tubes.of(tubes), k, 0, end) > 0.9 for k in range(3))
    assert cosine_over_time(Tubes.of(spliced(tubes)), 2, 0, end) < SEVERAL_OBJECTS


def test_the_cosine_by_hand(tubes):
    read, end = Tubes.of(spliced(tubes)), int(tubes["frame"][-1]) + 1
    unit = np.float32(read.feature) / np.linalg.norm(np.float32(read.feature), axis=1, keepdims=True)
    x = unit[2 * T :] - unit[: 2 * T].mean(0)
    found = []
    for k in range(T // 5, T - T // 5 + 1):
        a, b = x[:k].mean(0), x[k:].mean(0)
        found.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    assert cosine_over_time(read, 2, 0, end) == pytest.approx(min(found), abs=1e-4)


def test_only_the_span_counts(tubes):
    half = int(tubes["frame"][T // 2])
    assert cosine_over_time(Tubes.of(spliced(tubes)), 2, 0, half) > SEVERAL_OBJECTS


@pytest.mark.parametrize("what", ["no features", "one tube", "five points", "all interpolated"])
def test_nothing_is_said_of_what_cannot_be_known(tubes, what):
    tubes = spliced(tubes)
    end = int(tubes["frame"][-1]) + 1
    if what == "no features":
        tubes["feature"] = np.zeros((3 * T, 0), np.float16)
    if what == "one tube":
        for name in ("position", "box", "score", "interpolated", "feature"):
            tubes[name] = tubes[name][2 * T :]
        tubes |= {"point_offset": np.array([0, T])}
        tubes |= {name: tubes[name][2:] for name in ("tube_score", "class_prob", "attribute_prob")}
    if what == "five points":
        end = int(tubes["frame"][5])
    if what == "all interpolated":
        tubes["interpolated"] = np.ones(3 * T, bool)
    assert np.isnan(cosine_over_time(Tubes.of(tubes), len(tubes["tube_score"]) - 1, 0, end))


def test_an_answer_that_changes_is_flagged(tubes):
    (same,), (other,) = predicted(tubes, asked("dog")), predicted(spliced(tubes), asked("dog"))
    assert "changes" not in same.flags and "changes" in other.flags
    assert any("several objects in turn" in line for line in explained(other.flags))
