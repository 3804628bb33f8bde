"""Quality and speed of the linker, compared with other trackers on generated scenes, with one thread.

    python bench/link_tubes.py [--seeds 8] [--kind KIND ...] [--scaling] [--json FILE]

Quality is the mean over ground-truth objects of the best tube's vIoU: the sum of the IoU over the frames in both,
divided by the number of frames in either. The comparison favours the other trackers: their parameters were tuned on
other seeds, they may return any number of tracks, and the better of their own box estimates and their detections
with interpolated gaps counts. The ceilings link by ground-truth identities, without and with interpolated gaps; a
linker that smooths boxes can exceed both. Time is CPU time, the minimum of 3 runs per video.
bench/results/ contains results of this and other benchmarks, measured on one core of a busy two-core machine.
"""

from __future__ import annotations

import argparse
import sys
import tracemalloc
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import turns  # first: it sets the number of threads

# isort: split
import numpy as np
import scenes

from vcma import boxes
from vcma.linking import linker

OURS = dict(alpha=0.5, max_tubes=20, min_score=0.2, max_gap=4.0, max_overlap=0.4, smoothing=1.0)
KINDS: dict[str, Callable[[int], scenes.Scene]] = {
    "stable": lambda seed: scenes.crossing(seed, noisy=False),
    "noisy": lambda seed: scenes.crossing(seed, noisy=True),
    "moving": scenes.moving,
    "lookalikes": scenes.lookalikes,
    "chase": scenes.chase,
}

Track = tuple[np.ndarray, np.ndarray]  # position [P] of its frames, ascending; box [P, 4]


def quality(truth: np.ndarray, tracks: Iterable[Track]) -> float:
    """Mean over the objects of truth [K, T, 4], NaN where absent, of the maximum vIoU of a track."""
    present = np.isfinite(truth[..., 0])
    best = np.zeros(len(truth))
    for position, box in tracks:
        iou = np.where(present[:, position], boxes.pairwise_iou(truth[:, position], box[None].astype(float)), 0)
        either = present.sum(1) + len(position) - present[:, position].sum(1)
        best = np.maximum(best, iou.sum(1) / np.maximum(either, 1))
    return float(best[present.any(1)].mean())


def ours(data: dict, **changes: float) -> list[list[Track]]:
    linked = linker.link(data, **{**OURS, **changes})
    spans = zip(linked["point_offset"][:-1], linked["point_offset"][1:], strict=True)
    return [[(linked["position"][a:b], linked["box"][a:b]) for a, b in spans]]


def positions(data: dict) -> np.ndarray:
    return np.repeat(np.arange(len(data["frame"])), np.diff(data["box_offset"]))


def tracks_of(data: dict, label: np.ndarray, fill: bool) -> list[Track]:
    """Tracks of the detections with equal label >= 0, at most one detection per frame; fill: interpolate gaps."""
    position, tracks = positions(data), []
    for k in np.unique(label[label >= 0]):
        rows = np.flatnonzero(label == k)
        known = position[rows]
        at = np.arange(known[0], known[-1] + 1) if fill else known
        tracks.append((at, boxes.interpolate(data["time"][at], data["time"][known], data["box"][rows])))
    return tracks


def norfair_tracks(data: dict, distance: object | None, threshold: float, patience: int) -> list[list[Track]]:
    import norfair

    tracker = norfair.Tracker("iou", threshold, hit_counter_max=patience, initialization_delay=0)
    tracker.distance_function = distance or tracker.distance_function  # not a constructor argument
    label, estimates = np.full(len(data["box"]), -1), {}
    for t, (a, b) in enumerate(zip(data["box_offset"][:-1], data["box_offset"][1:], strict=True)):
        found = [
            norfair.Detection(data["box"][i].reshape(2, 2), embedding=data["feature"][i], data=i)
            for i in range(a, b)
        ]
        for thing in tracker.update(found):
            if a <= thing.last_detection.data < b:
                label[thing.last_detection.data] = thing.id
            estimates.setdefault(thing.id, []).append((t, thing.estimate.ravel()))
    estimated = [(np.array([t for t, _ in e]), np.array([box for _, box in e])) for e in estimates.values()]
    return [tracks_of(data, label, fill=True), estimated]


def norfair_cosine_iou() -> object:
    """Norfair's vectorised distance for 0.5 cosine (last detection's feature) + 0.5 IoU (estimated box)."""
    from norfair.distances import VectorizedDistance

    class CosineIoU(VectorizedDistance):
        def __init__(self) -> None:
            super().__init__(lambda candidates, things: 1 - boxes.iou_matrix(candidates, things))

        def get_distances(self, objects: list, candidates: list | None = None) -> np.ndarray:
            if not objects or not candidates:
                return np.ones((len(candidates or ()), len(objects)))
            estimate = np.array([thing.estimate.ravel() for thing in objects])
            box = np.array([c.points.ravel() for c in candidates])
            was = _unit(np.array([thing.last_detection.embedding for thing in objects], dtype=np.float32))
            now = _unit(np.array([c.embedding for c in candidates], dtype=np.float32))
            return 1 - 0.5 * (now @ was.T) - 0.5 * boxes.iou_matrix(box, estimate)

    return CosineIoU()


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6)


