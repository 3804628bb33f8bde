"""The report: what it says is what the artifacts hold, and it works in a real browser."""

import json
import os
import re
import shutil
import sys
import time
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT, make_tubes
from vcma.commands import show
from vcma.errors import InputError
from vcma.evaluation.metrics import evaluate
from vcma.pipeline import artifact, schemas, storage
from vcma.records.answer import Answer, Prediction, prediction_columns
from vcma.records.columns import offsets
from vcma.records.query import Entity, Query, Relation, query_columns
from vcma.records.tubes import Tubes
from vcma.report import cases, media, pages
from vcma.report.cases import KINDS, Truth, diagnose, marked

sys.path.insert(0, str(ROOT / "stages"))

FRAMES, FPS = 36, 12.0
VIDEOS = ("plain", "no/ tubes %2F", "lost")  # usual; an odd name and no tubes; no video file and no frames
EVIL = "the <script>alert('dog')</script> & \"child\" chases {{ 7 * 7 }} a ball"


def draw(frame: int) -> np.ndarray:
    """A picture of the generated video, whose bright bar says which frame it is."""
    picture = np.full((240, 320, 3), 60, np.uint8)
    picture[:, 8 * frame : 8 * frame + 8] = 230
    return picture


def make_query(text: str, words: tuple[str, ...], relations: tuple[Relation, ...]) -> Query:
    entities = tuple(
        Entity(w, w.split()[-1], (), "singular", (text.index(w), text.index(w) + len(w))) for w in words
    )
    return Query(text, "declarative", entities, relations, 0)


SENTENCES = {
    "plain/0": (
        "plain",
        make_query(EVIL, ("the", "child", "a ball"), (Relation(0, "run", None), Relation(0, "chase", 1))),
    ),
    "plain/1": (
        "plain",
        make_query("a dog is above a red ball", ("a dog", "a red ball"), (Relation(0, "above", 1),)),
    ),
    "odd/2": ("no/ tubes %2F", make_query("who runs", ("who",), (Relation(0, "run", None),))),
    "lost/3": ("lost", make_query("a dog", ("a dog",), ())),
}


def write_frames(path: Path, frame: np.ndarray) -> None:
    import cv2

    files = [cv2.imencode(".jpg", draw(int(f)))[1].ravel() for f in frame]
    columns = {
        "frame": frame,
        "time": frame / FPS,
        "jpeg_offset": offsets(map(len, files)),
        "jpeg": np.concatenate(files),
        "width": np.int64(320),
        "height": np.int64(240),
        "fps": np.float64(FPS),
        "frame_count": np.int64(FRAMES),
    }
    artifact.write(schemas.FRAMES, path, columns, {"rate": 4}, {})


def write_mp4(path: Path) -> None:
    import av

    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=int(FPS), options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for frame in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(draw(frame), format="bgr24")))
        container.mux(stream.encode())


def write_samples(folder: Path) -> None:
    column = schemas.empty(schemas.SAMPLES)
    n, V = len(SENTENCES), len(VIDEOS)
    text = partial(np.array, dtype=object)
    column |= {
        "video": text(VIDEOS),
        "video_path": text([f"{i}.mp4" for i in range(V)]),
        "video_fps": np.full(V, FPS),
        **{f"video_{key}": np.zeros(V, np.int64) for key in ("frames", "width", "height", "bytes", "modified")},
        "sample": text(list(SENTENCES)),
        "sample_video": np.array([VIDEOS.index(v) for v, _ in SENTENCES.values()], np.int64),
        "split": text(["test"] * n),
        "sentence": text([q.text for _, q in SENTENCES.values()]),
        "query_type": text(["declarative", "declarative", "interrogative", "declarative"]),
        "segment_begin": np.zeros(n, np.int64),
        "segment_end": np.full(n, FRAMES, np.int64),
    }
    artifact.write(schemas.SAMPLES, folder / "samples.h5", column, {"dataset": "clips"}, {})
    columns = {"sample": column["sample"], **query_columns([q for _, q in SENTENCES.values()])}
    artifact.write(schemas.QUERIES, folder / "queries.h5", columns, {"model": "auto"}, {})


