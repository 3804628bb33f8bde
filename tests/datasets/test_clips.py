"""The reader of your own videos: tables of videos and sentences, without any truth."""

import pytest

from tests.datasets.examples import lay_out_clips, read, reasons
from tests.video.videos import IRREGULAR, write
from vcma.datasets.formats import annotated_truth
from vcma.errors import InputError


def test_clips_of_a_table(tmp_path):
    content = 'video,sentence\na.mp4,a dog runs\nin/b c.mp4,"a man, who sits"\n'
    block = lay_out_clips(tmp_path, "clips.csv", content, ("a.mp4", "in/b c.mp4"))
    index = read(tmp_path, block, tmp_path)
    samples = index.samples
    assert samples["sample"].tolist() == ["a.mp4/2", "in/b c.mp4/3"]
    assert samples["sentence"].tolist() == ["a dog runs", "a man, who sits"]
    assert samples["video"].tolist() == ["a.mp4", "in/b c.mp4"] == samples["video_path"].tolist()
    assert samples["segment_end"].tolist() == [-1, -1] and set(samples["query_type"]) == {"unknown"}
    assert all(len(truth["sample"]) == 0 for truth in index.truths.values())


def test_a_clip_is_searched_to_its_last_frame(tmp_path):
    """Of Matroska's irregular frames too, whose number its header only lets one guess."""
    block = lay_out_clips(tmp_path, "clips.csv", "video,sentence\na.mkv,x\na.mkv,y\nb.mp4,x\n", ("b.mp4",))
    write(tmp_path / "clips" / "a.mkv", times=IRREGULAR)
    samples = read(tmp_path, block, tmp_path).samples
    assert samples["segment_begin"].tolist() == [0, 0, 0] and samples["segment_end"].tolist() == [60, 60, -1]
    assert samples["video_frames"].tolist() == [0, 0]  # nothing is annotated
    assert len(annotated_truth(tmp_path, block, tmp_path, "test")["sample"]) == 0


def test_clips_of_json_lines(tmp_path):
    lines = ['{"video": "a.mp4", "sentence": "a dog"}', "", '{"video": "a.mp4", "sentence": 3}', "7"]
    block = lay_out_clips(tmp_path, "clips.jsonl", "\n".join(lines))
    index = read(tmp_path, block, tmp_path)
    assert index.samples["sample"].tolist() == ["a.mp4/1"]
    assert set(reasons(index)) == {"clips.jsonl#3", "clips.jsonl#4"}


def test_a_spreadsheets_csv_is_read(tmp_path):
    content = b"\xef\xbb\xbfvideo,sentence,comment\r\na.mp4,ein Hund l\xc3\xa4uft,x\r\na.mp4\r\n"
    index = read(tmp_path, lay_out_clips(tmp_path, "clips.csv", content), tmp_path)
    assert index.samples["sentence"].tolist() == ["ein Hund läuft"] and set(reasons(index)) == {"clips.csv#3"}


def test_clips_never_leave_their_folder(tmp_path):
    content = f"video,sentence\na.mp4,x\n../secret.mp4,x\n{tmp_path}/secret.mp4,x\nnone.mp4,x\n,x\n"
    block = lay_out_clips(tmp_path, "clips.csv", content)
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    index = read(tmp_path, block, tmp_path)
    assert index.samples["video"].tolist() == ["a.mp4"]
    found = [reason.split(":")[0] for reason in reasons(index).values()]
    assert found == [
        "video outside its folder",
        "video outside its folder",
        "video missing",
        "video outside its folder",
    ]


def test_a_sentence_that_a_comma_cuts_is_told_and_rows_of_commas_are_none(tmp_path):
    content = "video,sentence\na.mp4,The man, who walks\n,\n , ,,\na.mp4,a dog,\na.mp4,a cat\n"
    index = read(tmp_path, lay_out_clips(tmp_path, "clips.csv", content), tmp_path)
    assert index.samples["sentence"].tolist() == ["a dog", "a cat"]
    assert index.samples["sample"].tolist() == ["a.mp4/5", "a.mp4/6"]
    ((where, why),) = reasons(index).items()
    assert where == "clips.csv#2" and "line 2 has 1 more fields than the header, from 'who walks'" in why


def test_lines_are_those_an_editor_numbers(tmp_path):
    sentences = ["a man\u2028sits", "a dog\x85 runs", "a cat\x0c jumps\x1c"]
    content = "\r\n".join(["video,sentence", *(f"a.mp4,{s}" for s in sentences)])
    index = read(tmp_path, lay_out_clips(tmp_path, "clips.csv", content), tmp_path)
    assert index.samples["sentence"].tolist() == sentences
    assert index.samples["sample"].tolist() == ["a.mp4/2", "a.mp4/3", "a.mp4/4"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("clips.csv", "file,text\na,b\n", "has no columns 'video' and 'sentence'"),
        ("clips.csv", "", "has no columns 'video' and 'sentence'"),
        ("clips.csv", b"video,sentence\n\xff\xfe,b\n", "not readable as UTF-8"),
        ("clips.csv", "video,sentence,sentence\na,b,c\n", "has two columns 'sentence'"),
        ("clips.csv", 'video,sentence\na.mp4,x\na.mp4,"The man\na.mp4,a dog\n', "line 3 is not valid CSV"),
        ("clips.csv", 'video,sentence\na.mp4,"The man\na.mp4,"a dog"\n', "line 2 is not valid CSV"),
        ("clips.csv", 'video,sentence\na.mp4,"The man\r\nwalks"\n', "a quoted field spans lines 2 to 3"),
        (
            "clips.csv",
            'video,sentence\na.mp4,"one\na.mp4,two\na.mp4,three"\n',
            "a quoted field spans lines 2 to 4",
        ),
        ("clips.csv", "video,sentence\na.mp4,The man\rwalks\n", "line 2 is not valid CSV"),
        ("clips.jsonl", '{"video": "a"\n', "line 1 is not JSON"),
        (
            "clips.jsonl",
            '{"video": "a", "video": "b", "sentence": "x"}\n',
            "line 1 is not JSON .*'video' occurs twice",
        ),
        (
            "clips.jsonl",
            '\n{"video": "a", "sentence": "x"} {"video": "b"}\n',
            "line 2 is not JSON .*something follows",
        ),
    ],
)
def test_a_table_that_is_none(tmp_path, name, content, message):
    block = lay_out_clips(tmp_path, name, content)
    with pytest.raises(InputError, match=message):
        read(tmp_path, block, tmp_path)
