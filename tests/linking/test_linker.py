"""The linker: an optimum where it claims one, indifferent to order, defined on every degenerate input."""

from __future__ import annotations

import importlib
import itertools
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.linking.examples import proposals, walk
from vcma import boxes
from vcma.linking import linker
from vcma.pipeline.artifact import lengths
from vcma.pipeline.schemas import TUBES

SETTINGS: dict[str, Any] = dict(alpha=0.5, max_tubes=20, min_score=0.2, max_gap=4.0, max_overlap=0.4, smoothing=1.0)
PASSED_ON = ("frame", "time", "class_name", "attribute_name", "detector", "width", "height")


@contextmanager
def bench_folder() -> Iterator[None]:
    folder = str(ROOT / "bench")
    sys.path.insert(0, folder)
    yield
    sys.path.remove(folder)


@pytest.fixture(scope="module")
def scenes() -> Any:
    """The generators of the speed race."""
    with bench_folder():
        yield importlib.import_module("scenes")


def link(data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The tubes, after a check of everything that holds for all tubes."""
    before = {name: np.array(column, copy=True) for name, column in data.items()}
    out = linker.link(data, **{**SETTINGS, **changes})
    lengths(TUBES, out, "test")
    for name, column in before.items():
        np.testing.assert_array_equal(data[name], column)
    for name in PASSED_ON:
        np.testing.assert_array_equal(out[name], data[name])
    assert len(out["tube_score"]) <= {**SETTINGS, **changes}["max_tubes"]
    assert (np.diff(out["tube_score"]) <= 0).all()
    assert (np.diff(out["point_offset"]) > 0).all()
    for begin, end in itertools.pairwise(out["point_offset"]):
        assert (np.diff(out["position"][begin:end]) == 1).all()
        assert not out["interpolated"][[begin, end - 1]].any()
    assert (out["score"][out["interpolated"]] == 0).all()
    for name in ("box", "score", "feature", "tube_score", "class_prob", "attribute_prob"):
        assert np.isfinite(out[name]).all()
    assert (boxes.area(out["box"]) > 0).all()
    assert (boxes.clip(out["box"], float(data["width"]), float(data["height"])) == out["box"]).all()
    return out


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["noisy", "moving", "chase", "ties"]))
def test_order_within_a_frame_is_of_no_consequence(scenes: Any, seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    if kind == "ties":
        box = rng.choice([10.0, 60, 110], (40, 2))
        data = proposals(np.concatenate([box, box + 50], axis=1).reshape(8, 5, 4).tolist())
    else:
        scene = {"noisy": lambda: scenes.crossing(seed, True, frames=16), "moving": lambda: scenes.moving(seed)}
        data = scene.get(kind, lambda: scenes.chase(seed))().data
    shuffled = dict(data)
    spans = itertools.pairwise(data["box_offset"])
    order = np.concatenate([rng.permutation(np.arange(a, b)) for a, b in spans])
    for name in ("box", "score", "class_prob", "attribute_prob", "feature"):
        shuffled[name] = data[name][order]
    first, second = link(data), link(shuffled)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 4), max_size=6),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.sampled_from([0.0, 0.5, 4.0]),
)
def test_any_detections_give_valid_tubes(
    count: list[int], seed: int, alpha: float, share: float, max_gap: float
) -> None:
    rng = np.random.default_rng(seed)
    total = sum(count)
    data = proposals([[[0.0, 0, 1, 1]] * n for n in count])
    odd = [np.nan, np.inf, -np.inf, -40.0, 0.0, 100.0, 100.0, 150.0, 200.0, 400.0]
    data["box"] = rng.choice(odd, (total, 4)).astype(np.float32)
    data["feature"] = rng.choice([0.0, 0, 1, -1, np.nan], (total, 8), p=[0.3, 0.3, 0.19, 0.19, 0.02]).astype(
        np.float16
    )
    data["class_prob"] = rng.choice([0.0, 0.5, 1, np.nan], (total, 2)).astype(np.float16)
    data["score"] = rng.choice([0.0, 0.5, 1, np.nan], total).astype(np.float32)
    link(data, alpha=alpha, min_score=share, max_overlap=share, max_gap=max_gap, max_tubes=3)


@pytest.mark.parametrize("frames", [[], [[]], [[], [], []]])
def test_no_detections_give_no_tubes(frames: list) -> None:
    assert len(link(proposals(frames))["tube_score"]) == 0


def test_one_frame_gives_a_tube_for_each_thing() -> None:
    out = link(proposals([[[10, 10, 60, 60], [200, 100, 250, 180]]]))
    assert out["point_offset"].tolist() == [0, 1, 2]
    assert not out["interpolated"].any()


def test_one_thing_is_one_tube() -> None:
    out = link(proposals([[box] for box in walk(12)], feature=np.ones((12, 8))))
    assert out["point_offset"].tolist() == [0, 12]
    np.testing.assert_allclose(out["box"], walk(12), atol=0.1)
    assert out["tube_score"] == pytest.approx([0.9])
    np.testing.assert_allclose(out["class_prob"], [[0.75, 0.25]])


def test_a_gap_is_bridged_in_native_time() -> None:
    boxes_seen = [[box] for box in walk(12)]
    boxes_seen[5] = boxes_seen[6] = []
    data = proposals(boxes_seen, feature=np.repeat(np.arange(10.0)[:, None], 8, axis=1))
    data["feature"][:] = 1 + np.arange(10)[:, None] / 512
    out = link(data)
    assert out["interpolated"].tolist() == [False] * 5 + [True] * 2 + [False] * 5
    np.testing.assert_allclose(out["box"], walk(12), atol=0.1)
    between = out["feature"][4].astype(float) * 2 / 3 + out["feature"][7].astype(float) / 3
    np.testing.assert_allclose(out["feature"][5], between, atol=2e-3)


def test_a_gap_longer_than_max_gap_is_not_bridged() -> None:
    seen = [[box] if t < 5 or t > 8 else [] for t, box in enumerate(walk(14))]
    data = proposals(seen, feature=np.ones((10, 8)))
    assert len(link(data, max_gap=0.7)["tube_score"]) == 2
    assert len(link(data, max_gap=1.0)["tube_score"]) == 1


@pytest.mark.parametrize(("growth", "count"), [(1.5, 1), (2.5, 2)])
def test_a_long_gap_is_not_bridged_to_a_box_of_another_size(growth: float, count: int) -> None:
    small, large = (
        [100.0, 100, 140, 140],
        [120 - 20 * growth, 120 - 20 * growth, 120 + 20 * growth, 120 + 20 * growth],
    )
    seen = [[small] if t < 6 else [large] if t > 12 else [] for t in range(19)]
    assert len(link(proposals(seen, np.ones((12, 8))))["tube_score"]) == count


def test_by_overlap_alone_fast_things_are_told_by_their_class() -> None:
    there, back = walk(12, start=0, speed=20), walk(12, start=260, speed=-20)
    seen = [[[x, 20, x + 15, 70], [y, 40, y + 15, 90]] for (x, *_), (y, *_) in zip(there, back, strict=True)]
    data = proposals(seen, np.ones((24, 8)))
    data["class_prob"] = np.tile(np.array([[0.9, 0.1], [0.1, 0.9]], np.float16), (12, 1))
    out = link(data, alpha=0.0)
    assert out["point_offset"].tolist() == [0, 12, 24]
    assert sorted(np.sign(np.diff(out["box"][a:b, 0])).sum() for a, b in ((0, 12), (12, 24))) == [-11, 11]


def test_neighbouring_frames_are_linked_however_far_apart() -> None:
    assert (
        len(link(proposals([[box] for box in walk(6)], np.ones((6, 8)), fps=0.1), max_gap=0.0)["tube_score"]) == 1
    )


def test_crossing_things_keep_their_identity() -> None:
    there, back = walk(20, start=10, speed=8), walk(20, start=170, speed=-8)
    look = np.tile(np.eye(2, 8), (20, 1))
    out = link(proposals([list(pair) for pair in zip(there, back, strict=True)], look))
    assert out["point_offset"].tolist() == [0, 20, 40]
    got = {tuple(np.sign(np.diff(out["box"][a:b, 0])).astype(int).tolist()) for a, b in ((0, 20), (20, 40))}
    assert got == {(1,) * 19, (-1,) * 19}


def test_look_alikes_that_cross_keep_their_identity(scenes: Any) -> None:
    """Five objects of nearly equal features: their motion tells them apart."""
    with bench_folder():
        race = importlib.import_module("link_tubes")
    found = [scenes.lookalikes(seed) for seed in range(30, 36)]
    ours = [race.quality(scene.truth, race.ours(scene.data)[0]) for scene in found]
    ceiling = [race.quality(s.truth, race.tracks_of(s.data, s.identity, fill=True)) for s in found]
    assert np.mean(ours) >= 0.95 * np.mean(ceiling)


def test_an_object_that_is_taken_for_another_in_some_frames_is_one_tube() -> None:
    """Its features are opposite in every third frame; a second object shows what different ones look like."""
    look = np.eye(4, 8)[[0, 1] * 12]
    look[4::6] = np.eye(4, 8)[2]
    out = link(proposals([[box, [250, 150, 300, 220]] for box in walk(12)], look))
    assert out["point_offset"].tolist() == [0, 12, 24]
    assert not out["interpolated"].any()


def test_no_tube_passes_a_cut_and_shots_are_linked_as_if_alone(scenes: Any) -> None:
    first, second = scenes.chase(1).data, scenes.chase(2).data
    count = len(first["frame"])
    joined = {
        **first,
        "frame": np.arange(count + len(second["frame"])) * 5,
        "time": np.arange(count + len(second["frame"])) / 4.0,
        "box_offset": np.concatenate([first["box_offset"], second["box_offset"][1:] + len(first["box"])]),
        **{
            name: np.concatenate([first[name], second[name]])
            for name in ("box", "score", "class_prob", "attribute_prob", "feature")
        },
    }
    joined["cut"] = joined["frame"] == joined["frame"][count]
    out = link(joined, max_tubes=1000)
    tubes = [set(out["position"][a:b].tolist()) for a, b in itertools.pairwise(out["point_offset"])]
    assert all(max(tube) < count or min(tube) >= count for tube in tubes)
    for data, inside in ((first, lambda p: p < count), (second, lambda p: p >= count)):
        alone = link(data, max_tubes=1000)
        box = np.concatenate([out["box"][a:b] for a, b in itertools.pairwise(out["point_offset"])])
        assert len(alone["box"]) == inside(out["position"]).sum()
        np.testing.assert_allclose(
            np.sort(alone["box"].sum(1)), np.sort(box[inside(out["position"])].sum(1)), atol=1e-2
        )


def test_a_short_tube_where_nothing_else_is_outranks_a_long_one_in_a_crowd() -> None:
    crowd = [[[20 + 60 * k, 20, 50 + 60 * k, 60] for k in range(4)]] * 8
    alone = [[[20.0, 150, 60, 200]]] * 3
    look = np.concatenate([np.tile(np.eye(5, 8)[:4], (8, 1)), np.tile(np.eye(5, 8)[4], (3, 1))])
    out = link(proposals(crowd + alone, look), max_tubes=3)
    assert sorted(np.diff(out["point_offset"]).tolist()) == [3, 8, 8]


def test_a_repeat_of_a_thing_is_no_second_tube() -> None:
    seen = [[box, [box[0] + 4, box[1] + 3, box[2] + 4, box[3] + 3], [250, 150, 300, 220]] for box in walk(10)]
    look = np.tile(np.eye(2, 8)[[0, 0, 1]], (10, 1))
    data = proposals(seen, look)
    data["score"] = np.tile([0.9, 0.6, 0.8], 10).astype(np.float32)
    out = link(data)
    assert out["tube_score"] == pytest.approx([0.9, 0.8])
    np.testing.assert_allclose(out["box"][:10], walk(10), atol=0.1)


def test_things_that_overlap_but_differ_both_stay() -> None:
    seen = [[box, [box[0] + 4, box[1], box[2] + 4, box[3]]] for box in walk(10)]
    assert len(link(proposals(seen, np.tile(np.eye(2, 8), (10, 1))))["tube_score"]) == 2


def test_the_best_tubes_stay() -> None:
    data = proposals([[[20 + 60 * k, 20, 50 + 60 * k, 60] for k in range(5)]] * 6, np.tile(np.eye(5, 8), (6, 1)))
    data["score"] = np.tile([0.2, 0.9, 0.4, 0.8, 0.1], 6).astype(np.float32)
    assert link(data, max_tubes=2)["tube_score"] == pytest.approx([0.9, 0.8])


def test_identical_boxes_of_one_look_are_one_thing() -> None:
    out = link(proposals([[[50, 50, 90, 90]] * 4] * 5, np.tile(np.eye(4, 8), (5, 1))), max_overlap=0.5)
    assert len(out["tube_score"]) == 4  # boxes alone do not make them one
    out = link(proposals([[[50, 50, 90, 90]] * 4 + [[200, 50, 240, 90]]] * 5, np.eye(2, 8)[[0, 0, 0, 0, 1] * 5]))
    assert out["point_offset"].tolist() == [0, 5, 10]


def test_equal_features_leave_the_overlap() -> None:
    seen = [[a, b] for a, b in zip(walk(10), walk(10, top=150), strict=True)]
    out = link(proposals(seen, np.ones((20, 8))))
    assert out["point_offset"].tolist() == [0, 10, 20]


def test_a_single_detection_is_a_tube() -> None:
    out = link(proposals([[], [[10, 10, 60, 60]], []]), max_tubes=1)
    assert (out["position"].tolist(), out["box"].tolist()) == ([1], [[10, 10, 60, 60]])


def test_unknown_features_leave_the_overlap() -> None:
    seen = [[a, b] for a, b in zip(walk(10), walk(10, top=150), strict=True)]
    out = link(proposals(seen, np.full((20, 8), np.nan)))
    assert out["point_offset"].tolist() == [0, 10, 20]
    assert not out["feature"].any()


def test_boxes_are_cut_to_the_picture_and_empty_ones_left_out() -> None:
    seen = [[[-20.0, -10, 30, 50], [400, 10, 450, 60], [50, 50, 50, 80], [np.nan, 0, 10, 10]]] * 4
    out = link(proposals(seen, np.ones((16, 8))))
    assert out["box"].tolist() == [[0, 0, 30, 50]] * 4


def test_smoothing_frees_boxes_of_jitter_and_0_leaves_them() -> None:
    rng = np.random.default_rng(3)
    truth = np.array(walk(40, speed=4))
    seen = truth + rng.normal(0, 3, truth.shape)
    data = proposals(seen[:, None].tolist(), np.ones((40, 8)))
    np.testing.assert_allclose(link(data, smoothing=0.0)["box"], data["box"], atol=1e-4)
    assert np.abs(link(data)["box"] - truth).mean() < 0.6 * np.abs(seen - truth).mean()


@pytest.mark.parametrize("kind", [False, True])
def test_linked_tubes_pass_the_true_identities(scenes: Any, kind: bool) -> None:
    """With their boxes smoothed, ours beat the true identities' detections with the gaps filled."""
    scene = scenes.crossing(11, noisy=kind)
    out = link(scene.data)
    spans = list(itertools.pairwise(out["point_offset"]))
    position = np.repeat(np.arange(64), np.diff(scene.data["box_offset"]))
    time = scene.data["time"]
    for k, truth in enumerate(scene.truth):
        rows = np.flatnonzero(scene.identity == k)
        ideal = boxes.interpolate(time, time[position[rows]], scene.data["box"][rows].astype(float))
        ceiling = boxes.pairwise_iou(ideal, truth).sum()
        best = max(boxes.pairwise_iou(out["box"][a:b], truth[out["position"][a:b]]).sum() for a, b in spans)
        assert best >= 0.995 * ceiling


def test_the_race_writes_its_numbers(tmp_path: Path) -> None:
    bench = ROOT / "bench" / "link_tubes.py"
    command = [sys.executable, bench, "--seeds", "1", "--kind", "stable", "--json", tmp_path / "race.json"]
    subprocess.run(command, check=True, capture_output=True)
    written = json.loads((tmp_path / "race.json").read_text())
    assert len(written["comparisons"]["link 1 videos, stable"]["ours"]) == 1
    iou = written["iou"]["stable"]
    assert iou["ours"] > iou["ceiling_filled"] > iou["ceiling_unfilled"]


def test_long_videos_with_wide_features_are_linked_in_little_memory(scenes: Any) -> None:
    data = scenes.crossing(0, noisy=True, frames=400).data
    data["feature"] = np.tile(data["feature"], 16)
    tracemalloc.start()
    out = linker.link(data, **SETTINGS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - sum(np.asarray(column).nbytes for column in out.values()) < data["feature"].nbytes / 2


def test_true_identities_take_the_fitting_detections_and_fill_gaps() -> None:
    with bench_folder():
        identified = importlib.import_module("oracle_tubes").identified
    box = walk(6)
    poor = [[b[0] + 9, b[1], b[2] + 9, b[3]] for b in box]
    data = proposals(
        [[a, b, [200, 150, 300, 200]] if t != 3 else [] for t, (a, b) in enumerate(zip(poor, box, strict=True))]
    )
    tracks = {4: (np.arange(0, 36, 6), np.array(box)), 9: (np.array([0]), np.array([[5.0, 200, 30, 230]]))}
    out = identified(data, tracks)
    assert (out.point_offset.tolist(), out.position.tolist()) == ([0, 6], list(range(6)))
    np.testing.assert_allclose(out.box, box)


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": 1.1},
        {"min_score": -0.1},
        {"max_overlap": np.nan},
        {"smoothing": 2.0},
        {"max_gap": -1.0},
        {"max_tubes": 0},
    ],
)
def test_a_parameter_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        link(proposals([[]]), **wrong)
