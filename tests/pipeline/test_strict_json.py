"""JSON of other programs: nothing is lost without a word, and JSON Lines is read where it is plainly that."""

import json

import pytest

from tests.datasets.examples import FILES, lay_out, lay_out_hcstvg, read, record, tube
from vcma.errors import InputError
from vcma.pipeline import storage, strict_json
from vcma.pipeline.ledger import Ledger


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' occurs twice"),
        ('{"a": 1}\n{"b": 2}\n', "something follows the value, in line 2"),
        ("[1, 2]]", "something follows the value, in line 1"),
        ("[1, 2] trailing", "something follows the value"),
        ("[1]\n[2]", "something follows the value, in line 2"),
        ("", "Expecting value"),
    ],
)
def test_what_would_be_lost_is_an_error(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        strict_json.loads(content)
    for top_level in dict, list:
        with pytest.raises(ValueError, match=message):
            if top_level is dict or not content.startswith('{"a": 1}'):  # else it is plainly JSON Lines
                strict_json.load_as(top_level, path)
            else:
                strict_json.loads(content)
    with pytest.raises(InputError, match=message):
        storage.read_json(path, "mend it")


@pytest.mark.parametrize(
    ("name", "content", "top_level", "value"),
    [
        ("a.json", '{"vid": 1}\n\n{"vid": 2}\r\n', list, [{"vid": 1}, {"vid": 2}]),
        ("a.json", '"x"\n"y"\n', list, ["x", "y"]),
        ("a.jsonl", '{"vid": 1}', list, [{"vid": 1}]),
        ("a.ndjson", '\ufeff{"x": 1}\n{"y": 2, "z": 3}\n', dict, {"x": 1, "y": 2, "z": 3}),
        ("a.json", '\ufeff{"x": "\u2028"}', dict, {"x": "\u2028"}),
    ],
)
def test_json_lines(tmp_path, name, content, top_level, value):
    (tmp_path / name).write_text(content, "utf-8")
    assert strict_json.load_as(top_level, tmp_path / name) == value


@pytest.mark.parametrize(
    ("content", "message"),
    [('{"x": 1}\n{"x": 2}\n', "'x' occurs twice"), ('{"x": 1}\n{"y"\n', "line 2 is not JSON")],
)
def test_lines_are_strict_too(tmp_path, content, message):
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(ValueError, match=message):
        strict_json.load_as(dict, tmp_path / "a.jsonl")


def test_annotations_and_id_lists_are_read_strictly(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record("1"), record("2")]})
    block["files"] = {"test": "ids.json"}
    (data / "ids.json").write_text('"1"\n"2"\n')
    (data / FILES["test"]).write_text("\n".join(json.dumps(record(v)) for v in "12"))
    assert read(data, block, tmp_path).samples["video"].tolist() == ["1", "2"]
    for file, content, message in (
        ("ids.json", '["1"]\n["2"]', "something follows the value, in line 2"),
        (FILES["test"], json.dumps([record("1")]) + "]", "something follows the value"),
        (FILES["test"], json.dumps([record("1")]).replace('"fps"', '"vid": "3", "fps"'), "'vid' occurs twice"),
        ("skip.json", '{"1": "a", "1": "b"}', "the key '1' occurs twice"),
    ):
        before = (data / file).read_text() if (data / file).exists() else "{}"
        (data / file).write_text(content)
        with pytest.raises(InputError, match=message) as error:
            read(data, block, tmp_path)
        assert file in str(error.value)
        (data / file).write_text(before)


def test_a_video_that_is_annotated_twice_is_told(tmp_path):
    block = lay_out_hcstvg(tmp_path, {"test": {"1_a.mp4": tube()}})
    one = json.dumps({"1_a.mp4": tube()})
    (tmp_path / "test.json").write_text(one[:-1] + ", " + one[1:])
    with pytest.raises(InputError, match=r"the key '1_a\.mp4' occurs twice"):
        read(tmp_path, block, tmp_path)


def test_lines_of_text_end_at_newlines_alone(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffa\u2028b\r\nc\x85\x0b\n\nd\x0c\x1ee\rf".encode())
    assert storage.text_lines(tmp_path / "a.txt") == ["a\u2028b", "c\x85\x0b", "", "d\x0c\x1ee\rf"]
    (tmp_path / "a.txt").write_bytes(b"")
    assert storage.text_lines(tmp_path / "a.txt") == []


def test_a_ledger_keeps_videos_of_strange_names(tmp_path):
    entry = {"key": "k", "counts": {}, "size": 1, "modified": 1, "sha256": "s"}
    with Ledger(tmp_path / "l.jsonl") as ledger:
        ledger.add("a\u2028b\x85c\r", entry)
    with Ledger(tmp_path / "l.jsonl") as ledger:
        assert ledger.entry("a\u2028b\x85c\r") == entry
