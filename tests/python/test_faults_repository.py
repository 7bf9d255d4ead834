"""What others do during a push: hooks, moved refs, deleted, renamed and redirected repositories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_proxy import FaultProxy
from fault_rehearsal import ASKED_AHEAD, REVISION, STAGES, Rehearsal, counter, rule
from hub_revisions.local_hub import LocalHub

REF = f"refs/heads/{REVISION}"
IN_A_REPOSITORY = [stage for stage in STAGES if stage not in ("whoami", "create", "card")]
"""The stages whose requests name a repository."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    with LocalHub(tmp_path_factory.mktemp("faulty-hub"), "--faults", "none") as running:
        yield running


@pytest.fixture
def rehearsal(hub: LocalHub, repo_id: str, tmp_path: Path) -> Iterator[Rehearsal]:
    yield Rehearsal.prepare(hub, repo_id, tmp_path)
    hub.set_faults()


def test_a_hook_refuses_with_its_own_words(rehearsal: Rehearsal) -> None:
    words = "Your push was rejected:\nno checkpoints on Sundays"
    record = rehearsal.push(rule("push", "refuse-push", message=words, times=None))
    assert rehearsal.attempts() == 1
    rehearsal.assert_kept(
        record, "rejected", REF, "pre-receive hook declined", "no checkpoints on Sundays"
    )
    rehearsal.assert_published(rehearsal.resume())


def test_a_ref_that_moves_during_the_push_is_looked_at_again(rehearsal: Rehearsal) -> None:
    record = rehearsal.push(counter("refs"), rule("push", "move-ref", ref=REF), exists="overwrite")
    # Each of the two pushes looks first; in between, what the ref holds is listed and fetched.
    assert [rehearsal.attempts(0), rehearsal.attempts(1)] == [4, 2]
    rehearsal.assert_published(record)


def test_a_ref_that_moves_each_time_is_left_to_the_next_start(rehearsal: Rehearsal) -> None:
    record = rehearsal.push(rule("push", "move-ref", ref=REF, times=None), exists="overwrite")
    assert rehearsal.attempts() == 2
    rehearsal.assert_kept(record, "conflict", REF)
    rehearsal.assert_published(rehearsal.resume())


def test_somebody_elses_revision_is_left_alone(rehearsal: Rehearsal) -> None:
    record = rehearsal.push(rule("push", "move-ref", ref=REF))
    rehearsal.assert_kept(record, "conflict", REF, "'exists'")
    rehearsal.assert_kept(rehearsal.resume(), "conflict", REF)


@pytest.mark.parametrize("do", ["lose-answer", "truncate"])
def test_our_own_revision_is_not_somebody_elses(rehearsal: Rehearsal, do: str) -> None:
    record = rehearsal.push(rule("push", do))
    rehearsal.assert_published(record)


@pytest.mark.parametrize("stage", IN_A_REPOSITORY)
def test_a_deleted_repository_is_reported_and_made_again(rehearsal: Rehearsal, stage: str) -> None:
    record = rehearsal.push(rule(stage, "delete-repository"))
    # The files that are sent meanwhile may find out first.
    assert rehearsal.attempts() in ((1, 2) if stage in ASKED_AHEAD else (1,))
    rehearsal.assert_kept(record, "not_found", "404")
    rehearsal.assert_request_id(record, 404)
    rehearsal.assert_published(rehearsal.resume())


@pytest.mark.parametrize("stage", IN_A_REPOSITORY)
def test_a_renamed_repository_is_followed(rehearsal: Rehearsal, stage: str) -> None:
    new = f"{rehearsal.repo_id}-renamed"
    record = rehearsal.push(rule(stage, "rename-repository", to=new))
    rehearsal.assert_published(record, new)


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "card"])
def test_another_host_gets_nothing(rehearsal: Rehearsal, stage: str) -> None:
    with FaultProxy(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as stranger:
        location = f"{stranger.url}/somewhere?with=query"
        record = rehearsal.push(rule(stage, "redirect", location=location, times=None))
        assert rehearsal.attempts() == (2 if stage in ASKED_AHEAD else 1)
        assert stranger.connections == []
    rehearsal.assert_kept(record, "rejected", f"redirects to {stranger.url}", "another host")
    rehearsal.assert_published(rehearsal.resume())


def test_a_card_that_cannot_be_checked_does_not_cost_the_weights(rehearsal: Rehearsal) -> None:
    with FaultProxy(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as stranger:
        record = rehearsal.push(rule("card", "redirect", location=stranger.url))
        assert stranger.connections == []
    rehearsal.assert_published(record)
    assert any(f"redirects to {stranger.url}" in warning for warning in record.warnings)
