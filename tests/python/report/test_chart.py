"""The chart as SVG: what is drawn, where, and that nothing overlaps."""

from __future__ import annotations

import itertools
import random
from xml.etree import ElementTree

from hub_revisions.report import build_report, card_chart
from hub_revisions.report.chart import CHARACTER, page_chart, step_axis
from hub_revisions.results.types import Metric
from selection.making import REPO, records, result, revision

from .training import ACC, BEST, training

Element = ElementTree.Element


def parse(svg: str) -> Element:
    return ElementTree.fromstring(svg)


def of_class(root: Element, kind: str) -> list[Element]:
    return [one for one in root.iter() if kind in one.get("class", "").split()]


def name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def decided() -> str:
    made = training()
    return card_chart(made.report(decision=made.decide()))


def test_the_chart_has_a_curve_errors_a_best_and_its_band() -> None:
    root = parse(decided())
    (line,) = of_class(root, "line")
    assert line.get("d", "").count("L") == 3  # 100, 200, 600 and 700 count
    (errors,) = of_class(root, "error")
    assert errors.get("d", "").count("V") == 5  # and 400, which is a part
    (best,) = of_class(root, "best")
    (band,) = of_class(root, "band")
    top, height = float(band.get("y", "")), float(band.get("height", ""))
    assert abs(float(best.get("cy", "")) - (top + height / 2)) < 0.2
    (label,) = of_class(root, "label")
    assert label.text == "0.600 \N{PLUS-MINUS SIGN} 0.013"


def test_what_does_not_count_is_hollow() -> None:
    root = parse(decided())
    (hollow,), (hole,) = of_class(root, "hollow"), of_class(root, "hole")
    assert hollow.get("d", "").count("M") == hole.get("d", "").count("M") == 1


def test_the_chart_can_be_read_aloud() -> None:
    root = parse(decided())
    assert root.get("role") == "img"
    texts = {one.get("id"): one.text for one in root if name(one) in ("title", "desc")}
    assert set(texts) == set(root.get("aria-labelledby", "").split())
    assert texts["chart-title"] == f"{ACC} over steps"
    assert f"Best: 0.600 \N{PLUS-MINUS SIGN} 0.013 by {BEST}." in str(texts["chart-text"])


def test_labels_of_the_axes_do_not_overlap() -> None:
    random.seed(3)
    for _ in range(100):
        steps = sorted(random.sample(range(1, 10 ** random.randint(2, 8)), 20))
        scale = 10 ** random.uniform(-7, 7)
        revisions = [
            revision(f"step-{step}", step, metrics={"loss": random.random() * scale})
            for step in steps
        ]
        series = build_report(REPO, revisions).series
        ticks = of_class(parse(page_chart(series[0], step_axis(series))), "tick")
        below = [one for one in ticks if one.get("text-anchor") == "middle"]
        spans = sorted(
            (float(one.get("x", "")) - width / 2, float(one.get("x", "")) + width / 2)
            for one in below
            for width in (len(str(one.text)) * CHARACTER,)
        )
        assert len(spans) >= 2
        assert all(a[1] + 8 < b[0] for a, b in itertools.pairwise(spans)), spans
        beside = [one for one in ticks if one.get("text-anchor") == "end" and one.text != "step"]
        assert all(float(o.get("x", "")) >= len(str(o.text)) * CHARACTER for o in beside)
        rows = sorted(float(one.get("y", "")) for one in beside)
        assert all(b - a > 14 for a, b in itertools.pairwise(rows))


def test_everything_lies_within_the_picture() -> None:
    root = parse(decided())
    width, height = (float(root.get(side, "")) for side in ("width", "height"))
    for one in root.iter():
        for at, end in (("x", width), ("cx", width), ("x1", width), ("y", height), ("cy", height)):
            if one.get(at) is not None:
                assert 0 <= float(one.get(at, "")) <= end


def test_runs_of_a_search_are_lines_of_their_own() -> None:
    revisions = [
        revision(f"run-{run}-step-{step:09d}", step, metrics={"loss": run + 1 / step})
        for run in (1, 2)
        for step in (10, 20, 30)
    ]
    (line,) = of_class(parse(card_chart(build_report(REPO, revisions))), "line")
    assert line.get("d", "").count("M") == 2


def test_a_card_chart_is_the_same_text_every_time() -> None:
    assert decided() == decided()


def test_a_card_chart_is_small_with_thousands_of_revisions_and_shows_the_best() -> None:
    revisions = [revision(f"step-{step}", step) for step in range(5000)]
    stored = records(
        *(
            result(f"step-{s}", Metric("acc", 0.9 if s == 4321 else s / 10_000, 0.01, mode="max"))
            for s in range(5000)
        )
    )
    report = build_report(REPO, revisions, stored)
    svg = card_chart(report)
    assert len(svg.encode()) < 64 * 1024
    assert report.series[0].best == "step-4321"
    assert of_class(parse(svg), "best")


def test_a_card_chart_needs_nothing_around_it() -> None:
    svg = decided()
    assert "var(" not in svg and "href" not in svg and "url(" not in svg and "@import" not in svg
    (ground,) = of_class(parse(svg), "ground")
    assert float(ground.get("width", "")) > 700
    assert ".ground{fill:#fff" in svg


def test_without_a_step_or_a_number_there_is_no_card_chart() -> None:
    assert card_chart(build_report(REPO, [])) == ""
    assert card_chart(build_report(REPO, [revision("a", None, metrics={"loss": 1.0})])) == ""
    assert card_chart(build_report(REPO, [revision("a", 1, metrics={"loss": float("nan")})])) == ""


def test_hostile_names_stay_text() -> None:
    hostile = '</title><script>alert(1)</script>"\x00\ud800\u202e'
    svg = card_chart(build_report(REPO, [revision("a", 1, metrics={hostile: 1.0})]))
    root = parse(svg)
    assert "script" not in {name(one) for one in root.iter()}
    assert "</title><script>alert(1)</script>" in str(of_class(root, "title")[0].text)
    svg.encode("utf-8")
