"""What a browser shows of the local hub: to whom, what, and that it stays current."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hub_revisions import RevisionPusher
from hub_revisions.local_hub import LocalHub
from hub_revisions.local_hub.repos import Repositories
from hub_revisions.local_hub.revisions import read_contents
from hub_revisions.repository import Repository
from hub_revisions.results.store import result_file
from hub_revisions.results.types import Metric, Result
from huggingface_hub import CommitOperationAdd, HfApi
from local_hub.conftest import basic, bearer
from selenium.webdriver.common.keys import Keys
from tiny_training import write_checkpoint

from .browser import Browser

HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def api(hub: LocalHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=hub.token)


def push(folder: Path, where: dict[str, Any], *steps: int) -> None:
    """Publish small revisions, whose loss falls."""
    with RevisionPusher(folder, **where) as pusher:
        for step in steps:
            name = f"checkpoint-{step}"
            pusher.submit(write_checkpoint(folder / name, step=step, eval_loss=1 / step))
        assert pusher.wait(timeout=60)
        assert {record.state for record in pusher.records()} == {"done"}


def evaluate(api: HfApi, repo_id: str, step: int, value: float) -> None:
    """Put a result for a revision on the branch of the records."""
    name = f"step-{step:09d}"
    commit = next(b.target_commit for b in api.list_repo_refs(repo_id).branches if b.name == name)
    metric = Metric("acc", value, 0.01, mode="max")
    result = Result(f"ev-{step}", commit, name, step, "s", "succeeded", metrics=(metric,))
    path, text = result_file(result)
    api.create_branch(repo_id, branch="evaluations", exist_ok=True)
    operations = [CommitOperationAdd(path, text.encode())]
    api.create_commit(repo_id, operations, revision="evaluations", commit_message="Result")


def get(hub: LocalHub, path: str, token: str = "", **headers: str) -> httpx.Response:
    shown = bearer(token) if token else {}
    return httpx.get(hub.endpoint + path, headers=HTML | shown | headers)


def test_a_browser_is_asked_for_a_token(hub: LocalHub, api: HfApi, repo_id: str) -> None:
    api.create_repo(repo_id, private=True)
    for path in ("/", f"/{repo_id}", f"/{repo_id}/tree/main"):
        answer = get(hub, path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert repo_id not in answer.text
        shown = {"Authorization": basic(hub.read_token)}
        assert httpx.get(hub.endpoint + path, headers=HTML | shown).status_code == 200
    # Programs are told by the status alone, as before.
    assert "WWW-Authenticate" not in httpx.get(f"{hub.endpoint}/api/whoami-v2").headers


def test_a_limited_token_sees_its_repositories_alone(tmp_path: Path) -> None:
    with LocalHub(tmp_path) as hub:
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        for name in ("me/mine", "me/other"):
            api.create_repo(name)
    file = tmp_path / "tokens.json"
    limited = {"token": "hf_for-one-reader", "role": "read", "repositories": ["me/mine"]}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"limited": [limited]}))
    with LocalHub(tmp_path) as hub:
        page = get(hub, "/", "hf_for-one-reader").text
        assert "me/mine" in page and "me/other" not in page
        assert get(hub, "/me/mine", "hf_for-one-reader").status_code == 200
        assert get(hub, "/me/other", "hf_for-one-reader").status_code == 404
        assert get(hub, "/me/other/tree/main", "hf_for-one-reader").status_code == 404


def test_pages_of_other_sites_change_nothing(hub: LocalHub, repo_id: str) -> None:
    url = f"{hub.endpoint}/api/repos/create"
    for origin in ("https://elsewhere.example", "null", "http://127.0.0.1:1"):
        headers = {"Authorization": basic(hub.token), "Origin": origin}
        answer = httpx.post(url, content=json.dumps({"name": repo_id}), headers=headers)
        assert answer.status_code == 403
    headers = {"Authorization": basic(hub.token), "Origin": hub.endpoint}
    assert httpx.post(url, json={"name": repo_id}, headers=headers).status_code == 200


def test_the_hub_reads_what_clients_read(
    hub: LocalHub, api: HfApi, where: dict[str, Any], repo_id: str, tmp_path: Path
) -> None:
    push(tmp_path, where, 1, 2)
    evaluate(api, repo_id, 1, 0.5)
    api.create_tag(repo_id, tag="v1", revision="step-000000002")
    namespace, name = repo_id.split("/")
    ours = read_contents(Repositories(hub.root).get(namespace, name))
    assert ours == Repository(repo_id, endpoint=hub.endpoint, token=hub.token).read()
    assert len(ours.revisions) == 3 and len(ours.records) == 2 and len(ours.tags) == 1


def test_the_page_is_the_report(
    hub: LocalHub, api: HfApi, where: dict[str, Any], repo_id: str, tmp_path: Path
) -> None:
    push(tmp_path, where, 1, 2)
    evaluate(api, repo_id, 1, 0.5)
    answer = get(hub, f"/{repo_id}", hub.read_token)
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "Best revision" in answer.text and "step-000000001" in answer.text
    commit = next(b for b in api.list_repo_refs(repo_id).branches if b.name == "step-000000001")
    listing = f"{hub.endpoint}/{repo_id}/tree/{commit.target_commit}"
    assert listing in answer.text
    files = httpx.get(listing, headers=HTML | bearer(hub.read_token)).text
    assert f"/{repo_id}/resolve/{commit.target_commit}/model.safetensors" in files


def test_nothing_new_is_not_sent_again(
    hub: LocalHub, api: HfApi, where: dict[str, Any], repo_id: str, tmp_path: Path
) -> None:
    push(tmp_path, where, 1)
    tag = get(hub, f"/{repo_id}", hub.read_token).headers["ETag"]
    same = get(hub, f"/{repo_id}", hub.read_token, **{"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")
    evaluate(api, repo_id, 1, 0.5)
    other = get(hub, f"/{repo_id}", hub.read_token, **{"If-None-Match": tag})
    assert other.status_code == 200 and other.headers["ETag"] != tag


def test_what_is_not_there_is_404(hub: LocalHub) -> None:
    for path in ("/me/nothing", "/me/nothing/tree/main", "/api/nothing", "/favicon.ico"):
        assert get(hub, path, hub.read_token).status_code == 404


def test_a_moved_repository_is_found(hub: LocalHub, api: HfApi, repo_id: str) -> None:
    api.create_repo(repo_id)
    api.move_repo(from_id=repo_id, to_id=f"{repo_id}-now")
    answer = get(hub, f"/{repo_id}", hub.read_token)
    assert (answer.status_code, answer.headers["Location"]) == (307, f"/{repo_id}-now")


def test_a_commit_of_anybody_is_shown_as_text(hub: LocalHub, api: HfApi, repo_id: str) -> None:
    api.create_repo(repo_id)
    api.create_branch(repo_id, branch="<b>x")
    message = "x\n\nHub-Revision: <b>x\nStep: 99999999999999999999\nEpoch: nan\nMetric: <i>=1e999\n"
    operations = [CommitOperationAdd("a.txt", b"a"), CommitOperationAdd("<img src=x>.txt", b"b")]
    title, _, description = message.partition("\n\n")
    api.create_commit(repo_id, operations, revision="<b>x", commit_message=title,
                      commit_description=description)  # fmt: skip
    page = get(hub, f"/{repo_id}", hub.read_token)
    assert page.status_code == 200
    assert "<b>x" not in page.text and "&lt;b&gt;x" in page.text
    files = get(hub, f"/{repo_id}/tree/%3Cb%3Ex", hub.read_token).text
    assert "<img" not in files and "&lt;img src=x&gt;.txt" in files


@pytest.fixture
def signed_in(browser: Browser, hub: LocalHub) -> Iterator[Browser]:
    """A browser that shows the hub's token."""
    browser.authorize(basic(hub.read_token))
    yield browser
    browser.authorize("")


