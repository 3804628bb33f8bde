"""Predictions as plain JSON: they survive it, and what is wrong with a file is one line."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evaluation.truths import BOX
from vcma.errors import InputError
from vcma.evaluation.exchange import named_for, pack, read_predictions, to_json


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=8),
        st.tuples(st.integers(0, 50), st.integers(0, 50), st.dictionaries(st.integers(0, 99), BOX, max_size=4)),
        max_size=4,
    )
)
def test_predictions_survive_json(tmp_path_factory, plain):
    given_plain = {k: {"span": [b, b + n], "boxes": boxes} for k, (b, n, boxes) in plain.items()}
    path = tmp_path_factory.mktemp("json") / "predictions.json"
    packed = pack(given_plain)
    for content in (to_json(packed).decode(), json.dumps(given_plain), json.dumps(given_plain, indent=3)):
        path.write_text(content, encoding="utf-8", errors="surrogatepass")
        back = read_predictions(path)
        assert back.sample.tolist() == packed.sample.tolist()
        for name in ("span", "box_offset", "box_frame", "box"):
            np.testing.assert_array_equal(getattr(back, name), getattr(packed, name))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not readable as a JSON object"),
        ("[1]", "not readable as a JSON object"),
        ('{"a": {"span": [0, 1]}', "not readable as a JSON object"),
        ('{"a": {"span": [0, 1]} "b": 1}', "not readable as a JSON object"),
        ('{"a": 3}', "sample 'a': no span"),
        ('{"a": {"span": [3]}}', "sample 'a'"),
        ('{"a": {"span": "12"}}', "sample 'a': span is not [begin, end]"),
        ('{"a": {"span": [3, 1]}}', "sample 'a': span ends before it begins"),
        ('{"a": {"span": [-1, 1]}}', "sample 'a': frame -1 is not a non-negative integer"),
        ('{"a": {"span": [0.5, 1]}}', "sample 'a': frame 0.5 is not a non-negative integer"),
        ('{"a": {"span": [0, NaN]}}', "sample 'a'"),
        ('{"a": {"span": [0, 1], "boxes": {"x": [0, 0, 1, 1]}}}', "sample 'a'"),
        (
            '{"a": {"span": [0, 1], "boxes": {"-2": [0, 0, 1, 1]}}}',
            "sample 'a': a frame is not a non-negative integer",
        ),
        ('{"a": {"span": [0, 1], "boxes": {"0": [0, 0, 1]}}}', "sample 'a': a box is not"),
        ('{"a": {"span": [0, 1], "boxes": {"0": [0, 0, 1, "x"]}}}', "sample 'a': a box is not"),
        ('{"a": {"span": [0, 1], "boxes": {"0": [0, 0, 1, Infinity]}}}', "sample 'a': a box is not"),
        ('{"a": {"span": [0, 1], "boxes": [1]}}', "sample 'a'"),
        ('{"a": {"span": [0, 1], "boxes": {"1": [0,0,1,1], "01": [0,0,1,1]}}}', "two boxes for one frame"),
        ('{"a": {"span": [0, 1]}, "a": {"span": [0, 1]}}', "sample 'a' occurs twice"),
        ('{"a": {"span": [0, 1], "span": [0, 2]}}', "the key 'span' occurs twice"),
        ('{"a": {"span": [0, 1], "boxes": {"1": [0,0,1,1], "1": [0,0,1,2]}}}', "the key '1' occurs twice"),
        ('{"a": {"span": [0, 1]}}\n{"b": {"span": [0, 1]}}', "text after the object in line 2"),
        ('{"a": {"span": [0, 1]}}}', "text after the object in line 1"),
        ('{"a": {"span": [0, 1]}} # mine', "text after the object"),
    ],
)
def test_bad_predictions_are_one_line_with_the_file(tmp_path, content, message):
    path = tmp_path / "predictions.json"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        read_predictions(path)
    assert message in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_predictions_as_json_lines(tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_text(
        '{"a": {"span": [0, 1]}, "b": {"span": [1, 2]}}\n\n{"sample": "c", "span": [2, 3], "boxes": {}}\n'
    )
    found = read_predictions(path)
    assert found.sample.tolist() == ["a", "b", "c"] and found.span.tolist() == [[0, 1], [1, 2], [2, 3]]
    for content, message in (
        ('{"a": {"span": [0, 1]}}\n{"a": {"span": [0, 2]}}', "sample 'a' occurs twice"),
        ('{"a": {"span": [0, 1]}}\n[1]', "line 2 is not an object"),
        ('{"a": {"span": [0, 1]}}\n{"b"', "line 2 is not JSON"),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match=message):
            read_predictions(path)


def test_missing_predictions_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_predictions(tmp_path / "none.json")


def test_predictions_are_named_like_the_samples_of_a_split():
    def names(given, samples):
        return named_for(pack({name: {"span": [0, 1]} for name in given}), samples, "val").sample.tolist()

    assert names(["a", "b"], ["a", "b@val"]) == ["a", "b@val"]
    assert names(["a@val", "b@test", "c"], ["a", "b"]) == ["a", "b@test", "c"]
    # None takes the place of one that has the name already.
    assert names(["a", "a@val"], ["a@val"]) == ["a", "a@val"]
