"""Wrong, late and missing answers at every stage of a push: what is retried, what is final.

Whatever happens, afterwards the revision is there with the same bytes, or the record says why not
and the snapshot waits for the next start.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_rehearsal import ASKED_AHEAD, STAGES, STALL, Rehearsal, counter, rule
from hub_revisions.local_hub import LocalHub

WORDS = "words of the server"
QUOTA = {"RateLimit": '"api";r=0;t=1'}  # the quota is used up: wait for t and a second
ACTION = {"RateLimit": '"api";r=500;t=200', "Retry-After": "1"}  # one action's own limit


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    with LocalHub(tmp_path_factory.mktemp("faulty-hub"), "--faults", "none") as running:
        yield running


@pytest.fixture
def rehearsal(hub: LocalHub, repo_id: str, tmp_path: Path) -> Iterator[Rehearsal]:
    yield Rehearsal.prepare(hub, repo_id, tmp_path)
    hub.set_faults()


# ---- retried until done ------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_server_errors_are_retried(rehearsal: Rehearsal, stage: str) -> None:
    statuses = (408, 500, 502, 503, 504)
    faults = [rule(stage, "answer", status=status) for status in statuses]
    record = rehearsal.push(*faults, max_retries=len(statuses))
    assert rehearsal.attempts() == len(statuses) + 1
    assert record.progress.retries == len(statuses)
    assert "answered 504" in record.progress.last_error
    rehearsal.assert_published(record)


@pytest.mark.parametrize("stage", STAGES)
def test_a_reset_is_retried(rehearsal: Rehearsal, stage: str) -> None:
    record = rehearsal.push(rule(stage, "reset", times=2))
    assert rehearsal.attempts() == 3
    rehearsal.assert_published(record)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("do", ["lose-answer", "truncate"])
def test_what_the_server_did_is_not_done_twice(rehearsal: Rehearsal, stage: str, do: str) -> None:
    record = rehearsal.push(rule(stage, do))
    # A push is not sent again: the refs that come before it show that it has arrived. (curl itself
    # sends what got no byte of an answer again; the server refuses that, as the ref has moved.)
    assert rehearsal.attempts() == (1 if (stage, do) == ("push", "truncate") else 2)
    rehearsal.assert_published(record)


@pytest.mark.parametrize("stage", STAGES)
def test_rate_limits_are_waited_for(rehearsal: Rehearsal, stage: str) -> None:
    faults = [rule(stage, "answer", status=429, headers=headers) for headers in (QUOTA, ACTION)]
    record = rehearsal.push(*faults)
    assert rehearsal.attempts() == 3
    assert 3 <= record.push_seconds < 30
    rehearsal.assert_published(record)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stall_is_given_up_and_retried(rehearsal: Rehearsal, stage: str) -> None:
    record = rehearsal.push(rule(stage, "stall", seconds=60), stall_timeout=STALL)
    assert rehearsal.attempts() == 2
    rehearsal.assert_published(record)


@pytest.mark.parametrize("stage", ["batch", "put", "push"])
def test_an_answer_shorter_than_announced_is_retried(rehearsal: Rehearsal, stage: str) -> None:
    record = rehearsal.push(rule(stage, "length-too-large"), stall_timeout=STALL)
    assert rehearsal.attempts() == (1 if stage == "push" else 2)
    rehearsal.assert_published(record)


def test_a_store_that_found_an_upload_too_slow_is_asked_again(rehearsal: Rehearsal) -> None:
    # What S3 says of a connection that was idle for about twenty seconds.
    record = rehearsal.push(rule("put", "answer", status=400, code="RequestTimeout"))
    assert rehearsal.attempts() == 2
    rehearsal.assert_published(record)


@pytest.mark.parametrize("stage", STAGES)
def test_retries_end(rehearsal: Rehearsal, stage: str) -> None:
    fault = rule(stage, "answer", status=503, message=WORDS, times=None)
    record = rehearsal.push(fault, max_retries=2)
    assert rehearsal.attempts() == (6 if stage in ASKED_AHEAD else 3)
    rehearsal.assert_kept(record, "server", WORDS, "gave up after 3 attempts")
    rehearsal.assert_request_id(record, 503)
    rehearsal.assert_published(rehearsal.resume())


@pytest.mark.parametrize("stage", ASKED_AHEAD)
def test_what_could_not_be_asked_ahead_is_asked_in_time(rehearsal: Rehearsal, stage: str) -> None:
    fault = rule(stage, "answer", status=503, message=WORDS)
    record = rehearsal.push(fault, max_retries=0)
    assert rehearsal.attempts() == 2
    rehearsal.assert_published(record)


def test_many_faults_in_one_push(rehearsal: Rehearsal) -> None:
    faults = [rule(stage, "answer", status=500) for stage in STAGES]
    faults += [rule(stage, "reset") for stage in STAGES]
    rehearsal.assert_published(rehearsal.push(*faults))


def test_a_flaky_hub_is_good_enough(rehearsal: Rehearsal) -> None:
    rehearsal.assert_published(rehearsal.push("flaky"))


# ---- answers that are no answers ---------------------------------------------------------------

_UNREAD = ("create", "access", "card", "put", "verify")  # their status says all


@pytest.mark.parametrize("do", ["length-too-small", "invalid-json"])
@pytest.mark.parametrize("stage", STAGES)
def test_an_answer_that_makes_no_sense(rehearsal: Rehearsal, stage: str, do: str) -> None:
    record = rehearsal.push(rule(stage, do))
    if stage in ("whoami", "batch", "confirm"):
        assert rehearsal.attempts() == 1
        rehearsal.assert_kept(record, "rejected", "answer")
        record = rehearsal.resume()
    else:
        assert rehearsal.attempts() == (1 if stage in (*_UNREAD, "push") else 2)
    rehearsal.assert_published(record)


# ---- final: the server's words, and nothing is sent again --------------------------------------


_REFUSALS = {
    400: ("rejected", "create batch put"),
    401: ("auth", "create access card batch put verify refs push confirm"),
    403: ("auth", "whoami create access card batch put verify refs push confirm"),
    404: ("not_found", "create access batch put verify refs push confirm"),
    409: ("conflict", "access put verify push"),
    412: ("conflict", "put push"),
    413: ("rejected", "batch put push"),
    422: ("rejected", "create batch put verify"),
}


@pytest.mark.parametrize(
    ("status", "stage"),
    [(status, stage) for status, (_, at) in _REFUSALS.items() for stage in at.split()],
)
def test_a_refusal_is_final(rehearsal: Rehearsal, stage: str, status: int) -> None:
    code = {404: {"code": "RepoNotFound"}}.get(status, {})
    fault = rule(stage, "answer", status=status, message=WORDS, times=None, **code)
    record = rehearsal.push(fault)
    kind, attempts = _REFUSALS[status][0], 1
    if stage == "whoami":
        kind = "rejected"  # whoever answers so may not be a Hub at all
    if stage == "put" and kind == "auth":
        attempts = 4  # an address that may have expired is asked for anew, three times
    if stage == "push" and kind == "conflict":
        attempts = 2  # after a second look at the ref
    if stage in ASKED_AHEAD:
        attempts = 2  # it was asked again when it was needed
    assert rehearsal.attempts() == attempts
    rehearsal.assert_kept(record, kind, WORDS)
    rehearsal.assert_request_id(record, status)
    rehearsal.assert_published(rehearsal.resume())


def test_refusals_that_need_not_stop_a_push(rehearsal: Rehearsal) -> None:
    rehearsal.create_repository()
    for status, stage in (
        (401, "whoami"),  # it tells a Hub from a git server, no more
        (403, "create"),  # the repository is there already
        (409, "create"),
        (404, "card"),  # a server that does not check cards
    ):
        rehearsal.assert_published(rehearsal.push(rule(stage, "answer", status=status)))


def test_a_refused_card_gives_way_to_a_minimal_one(rehearsal: Rehearsal) -> None:
    for status in (400, 413, 422):
        record = rehearsal.push(rule("card", "answer", status=status, message=WORDS))
        rehearsal.assert_published(record)
        assert any(WORDS in warning for warning in record.warnings)


def test_an_expired_address_is_renewed(rehearsal: Rehearsal) -> None:
    expired = rule("put", "answer", status=403, message="Request has expired", times=3)
    record = rehearsal.push(counter("batch"), expired)
    assert [rehearsal.attempts(0), rehearsal.attempts(1)] == [4, 4]
    rehearsal.assert_published(record)


def test_a_full_storage_says_so(rehearsal: Rehearsal) -> None:
    record = rehearsal.push("full")
    rehearsal.assert_kept(record, "auth", "storage limit reached", "its storage is not full")
    rehearsal.assert_request_id(record, 403)
    rehearsal.assert_published(rehearsal.resume())


def test_a_revision_that_a_replica_does_not_know_yet(rehearsal: Rehearsal) -> None:
    unknown: dict[str, Any] = {"status": 404, "code": "RevisionNotFound", "times": 2}
    record = rehearsal.push(rule("confirm", "answer", **unknown))
    assert rehearsal.attempts() == 3
    rehearsal.assert_published(record)
