"""Upper bound of grounding: oracle of the linked tubes, compared with that of ground-truth identities.

    python bench/oracle_tubes.py [--config pipeline.yaml] [--split val] [--json FILE]

Requires a data set with VidOR boxes and computed proposals. Both oracles predict the best tube over the
ground-truth span (m_vIoU, protocol `stcat`). For ground-truth identities, the detections in every sampled frame are
assigned to the annotated boxes with maximum total IoU, IoU above 0.5 only, and gaps are interpolated; of duplicate
detections, this uses the one closest to the ground truth, which no linker can know. Tubes are linked with the
values of pipeline.yaml, and with several values of alpha.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from vcma import boxes
from vcma.datasets.vidor import Tracks, VidorFolder, read_trajectories
from vcma.evaluation import baselines, metrics
from vcma.linking import linker
from vcma.pipeline import artifact, schemas
from vcma.pipeline.paths import root_folder
from vcma.pipeline.project import load_project
from vcma.pipeline.video_artifacts import video_file
from vcma.records.columns import offsets
from vcma.records.tubes import Tubes

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)


def identified(data: dict, tracks: Tracks) -> dict:
    """Return the TUBES columns used by the oracle, with one tube for each detected track."""
    frames, offset = np.asarray(data["frame"]), data["box_offset"]
    truth = np.full((len(tracks), len(frames), 4), np.nan)
    for row, (frame, box) in zip(truth, tracks.values(), strict=True):
        _, here, there = np.intersect1d(frames, frame, return_indices=True)
        row[here] = box[there]
    rows = np.full(truth.shape[:2], -1)
    for t in range(len(frames)):
        iou = boxes.iou_matrix(truth[:, t], data["box"][offset[t] : offset[t + 1]].astype(float))
        iou[iou <= 0.5] = 0
        thing, found = linear_sum_assignment(iou, maximize=True)
        good = iou[thing, found] > 0
        rows[thing[good], t] = offset[t] + found[good]
    position, box = [], []
    for row in rows[(rows >= 0).any(1)]:
        known = np.flatnonzero(row >= 0)
        position.append(np.arange(known[0], known[-1] + 1))
        box.append(boxes.interpolate(data["time"][position[-1]], data["time"][known], data["box"][row[known]]))
    points, tubes = sum(map(len, position)), len(position)
    return Tubes.of(
        {
            **{
                name: data[name] for name in ("time", "class_name", "attribute_name", "detector", "width", "height")
            },
            "frame": frames,
            "point_offset": offsets(list(map(len, position))),
            "position": np.concatenate([np.zeros(0, int), *position]),
            "box": np.concatenate([np.zeros((0, 4)), *box]),
            "score": np.ones(points),
            "interpolated": np.zeros(points, bool),
            "tube_score": np.ones(tubes),
            "class_prob": np.zeros((tubes, len(data["class_name"]))),
            "attribute_prob": np.zeros((tubes, len(data["attribute_name"]))),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("pipeline.yaml"), help="configuration of the project")
    parser.add_argument("--split", choices=["train", "val", "test"], default="val", help="split")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    args = parser.parse_args()
    project = load_project(args.config)
    truth = artifact.read(schemas.TRUTH, project.artifacts / f"truth_{args.split}.h5")
    proposals = {
        video: artifact.read(schemas.PROPOSALS, video_file(project.artifacts / "proposals", video))
        for video in dict.fromkeys(truth["video"].tolist())
    }
    folder, section = VidorFolder(root_folder(project.block, "boxes", project.root)), project.section("link_tubes")

    def oracle(found: dict) -> float:
        answers = baselines.oracle(truth, found.__getitem__)
        return float(metrics.score(truth, answers, "stcat").viou.mean())

    def linked(**changes: float) -> dict:
        return {video: Tubes.of(linker.link(data, **{**section, **changes})) for video, data in proposals.items()}

    ideal = oracle({v: identified(data, read_trajectories(folder.path(v)).tracks) for v, data in proposals.items()})
    ours, over = oracle(linked()), {str(alpha): oracle(linked(alpha=alpha)) for alpha in ALPHAS}
    print(f"{project.dataset}, {args.split}: {len(proposals)} videos, {len(truth['sample'])} sentences")
    print(f"  ground-truth identities {ideal:.3f}, linked {ours:.3f}, ratio {ours / ideal:.3f}")
    print("  linked, by alpha  " + "  ".join(f"{alpha}: {value:.3f}" for alpha, value in over.items()))
    if args.json:
        values = {"identities": ideal, "linked": ours, "ratio": ours / ideal, "alpha": over}
        args.json.write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
