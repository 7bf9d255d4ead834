"""Faults on purpose: which requests a rule takes, what each action does, and who may set them."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from child_process import until
from hub_revisions.local_hub import LocalHub
from hub_revisions.local_hub.faults import (
    CONTROL_PATH,
    PRESETS,
    Faults,
    InvalidFaultsError,
    load_rules,
    parse_rules,
)
from huggingface_hub import HfApi

from .conftest import bearer
from .test_storage import oid_of, upload_url

WHOAMI = "/api/whoami-v2"


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    with LocalHub(tmp_path_factory.mktemp("faulty"), "--faults", "none") as hub:
        HfApi(endpoint=hub.endpoint, token=hub.token).create_repo("me/model")
        yield hub


@pytest.fixture(autouse=True)
def without_faults(faulty: LocalHub) -> Iterator[None]:
    yield
    faulty.set_faults()


def get(hub: LocalHub, path: str = WHOAMI, **options: Any) -> httpx.Response:
    return httpx.get(hub.endpoint + path, headers=bearer(hub.token), **options)


def taken(faults: Faults, *requests: tuple[str, str, str]) -> list[str | None]:
    rules = [faults.take(*request) for request in requests]
    return [None if rule is None else rule.do for rule in rules]


def test_a_rule_means_requests_by_method_path_and_listener() -> None:
    rule = {"do": "reset", "method": "PUT", "path": "/a/*/c", "on": "storage", "times": None}
    faults = Faults(parse_rules({"rules": [rule]}))
    hit, others = ("PUT", "/a/b/b/c", "storage"), [
        ("GET", "/a/b/c", "storage"),
        ("PUT", "/a/b/cd", "storage"),
        ("PUT", "/a/b/c", "hub"),
    ]  # fmt: skip
    assert taken(faults, hit, *others) == ["reset", None, None, None]
    assert faults.counts[0].matches == faults.counts[0].hits == 1


def test_after_every_times_and_the_order_of_rules() -> None:
    rules = [{"do": "reset", "after": 1, "every": 2, "times": 2}, {"do": "truncate", "after": 1}]
    faults = Faults(parse_rules({"rules": rules}))
    found = taken(faults, *[("GET", "/", "hub")] * 7)
    assert found == [None, "truncate", "reset", None, "reset", None, None]
    assert [(count.matches, count.hits) for count in faults.counts] == [(7, 2), (5, 1)]


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], "an object"),
        ({"rules": [7]}, "rule 1 is neither"),
        ({"rules": ["flakey"]}, "no preset is called 'flakey'"),
        ({"rules": [{"do": "explode"}]}, "'do' is one of answer, truncate"),
        ({"rules": ["none", {"do": "reset", "seconds": 1}]}, "rule 2: 'reset' has no field"),
        ({"rules": [{"do": "stall"}]}, "'stall' needs seconds"),
        ({"rules": [{"do": "answer", "status": "503"}]}, "'status' has the wrong type"),
        ({"rules": [{"do": "answer", "status": 42}]}, "'status' is that of an answer"),
        ({"rules": [{"do": "reset", "times": "2"}]}, "'times' has the wrong type"),
        ({"rules": [{"do": "reset", "every": 0}]}, "'every' is at least 1"),
        ({"rules": [{"do": "reset", "on": "moon"}]}, "'on' is one of any, hub, storage"),
        ({"rules": [{"do": "answer", "status": 500, "headers": {"A": "b\r\nC: d"}}]}, "headers"),
    ],
)
def test_wrong_rules_are_named(faulty: LocalHub, document: object, text: str) -> None:
    with pytest.raises(InvalidFaultsError, match=text):
        parse_rules(document)
    if isinstance(document, dict):
        with pytest.raises(RuntimeError, match=text):
            faulty.set_faults(*document["rules"])
    assert get(faulty).status_code == 200


def test_rules_come_from_a_file_or_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text(json.dumps({"rules": [{"do": "reset"}, "down"]}))
    assert [rule.do for rule in load_rules(str(file))] == ["reset", "answer"]
    for name, rules in PRESETS.items():
        assert len(load_rules(name)) == len(rules)
    file.write_text("{")
    for source in (str(file), str(tmp_path / "missing")):
        with pytest.raises(InvalidFaultsError, match="neither a preset"):
            load_rules(source)
    with pytest.raises(RuntimeError, match="neither a preset"):
        LocalHub(tmp_path / "hub", "--faults", "flakey")


def test_a_hub_has_faults_only_if_it_was_asked_for(hub: LocalHub, faulty: LocalHub) -> None:
    with pytest.raises(RuntimeError, match="no such route"):
        hub.set_faults({"do": "reset"})
    with pytest.raises(RuntimeError, match="no such route"):
        hub.fault_counts()


def test_only_the_write_token_sets_them(faulty: LocalHub) -> None:
    for token, status in ((faulty.read_token, 403), ("hf_wrong", 401)):
        url = faulty.endpoint + CONTROL_PATH
        body = {"rules": ["down"]}
        assert httpx.put(url, json=body, headers=bearer(token)).status_code == status
        assert httpx.get(url, headers=bearer(token)).status_code == status
    assert get(faulty).status_code == 200


def test_they_can_be_cleared_when_nothing_works(faulty: LocalHub) -> None:
    faulty.set_faults("down")
    assert get(faulty).status_code == 503
    assert faulty.fault_counts()[0]["hits"] == 1
    faulty.set_faults()
    assert get(faulty).status_code == 200


def test_an_answer_has_the_form_of_its_route(faulty: LocalHub) -> None:
    faulty.set_faults(
        {"do": "answer", "status": 429, "message": "slow down", "code": "Busy", "times": 3,
         "headers": {"Retry-After": "7", "RateLimit": '"api";r=0;t=1'}, "on": "hub"},
        {"do": "answer", "status": 403, "message": "Request has expired", "code": "AccessDenied"},
    )  # fmt: skip
    rest = get(faulty)
    assert (rest.status_code, rest.json()) == (429, {"error": "slow down"})
    assert rest.headers["x-error-code"] == "Busy"
    assert rest.headers["x-error-message"] == "slow down"
    assert rest.headers["retry-after"] == "7" and rest.headers["ratelimit"] == '"api";r=0;t=1'
    log, number = faulty.root / "hub.log", rest.headers["x-request-id"]
    until(lambda: number in log.read_text(), "the request is logged, right after it was answered")
    assert get(faulty, "/me/model.git/info/lfs/x").json() == {"message": "slow down"}
    assert get(faulty, "/me/model/info/refs").text == "slow down\n"
    stored = httpx.put(f"{faulty.storage_endpoint}/x", content=bytes(1_000_000))
    assert stored.status_code == 403
    assert "<Code>AccessDenied</Code><Message>Request has expired</Message>" in stored.text


@pytest.mark.parametrize(
    ("do", "error"),
    [
        ("reset", httpx.ReadError),
        ("lose-answer", httpx.RemoteProtocolError),
        ("truncate", httpx.RemoteProtocolError),
        ("length-too-large", httpx.ReadTimeout),
    ],
)
def test_answers_that_do_not_arrive(
    faulty: LocalHub, do: str, error: type[httpx.HTTPError]
) -> None:
    faulty.set_faults({"do": do})
    url = f"{faulty.endpoint}/api/models/me/model/branch/{do}"
    with pytest.raises(error):
        httpx.post(url, headers=bearer(faulty.token), timeout=1)
    done = httpx.post(url, headers=bearer(faulty.token)).status_code == 409
    assert done == (do != "reset")
    assert [count["hits"] for count in faulty.fault_counts()] == [1]


def raw_answer(hub: LocalHub, path: str) -> tuple[int, bytes]:
    """Content-Length and everything that came after the head."""
    connection = http.client.HTTPConnection(urlsplit(hub.endpoint).netloc, timeout=10)
    connection.request("GET", path, headers=bearer(hub.token))
    assert connection.sock is not None
    received = b""
    while chunk := connection.sock.recv(65536):
        received += chunk
    connection.close()
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    assert len(lengths) == 1
    return int(lengths[0].split(b":")[1]), body


def test_spoilt_answers(faulty: LocalHub) -> None:
    whole = get(faulty).content
    faulty.set_faults(*[{"do": do} for do in ("truncate", "length-too-small", "invalid-json")])
    assert raw_answer(faulty, WHOAMI) == (len(whole), whole[: len(whole) // 2])
    assert raw_answer(faulty, WHOAMI) == (len(whole) // 2, whole)
    length, body = raw_answer(faulty, WHOAMI)
    assert length == len(body)
    with pytest.raises(ValueError):
        json.loads(body)
    assert get(faulty).content == whole


def test_a_stall_delays_what_is_still_wanted(faulty: LocalHub) -> None:
    faulty.set_faults({"do": "stall", "seconds": 0.5}, {"do": "stall", "seconds": 60})
    started = time.monotonic()
    assert get(faulty).status_code == 200
    assert time.monotonic() - started >= 0.5
    with pytest.raises(httpx.ReadTimeout):
        get(faulty, timeout=0.2)
    assert get(faulty).status_code == 200


def test_a_redirect_names_any_host(faulty: LocalHub) -> None:
    faulty.set_faults({"do": "redirect", "location": "http://other.invalid/x", "status": 302})
    answer = get(faulty)
    assert (answer.status_code, answer.headers["location"]) == (302, "http://other.invalid/x")


def test_somebody_else_moves_a_ref(faulty: LocalHub) -> None:
    path = "/api/models/me/model/revision/moved"
    rule = {"do": "move-ref", "ref": "refs/heads/moved", "path": path, "times": 2}
    faulty.set_faults(rule)
    first, second, third = (get(faulty, path).json()["sha"] for _ in range(3))
    assert first != second == third


def test_somebody_else_deletes_and_renames(faulty: LocalHub) -> None:
    api = HfApi(endpoint=faulty.endpoint, token=faulty.token)
    for name in ("deleted", "renamed"):
        api.create_repo(f"me/{name}")
    faulty.set_faults(
        {"do": "delete-repository", "path": "*/me/deleted*"},
        {"do": "rename-repository", "to": "other/name", "path": "*/me/renamed*"},
        {"do": "delete-repository", "path": WHOAMI},
    )
    assert get(faulty, "/api/models/me/deleted").headers["x-error-code"] == "RepoNotFound"
    moved = get(faulty, "/me/renamed.git/info/refs?service=git-receive-pack")
    assert moved.status_code == 307
    assert moved.headers["location"] == "/other/name.git/info/refs?service=git-receive-pack"
    assert get(faulty).status_code == 200, "this path names no repository"


def test_storage_urls_can_lead_elsewhere(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "hub", "--storage-url", "http://store.invalid:9/") as hub:
        HfApi(endpoint=hub.endpoint, token=hub.token).create_repo("me/model")
        url = upload_url(hub, "me/model", b"x")
        assert url.startswith(f"http://store.invalid:9/me/model/objects/{oid_of(b'x')}/1?")
        direct = url.replace("http://store.invalid:9", hub.storage_endpoint)
        assert httpx.put(direct, content=b"x").status_code == 200
