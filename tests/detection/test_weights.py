"""Reading weights."""

import pickle

import numpy as np

from vcma.detection.weights import read_checkpoint


def test_pickles_of_python_2_are_read(tmp_path):
    """Protocol 2 writes arrays through `_codecs.encode` and NumPy's former module names."""
    data = pickle.dumps({"model": {"w": np.arange(3, dtype=np.float32)}, "__author__": "x"}, protocol=2)
    (tmp_path / "old.pkl").write_bytes(data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "old.pkl")["model"]["w"], [0, 1, 2])
