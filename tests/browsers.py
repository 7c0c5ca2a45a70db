"""A real browser for the tests of pages, and what one asks it about a page."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")

OVERFLOWING = """
const page = document.documentElement, out = [];
if (page.scrollWidth > page.clientWidth) out.push('page ' + page.scrollWidth);
const scrolls = e => e && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
for (const e of document.body.querySelectorAll('*')) {
  const box = e.getBoundingClientRect();
  const beyond = box.width && box.right > page.clientWidth + 1;
  if (beyond && !e.ownerSVGElement && !scrolls(e)) out.push(e.tagName + ' ' + box.right);
}
return out;
"""
UNREACHABLE = """
const scrolls = e => e.scrollWidth > e.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(e).overflowX);
const found = [...document.body.querySelectorAll('*')].filter(e => scrolls(e) && e.tabIndex < 0);
return found.map(e => e.outerHTML.slice(0, 90));
"""


@contextmanager
def started() -> Iterator[Any]:
    """A headless Chromium that keeps a log of its console and of what it asks for; a test is skipped without one."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def resize(browser: Any, width: int) -> None:
    """A window so many pixels wide, a phone's where they are few; forgets the logs."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    for kind in ("browser", "performance"):
        browser.get_log(kind)


def complaints(browser: Any) -> list[dict]:
    """Warnings and errors of the console since the last look."""
    return [entry for entry in browser.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]


def asked(browser: Any) -> list[str]:
    """The addresses that the page asked for since the last look."""
    events = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