def write_truth(folder: Path, tubes: Tubes) -> None:
    """The truth of all but the last sentence: tube 1 of the first video over frames 9 to 24."""
    column = schemas.empty(schemas.TRUTH, format="vidstg")
    frame = np.arange(9, 24)
    box = tubes.boxes_at(1, frame).astype(np.float32)
    known = list(SENTENCES)[:3]
    n = len(known)
    text = partial(np.array, dtype=object)
    column |= {
        "sample": text(known),
        "video": text([SENTENCES[s][0] for s in known]),
        "query_type": text(["declarative", "declarative", "interrogative"]),
        **{name: np.full(n, value, np.int64) for name, value in {"span_begin": 9, "span_end": 24}.items()},
        "segment_begin": np.zeros(n, np.int64),
        "segment_end": np.full(n, FRAMES, np.int64),
        "frame_count": np.full(n, FRAMES, np.int64),
        "fps": np.full(n, FPS),
        "target_id": np.zeros(n, np.int64),
        "category": text(["dog"] * n),
        "predicate": text(["chase", "above", "run"]),
        "distractors": np.arange(n, dtype=np.int64),
        "box_offset": offsets([len(frame)] * n),
        "box_frame": np.tile(frame, n),
        "box": np.tile(box, (n, 1)),
    }
    artifact.write(schemas.TRUTH, folder / "truth_test.h5", column, {}, {})


def write_predictions(folder: Path, tubes: dict, tube: int, **inputs: str) -> None:
    frame, N = tubes["frame"], len(tubes["tube_score"])
    found = []
    for sample, (video, told) in SENTENCES.items():
        M, seen = len(told.entities), video == "plain"
        shape = len(told.relations), len(frame) * seen
        evidence = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape) / 10
        found.append(
            Prediction(
                answer=Answer(sample, tube if seen else -1, 10, 25),
                video=video,
                flags=() if seen else ("no_tube",),
                target=0,
                entity_tube=np.array([tube, *range(2, 1 + M)] if seen else [-1] * M, np.int64),
                candidate=np.arange(N if seen else 0),
                posterior=np.full((M, N if seen else 0), 1 / N, np.float32),
                moment=frame if seen else frame[:0],
                moment_prob=np.linspace(0, 1, len(frame) if seen else 0, dtype=np.float32),
                evidence=evidence,
            )
        )
    params = {"split": "test", "posterior": "p"}
    artifact.write(schemas.PREDICTIONS, folder / "predictions.h5", prediction_columns(found), params, inputs)


def write_results(folder: Path) -> None:
    truth = artifact.read(schemas.TRUTH, folder / "truth_test.h5")
    ours = evaluate(truth, cases.answers(folder)[1], "stcat")
    ours["declarative"]["vIoU@0.5"] = {"value": None, "low": None, "high": None}
    storage.write_json(folder / "metrics.json", {"stcat": ours})
    storage.write_json(folder / "reference_points.json", {"chance": {"stcat": ours}})
    rounds = [
        {
            "round": k,
            "score_p": 0.1 * k,
            "score_q": None,
            "elbo": -k,
            "contrast": 1,
            "none": 1,
            "kl": 0,
            "best": k < 2,
        }
        for k in (0, 1, 2)
    ]
    storage.write_json(folder / "model" / "model.json", {"settings": {"beta": 1.0}})
    storage.write_json(folder / "em_history.json", {"score": "m_vIoU", "rounds": rounds})


