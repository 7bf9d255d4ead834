"""The webhook engine against a real HTTP server."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from pathlib import Path

import pytest
from hub_revisions.evaluation.contract import State, SubmitError
from hub_revisions.evaluation.engines import Surroundings, make_engine
from hub_revisions.evaluation.engines.webhook import WebhookEngine

from .conftest import Requests
from .http_server import Answer, Server

SECRET = "s3cr3t-of-mine"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVAL_SECRET", SECRET)


def engine(url: str, jobs: Path) -> WebhookEngine:
    options = {"url": url, "secret_env": "EVAL_SECRET"}
    made = make_engine("webhook", options, Surroundings(jobs, {}, "http://hub.example", "hf_x"))
    assert isinstance(made, WebhookEngine)
    return made


def test_a_request_arrives_signed_and_whole(make_request: Requests) -> None:
    with Server(lambda call: Answer()) as server:
        webhook = engine(f"{server.url}/evaluate", make_request.jobs)
        assert webhook.probe() is None
        request = make_request("eval", "a b", "$(id)", env={"A": "1"})
        job = webhook.submit(request)
        (call,) = server.calls
    assert (call.method, call.path) == ("POST", "/evaluate")
    timestamp = call.headers["x-hub-revisions-timestamp"]
    assert abs(int(timestamp) - time.time()) < 60
    # As a receiver computes it, who knows the documentation alone.
    expected = hmac.new(
        SECRET.encode(), timestamp.encode() + b"." + call.body, hashlib.sha256
    ).hexdigest()
    assert call.headers["x-hub-revisions-signature"] == f"sha256={expected}"
    assert call.headers["x-hub-revisions-delivery"] == job.id == f"{request.key}.1"
    body = json.loads(call.body)
    assert body["schema"] == "hub-revisions-webhook/1"
    assert (body["commit"], body["argv"]) == (request.commit, ["eval", "a b", "$(id)"])
    assert (body["endpoint"], body["out_dir"]) == ("http://hub.example", str(request.out_dir))
    told = json.dumps(call.headers) + call.body.decode()
    assert SECRET not in told
    assert "hf_x" not in told
    for path in request.out_dir.iterdir():
        assert SECRET not in path.read_text()


def test_nobody_is_asked_and_nobody_is_stopped(make_request: Requests) -> None:
    with Server(lambda call: Answer()) as server:
        webhook = engine(server.url, make_request.jobs)
        job = webhook.submit(make_request("eval"))
        assert webhook.poll([job])[job.id].state is State.RUNNING
        webhook.cancel(job)
        assert webhook.find(job.key, 1) is None
        assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("status", "retryable"), [(400, False), (404, False), (302, False), (429, True), (503, True)]
)
def test_an_answer_that_is_no_success(make_request: Requests, status: int, retryable: bool) -> None:
    answer = Answer(status, headers={"Location": "/elsewhere"})
    with Server(lambda call: answer) as server:
        with pytest.raises(SubmitError, match=f"answered {status}") as caught:
            engine(server.url, make_request.jobs).submit(make_request("eval"))
        assert caught.value.retryable is retryable
        assert len(server.calls) == 1


def test_nobody_listens(make_request: Requests) -> None:
    with Server(lambda call: Answer()) as server:
        server.close()
        with pytest.raises(SubmitError, match="cannot be reached") as caught:
            engine(server.url, make_request.jobs).submit(make_request("eval"))
    assert caught.value.retryable


def test_without_the_secret_it_cannot_be_used(
    make_request: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVAL_SECRET")
    problem = engine("http://127.0.0.1:9", make_request.jobs).probe()
    assert problem is not None
    assert "EVAL_SECRET" in problem
