"""The report's pages say what the artifacts hold, and need no network, server or other program."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from click.testing import CliRunner

from tests.conftest import make_tubes
from tests.report.made_run import FPS, FRAMES, SENTENCES, VIDEOS, make_run, page, render, write_predictions
from vcma.__main__ import main
from vcma.pipeline import artifact, schemas, storage
from vcma.report import media
from vcma.report.names import readable_name
from vcma.report.templating import percent, score_text


class References(HTMLParser):
    """Every address and every text of a page."""

    def __init__(self):
        super().__init__()
        self.addresses, self.tags, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href") and tag != "use"]
        self.ids += [value for name, value in attrs if name == "id"]


def parsed(path: Path) -> References:
    found = References()
    found.feed(path.read_text())
    return found


def test_every_address_of_every_page_is_a_file_beside_it(rendered):
    pages = [rendered / "index.html", *(rendered / "samples").iterdir()]
    assert len(pages) == 1 + len(SENTENCES)
    for path in pages:
        found = parsed(path)
        assert len(set(found.ids)) == len(found.ids)
        for address in found.addresses:
            parts = urlsplit(address)
            assert parts.scheme in ("", "data") and not parts.netloc, address
            if parts.path and not parts.scheme:
                assert (path.parent / unquote(parts.path)).is_file(), address


def test_text_from_data_stays_text(rendered):
    for path in (rendered / "index.html", page(rendered, "plain/0")):
        text = path.read_text()
        assert "alert(" in text and "<script>alert" not in text and "{{ 7 * 7 }}" in text
        assert parsed(path).tags.count("script") == (1 if path.name == "index.html" else 3)


def test_what_is_unavailable_is_said_and_never_zero(rendered):
    text = (rendered / "index.html").read_text()
    declarative = text[text.index("declarative, protocol") : text.index("interrogative, protocol")]
    assert declarative.count("unavailable") == 2  # ours and the reference point
    assert percent(None) == "unavailable" and score_text(None) != "0.00"


def test_the_page_shows_metrics_training_ablation_and_provenance(rendered):
    text = (rendered / "index.html").read_text()
    for wanted in (
        "this run: VCMA",
        "grounded by p, scored by protocol",
        "chance",
        "Validation m_vIoU of p and q",
        "against alpha",
        "by relation",
        "beta&nbsp;=&nbsp;1.0",
    ):
        assert wanted in text
    assert 'posterior&nbsp;=&nbsp;"p"' in text
    assert "against beta" not in text  # swept at one value only


def test_methods_stand_and_are_explained_as_in_the_terminals_table(tmp_path):
    folder = make_run(tmp_path)
    ours = json.loads((folder / "scores.json").read_text())
    storage.write_json(
        folder / "reference_points.json", dict.fromkeys(("oracle", "zeta", "chance", "labels"), ours)
    )
    render(tmp_path)
    text = (folder / "report" / "index.html").read_text()
    table = text[text.index("<tbody>") : text.index("</tbody>")]
    told = CliRunner().invoke(main, ["summary", "--config", str(tmp_path / "pipeline.yaml")]).output
    for lines in (table.replace(">", " "), told[: told.index("interrogative")]):
        at = [lines.index(f" {name}") for name in ("chance", "labels", "oracle", "zeta")]
        assert at == sorted(at)
    assert "<dt>chance</dt><dd>a random tube, the whole segment</dd>" in text and "<dt>zeta" not in text
    assert "chance: a random tube, the whole segment" in told


def test_what_was_left_out_and_how_little_was_learned_from_is_said_where_the_scores_are(tmp_path):
    folder = make_run(tmp_path)
    truth = artifact.read(schemas.TRUTH, folder / "truth_test.h5")
    lost = np.array([f"lost/{i}" for i in range(7)], object)
    truth |= {"skipped": lost, "skipped_reason": np.full(7, "no such video: x", object)}
    artifact.write(schemas.TRUTH, folder / "truth_test.h5", truth, {}, {})
    render(tmp_path)
    text = (folder / "report" / "index.html").read_text()
    assert "Left out of test: 7 (7 no such video)." in text
    assert text.count("(3 of 10 samples of test are scored)") == 2  # in each table's caption
    assert "The model was trained on 4 sentences: too few training sentences for meaningful results." in text


def test_pages_are_named_so_that_people_can_read_their_addresses(rendered):
    names = {path.name for path in rendered.rglob("*") if path.is_file()}
    assert {"plain-0.html", "odd-2.html", "no-tubes-2F.js"} <= names and not [n for n in names if "%" in n]
    for path in (rendered / "index.html", page(rendered, "plain/0")):
        assert "%2" not in path.read_text().replace("no/ tubes %2F", "")


def test_times_are_those_of_presentation(tmp_path):
    folder = make_run(tmp_path, start=5.0)
    render(tmp_path)
    shown = [float(t) for t in re.findall(r"Frame at (\d+\.\d) s", (folder / "report" / "index.html").read_text())]
    assert shown and min(shown) >= 5.0 and max(shown) < 8.0
    script = json.loads((folder / "report/media/plain.js").read_text().partition("= ")[2].rstrip(";\n"))
    assert script["seconds"][:2] == pytest.approx([5.0, 5 + 1 / FPS], abs=1e-3)
    ticks = re.findall(r'<span style="left:([\d.]+)%">([\d.]+) s', page(folder / "report", "plain/1").read_text())
    assert ("0.00", "5") in ticks and [float(t) for _, t in ticks] == sorted(float(t) for _, t in ticks)


def test_a_second_run_gives_the_same_bytes_and_encodes_nothing(project, rendered, monkeypatch):
    before = {p: p.read_bytes() for p in rendered.rglob("*") if p.is_file()}
    monkeypatch.setattr(media, "_encode", lambda *_: pytest.fail("encoded again"))
    render(project)
    assert before == {p: p.read_bytes() for p in rendered.rglob("*") if p.is_file()}


def test_answers_without_a_model_are_named_so_and_what_nobody_annotated_has_no_scores(tmp_path):
    folder = make_run(tmp_path)
    write_predictions(folder, make_tubes(3, frames=FRAMES // 3), 1)
    render(tmp_path)
    text = (folder / "report" / "index.html").read_text()
    assert "this run: untrained (labels and cues)" in text and "VCMA</th>" not in text
    assert "grounded by untrained (labels and cues), scored by" in text
    history = json.loads((folder / "em_history.json").read_text())
    for row in history["rounds"]:
        row["score_p"] = row["score_q"] = float("nan")
    storage.write_json(folder / "em_history.json", history)
    (folder / "truth_test.h5").unlink()
    for name in ("scores", "reference_points"):
        storage.write_json(folder / f"{name}.json", {})
    samples = artifact.read(schemas.SAMPLES, folder / "samples.h5")
    samples["query_type"][:] = "unknown"  # as the clips of a user are indexed
    artifact.write(schemas.SAMPLES, folder / "samples.h5", samples, {"dataset": "clips"}, {})
    render(tmp_path)
    text = (folder / "report" / "index.html").read_text()
    assert "<option>declarative</option>" in text  # read off the sentence
    assert "there are no annotations, so nothing is scored." in text and "Validation m_vIoU" not in text
    for absent in ("vIoU", "tIoU", "best first", ">unknown<", "the truth", "Score at least", "No metrics"):
        assert absent not in text, absent
    assert "evenly spaced from the most to the least probable answer" in text and ">probability 0.25<" in text
    sample = page(folder / "report", "plain/1").read_text()
    assert "vIoU" not in sample and "To the truth" not in sample and "probability 0.25" in sample
    assert "There are no validation annotations, hence no scores." in text and "ELBO from" in text


def test_a_film_shows_every_wanted_frame_of_the_original_or_else_the_stored_ones(rendered):
    def shown(stem):
        return json.loads((rendered / "media" / f"{stem}.js").read_text().partition("= ")[2].rstrip(";\n"))

    assert shown("plain")["frame"] == list(range(FRAMES)) and shown("plain")["rate"] == FPS
    stored = shown(readable_name(VIDEOS[1]))
    assert stored["frame"] == list(range(0, FRAMES, 3)) and stored["rate"] == pytest.approx(FPS / 3)
    assert shown("lost")["frame"] == [] and shown("lost")["tubes"] == []


def test_an_unused_film_leaves_the_cache(project):
    cache = project / "artifacts" / "clips" / ".ledger" / "render_report"
    (cache / "old.webm").write_bytes(b"")
    render(project)
    assert len(list(cache.glob("*.webm"))) == 2 and not (cache / "old.webm").exists()
