"""The page in a real browser, from a file: by mouse, by keyboard, dark, and on a phone."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hub_revisions.report import build_report, render_page
from hub_revisions.results.types import Metric
from selection.making import REPO, records, result, revision
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from .browser import Browser
from .test_page import hostile
from .training import ACC, failed_job, job, training

STEPS = [f"step-{step}" for step in range(100, 801, 100)]


@pytest.fixture
def page(tmp_path: Path) -> str:
    """The address of a report with everything in it."""
    made = training()
    jobs = [job("step-100", 0), failed_job("step-200", 60, "connection reset by peer")]
    report = made.report(decision=made.decide(), endpoint="https://hub.example", jobs=jobs)
    return write(tmp_path, render_page(report))


def write(folder: Path, page: str) -> str:
    file = folder / "report.html"
    file.write_text(page, encoding="utf-8")
    return file.as_uri()


def names(browser: Browser) -> list[str]:
    return browser.texts("#revisions tbody .revision")


def header(browser: Browser, name: str) -> Any:
    (found,) = [
        th for th in browser.all("#revisions thead th") if th.get_attribute("textContent") == name
    ]
    return found


def sort_by(browser: Browser, name: str) -> None:
    header(browser, name).find_element("css selector", "button").click()


def test_nothing_is_asked_of_the_network_and_nothing_is_complained_about(
    browser: Browser, page: str
) -> None:
    browser.complaints()
    browser.open(page)
    browser.requests()
    browser.open(page)
    assert {url for url in browser.requests() if url != "about:blank"} <= {page, "data:,"}
    assert browser.complaints() == []
    # Not even what somebody types into the console can.
    refused = browser.driver.execute_async_script(
        "fetch('http://127.0.0.1:9/').then(() => arguments[0]('sent'), () => arguments[0]('no'))"
    )
    assert refused == "no"
    assert any("Content Security Policy" in text for text in browser.complaints())


def test_a_click_sorts_and_another_one_turns_the_order(browser: Browser, page: str) -> None:
    browser.open(page)
    assert names(browser) == STEPS
    sort_by(browser, ACC)
    assert header(browser, ACC).get_attribute("aria-sort") == "ascending"
    measured = ["step-100", "step-200", "step-700", "step-600", "step-400"]
    assert names(browser) == [*measured, "step-300", "step-500", "step-800"]
    sort_by(browser, ACC)
    assert header(browser, ACC).get_attribute("aria-sort") == "descending"
    assert names(browser) == [*reversed(measured), "step-300", "step-500", "step-800"]
    sort_by(browser, "step")
    assert names(browser) == STEPS
    assert header(browser, ACC).get_attribute("aria-sort") == "none"


def test_the_keyboard_sorts(browser: Browser, page: str) -> None:
    browser.open(page)
    browser.tab_to("#revisions th:nth-child(2) button")
    assert browser.ask("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press(Keys.ENTER)
    browser.press(Keys.SPACE)
    assert header(browser, "step").get_attribute("aria-sort") == "descending"
    assert names(browser) == STEPS[::-1]


def test_other_tables_sort_too(browser: Browser, page: str) -> None:
    browser.open(page)
    for button in browser.all("#pushes th.number button")[:1]:
        button.click()
        button.click()
    assert browser.one("#pushes [aria-sort=descending]")


def test_the_metric_is_picked_by_click_and_by_arrow_keys(browser: Browser, page: str) -> None:
    browser.open(page)
    before = browser.one("#chart .line").get_attribute("d")
    tabs = browser.all("[role=tab]")
    assert [tab.text for tab in tabs] == [ACC, "eval_loss", "grad_norm", "eval_runtime"]
    tabs[1].click()
    assert browser.one("[role=tab][aria-selected=true]").text == "eval_loss"
    assert browser.one("#chart .line").get_attribute("d") != before
    assert browser.one("#chart title").get_attribute("textContent") == "eval_loss over steps"
    assert not browser.one(".legend .key-band").is_displayed()
    browser.press(Keys.ARROW_LEFT)
    assert browser.one("[role=tab][aria-selected=true]").text == ACC
    assert browser.one("#chart .line").get_attribute("d") == before
    assert browser.one(".legend .key-band").is_displayed()


def test_an_address_leads_to_its_metric(browser: Browser, page: str) -> None:
    browser.open(page + "#eval_loss")
    assert browser.one("[role=tab][aria-selected=true]").text == "eval_loss"
    browser.open(page + "#%E0%A4%A")  # no text at all
    assert browser.one("[role=tab][aria-selected=true]").text == ACC


def test_the_script_draws_what_the_file_shows_without_it(browser: Browser, page: str) -> None:
    # At the width of the drawing in the file, both are the same, to a tenth of a pixel.
    file = Path(page.removeprefix("file://")).read_text(encoding="utf-8")
    drawn = file[file.index("<svg") : file.index("</svg>") + 6]
    browser.open(page, width=800)
    plot_width = browser.ask("return document.getElementById('plot').clientWidth")
    browser.open(page, width=800 + 760 - plot_width)
    still, live, far = browser.driver.execute_async_script(COMPARE, drawn)
    assert still == live
    assert far <= 0.11


COMPARE = r"""
const [drawn, answer] = arguments;
const still = new DOMParser().parseFromString(drawn, "text/html").querySelector("svg");
const live = document.getElementById("chart");
const parts = (svg) => [...svg.children].map((one) =>
  `${one.localName} ${one.getAttribute("class") || ""} ${one.textContent}`);
