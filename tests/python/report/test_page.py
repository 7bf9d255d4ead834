"""The page: one file, nothing in it that the repository could have put there, and not large."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hub_revisions.report import build_report, render_list, render_page
from hub_revisions.results.types import Metric
from selection.making import REPO, commit_of, records, result, revision

from .training import BEST, Training, failed_job, job, training

HOSTILE = (
    "</script><script>alert('x')</script><img src=x onerror=alert(1)></script \n<!--<script "
    "\"' \x00\u202e\u2028&amp;"
)


class Reader(HTMLParser):
    """The elements of a page with their attributes, and its texts by element."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._open, []).append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(made: Training, **options: Any) -> str:
    return render_page(made.report(decision=made.decide(), **options))


def policy(page: str) -> dict[str, str]:
    (meta,) = [m for m in Reader(page).named("meta") if m.get("http-equiv")]
    return dict(part.strip().split(" ", 1) for part in str(meta["content"]).split(";"))  # type: ignore[misc]


def test_the_page_says_what_was_chosen_and_why() -> None:
    made = training()
    page = page_of(made, endpoint="https://hub.example")
    texts = re.sub(r"(<[^>]+>|\s)+", " ", page)
    for text in (
        f"Best revision {BEST}",
        "0.600 \N{PLUS-MINUS SIGN} 0.013",
        "higher is better",
        "It is the best score.",
        "Within one standard error: 1 other revision, the earliest is step-700.",
        "Provisional: step-800: bench on local is still running.",
        "Also called main.",
        "exit code 137",
        f"revision=&quot;{commit_of(BEST)}&quot;",
    ):
        assert text in texts, text


def test_revisions_link_to_their_commits() -> None:
    links = Reader(page_of(training(), endpoint="https://hub.example/")).named("a")
    assert len(links) == 8
    assert links[0]["href"] == f"https://hub.example/{REPO}/tree/{commit_of('step-100')}"
    assert {link["rel"] for link in links} == {"noopener noreferrer"}


def hostile() -> Training:
    made = training()
    made.revisions = [
        replace(one, revision=HOSTILE + one.revision, published_as=HOSTILE + one.revision,
                metrics={HOSTILE: 1.0, "eval_loss": one.metrics.get("eval_loss", 0.0)})
        for one in made.revisions[:8]
    ]  # fmt: skip
    made.records |= records(
        result("step-100", Metric(HOSTILE + "2", None, problem=HOSTILE)),
        result("step-200", outcome="failed", reason=HOSTILE, engine=HOSTILE, job=HOSTILE,
               url="javascript:alert(1)", suite="b"),
    )  # fmt: skip
    made.records["results/" + HOSTILE] = "{"
    return made


def test_nothing_from_the_repository_becomes_markup() -> None:
    made = hostile()
    jobs = [failed_job(HOSTILE, 0, HOSTILE)]
    page = page_of(made, tags={HOSTILE: commit_of("step-100")}, jobs=jobs,
                   endpoint="https://hub.example")  # fmt: skip
    read = Reader(page)
    clean = Reader(page_of(training(), jobs=[failed_job("a", 0, "b")], endpoint="https://x.y"))
    assert {name for name, _ in read.elements} <= {name for name, _ in clean.elements} | {"li"}
    assert len(read.named("script")) == 2
    assert not any(key.startswith("on") for _, found in read.elements for key in found)
    assert all(str(a["href"]).startswith("https://hub.example/") for a in read.named("a"))
    assert "\x00" not in page and "\u202e" not in page
    (data,) = [text for text in read.texts["script"] if text.startswith("{")]
    assert "<" not in data  # parsers differ in what ends a script
    assert "alert('x')" in json.loads(data)["revisions"][0][0]


def test_the_policy_allows_its_own_style_and_script_and_no_request() -> None:
    page = page_of(training())
    rules = policy(page)
    assert rules["default-src"] == rules["connect-src"] == "'none'"
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    for rule, (text,) in (("style-src", style), ("script-src", scripts)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert not any("style" in found for _, found in Reader(page).elements)


def test_only_a_page_that_refreshes_may_ask_its_server() -> None:
    page = render_page(training().report(), refresh_seconds=2)
    assert policy(page)["connect-src"] == "'self'"


def test_nothing_outside_is_referred_to() -> None:
    read = Reader(page_of(training()))
    for name, attributes in read.elements:
        for key in ("src", "srcset", "data", "action", "href"):
            assert attributes.get(key) is None or (name, attributes[key]) == ("link", "data:,")


def test_the_same_report_is_the_same_page() -> None:
    assert page_of(training()) == page_of(training())


@pytest.mark.parametrize("count", [0, 1])
def test_small_repositories_have_pages(count: int) -> None:
    revisions = [revision("a", 5, metrics={"loss": 1.0})][:count]
    page = render_page(build_report(REPO, revisions))
    assert ("Best revision" if count else "No revisions yet.") in page


def test_who_was_left_out_is_said_without_a_decision_too() -> None:
    page = render_page(training().report())
    assert "Left out (2)" in page
    assert "not all samples were evaluated" in page


def test_an_unknown_direction_is_said() -> None:
    page = render_page(build_report(REPO, [revision("a", 1, metrics={"reward": 1.0})]))
    assert "--metric &#x27;reward:max&#x27;" in page


def test_the_pushes_are_summed_up() -> None:
    jobs = [job("step-100", 0), failed_job("step-200", 60, "connection reset by peer")]
    page = page_of(training(), jobs=jobs)
    text = "Training stood still for 3.0 ms in all, 1.5 ms at most; 2.0 kB sent"
    assert text in page
    assert "connection reset by peer" in page
    assert page.count('class="timeline"') == 2


def test_hundreds_of_revisions_and_metrics_make_a_page_of_two_megabytes_in_seconds() -> None:
    metrics = [Metric(f"task{i}/acc", 0.123456789 + i / 1000, 0.0123, 100) for i in range(300)]
    revisions = [revision(f"step-{step:09d}", step) for step in range(1, 301)]
    stored = records(*(result(one.revision, *metrics) for one in revisions))
    report = build_report(REPO, revisions, stored)
    started = time.process_time()
    page = render_page(report)
    assert time.process_time() - started < 10
    assert len(page.encode()) < 2_000_000
    assert page.count("<option") == 300


def test_a_list_is_escaped_too() -> None:
    page = render_list(HOSTILE, [HOSTILE], [[HOSTILE, "javascript:"]], back="javascript:x")
    assert not Reader(page).named("script") and not Reader(page).named("a")
    assert policy(page)["default-src"] == "'none'" and "script-src" not in policy(page)