def bytetrack(data: dict, activation: float, matching: float, patience: int) -> list[list[Track]]:
    import supervision

    tracker = supervision.ByteTrack(
        track_activation_threshold=activation,
        minimum_matching_threshold=matching,
        lost_track_buffer=patience,
        frame_rate=30,
    )
    label = np.full(len(data["box"]), -1)
    for a, b in zip(data["box_offset"][:-1], data["box_offset"][1:], strict=True):
        found = supervision.Detections(
            xyxy=data["box"][a:b], confidence=data["score"][a:b], data={"row": np.arange(a, b)}
        )
        tracked = tracker.update_with_detections(found)
        if len(tracked):
            label[tracked.data["row"]] = tracked.tracker_id
    return [tracks_of(data, label, fill=True)]


def competitors() -> dict[str, Callable[[dict], list[list[Track]]]]:
    """Return the installed trackers; reports missing ones on stderr."""
    found: dict[str, Callable[[dict], list[list[Track]]]] = {}
    try:
        import norfair  # noqa: F401

        found["norfair cosine + IoU"] = lambda data: norfair_tracks(data, norfair_cosine_iou(), 0.5, 10)
        found["norfair IoU"] = lambda data: norfair_tracks(data, None, 0.7, 5)
    except ImportError:
        print("skipped norfair: not installed", file=sys.stderr)
    try:
        import supervision  # noqa: F401

        warnings.filterwarnings("ignore", module="supervision")
        found["ByteTrack"] = lambda data: bytetrack(data, 0.25, 0.8, 30)
    except ImportError:
        print("skipped ByteTrack: supervision is not installed", file=sys.stderr)
    return found


def race(kind: str, seeds: Iterable[int]) -> tuple[dict[str, float], turns.Seconds]:
    """Run all trackers on scenes of a kind; returns mean vIoU by tracker and ceiling, and seconds by tracker."""
    shown = [KINDS[kind](seed) for seed in seeds]
    linkers = {"ours": ours, "ours_unsmoothed": lambda data: ours(data, smoothing=0.0), **competitors()}
    scores: dict[str, list[list[float]]] = {name: [] for name in linkers}
    spent: turns.Seconds = {name: [] for name in linkers}
    for scene in shown:
        for name, method in linkers.items():
            spent[name].append(min(turns.seconds(partial(method, scene.data)) for _ in range(3)))
            scores[name].append([quality(scene.truth, tracks) for tracks in method(scene.data)])
    found = {name: float(np.mean(rows, axis=0).max()) for name, rows in scores.items()}
    for name, fill in (("ceiling_unfilled", False), ("ceiling_filled", True)):
        found[name] = float(np.mean([quality(s.truth, tracks_of(s.data, s.identity, fill)) for s in shown]))
    return found, spent


def alphas(kind: str, seeds: Iterable[int]) -> dict[str, float]:
    """Quality of the linker by alpha."""
    shown = [KINDS[kind](seed) for seed in seeds]
    values = (0.0, 0.25, 0.5, 0.75, 1.0)
    return {str(a): float(np.mean([quality(s.truth, ours(s.data, alpha=a)[0]) for s in shown])) for a in values}


def scaling() -> dict[str, object]:
    """Time (ms, with exponents) by T at N = 100 and by N at T = 256; memory by T at N = 20 and 100.

    T: sampled frames; N: detections per frame.
    """
    by_frames = {t: _cost(t, 100) for t in (64, 128, 256)}
    by_detections = {n: _cost(256, n) for n in (25, 50)} | {100: by_frames[256]}
    return {
        "ms_by_T": by_frames,
        "ms_by_N": by_detections,
        "exponent_T": _slope(by_frames),
        "exponent_N": _slope(by_detections),
        "memory_MB": {n: {t: _memory(t, n) for t in (64, 128, 256, 512, 1024)} for n in (20, 100)},
    }


def _cost(frames: int, detections: int) -> float:
    """Minimum time of 3 runs, ms."""
    data = scenes.crossing(0, noisy=True, frames=frames, detections=detections).data
    return min(turns.seconds(lambda: linker.link(data, **OURS)) for _ in range(3)) * 1e3


def _memory(frames: int, detections: int, width: int = 1024) -> dict[str, float]:
    """MB of input, of output, and of peak memory beyond both, with features of a box head's typical width."""
    data = scenes.crossing(0, noisy=True, frames=frames, detections=detections).data
    data["feature"] = np.tile(data["feature"], width // data["feature"].shape[1])
    tracemalloc.start()
    linked = linker.link(data, **OURS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    given, made = (sum(np.asarray(column).nbytes for column in part.values()) for part in (data, linked))
    return {"input": given / 1e6, "output": made / 1e6, "beyond": (peak - made) / 1e6}


def _slope(cost: dict[int, float]) -> float:
    return float(np.polyfit(np.log(list(cost)), np.log(list(cost.values())), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8, help="number of scenes per kind, with seeds 0, 1, ...")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only this kind of scene (repeatable)")
    parser.add_argument("--alphas", action="store_true", help="also measure quality by alpha")
    parser.add_argument("--scaling", action="store_true", help="also measure time and memory by size")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    args = parser.parse_args()
    comparisons, shares, more = {}, {}, {}
    for kind in args.kind or KINDS:
        shares[kind], spent = race(kind, range(args.seeds))
        del spent["ours_unsmoothed"]
        comparisons[f"link {args.seeds} videos, {kind}"] = spent
        print(f"{kind}, IoU: " + "  ".join(f"{name} {iou:.3f}" for name, iou in shares[kind].items()))
    if args.alphas:
        more["alpha"] = {kind: alphas(kind, range(args.seeds)) for kind in args.kind or KINDS}
    if args.scaling:
        more["scaling"] = scaling()
    for name, found in more.items():
        print(name + "\n" + "\n".join(f"  {key}: {value}" for key, value in found.items()))
    turns.finish(comparisons, args.json, iou=shares, **more)


if __name__ == "__main__":
    main()
