"""When a native frame is shown."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcma.report.clock import Clock


def test_times_are_those_stored_and_run_on_at_the_frame_rate_beyond_them():
    clock = Clock(np.array([2, 4, 10]), np.array([5.0, 5.5, 8.5]), fps=10.0)
    assert clock.seconds(np.array([2, 4, 10])).tolist() == [5.0, 5.5, 8.5]
    assert clock.seconds(np.array([0, 3, 7, 12])) == pytest.approx([4.8, 5.25, 7.0, 8.7])
    assert clock.at(4) == 5.5
    assert Clock(np.zeros(0, np.int64), np.zeros(0), 25.0).at(50) == 2.0


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0.01, 3)), min_size=1, max_size=8), st.floats(-20, 99))
def test_a_time_leads_back_to_its_frame(steps, frame):
    frames, times = np.cumsum(np.array(steps), axis=0).T
    clock = Clock(frames.astype(np.int64), times, 25.0)
    assert clock.frames_at(clock.seconds(np.array(frame))) == pytest.approx(frame, abs=1e-6)