def make_run(root: Path, tube: int = 1) -> Path:
    """A project whose first video is answered by `tube`; returns its artifacts."""
    folder = root / "artifacts" / "clips"
    config = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    config |= {"dataset": "clips", "datasets": {"clips": {"format": "clips", "videos": "videos"}}}
    root.mkdir(parents=True, exist_ok=True)
    (root / "pipeline.yaml").write_text(yaml.safe_dump(config))
    write_mp4(root / "videos" / "0.mp4")
    tubes = make_tubes(3, frames=FRAMES // 3)
    artifact.write(schemas.TUBES, folder / "tubes" / "plain.h5", tubes, {"alpha": 0.5}, {})
    for video in VIDEOS[:2]:
        write_frames(folder / "frames" / f"{cases.file_stem(video)}.h5", tubes["frame"])
    write_samples(folder)
    write_truth(folder, Tubes.of(tubes))
    write_predictions(folder, tubes, tube, model="1234")
    write_results(folder)
    return folder


def render(project: Path, *options: str) -> str:
    """Run the stage; returns what it says. A failure of any kind fails the test."""
    from render_report import render_report

    result = CliRunner().invoke(
        render_report, ["--config", str(project / "pipeline.yaml"), "--jobs", "1", *options]
    )
    assert result.exit_code == 0, result.output + str(result.exception)
    return result.output


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("project")
    make_run(root)
    (root / "results" / "clips").mkdir(parents=True)
    lines = [f"em,{a},1,0,test,declarative,.3,{a / 10},.2,.1" for a in (0, 0.5, 1)]
    header = "variant,alpha,beta,seed,split,query_type,m_tIoU,m_vIoU,vIoU@0.3,vIoU@0.5"
    (root / "results" / "clips" / "ablation.csv").write_text("\n".join([header, *lines]) + "\n")
    said = render(root)
    assert "4 samples, 1 videos without pictures" in said and "no picture of video lost" in said
    return root


@pytest.fixture(scope="module")
def rendered(project) -> Path:
    return project / "artifacts" / "clips" / "report"


def page(rendered: Path, sample: str) -> Path:
    return rendered / "samples" / f"{cases.file_stem(sample)}.html"


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
    assert pages.percent(None) == "unavailable" and pages.score_text(None) != "0.00"


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
    for name in ("metrics", "reference_points"):
        storage.write_json(folder / f"{name}.json", {})
    render(tmp_path)
    text = (folder / "report" / "index.html").read_text()
    assert "nothing is annotated, so nothing is scored." in text and "Validation m_vIoU" not in text
    assert "Nothing is annotated for validation, so no score can be drawn." in text and "ELBO from" in text


def test_a_film_shows_every_wanted_frame_of_the_original_or_else_the_stored_ones(rendered):
    def shown(stem):
        return json.loads((rendered / "media" / f"{stem}.js").read_text().partition("= ")[2].rstrip(";\n"))

    assert shown("plain")["frame"] == list(range(FRAMES)) and shown("plain")["rate"] == FPS
    stored = shown(cases.file_stem(VIDEOS[1]))
    assert stored["frame"] == list(range(0, FRAMES, 3)) and stored["rate"] == pytest.approx(FPS / 3)
    assert shown("lost")["frame"] == [] and shown("lost")["tubes"] == []


def test_an_unused_film_leaves_the_cache(project):
    cache = project / "artifacts" / "clips" / ".ledger" / "render_report"
    (cache / "old.webm").write_bytes(b"")
    render(project)
    assert len(list(cache.glob("*.webm"))) == 2 and not (cache / "old.webm").exists()


def test_scores_are_those_of_the_metrics(project):
    folder = project / "artifacts" / "clips"
    found = cases.load(folder)
    metrics = json.loads((folder / "metrics.json").read_text())["stcat"]
    mine = [c for c in found.cases if c.query_type == "declarative" and c.truth]
    assert np.mean([c.viou for c in mine]) == pytest.approx(metrics["declarative"]["m_vIoU"]["value"])
    assert np.mean([c.tiou for c in mine]) == pytest.approx(metrics["declarative"]["m_tIoU"]["value"])
    assert [c.kind for c in found.cases] == ["found", "found", "missed detection", "unknown"]


def test_evidence_finds_its_relation_though_pairs_come_first(project):
    case = cases.load(project / "artifacts" / "clips").cases[0]
    T = len(case.moment)
    np.testing.assert_allclose(case.evidence[1], np.arange(T) / 10, rtol=1e-6)  # the pair, told second
    np.testing.assert_allclose(case.evidence[0], np.arange(T, 2 * T) / 10, rtol=1e-6)  # the action, told first


def test_every_failure_has_its_name():
    tubes = Tubes.of(make_tubes(1, gaps=False))
    frame = np.arange(30)
    box = tubes.boxes_at(0, frame)
    truth = Truth((0, 30), frame, box, "dog", "run", 1)
    nowhere = replace(truth, box=box + 1000)
    said = [
        diagnose(truth, tubes, 0, 0.9, 0.9),
        diagnose(truth, tubes, 0, 0.1, 0.1),
        diagnose(truth, tubes, 3, 0.9, 0.0),
        diagnose(truth, tubes, 3, 0.1, 0.0),
        diagnose(nowhere, tubes, 0, 0.9, 0.0),
        diagnose(None, tubes, 0, None, None),
    ]
    assert said == list(KINDS)
    nothing = cases.tubes_reader(Path("nowhere"))("none")
    assert diagnose(truth, nothing, -1, 0.9, 0.0) == "missed detection"
    assert diagnose(truth, tubes, 0, 0.9, None) == "found" and diagnose(truth, tubes, 0, 0.1, None) == "wrong time"


def test_a_run_against_itself_gains_and_loses_nothing(project):
    found = cases.load(project / "artifacts" / "clips")
    same = cases.against(found, project / "artifacts" / "clips")
    assert not same.gained and not same.lost and set(same.difference.values()) == {0.0}


def test_against_another_run_shows_what_was_gained(project, tmp_path, rendered):
    other = make_run(tmp_path / "other", tube=0)
    before = (rendered / "index.html").read_bytes()
    render(project, "--against", str(other))
    text = (project / "report" / "against" / "index.html").read_text()
    assert "2 samples gained" in text and "and 0 lost" in text and text.count('data-change="gained"') == 3
    assert (rendered / "index.html").read_bytes() == before


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_a_film_strip_is_drawn_in_every_format_with_vectors_where_possible(project, tmp_path, suffix, start):
    out = tmp_path / f"strip{suffix}"
    render(project, "--figure", "plain/1", "--out", str(out))
    drawn = out.read_bytes()
    assert drawn.startswith(start)
    if suffix == ".svg":
        assert b"a red ball" in drawn and b"above" in drawn and drawn.count(b"<image") == 6


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--figure", "nobody/9"], "no prediction for sample"), (["--figure", "plain/0", "--out", "x.gif"], ".svg")],
)
def test_a_figure_that_cannot_be_drawn_is_one_line(project, options, said):
    from render_report import render_report

    result = CliRunner().invoke(render_report, ["--config", str(project / "pipeline.yaml"), *options])
    assert result.exit_code == 1 and said in result.output and result.output.count("\n") == 1


