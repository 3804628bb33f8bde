"""Truths and predictions written by hand."""

import numpy as np
from hypothesis import strategies as st

from vcma.evaluation.exchange import pack

SQUARE = [0, 0, 10, 10]
BOX = st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 20)] * 2).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)


def make_truth(*rows, form="vidstg"):
    """TRUTH columns of rows (span, segment, {frame: box}[, fps[, query type[, video]]])."""
    full = [(*row, *(30.0, "declarative", None)[len(row) - 3 :]) for row in rows]
    boxes = [box for row in full for box in row[2].values()]
    return {
        "format": form,
        "sample": np.array([f"s{i}" for i in range(len(full))], dtype=object),
        "video": np.array([row[5] or f"v{i}" for i, row in enumerate(full)], dtype=object),
        "query_type": np.array([row[4] for row in full], dtype=object),
        "span_begin": np.array([row[0][0] for row in full], np.int64),
        "span_end": np.array([row[0][1] for row in full], np.int64),
        "segment_begin": np.array([row[1][0] for row in full], np.int64),
        "segment_end": np.array([row[1][1] for row in full], np.int64),
        "frame_count": np.array([row[1][1] for row in full], np.int64),
        "fps": np.array([row[3] for row in full], np.float64),
        "box_offset": np.cumsum([0, *(len(row[2]) for row in full)], dtype=np.int64),
        "box_frame": np.array([f for row in full for f in row[2]], np.int64),
        "box": np.array(boxes, np.float32).reshape(-1, 4),
        "width": np.zeros(len(full), np.int64),
        "height": np.zeros(len(full), np.int64),
    }


def still(begin, end, box=SQUARE):
    return dict.fromkeys(range(begin, end), box)


def predicted(*rows):
    """Predictions of rows (span, {frame: box}); None leaves a sample out."""
    return pack({f"s{i}": {"span": row[0], "boxes": row[1]} for i, row in enumerate(rows) if row})
