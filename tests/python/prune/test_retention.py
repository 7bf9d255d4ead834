"""Which revisions stay: the rules alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hub_revisions import ConfigError, Revision
from hub_revisions._native import Contents
from hub_revisions.retention import Retention, holds

STEPS = (100, 200, 300, 400, 500)


def revision(name: str, step: int | None, **changes: Any) -> Revision:
    values: dict[str, Any] = {
        "revision": name,
        "commit": name.encode().hex().ljust(40, "0"),
        "published_as": name,
        "title": name,
        "time": step or 0,
        "step": step,
        "epoch": None,
        "tokens": None,
        "metrics": {},
        "fixes": (),
        "content_digest": "",
        "promoted": "",
        "parents": (),
        "files": (),
    }
    return Revision(**values | changes)


def saved(*steps: int) -> list[Revision]:
    return [revision(f"s{step}", step) for step in steps]


def kept(
    retention: Retention,
    revisions: Sequence[Revision] | None = None,
    ranking: Sequence[str] = (),
    held: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Why each one that stays does."""
    fates = retention.fates(saved(*STEPS) if revisions is None else revisions, ranking, held or {})
    return {fate.revision: fate.reason for fate in fates if not fate.goes}


def test_without_limits_nothing_goes() -> None:
    assert set(kept(Retention())) == {"s100", "s200", "s300", "s400", "s500"}


def test_the_newest_stay_by_when_they_were_saved() -> None:
    assert set(kept(Retention(keep_last=2))) == {"s400", "s500"}
    # A second run begins at step 1 again: its revisions are the newest all the same.
    second_run = [revision("b1", 1, time=1000), revision("b2", 2, time=1001)]
    assert set(kept(Retention(keep_last=2), saved(*STEPS) + second_run)) == {"b1", "b2"}
    # Saved within the same second.
    same = [revision("a", 2, time=7), revision("b", 1, time=7), revision("c", 3, time=7)]
    assert set(kept(Retention(keep_last=2), same)) == {"a", "c"}


def test_every_so_many_steps_stay() -> None:
    assert set(kept(Retention(keep_every=200))) == {"s200", "s400"}
    assert set(kept(Retention(keep_every=200), saved(0, 1, 201))) == {"s0"}


def test_the_best_stay_by_the_ranking() -> None:
    ranking = ["s300", "s100", "elsewhere", "s500", "s200", "s400"]
    reasons = kept(Retention(keep_best=3), ranking=ranking)
    assert reasons == {"s300": "best 1 of 5", "s100": "best 2 of 5", "s500": "best 3 of 5"}


def test_what_has_no_score_stays_until_the_best_are_known() -> None:
    reasons = kept(Retention(keep_best=2), ranking=["s300"])
    assert set(reasons) == {"s100", "s200", "s300", "s400", "s500"}
    assert reasons["s100"] == "it has no score, and only 1 of the best 2 have"
    assert set(kept(Retention(keep_best=2), ranking=["s300", "s100"])) == {"s300", "s100"}
    # Scores of revisions that are gone do not count.
    assert set(kept(Retention(keep_best=2), ranking=["s300", "gone"])) == set(reasons)


def test_any_limit_keeps_and_all_of_them_are_named() -> None:
    reasons = kept(Retention(keep_best=1, keep_last=1, keep_every=500), ranking=["s500", "s100"])
    assert reasons == {"s500": "best 1 of 2; one of the last 1; its step is a multiple of 500"}


def test_what_goes_says_what_it_is_not_among() -> None:
    retention = Retention(keep_best=1, keep_last=2, keep_every=1000)
    (fate, *_) = retention.fates(saved(*STEPS), ["s500"], {})
    assert (fate.revision, fate.step, fate.goes) == ("s100", 100, True)
    assert fate.reason == "not among the best 1, the last 2, every 1000 steps"


def test_what_is_held_stays_with_its_reason() -> None:
    reasons = kept(Retention(keep_last=1), held={"s100": "it is being pushed"})
    assert reasons == {"s100": "it is being pushed", "s500": "one of the last 1"}


def test_what_has_no_step_stays() -> None:
    assert kept(Retention(keep_last=1), [revision("final", None), *saved(1, 2)]) == {
        "final": "it has no step",
        "s2": "one of the last 1",
    }


@pytest.mark.parametrize("value", [0, -1, 1.5, "3", True])
@pytest.mark.parametrize("name", ["keep_best", "keep_last", "keep_every"])
def test_a_limit_is_a_whole_number_from_1_on(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"{name} must be a whole number from 1 on"):
        Retention(**{name: value})


def test_what_is_pointed_to_or_promoted_is_held() -> None:
    one, two, three, four, _ = revisions = saved(*STEPS)
    branches = [
        *revisions,
        revision("latest", None, published_as="s100", commit=one.commit),
        revision("main", None, published_as="", promoted="s200", parents=("f" * 40, two.commit)),
        revision("mine", None, published_as="", commit=three.commit),
    ]
    contents = Contents("me/model", tuple(branches), {"v1": four.commit, "v0": "e" * 40}, {}, "")
    assert holds(contents) == {
        "s100": "branch 'latest' points to it",
        "s200": "it was promoted into branch 'main'",
        "s300": "branch 'mine' points to it",
        "s400": "tag 'v1' points to it",
    }