@given(st.text(max_size=40), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=4))
def test_marking_entities_leaves_the_sentence_as_it_is(text, spans):
    entities = tuple(Entity("x", "x", (), "singular", (min(s), max(s))) for s in spans)
    pieces = marked(Query(text, "declarative", entities, (), 0))
    assert "".join(piece for piece, _ in pieces) == text


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=9))
def test_no_two_relations_of_a_graph_overlap(pairs):
    entities = tuple(Entity("x", "x", (), "singular", (0, 1)) for _ in range(4))
    relations = tuple(Relation(a, "r", None if a == b else b) for a, b in pairs)
    drawn = pages.graph(Query("x", "declarative", entities, relations, 0))
    heights = sorted(edge["label_y"] for edge in drawn["edges"])
    assert len(heights) == len(pairs) and all(np.diff(heights) >= 15)


# --- in a real browser -------------------------------------------------------------------------------------------

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium; skipped where it is not installed, unless VCMA_REQUIRE_BROWSER is set."""
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if not all(programs):
        message = "no browser here: apt-get install chromium chromium-driver"
        (pytest.fail if os.environ.get("VCMA_REQUIRE_BROWSER") else pytest.skip)(message)
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from selenium.webdriver.chrome.service import Service

    options = selenium.ChromeOptions()
    options.binary_location = programs[0]
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options=options, service=Service(programs[1]))
    yield driver
    driver.quit()


def view(browser, path: Path, fragment: str = "", width: int = 1200, dark: bool = False) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.get("about:blank")
    browser.get(f"file://{quote(str(path))}{fragment}")


def until(browser, script: str, seconds: float = 10):
    """Wait until a script returns something true, and return it."""
    end = time.monotonic() + seconds
    while not (value := browser.execute_script(f"return {script}")):
        assert time.monotonic() < end, f"never true: {script}"
        time.sleep(0.05)
    return value


def visible(browser) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll('#list .text')].map((node) => node.textContent)"
    )


@pytest.mark.browser
def test_every_page_loads_without_a_complaint(browser, rendered):
    for path in [rendered / "index.html", *(rendered / "samples").iterdir()]:
        view(browser, path)
        until(browser, "document.readyState === 'complete'")
        assert browser.get_log("browser") == [], path.name


@pytest.mark.browser
def test_filters_search_order_and_keys(browser, rendered):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    view(browser, rendered / "index.html")
    assert len(visible(browser)) == 4
    Select(browser.find_element(By.NAME, "type")).select_by_visible_text("interrogative")
    assert visible(browser) == ["who runs"]
    assert browser.find_element(By.ID, "count").text == "1 sample"
    address = browser.current_url
    view(browser, rendered / "index.html", "#" + urlsplit(address).fragment)
    assert visible(browser) == ["who runs"]  # a link to what was chosen
    Select(browser.find_element(By.NAME, "type")).select_by_value("")
    search = browser.find_element(By.NAME, "q")
    search.send_keys("<SCRIPT> child")
    assert visible(browser) == [EVIL]
    search.clear()
    search.send_keys(" ", Keys.BACKSPACE)
    Select(browser.find_element(By.NAME, "sort")).select_by_value("-viou")
    assert visible(browser)[0] == "who runs" and visible(browser)[-1] == "a dog"  # worst first, unknown last
    browser.find_element(By.CSS_SELECTOR, "[data-filter='missed detection']").click()
    assert visible(browser) == ["who runs"]
    browser.find_element(By.TAG_NAME, "body").send_keys("j")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert until(browser, "document.querySelector('h1')?.textContent").strip() == "who runs"


@pytest.mark.browser
def test_a_sample_opens_from_the_list(browser, rendered):
    from selenium.webdriver.common.by import By

    view(browser, rendered / "index.html", "#samples")
    browser.find_element(By.CSS_SELECTOR, "#list li:nth-child(2) a").click()
    assert until(browser, "document.querySelector('h1.sentence')?.textContent") == "a dog is above a red ball"


@pytest.mark.browser
def test_the_video_plays(browser, rendered):
    from selenium.webdriver.common.by import By

    view(browser, page(rendered, "plain/1"))
    until(browser, "document.getElementById('video').readyState >= 2")
    start = browser.execute_script("return document.getElementById('video').currentTime")
    browser.find_element(By.ID, "play").click()
    until(browser, f"document.getElementById('video').currentTime > {start} + 0.3")
    assert browser.execute_script("return document.getElementById('video').error") is None
    until(browser, f"Number(document.getElementById('overlay').dataset.frame) > {start * FPS} + 3")


@pytest.mark.browser
@pytest.mark.parametrize("frame", [10, 14, 22, 24, 30])
def test_the_box_stands_at_the_predicted_place_of_the_picture_that_is_shown(browser, rendered, frame):
    from PIL import Image
    from selenium.webdriver.common.by import By

    view(browser, page(rendered, "plain/1"))
    until(browser, "document.getElementById('video').readyState >= 2")
    browser.execute_script(
        "const s = document.getElementById('scrub'); s.value = arguments[0]; s.dispatchEvent(new Event('input'));",
        frame,
    )
    until(browser, f"!document.getElementById('video').seeking && overlay.dataset.frame === '{frame}'")
    tubes = artifact.read(schemas.TUBES, rendered.parent / "tubes" / "plain.h5")
    rect = browser.execute_script(
        "const r = document.querySelector('#overlay rect.answer');"
        "return r && ['x', 'y', 'width', 'height'].map((name) => Number(r.getAttribute(name)));"
    )
    if frame < 25:  # the answer's span is [10, 25)
        x1, y1, x2, y2 = tubes.boxes_at(1, np.array([frame]))[0]
        np.testing.assert_allclose(rect, [x1, y1, x2 - x1, y2 - y1], atol=0.11)
    else:
        assert rect is None
    time.sleep(0.3)  # the picture is painted after the seek is done
    browser.execute_script("document.getElementById('overlay').style.display = 'none'")
    picture = Image.open(BytesIO(browser.find_element(By.ID, "player").screenshot_as_png)).convert("L")
    column = int(np.asarray(picture)[picture.height // 2].argmax())
    assert column * 320 / picture.width // 8 == frame


@pytest.mark.browser
def test_the_graph_has_the_entities_in_their_tubes_colours_and_lights_them_up(browser, rendered):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    view(browser, page(rendered, "plain/0"))
    nodes = browser.find_elements(By.CSS_SELECTOR, "#graph .node text")
    assert [node.text for node in nodes] == ["the", "child", "a ball"]
    assert [e.text for e in browser.find_elements(By.CSS_SELECTOR, "#graph .edge text")] == ["run", "chase"]
    stroke = "getComputedStyle(document.querySelector('#graph .node rect')).stroke"
    line = "getComputedStyle(document.querySelector('h1 mark')).textDecorationColor"
    assert browser.execute_script(f"return {stroke} === {line}")
    ActionChains(browser).move_to_element(nodes[0]).perform()
    lit = "return [...document.querySelectorAll('.lit')].map((node) => node.dataset.tube)"
    assert len(browser.execute_script(lit)) >= 4 and set(browser.execute_script(lit)) == {"1"}


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_accessible_and_never_wider_than_the_window(browser, rendered, dark, width):
    axe = pytest.importorskip("axe_core_python.selenium", reason="axe-core-python is not installed").Axe()
    for path in (rendered / "index.html", page(rendered, "plain/0"), page(rendered, "lost/3")):
        view(browser, path, width=width, dark=dark)
        found = axe.run(browser)["violations"]
        serious = [(v["id"], v["nodes"][0]["html"][:120]) for v in found if v["impact"] in ("serious", "critical")]
        assert serious == [], path.name
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.browser
def test_a_thousand_samples_open_in_a_second(browser, project, tmp_path):
    found = cases.load(project / "artifacts" / "clips")
    many = replace(found, cases=[replace(found.cases[i % 2], sample=f"{i}") for i in range(1000)])
    shelf = pages.Shelf(tmp_path, project / "artifacts" / "clips", tmp_path / "cache", lambda _: None)
    pages.write_report(many, shelf, 12, tmp_path / "none.csv", None, lambda f, jobs: (f(*job) for job in jobs))
    taken = []
    for _ in range(3):  # other work on the machine may slow one of them
        view(browser, tmp_path / "index.html")
        taken.append(
            until(
                browser,
                "document.readyState === 'complete' && performance.getEntriesByType('navigation')[0].duration",
            )
        )
    assert min(taken) < 1000
    assert re.match("1000 samples", browser.execute_script("return document.getElementById('count').textContent"))


def test_a_tube_that_its_video_does_not_have_is_told_when_it_is_drawn(tmp_path):
    folder = make_run(tmp_path)
    write_predictions(folder, make_tubes(3, frames=FRAMES // 3), 99)
    with pytest.raises(InputError, match="names tube 99, its video has 4"):
        show.draw(folder / "predictions.h5", tmp_path / "a.png", None, 1)
    with pytest.raises(InputError, match="names tube 99, its video has 4; ground again"):
        cases.answers(folder)