const numbers = (svg) => [...svg.querySelectorAll("*")].flatMap((one) =>
  ["d", "x", "y", "cx", "cy", "x1", "y1", "x2", "y2", "width", "height"].flatMap((name) =>
    ((one.getAttribute(name) || "").match(/[\d.]+/g) || []).map(Number)));
const [one, other] = [numbers(still), numbers(live)];
answer([parts(still), parts(live),
  one.length === other.length ? Math.max(...one.map((n, i) => Math.abs(n - other[i]))) : null]);
"""


def test_arrow_keys_and_the_pointer_read_the_chart(browser: Browser, page: str) -> None:
    browser.open(page)
    browser.tab_to("#plot")
    browser.press(Keys.ARROW_RIGHT)
    assert browser.one("#readout").text == "step-100, step 100: 0.260 \N{PLUS-MINUS SIGN} 0.013"
    browser.press(Keys.END)
    assert browser.one("#readout").text.startswith("step-700, step 700: 0.590")
    browser.press(Keys.HOME)
    browser.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert "left out: partial" in browser.one("#readout").text
    browser.press(Keys.ESCAPE)
    assert not browser.all("#chart .cursor")
    chart = browser.one("#plot")
    ActionChains(browser.driver).move_to_element_with_offset(chart, 500, 0).perform()
    assert browser.one("#readout").text.startswith("step-700")
    assert browser.one("#chart .cursor")


def test_hundreds_of_metrics_are_picked_from_a_list(browser: Browser, tmp_path: Path) -> None:
    metrics = [Metric(f"task{i:03d}/acc", 0.1 + i / 1000, 0.01, mode="max") for i in range(200)]
    revisions = [revision(f"step-{step}", step) for step in range(100)]
    stored = records(*(result(one.revision, *metrics) for one in revisions))
    address = write(tmp_path, render_page(build_report(REPO, revisions, stored)))
    browser.complaints()
    browser.open(address)
    browser.tab_to("#metric")
    browser.press("task150", Keys.ENTER)
    assert browser.one("#chart title").get_attribute("textContent") == "task150/acc over steps"
    # Without a column of its own, it gets one, which sorts.
    sort_by(browser, "task150/acc")
    assert browser.texts("#revisions td.added")[0] == "0.250 \N{PLUS-MINUS SIGN} 0.010"
    browser.tab_to("#metric")
    assert browser.complaints() == []


def test_the_dark_scheme_is_followed(browser: Browser, page: str) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        browser.open(page, scheme=scheme)
        colours[scheme] = browser.ask(
            "const of = (selector, name) =>"
            " getComputedStyle(document.querySelector(selector))[name]"
            ".match(/\\d+/g).slice(0, 3).map(Number);"
            "return [of('body', 'backgroundColor'), of('body', 'color'), of('.note', 'color'),"
            " of('a', 'color'), of('.line', 'stroke'), of('.label', 'fill')]"
        )
    assert sum(colours["light"][0]) > 700 and sum(colours["dark"][0]) < 100
    for ground, *others in colours.values():
        assert all(contrast(ground, other) >= 4.5 for other in others), others


def contrast(one: list[int], other: list[int]) -> float:
    """The contrast ratio of WCAG 2."""

    def luminance(colour: list[int]) -> float:
        parts = [c / 255 for c in colour]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("width", [320, 375, 1100])
def test_the_page_does_not_scroll_sideways(browser: Browser, page: str, width: int) -> None:
    browser.open(page, width=width)
    assert browser.ask("return document.documentElement.scrollWidth") <= width
    sizes = browser.ask(
        "return [...document.querySelectorAll('#chart .tick')]"
        ".map((text) => parseFloat(getComputedStyle(text).fontSize)"
        " * text.getBoundingClientRect().width / Math.max(1, text.getBBox().width))"
    )
    assert min(sizes) >= 11  # not shrunk with the picture


@pytest.mark.parametrize("width", [320, 600, 1100])
def test_labels_of_steps_do_not_overlap(browser: Browser, tmp_path: Path, width: int) -> None:
    steps = range(1_000_000, 9_500_000, 500_000)
    revisions = [revision(f"step-{step}", step, metrics={"loss": 1 / step}) for step in steps]
    address = write(tmp_path, render_page(build_report(REPO, revisions)))
    browser.open(address, width=width)
    below = browser.ask(
        "return [...document.querySelectorAll('#chart .tick[text-anchor=middle]')]"
        ".map((text) => text.getBoundingClientRect()).map((box) => [box.left, box.right])"
    )
    assert len(below) >= 3
    assert all(a[1] + 8 < b[0] for a, b in itertools.pairwise(below))


def test_long_names_do_not_make_the_page_scroll(browser: Browser, tmp_path: Path) -> None:
    made = hostile()
    long = "n" * 200
    made.revisions += [revision(long, 900, metrics={long: 1.0})]
    browser.complaints()
    browser.open(write(tmp_path, render_page(made.report(decision=made.decide()))), width=375)
    assert browser.ask("return document.documentElement.scrollWidth") <= 375
    assert browser.complaints() == []
    assert names(browser)[0].startswith("</script><script>alert('x')")
    for tab in browser.all("[role=tab]"):
        tab.click()
    assert browser.complaints() == []


def test_it_can_be_read_without_scripts(browser: Browser, page: str) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(page)
        assert browser.one("#chart .line").is_displayed()
        assert not browser.one(".picker").is_displayed()
        assert len(browser.all("#revisions tbody tr")) == 8
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
