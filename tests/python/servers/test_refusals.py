"""What goes wrong with a server of one's own, before any weights are sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hub_revisions import ConfigError, RevisionPusher
from hub_revisions._native import JobRecord
from tiny_training import write_checkpoint

from .configuration import GROUP
from .conftest import in_folder, on_server
from .git_server import PASSWORD, USER, GitServer


def push(tmp_path: Path, **where: Any) -> JobRecord:
    made = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    with RevisionPusher(tmp_path, **{"max_retries": 0, **where}) as pusher:
        pusher.submit(made)
        assert pusher.wait(timeout=60)
    (record,) = pusher.records()
    return record


def refused(record: JobRecord, kind: str, *words: str) -> None:
    assert record.error is not None, record.state
    assert record.error.kind == kind, record.error.message
    for word in words:
        assert word in record.error.message


def sent_objects(server: GitServer, since: int) -> list[str]:
    return [one["uri"] for one in server.log()[since:] if "info/lfs" in one["uri"]]


def test_a_wrong_password(
    signed_server: GitServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = on_server(signed_server, monkeypatch)
    before = len(signed_server.log())
    record = push(tmp_path, **place.where | {"token": "not-the-password"})
    refused(record, "auth", "401", "HF_TOKEN", "'username'")
    assert not sent_objects(signed_server, before)


def test_a_wrong_user(
    signed_server: GitServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = on_server(signed_server, monkeypatch)
    address = place.address.replace(f"{USER}@", "bob@")
    refused(push(tmp_path, repo_id=address, token=PASSWORD), "auth", "401", "'username'")
    # The setting serves as well as the address.
    address = place.address.replace(f"{USER}@", "")
    record = push(tmp_path / "again", repo_id=address, token=PASSWORD, username=USER)
    assert record.state == "done", record.error


def test_a_repository_that_is_not_there(
    signed_server: GitServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on_server(signed_server, monkeypatch)
    before = len(signed_server.log())
    address = f"{signed_server.endpoint}/{GROUP}/none.git"
    record = push(tmp_path, repo_id=address, username=USER, token=PASSWORD)
    refused(record, "not_found", "404", "make the repository on its server first")
    assert not sent_objects(signed_server, before)


def test_a_certificate_of_nobody_known(signed_server: GitServer, tmp_path: Path) -> None:
    address = f"{signed_server.endpoint}/{GROUP}/any.git"
    refused(push(tmp_path, repo_id=address, token=PASSWORD), "rejected", "REQUESTS_CA_BUNDLE")


def test_a_password_in_the_address_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="HF_TOKEN") as caught:
        RevisionPusher(tmp_path, repo_id=f"https://{USER}:{PASSWORD}@git.example/a/b.git")
    assert PASSWORD not in str(caught.value)
    assert not (tmp_path / "_hub_revisions").exists()


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "mine.txt").write_text("mine")
    refused(push(tmp_path, **in_folder(notes).where), "config", str(notes), "git init --bare")
    assert [path.name for path in notes.iterdir()] == ["mine.txt"]


def test_an_endpoint_and_a_name_find_out_what_the_server_is(
    gated_server: GitServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = on_server(gated_server, monkeypatch)
    name = f"{GROUP}/{place.folder.stem}"
    record = push(
        tmp_path, repo_id=name, endpoint=gated_server.endpoint, username=USER, token=PASSWORD
    )
    assert record.state == "done", record.error
    assert place.branches() == {"step-000000001": record.commit}


def test_an_lfs_server_somewhere_else(
    signed_server: GitServer,
    gated_server: GitServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    place = on_server(signed_server, monkeypatch)
    trusted = tmp_path / "both.pem"
    servers = (signed_server, gated_server)
    trusted.write_text("".join(one.authority.certificate.read_text() for one in servers))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    name = f"{GROUP}/{place.folder.stem}"
    lfs_url = f"{gated_server.endpoint}/{name}.git/info/lfs"
    record = push(tmp_path, **place.where, lfs_url=lfs_url)
    assert record.state == "done", record.error
    assert place.branches() == {"step-000000001": record.commit}
    assert gated_server.objects(name)
    assert not signed_server.objects(name)


def test_a_job_for_another_lfs_server_waits_for_whoever_says_so(tmp_path: Path) -> None:
    made = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    address = {"repo_id": "https://git.example/a/b.git", "token": "hf_for-one-server"}
    with RevisionPusher(
        tmp_path, **address, lfs_url="https://lfs.example/a", mode="spool"
    ) as pusher:
        pusher.submit(made)
    with RevisionPusher(tmp_path, **address) as pusher:
        assert pusher.wait(timeout=60)
    (record,) = pusher.status()
    refused(record, "config", "https://lfs.example/a", "hub-revisions sync")