def test_the_page_follows_a_training(
    signed_in: Browser, hub: LocalHub, api: HfApi, where: dict[str, Any], repo_id: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    browser = signed_in
    push(tmp_path, where, 1, 2)
    browser.complaints()
    browser.open(hub.endpoint)
    next(link for link in browser.all("td a") if link.text == repo_id).click()
    browser.wait_for("return document.querySelectorAll('#revisions tbody tr').length == 2")
    # What the reader has done stays done: the metric, the order, the focus.
    steps = "[...document.querySelectorAll('#revisions tbody .revision')].map((e) => e.innerText)"
    browser.tab_to("#revisions th:nth-child(2) button")
    browser.press(Keys.ENTER, Keys.ENTER)
    browser.ask("window.untouched = true")
    push(tmp_path, where, 3)
    browser.wait_for("return document.querySelectorAll('#revisions tbody tr').length == 3")
    newest_first = [f"step-00000000{step}" for step in (3, 2, 1)]
    assert browser.ask(f"return {steps}") == newest_first
    assert browser.ask("return document.activeElement.textContent") == "step"
    assert browser.ask("return document.querySelector('[role=tab]').textContent") == "eval_loss"
    evaluate(api, repo_id, 2, 0.75)
    browser.wait_for("return document.querySelector('.winner')?.textContent == 'step-000000002'")
    assert browser.one("[role=tab][aria-selected=true]").text == "acc"
    browser.all("[role=tab]")[1].click()
    evaluate(api, repo_id, 3, 0.875)
    browser.wait_for("return document.querySelector('.winner').textContent == 'step-000000003'")
    assert browser.one("[role=tab][aria-selected=true]").text == "eval_loss"
    assert browser.ask("return window.untouched")  # never loaded again
    assert browser.complaints() == []


def test_a_hub_that_is_away_leaves_the_page_as_it_was(
    browser: Browser, where: dict[str, Any], repo_id: str, tmp_path: Path
) -> None:
    with LocalHub(tmp_path / "hub") as hub:
        there = where | {"endpoint": hub.endpoint, "token": hub.token}
        push(tmp_path, there, 1)
        browser.authorize(basic(hub.read_token))
        try:
            browser.open(f"{hub.endpoint}/{repo_id}")
            browser.wait_for("return document.body.dataset.connected == 'true'")
        finally:
            browser.authorize("")
    browser.wait_for("return document.body.dataset.connected == 'false'")
    assert len(browser.all("#revisions tbody tr")) == 1
