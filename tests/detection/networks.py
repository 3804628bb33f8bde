"""What the tests of detectors share: a picture, the contract of `detect`, an ONNX network of constant output."""

from __future__ import annotations

import cv2
import numpy as np

LIMITS = {"top_k": 20, "score_threshold": 0.0, "nms_threshold": 0.5, "min_size": 2}


def random_picture(seed=0, height=96, width=128):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def check_regions(regions, detector, picture, top_k):
    count = len(regions)
    assert count <= top_k
    shapes = {
        "box": ((count, 4), np.float32),
        "score": ((count,), np.float32),
        "class_prob": ((count, len(detector.class_names)), np.float16),
        "attribute_prob": ((count, len(detector.attribute_names)), np.float16),
        "feature": ((count, detector.feature_dim), np.float16),
    }
    arrays = vars(regions)
    assert {name: (value.shape, value.dtype) for name, value in arrays.items()} == shapes
    assert all(np.isfinite(value).all() for value in arrays.values())
    assert (np.diff(regions.score) <= 0).all()
    assert (regions.box >= 0).all() and (regions.box <= np.tile(picture.shape[1::-1], 2) + 1e-3).all()
    np.testing.assert_allclose(regions.class_prob.astype(float).sum(1), 1, atol=0.02)
    assert (regions.attribute_prob >= 0).all() and (regions.attribute_prob <= 1).all()


def _field(number, value):
    """One protobuf field: an int as varint, bytes as a length-delimited field."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _tensor(name, array):
    kind = 7 if array.dtype == np.int64 else 1
    dims = b"".join(_field(1, int(n)) for n in array.shape)
    return dims + _field(2, kind) + _field(8, name) + _field(9, np.ascontiguousarray(array).tobytes())


def _value(name, shape):
    dims = b"".join(_field(1, _field(1, n)) for n in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, dims)))


def _node(kind, inputs, output):
    return b"".join(_field(1, i) for i in inputs) + _field(2, output) + _field(4, kind)


def constant_network(path, answer, side, slope=0.0):
    """An ONNX file that answers `answer`, plus `slope` times the picture's mean (over its channels' mean values).

    slope: a number, or an array of the answer's shape; 0 is a network that answers the same whatever the picture.
    """
    flat = answer.reshape(1, -1, 1, 1).astype(np.float32)
    weights = np.repeat(np.broadcast_to(slope, answer.shape).reshape(-1, 1, 1, 1) / 3, 3, 1)
    nodes = [
        _node(b"GlobalAveragePool", [b"x"], b"mean"),
        _node(b"Conv", [b"mean", b"slope"], b"change"),
        _node(b"Add", [b"change", b"answer"], b"flat"),
        _node(b"Reshape", [b"flat", b"shape"], b"y"),
    ]
    constants = {
        b"slope": weights.astype(np.float32),
        b"answer": flat,
        b"shape": np.array(answer.shape, np.int64),
    }
    path.write_bytes(_model(nodes, constants, {b"x": (1, 3, side, side)}, {b"y": answer.shape}))
    return path


def suppressing_network(path, side):
    """An ONNX file that suppresses boxes itself, as exports with nms=True do."""
    nodes = [_node(b"NonMaxSuppression", [b"boxes", b"x"], b"y")]
    constants = {b"boxes": np.zeros((1, side, 4), np.float32)}
    path.write_bytes(_model(nodes, constants, {b"x": (1, 3, side)}, {b"y": (1, 3)}))
    return path


def _model(nodes, constants, inputs, outputs):
    graph = b"".join(_field(1, n) for n in nodes) + _field(2, b"g")
    graph += b"".join(_field(5, _tensor(name, array)) for name, array in constants.items())
    graph += b"".join(_field(11, _value(name, shape)) for name, shape in inputs.items())
    graph += b"".join(_field(12, _value(name, shape)) for name, shape in outputs.items())
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _field(2, 13))
