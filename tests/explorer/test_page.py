"""The explorer's page in a real browser: numbers, filters, layers, keys; nothing of a user's text becomes markup."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import browsers
from foramen.core import geometry
from foramen.explorer import drawing, page
from foramen.study.model import Arm, Study

HOSTILE = '</script><img src=x onerror="alert(1)"> & {{ 7*7 }}'
LABELS = np.array([1, 0, 1, 0, 1, 0, 1, 0, 1, 1])
SCORES = np.array([0.9, 0.2, 0.4, 0.7, 0.8, 0.1, 0.65, 0.3, 0.05, 0.6])
CASES = [0, 3, 2, 5, 8]  # places in the test set: TP, FP, FN, TN, FN at 0.5


def case(place: int) -> dict:
    """A radiograph with every layer, in its own place."""
    square = np.zeros((32, 32), bool)
    square[8:16, 20:28] = True
    theta = geometry.crop_frame(2.0)[None, :2]
    frames = drawing.on_film(theta, np.array([False]), np.array([[0.0, 0.1, 0.5]]))[0].tolist()
    picture = drawing.evidence(np.array([[1.0, -0.5], [0.0, 0.2]]))
    view = {"region": [0.0, 0.1, 0.5], "frames": frames, "evidence": picture, "shuffled": picture}
    heads = {"region": [0.0, 0.1, 0.5], "frames": 2 * frames, "attention": [0.25, 0.75]}
    return {
        "image_id": f"img_{place}",
        "test": place,
        "side": "LR"[place % 2],
        "site": HOSTILE if place == 3 else "A",
        "sex": "F",
        "age": None if place == 8 else 40.0 + place,
        "severity": place % 3,
        "note": HOSTILE,
        "film": drawing.film(np.arange(32 * 32).reshape(32, 32)),
        "foramina": [{"level": "C5/6", "grade": 2, "path": drawing.outline(square)}],
        "views": [view, heads],
    }


@pytest.fixture(scope="module")
def rendered() -> str:
    study = Study(name="made_up", title=f"Title {HOSTILE}", seeds=[1, 2], arms={"basic": Arm(), "proposed": Arm()})
    networks = [
        {"arm": arm, "seed": seed, "threshold": threshold, "scores": scores.tolist()}
        for arm, seed, threshold, scores in (
            ("basic", 1, 0.3, 1 - SCORES),
            ("basic", 2, 0.4, SCORES),
            ("proposed", 1, 0.5, SCORES),
            (HOSTILE, 0, 0.5, SCORES),
        )
    ]
    facts = {"arms": list(study.arms), "primary": "proposed", "seed": 1, "minimum_grade": 1}
    facts |= {"labels": LABELS.tolist(), "networks": networks, "cases": [case(place) for place in CASES]}
    return page.render(study, facts)


@pytest.fixture(scope="module")
def browser():
    with browsers.started() as driver:
        yield driver


@pytest.fixture
def opened(browser, rendered, tmp_path) -> Callable:
    """Opens the page; the function that comes back runs a script in it."""
    (tmp_path / "explorer.html").write_text(rendered, encoding="utf-8")
    browsers.resize(browser, 1280)
    browser.get((tmp_path / "explorer.html").as_uri())
    return browser.execute_script


def text(browser, name: str) -> str:
    return browser.find_element(By.ID, name).text


def choose(browser, name: str, value: str) -> None:
    script = "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
    script += "for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, {bubbles: true}))"
    browser.execute_script(script, name, value)


def press(browser, name: str) -> None:
    browser.execute_script("document.getElementById(arguments[0]).click()", name)


def listed(browser) -> list[str]:
    return [button.get_attribute("aria-label") for button in browser.find_elements(By.CSS_SELECTOR, "#list button")]


def test_nothing_of_a_users_text_becomes_markup(rendered):
    soup = BeautifulSoup(rendered, "html.parser")
    data, script = soup.find_all("script")
    assert json.loads(data.string)["cases"][1]["site"] == HOSTILE and "<" not in data.string
    assert not soup.find_all("img") and script.get("src") is None and "49" not in soup.find("h1").get_text()


def test_only_the_pages_own_script_may_run_and_nothing_is_asked_for(browser, opened):
    addresses = browsers.asked(browser)
    assert browsers.complaints(browser) == [] and all(url.startswith(("file:", "data:")) for url in addresses)
    opened("document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))")
    assert opened("return window.ran") is None
    assert "script-src" in browsers.complaints(browser)[0]["message"]


@pytest.mark.parametrize("threshold", [0.5, 0.62])
def test_numbers_are_those_of_all_test_predictions(browser, opened, threshold):
    choose(browser, "threshold", str(threshold))
    choose(browser, "prevalence", "0.2")
    called = threshold <= SCORES
    counts = {"TP": called & (LABELS == 1), "FP": called & (LABELS == 0), "FN": ~called & (LABELS == 1)}
    counts["TN"] = ~called & (LABELS == 0)
    assert {name: int(text(browser, name)) for name in counts} == {name: part.sum() for name, part in counts.items()}
    sensitivity, specificity = called[LABELS == 1].mean(), (~called)[LABELS == 0].mean()
    hits, alarms = 0.2 * sensitivity, 0.8 * (1 - specificity)
    shares = {"sensitivity": sensitivity, "specificity": specificity, "ppv": hits / (hits + alarms)}
    shares["npv"] = 0.8 * specificity / (0.8 * specificity + 0.2 * (1 - sensitivity))
    assert {name: text(browser, name) for name in shares} == {k: f"{100 * share:.1f} %" for k, share in shares.items()}
    assert (text(browser, "moved") != "") == (threshold == 0.5)
    press(browser, "reset")
    assert text(browser, "threshold-value") == "0.500"


def test_an_undefined_share_is_a_dash(browser, opened):
    choose(browser, "threshold", "1")
    assert (text(browser, "ppv"), text(browser, "sensitivity")) == ("–", "0.0 %")


def test_filters_and_order(browser, opened):
    assert len(listed(browser)) == len(CASES)
    choose(browser, "only-outcome", "FN")
    assert listed(browser) == ["img_2, false negative, score 0.40", "img_8, false negative, score 0.05"]
    choose(browser, "order", "wrong")
    assert listed(browser)[0].startswith("img_8")
    choose(browser, "oldest", "60")  # whose age is not known is not within a range
    assert [name.split(",")[0] for name in listed(browser)] == ["img_2"]
    choose(browser, "only-outcome", "TN")
    choose(browser, "only-side", "L")
    assert listed(browser) == [] and text(browser, "position") == "none matches" and text(browser, "case") == ""
    choose(browser, "only-outcome", "")
    choose(browser, "only-side", "")
    choose(browser, "only-site", HOSTILE)
    assert [name.split(",")[0] for name in listed(browser)] == ["img_3"]


def test_outcomes_follow_the_threshold(browser, opened):
    choose(browser, "only-outcome", "TP")
    choose(browser, "threshold", "0.03")
    assert {name.split(",")[0] for name in listed(browser)} == {"img_0", "img_2", "img_8"}


def test_arrow_keys_go_round_and_leave_sliders_alone(browser, opened):
    body, seen = browser.find_element(By.TAG_NAME, "body"), [text(browser, "position")]
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_LEFT):
        body.send_keys(key)
        seen.append(text(browser, "position"))
    assert seen == ["1 of 5", "2 of 5", "1 of 5", "5 of 5"]
    current = browser.find_elements(By.CSS_SELECTOR, "#list [aria-current=true]")
    assert [button.get_attribute("aria-label").split(",")[0] for button in current] == ["img_8"]
    browser.find_element(By.ID, "threshold").send_keys(Keys.ARROW_RIGHT)
    assert text(browser, "position") == "5 of 5" and text(browser, "threshold-value") != "0.500"
    press(browser, "next")
    assert text(browser, "position") == "1 of 5"


def test_layers_are_switched_and_those_that_are_not_there_are_said(browser, opened):
    drawn = "return [...document.querySelectorAll('#film > *')].map(e => e.getAttribute('class') ?? e.tagName)"
    choose(browser, "network", "0")
    assert opened(drawn) == ["image", "line frame"]
    for name in ("region", "evidence", "shuffled", "truth"):
        press(browser, f"layer-{name}")
    named = ["image", "image", "line region", "line frame", "line foramen narrowed", "text"]
    assert opened(drawn) == named and text(browser, "missing") == ""
    assert not browser.find_element(By.ID, "layer-evidence").is_selected()  # of two maps one is shown
    choose(browser, "network", "2")  # several heads
    assert opened(drawn) == ["image", "line region", "line frame", "line frame", "text", "text", *named[-2:]]
    assert "25.0 %" in text(browser, "film") and "attention" in text(browser, "missing")
    choose(browser, "network", "3")  # of another system
    assert opened(drawn) == ["image", *named[-2:]] and "with seed 1" in text(browser, "missing")
    assert not browser.find_element(By.ID, "layer-evidence").is_enabled()


def test_the_close_up_is_the_region(browser, opened):
    assert opened("return document.getElementById('film').getAttribute('viewBox')") == "-0.5 -0.4 1 1"
    press(browser, "layer-whole")
    assert opened("return document.getElementById('film').getAttribute('viewBox')") == "-1 -1 2 2"


def test_scores_of_every_network_stand_beside_a_radiograph(browser, opened):
    rows = [row.text.split() for row in browser.find_elements(By.CSS_SELECTOR, "#scores tbody tr")]
    assert rows[0] == ["basic", "0.10", "−", "0.90", "+"] and rows[1] == ["proposed", "0.90", "+"]
    assert len(rows) == 3


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_every_part_is_reached_and_every_control_has_a_name(browser, opened, width):
    browsers.resize(browser, width)
    assert opened(browsers.OVERFLOWING) == [] and opened(browsers.UNREACHABLE) == []
    unnamed = """return [...document.querySelectorAll('button, input, select, svg, ol')].filter(e =>
      !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.id)"""
    assert opened(unnamed) == []


def test_a_frame_lies_where_the_network_reads():
    """The corners of the network's input, taken through the matrix, are the film's places that it samples."""
    pose = geometry.matrices(torch.tensor([[0.3, -0.2, 0.1, -0.05]])) @ geometry.crop_frame(1.5)
    places, mirrored = np.array([[0.1, 0.2, 0.4], [0.1, 0.2, 0.4]]), np.array([False, True])
    plain, flipped = drawing.on_film(pose[:, :2].expand(2, 2, 3), mirrored, places)[:, 0]
    corner = pose[0].numpy() @ [1, -1, 1]  # in the region's coordinates
    for (a, b, c, d, e, f), sign in ((plain, 1), (flipped, -1)):
        assert [a - c + e, b - d + f] == pytest.approx([0.1 + 0.4 * sign * corner[0], 0.2 + 0.4 * corner[1]], abs=1e-6)


def test_an_outline_goes_along_the_edge_of_its_pixels():
    mask = np.zeros((20, 20), bool)
    mask[5:10, 12:18] = True
    points = np.array([point.split() for point in drawing.outline(mask).strip("MZ").split("L")], float)
    low, high = points.min(axis=0), points.max(axis=0)
    assert low == pytest.approx([0.2, -0.5], abs=0.01) and high == pytest.approx([0.8, 0.0], abs=0.01)
    assert drawing.outline(np.zeros((20, 20), bool)) == ""
