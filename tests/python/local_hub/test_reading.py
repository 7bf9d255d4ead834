"""What comes back from the hub: listings, files, cards and a model that loads."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from hub_revisions.local_hub import LocalHub
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import (
    RemoteEntryNotFoundError,
)
from huggingface_hub.file_download import http_get

from .conftest import bearer


def test_pages_are_linked(hub: LocalHub, api: HfApi, repo: str) -> None:
    operations = [CommitOperationAdd(f"d/{number}.txt", b"x") for number in range(5)]
    api.create_commit(repo, operations, commit_message="five")
    for route, total in (("tree/main/d?limit=2", 5), ("commits/main?limit=1", 2)):
        url, seen = f"{hub.endpoint}/api/models/{repo}/{route}", 0
        while url:
            answer = httpx.get(url, headers=bearer(hub.token))
            seen += len(answer.json())
            url = answer.links.get("next", {}).get("url", "")
        assert seen == total


def test_tree_and_paths_info(api: HfApi, repo: str) -> None:
    operations = [CommitOperationAdd(name, b"x") for name in ("a.txt", "d/b.txt", "d/e/c #1.txt")]
    commit = api.create_commit(repo, operations, commit_message="files").oid
    assert {entry.path for entry in api.list_repo_tree(repo, recursive=True)} == {
        ".gitattributes", "a.txt", "d", "d/b.txt", "d/e", "d/e/c #1.txt"
    }  # fmt: skip
    inner = list(api.list_repo_tree(repo, path_in_repo="d/e", expand=True))
    assert [entry.path for entry in inner] == ["d/e/c #1.txt"]
    assert inner[0].last_commit is not None and inner[0].last_commit.oid == commit
    found = api.get_paths_info(repo, ["a.txt", "d", "missing"], expand=True)
    assert [entry.path for entry in found] == ["a.txt", "d"]
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree(repo, path_in_repo="nowhere"))


def test_too_many_paths(hub: LocalHub, repo: str) -> None:
    url = f"{hub.endpoint}/api/models/{repo}/paths-info/main"
    body = {"paths": [f"p{number}" for number in range(1001)]}
    answer = httpx.post(url, data=body, headers=bearer(hub.token))
    assert (answer.status_code, answer.json()["error"]) == (413, "too many parameters")


def test_download_resumes_in_the_middle(
    hub: LocalHub, api: HfApi, repo: str, tmp_path: Path
) -> None:
    content, text = os.urandom(50_000), b"0123456789" * 100
    adds = [CommitOperationAdd("m.bin", content), CommitOperationAdd("t.txt", text)]
    api.create_commit(repo, adds, commit_message="add")
    for name, whole in (("m.bin", content), ("t.txt", text)):
        url = f"{hub.endpoint}/{repo}/resolve/main/{name}"
        for wanted, expected in (("10-", whole[10:]), ("0-4", whole[:5]), ("-7", whole[-7:])):
            headers = bearer(hub.token) | {"Range": f"bytes={wanted}"}
            answer = httpx.get(url, headers=headers, follow_redirects=True)
            assert (answer.status_code, answer.content) == (206, expected)
        with (tmp_path / name).open("w+b") as file:
            file.write(whole[:300])
            http_get(url, file, resume_size=300, headers=bearer(hub.token))
            file.seek(0)
            assert file.read() == whole


def test_resolve_headers(hub: LocalHub, api: HfApi, repo: str) -> None:
    content = os.urandom(1000)
    commit = api.create_commit(
        repo, [CommitOperationAdd("m.bin", content)], commit_message="add"
    ).oid  # fmt: skip
    url = f"{hub.endpoint}/{repo}/resolve/main"
    plain = httpx.head(f"{url}/.gitattributes", headers=bearer(hub.token))
    assert plain.status_code == 200
    assert plain.headers["x-repo-commit"] == commit
    assert len(plain.headers["etag"].strip('"')) == 40
    large = httpx.head(f"{url}/m.bin", headers=bearer(hub.token))
    assert large.status_code == 302
    assert large.headers["x-linked-size"] == "1000"
    assert len(large.headers["x-linked-etag"].strip('"')) == 64
    assert large.headers["location"].startswith(hub.storage_endpoint)
    missing = httpx.head(f"{url}/nothing", headers=bearer(hub.token))
    assert missing.headers["x-error-code"] == "EntryNotFound"
    assert missing.headers["x-repo-commit"] == commit


def test_model_card_push(run_client: Callable[[str], str], api: HfApi, repo: str) -> None:
    out = run_client(
        "from huggingface_hub import ModelCard, HfApi\n"
        "text = '---\\nlicense: mit\\ntags: [a]\\nbase_model: org/base\\n---\\n# Hi\\n'\n"
        "card = ModelCard(text)\n"
        f"card.push_to_hub({repo!r})\n"
        "bad = ModelCard('---\\nbase_model: /home/me/model\\n---\\n')\n"
        "try:\n"
        "    bad.validate()\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    assert "Use a model id from https://hf.co/models." in out
    info = api.model_info(repo)
    assert info.card_data is not None and info.card_data.license == "mit"
    assert info.tags == ["a", "base_model:org/base", "license:mit"]


def test_from_pretrained_of_a_revision(
    run_client: Callable[[str], str], api: HfApi, repo: str, tmp_path: Path
) -> None:
    """What all of this is for: a branch loads with `revision=`."""
    api.create_branch(repo, branch="run/step-1")
    out = run_client(
        "import torch\n"
        "from huggingface_hub import HfApi\n"
        "from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel\n"
        "config = GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=32, n_positions=16)\n"
        "model = GPT2LMHeadModel(config)\n"
        f"model.save_pretrained({str(tmp_path / 'model')!r})\n"
        f"HfApi().upload_folder(repo_id={repo!r}, folder_path={str(tmp_path / 'model')!r}, "
        "revision='run/step-1')\n"
        f"back = AutoModelForCausalLM.from_pretrained({repo!r}, revision='run/step-1')\n"
        "pairs = zip(model.state_dict().values(), back.state_dict().values())\n"
        "print(all(torch.equal(a, b) for a, b in pairs))\n"
    )
    assert out.strip().endswith("True")


def test_validate_yaml_needs_no_token(hub: LocalHub) -> None:
    url = f"{hub.endpoint}/api/validate-yaml"
    good = httpx.post(url, json={"content": "---\nlicense: mit\n---\n", "repoType": "model"})
    assert good.json() == {"errors": [], "warnings": []}
    assert "empty or missing" in httpx.post(url, json={"content": "# Hi"}).text
    bad = httpx.post(url, json={"content": "---\na: [\n---\n", "repoType": "model"})
    assert bad.status_code == 400 and bad.json()["errors"]
