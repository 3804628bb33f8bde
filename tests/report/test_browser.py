"""The report works in a real browser."""

import os
import re
import shutil
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from urllib.parse import quote, urlsplit

import numpy as np
import pytest

from tests.report.made_run import EVIL, FPS, page
from vcma.pipeline import artifact, schemas
from vcma.records.tubes import Tubes
from vcma.report.loading import load_report
from vcma.report.pages import write_report
from vcma.report.sample_pages import ReportFiles

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
    tubes = Tubes.of(artifact.read(schemas.TUBES, rendered.parent / "tubes" / "plain.h5"))
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
def test_a_box_that_no_detection_confirms_is_dashed(browser, rendered):
    view(browser, page(rendered, "plain/1"))
    until(browser, "document.getElementById('video').readyState >= 2")
    tubes = Tubes.of(artifact.read(schemas.TUBES, rendered.parent / "tubes" / "plain.h5"))
    seen = set()
    dashing = "getComputedStyle(overlay.querySelector('.answer')).strokeDasharray"
    for frame in range(10, 25):  # the answer's span
        browser.execute_script("scrub.value = arguments[0]; scrub.dispatchEvent(new Event('input'));", frame)
        dashes = until(browser, f"overlay.dataset.frame === '{frame}' && {dashing}")
        guessed = bool(tubes.interpolated_at(1, np.array([frame]))[0])
        assert (dashes != "none") is guessed, frame
        seen.add(guessed)
    assert seen == {False, True}


@pytest.mark.browser
def test_a_wide_table_scrolls_on_a_telephone_while_its_first_column_stays(browser, rendered):
    view(browser, rendered / "index.html", width=360)
    left, moved, wide, high = browser.execute_script(
        "const s = document.querySelector('.scroll'), c = s.querySelector('tbody th');"
        "s.scrollLeft = 60; const b = c.getBoundingClientRect();"
        "return [b.left - s.getBoundingClientRect().left, s.scrollLeft, b.width, b.height];"
    )
    assert moved == 60 and abs(left) < 1 and 80 < wide < 200 and high < 90


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
    found = load_report(project / "artifacts" / "clips")
    many = replace(found, cases=[replace(found.cases[i % 2], sample=f"{i}") for i in range(1000)])
    files = ReportFiles(tmp_path, project / "artifacts" / "clips", tmp_path / "cache", lambda _: None)
    write_report(many, files, 12, tmp_path / "none.csv", None, lambda f, jobs: (f(*job) for job in jobs))
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
