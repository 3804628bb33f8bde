"""A folder of clips grounded by a table of sentences: all answers once, nothing twice, nobody's files touched."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import vcma
from tests.conftest import ROOT
from tests.faults.workshop import draw_video, tiny_network
from tests.text.encoders import save_encoder
from vcma.commands import ground_folder
from vcma.commands.ground import ground_command

ROWS = (
    ("a.mp4", "a person walks next to a dog"),
    ("inner/b.mp4", "who follows the <b>red</b> ball?"),
    ("a.mp4", 'the dog, it says, "runs" away'),
    ("c", "a ball lies in front of the dog"),
)


@pytest.fixture
def project(tmp_path) -> Path:
    """A project with a folder `my clips` of three videos, one of them below, and a table of sentences."""
    config = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    block = {"format": "clips", "videos": "data/clips", "splits": {"test": "clips.csv"}}
    config |= {"dataset": "clips", "datasets": {"clips": block | {"detector": tiny_network(tmp_path)}}}
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(config))
    for i, name in enumerate(("a.mp4", "inner/b.mp4", "c.mp4")):
        draw_video(tmp_path / "my clips" / name, i)
    write_table(tmp_path / "table.csv", ROWS)
    return tmp_path


def write_table(path: Path, rows) -> None:
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("video", "sentence"), *rows])


def arguments(project: Path, *words: str, table: str = "table.csv", jobs: int = 1) -> list[str]:
    options = ["--untrained", "--config", project / "pipeline.yaml", "--out", project / "out", "--jobs", jobs]
    options += ["--queries", project / table] if table else []
    return list(map(str, [project / "my clips", *options, *words]))


def ground(project: Path, *words: str, code: int = 0, **options) -> str:
    done = CliRunner().invoke(ground_command, arguments(project, *words, **options))
    assert done.exit_code == code, done.output + repr(done.exception)
    return done.output


def answers(project: Path) -> dict:
    return json.loads((project / "out" / "predictions.json").read_text())


def snapshot(folder: Path, suffix: str) -> dict[str, tuple[int, int]]:
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.stat().st_ino) for p in folder.rglob(f"*{suffix}")}


class Links(HTMLParser):
    def __init__(self, page: Path):
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href") and value[:1] not in "#d"]


def test_every_row_is_answered_in_a_table_and_on_a_page(project):
    told = ground(project, jobs=2)
    assert "ground: 3 videos, 4 sentences -> " in told and "index.html" in told
    found = answers(project)
    assert list(found) == ["a.mp4/2", "a.mp4/4", "inner/b.mp4/3", "c/5"]
    assert [found[sample]["sentence"] for sample in ("a.mp4/2", "a.mp4/4")] == [ROWS[0][1], ROWS[2][1]]
    with open(project / "out" / "answers.csv", newline="") as file:
        table = list(csv.DictReader(file))
    for row, (sample, answer) in zip(table, found.items(), strict=True):
        assert (row["sample"], row["sentence"], row["video"]) == (sample, answer["sentence"], answer["video"])
        assert [int(row["begin"]), int(row["end"])] == answer["span"] and row["class"] == answer["class"]
        assert [float(row["begin_seconds"]), float(row["end_seconds"])] == answer["seconds"]
        assert float(row["probability"]) == answer["tube_probability"]
        assert (project / "out" / row["film"]).is_file()
    links = Links(project / "out" / "index.html").found
    assert {answer["film"] for answer in found.values()} < set(links)
    assert all((project / "out" / link).exists() for link in links)
    page = (project / "out" / "index.html").read_text()
    assert "who follows the &lt;b&gt;red&lt;/b&gt; ball?" in page and "<b>red" not in page
    assert not list((project / "my clips").rglob("*.h5")) and not (project / "artifacts").exists()


def test_one_clip_of_it_has_the_answers_that_it_has_alone(project):
    ground(project)
    together = answers(project)["a.mp4/2"]
    words = [project / "my clips" / "a.mp4", "--untrained", "--query", ROWS[0][1], "--out", project / "alone"]
    config = ["--config", str(project / "pipeline.yaml")]
    done = CliRunner().invoke(ground_command, [*map(str, words), *config])
    assert done.exit_code == 0, done.output
    alone = json.loads((project / "alone" / "predictions.json").read_text())[ROWS[0][1]]
    for value in (alone, together):
        for key in ("video", "film", "sentence"):
            value.pop(key, None)
    assert alone == together


def test_a_second_run_does_what_is_new_alone(project):
    ground(project)
    out = project / "out"
    before, tubes, films = (snapshot(out, suffix) for suffix in (".json", ".h5", ".mp4"))
    told = ground(project)
    assert "3 videos, 4 sentences" in told
    assert snapshot(out, ".h5") == tubes and snapshot(out, ".mp4") == films
    assert {name for name, at in snapshot(out, ".json").items() if at != before[name]} == {"predictions.json"}
    # Another sentence for one clip: its tubes stay, and so do the films of the others.
    write_table(project / "table.csv", [*ROWS[:3], ("c", "a person")])
    ground(project)
    changed = {name for name, at in snapshot(out, ".mp4").items() if at != films[name]}
    assert changed == {"films/c.mp4-00.mp4"} and snapshot(out, ".h5") == tubes
    assert answers(project)["c/5"]["sentence"] == "a person"
    # A lost film, and a video that is another one now.
    (out / "films" / "c.mp4-00.mp4").unlink()
    draw_video(project / "my clips" / "a.mp4", 7)
    os.utime(project / "my clips" / "a.mp4", (1, 1))
    ground(project)
    assert (out / "films" / "c.mp4-00.mp4").is_file()
    assert {name for name, at in snapshot(out, ".h5").items() if at != tubes[name]} == {".vcma/tubes/a.mp4.h5"}


def test_tubes_are_embedded_once_and_anew_by_another_encoder(project):
    def use(encoder: Path | None) -> None:
        config = yaml.safe_load((project / "pipeline.yaml").read_text())
        config["datasets"]["clips"]["encoder"] = encoder and str(encoder)
        (project / "pipeline.yaml").write_text(yaml.safe_dump(config))

    write_table(project / "table.csv", ROWS[:1])
    ground(project)
    without, out = answers(project), project / "out"
    tubes = snapshot(out / ".vcma" / "tubes", ".h5")
    use(save_encoder(project / "clip"))
    ground(project)
    embeddings = snapshot(out / ".vcma" / "embeddings", ".h5")
    assert embeddings.keys() == tubes.keys() and snapshot(out / ".vcma" / "tubes", ".h5") == tubes
    found = answers(project)
    assert any(found[sample]["tube_probability"] != without[sample]["tube_probability"] for sample in found)
    video = project / "my clips" / "a.mp4"
    alone = vcma.load(config=project / "pipeline.yaml", untrained=True).ground(video, ROWS[0][1])[0].to_json()
    assert alone == {key: value for key, value in found["a.mp4/2"].items() if key in alone}
    films = snapshot(out, ".mp4")
    ground(project)
    assert snapshot(out / ".vcma" / "embeddings", ".h5") == embeddings and snapshot(out, ".mp4") == films
    use(save_encoder(project / "other", seed=1))
    ground(project)
    assert not snapshot(out / ".vcma" / "embeddings", ".h5").items() & embeddings.items()
    assert snapshot(out / ".vcma" / "tubes", ".h5") == tubes


def test_films_of_earlier_runs_go_and_other_files_stay(project):
    ground(project)
    films = project / "out" / "films"
    (films / "mine.mp4").write_bytes(b"years of work")
    (films / "a.mp4-07.mp4").write_bytes(b"mine, too")
    write_table(project / "table.csv", [ROWS[0]])
    ground(project)
    assert {path.name for path in films.iterdir()} == {"a.mp4-00.mp4", "a.mp4-07.mp4", "mine.mp4"}
    assert list(answers(project)) == ["a.mp4/2"]
    # Nor does one that an edited note names.
    note = project / "out" / ".vcma" / "answers" / "a.mp4.json"
    value = json.loads(note.read_text())
    value["answers"]["a.mp4/2"]["film"] = "../table.csv"
    note.write_text(json.dumps(value))
    ground(project)
    assert (project / "table.csv").exists() and answers(project)["a.mp4/2"]["film"] == "films/a.mp4-00.mp4"


def test_what_cannot_be_used_is_told_on_the_page_too(project):
    (project / "my clips" / "a.mp4").write_bytes(b"no video at all")
    shutil.copy(project / "my clips" / "c.mp4", project / "out.mp4")
    rows = [*ROWS, ("none.mp4", "who?"), ("../out.mp4", "who?"), ("c", " ")]
    write_table(project / "table.csv", rows)
    told = ground(project)
    assert "ground: 2 videos, 2 sentences, 4 skipped" in told
    page = (project / "out" / "index.html").read_text()
    for what in ("none.mp4/6", "table.csv#7", "c/8", "a.mp4"):
        assert f"skipped {what}: " in told and f"<b>{what}</b>: " in page
    assert list(answers(project)) == ["inner/b.mp4/3", "c/5"]


def test_a_sentence_without_a_table_is_looked_for_in_every_clip(project):
    told = ground(project, "--query", "a dog", "--query", "a ball", table="")
    assert "3 videos, 6 sentences" in told
    assert list(answers(project)) == [f"{v}/{i}" for v in ("a.mp4", "c.mp4", "inner/b.mp4") for i in (0, 1)]
    # A name that is no text cannot be told in a table.
    odd = os.path.join(os.fsencode(project / "my clips"), b"\xff.mp4")  # noqa: PTH118
    shutil.copy(project / "my clips" / "a.mp4", odd)
    assert "skipped ?.mp4: its name is not valid UTF-8" in ground(project, "--query", "a dog", table="")
    os.remove(odd)  # noqa: PTH107
    # The films of this run are no clips of the next one, wherever they are.
    (project / "my clips" / "grounded").mkdir()
    words = [*arguments(project, "--query", "a dog", table=""), "--out", str(project / "my clips")]
    for _ in range(2):
        done = CliRunner().invoke(ground_command, words)
        assert "3 videos, 3 sentences" in done.output, done.output


@pytest.mark.parametrize(
    ("table", "words", "code", "told"),
    [
        ("", (), 2, "give --query TEXT or --queries FILE"),
        ("none.csv", (), 1, "none.csv: no such file; name a CSV file that begins with the line video,sentence"),
        ("lines.txt", (), 1, "has no columns 'video' and 'sentence'; start it with the line"),
        ("empty.csv", (), 1, "nothing to ground; name videos of the folder, with a sentence each"),
        ("missing.csv", (), 1, "nothing to ground"),
        ("table.csv", ("--model", "none"), 2, "--untrained cannot be combined with --model"),
    ],
)
def test_what_cannot_be_begun_is_told_and_leaves_nothing(project, table, words, code, told):
    (project / "lines.txt").write_text("a dog\na ball\n")
    write_table(project / "empty.csv", [])
    write_table(project / "missing.csv", [("none.mp4", "who?")])
    done = CliRunner().invoke(ground_command, arguments(project, *words, table=table))
    assert done.exit_code == code and told in done.output, done.output
    assert not (project / "out").exists()


def test_the_table_of_a_folder_is_not_taken_for_sentences_of_one_clip(project):
    words = arguments(project)
    done = CliRunner().invoke(ground_command, [str(project / "my clips" / "a.mp4"), *words[1:]])
    assert done.exit_code == 1 and "is a table of several videos; give their folder" in done.output


def test_nothing_but_bad_videos_is_an_error(project):
    for path in (project / "my clips").rglob("*.mp4"):
        path.write_bytes(b"no video at all")
    assert "none of 3 videos could be used" in ground(project, code=1)


def test_a_killed_run_goes_on_where_it_was(project):
    command = [sys.executable, "-m", "vcma", "ground", *arguments(project)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    tubes = project / "out" / ".vcma" / "tubes"
    try:
        while process.poll() is None and not list(tubes.glob("[!.]*.h5")):
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = snapshot(tubes, ".h5")
    assert before and not (project / "out" / "index.html").exists()
    noted = (project / "out" / ".vcma" / ".ledger" / "ground.jsonl").read_text().count("\n")
    assert "3 videos, 4 sentences" in ground(project)
    after = snapshot(tubes, ".h5")
    assert sum(after[name] == at for name, at in before.items()) >= noted
    assert not list((project / "out").rglob("*.partial"))


def test_of_two_runs_at_once_the_second_is_told(project, monkeypatch):
    inside = []

    def second(*_):
        inside.append(CliRunner().invoke(ground_command, arguments(project)))
        raise KeyboardInterrupt

    monkeypatch.setattr(ground_folder, "_answer_all", second)
    ground(project, code=130)
    assert inside[0].exit_code == 1 and "another run of ground is in progress" in inside[0].output
