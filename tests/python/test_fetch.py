"""Bringing back a revision: the right bytes or none, whatever happens on the way."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from child_process import Child, until
from command_line import document, run
from hub_revisions import HubRevisionError, Repository, RevisionPusher, _core
from hub_revisions.fetch import fetch
from hub_revisions.local_hub import LocalHub
from huggingface_hub import HfApi
from loop_mount import file_system
from published import git
from tiny_training import download, write_checkpoint

REVISION = "step-000000007"
SIZE = 4 << 20  # bytes of the weights


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A hub that fails when it is told to."""
    with LocalHub(tmp_path_factory.mktemp("hub"), "--faults", "none") as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults(hub: LocalHub) -> Iterator[None]:
    yield
    hub.set_faults()


def write_files(folder: Path) -> Path:
    """A checkpoint with random weights, a text in a subfolder, and one object at two places."""
    write_checkpoint(folder, step=7, size=SIZE)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-SIZE, os.SEEK_END)
        file.write(os.urandom(SIZE))
    (folder / "notes").mkdir()
    (folder / "notes" / "read me.txt").write_text("café\n", "utf-8")
    (folder / "notes" / "empty").touch()
    for name in ("one.bin", "two.bin"):
        (folder / name).write_bytes(b"\0twice")
    return folder


@pytest.fixture
def repository(where: dict[str, Any], tmp_path: Path) -> Repository:
    """A repository with one revision."""
    with RevisionPusher(tmp_path, **where) as pusher:
        pusher.submit(write_files(tmp_path / "checkpoint-7"))
        assert pusher.wait(timeout=60)
        assert [record.state for record in pusher.records()] == ["done"]
    return Repository(**where)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


def weights_in_store(hub: LocalHub, repo_id: str) -> Path:
    objects = (hub.root / f"{repo_id}.git" / "lfs" / "objects").glob("??/??/*")
    return max(objects, key=lambda path: path.stat().st_size)


def test_it_is_what_the_stock_client_downloads(
    hub: LocalHub, repository: Repository, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "fetched"
    fetched = fetch(repository, REVISION, folder)
    assert content(folder) == content(download(hub, repository.repo_id, REVISION, tmp_path / "hf"))
    assert fetched.step == 7
    assert fetched.changed
    assert fetched.files == {name: len(data) for name, data in content(folder).items()}
    assert [path.name for path in folder.parent.iterdir()] == ["fetched"]
    assert not fetch(repository, fetched.commit, folder).changed


def test_a_repository_of_others(hub: LocalHub, where: dict[str, Any], tmp_path: Path) -> None:
    source = write_files(tmp_path / "source")
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.create_repo(where["repo_id"])
    first = api.upload_folder(repo_id=where["repo_id"], folder_path=source)
    (source / "config.json").write_text("{}")
    api.upload_folder(repo_id=where["repo_id"], folder_path=source)
    repository = Repository(**where)
    fetched = fetch(repository, "main", tmp_path / "main")
    assert content(source).items() <= content(tmp_path / "main").items()
    assert fetched.published_as == ""
    # A commit that no ref has any more, but the history of one.
    fetch(repository, first.oid, tmp_path / "first")
    assert content(tmp_path / "first")["config.json"] != b"{}"


def test_the_command(
    hub: LocalHub, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    words = ["fetch", repository.repo_id, REVISION, tmp_path / "out", "--endpoint", hub.endpoint]
    told = run(*words)
    assert told.exit_code == 0, told.stderr
    assert "out has " in told.stdout
    again = document(run(*words, "--json"))
    assert again["changed"] is False
    assert again["directory"] == str(tmp_path / "out")
    missing = run("fetch", repository.repo_id, "nothing", tmp_path / "x", *words[4:])
    assert missing.exit_code == 1
    assert "has no revision 'nothing'" in missing.stderr


def test_a_folder_with_something_else_is_left_alone(repository: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    fetch(repository, REVISION, folder)  # an empty one is free
    (folder / "training_args.bin").write_bytes(b"beside it")
    assert not fetch(repository, REVISION, folder).changed
    (folder / "config.json").write_text("{}")
    with pytest.raises(HubRevisionError, match=r"config\.json differs\); remove it, or") as caught:
        fetch(repository, REVISION, folder)
    assert caught.value.kind == "conflict"
    (folder / "config.json").unlink()
    with pytest.raises(HubRevisionError, match=r"it has no file config\.json"):
        fetch(repository, REVISION, folder)
    assert (folder / "training_args.bin").read_bytes() == b"beside it"
    (tmp_path / "file").touch()
    with pytest.raises(HubRevisionError, match="it is no folder"):
        fetch(repository, REVISION, tmp_path / "file")


def test_it_goes_on_after_a_kill(hub: LocalHub, repository: Repository, tmp_path: Path) -> None:
    """Half of the weights came, then the connection broke, then nothing comes: kill -9."""
    path = f"*{weights_in_store(hub, repository.repo_id).name}*"
    hub.set_faults(
        {"on": "storage", "method": "GET", "path": path, "do": "truncate"},
        {"on": "storage", "method": "GET", "path": path, "do": "stall", "seconds": 600},
    )
    code = """
        import sys
        from hub_revisions import Repository
        from hub_revisions.fetch import fetch
        repo_id, endpoint, folder, revision = sys.argv[1:]
        fetch(Repository(repo_id, endpoint=endpoint, retry_max_delay=0.05), revision, folder)
    """
    folder = tmp_path / "fetched"
    arguments = (repository.repo_id, hub.endpoint, folder, REVISION)
    with Child(tmp_path, code, *arguments, HF_TOKEN=hub.token) as child:
        until(lambda: hub.fault_counts()[1]["hits"] == 1, child.output)
        with pytest.raises(HubRevisionError, match="another process fetches into") as caught:
            fetch(repository, REVISION, folder)
        assert caught.value.kind == "conflict"
        child.send(signal.SIGKILL)
        child.ends()
    assert not folder.exists()
    hub.set_faults()

    running = _core.Fetch(
        repository.settings.to_json(), repository.token.value, REVISION, str(folder)
    )
    assert json.loads(running.outcome())["changed"]
    progress = json.loads(running.progress())
    assert progress["bytes_here"] == progress["bytes_total"] > SIZE
    assert SIZE // 4 < progress["bytes_received"] < 3 * SIZE // 4
    assert content(folder) == content(download(hub, repository.repo_id, REVISION, tmp_path / "hf"))
    assert not folder.with_name("fetched.incomplete").exists()


def test_what_an_earlier_fetch_left_is_not_believed(
    hub: LocalHub, repository: Repository, tmp_path: Path
) -> None:
    oid = weights_in_store(hub, repository.repo_id).name
    objects = tmp_path / "fetched.incomplete" / "objects"
    objects.mkdir(parents=True)
    (objects / oid).write_bytes(b"torn" * 1000)
    fetch(repository, REVISION, tmp_path / "fetched")
    assert content(tmp_path / "fetched") == content(
        download(hub, repository.repo_id, REVISION, tmp_path / "hf")
    )


def test_faults_on_the_way(hub: LocalHub, repository: Repository, tmp_path: Path) -> None:
    hub.set_faults(
        {"on": "storage", "method": "GET", "do": "truncate", "times": 2},
        {"on": "storage", "method": "GET", "do": "reset"},
        # As for a signature that has expired: the address is asked for again.
        {"on": "storage", "method": "GET", "do": "answer", "status": 403},
        {"on": "hub", "path": "*/objects/batch", "do": "answer", "status": 503},
    )
    fetch(repository, REVISION, tmp_path / "fetched")
    assert [rule["hits"] for rule in hub.fault_counts()] == [2, 1, 1, 1]
    hub.set_faults()
    assert content(tmp_path / "fetched") == content(
        download(hub, repository.repo_id, REVISION, tmp_path / "hf")
    )


def test_a_damaged_object_is_named_and_nothing_appears(
    hub: LocalHub, repository: Repository, tmp_path: Path
) -> None:
    stored = weights_in_store(hub, repository.repo_id)
    whole = stored.read_bytes()
    stored.chmod(0o600)
    stored.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    folder = tmp_path / "fetched"
    with pytest.raises(HubRevisionError, match=r"downloading model\.safetensors") as caught:
        fetch(repository, REVISION, folder)
    assert caught.value.kind == "corrupt"
    assert stored.name in str(caught.value)
    assert str(caught.value).count("SHA-256") == 1
    assert not folder.exists()
    stored.write_bytes(whole)
    assert fetch(repository, REVISION, folder).changed


def test_a_disk_without_room_is_said_before_a_byte_comes(
    repository: Repository, tmp_path: Path
) -> None:
    with file_system("tmpfs", tmp_path) as mounted:
        (mounted / "filler").write_bytes(b"x" * (62 << 20))
        with pytest.raises(HubRevisionError, match=r"needs .* bytes, and the disk of") as caught:
            fetch(repository, REVISION, mounted / "fetched")
        assert caught.value.kind == "no_space"
        (mounted / "filler").unlink()
        assert fetch(repository, REVISION, mounted / "fetched").changed


def raw_tree(repository: Path, entries: list[tuple[str, str, str]]) -> str:
    """A tree that git itself would not write: (mode, name, id)."""
    data = b"".join(
        f"{mode} {name}".encode() + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries
    )
    return git(
        repository, "hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=data
    ).strip()


@pytest.mark.parametrize(
    ("mode", "name", "why"),
    [
        ("120000", "model.safetensors", "no regular file"),
        ("160000", "submodule", "no regular file"),
        ("100644", "..", "part '.' or '..'"),
        ("100644", ".git", "reserves for its own folder"),
        ("100644", "a\\b", "backslash"),
        ("40000", "..", "part '.' or '..'"),
        ("40000", "good", "occurs twice"),
    ],
)
def test_what_is_no_plain_file_below_the_folder_is_refused(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path, mode: str, name: str, why: str
) -> None:
    HfApi(endpoint=hub.endpoint, token=hub.token).create_repo(where["repo_id"])
    bare = hub.root / f"{where['repo_id']}.git"
    blob = git(bare, "hash-object", "-w", "--stdin", stdin=b"/etc/passwd").strip()
    inner = raw_tree(bare, [("100644", "file", blob)])
    oid = inner if mode == "40000" else blob
    entries = [(mode, name, oid)]
    if name == "good":
        entries.append((mode, name, oid))
    tree = raw_tree(bare, entries)
    commit = git(
        bare, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit-tree", tree, "-m", "x"
    ).strip()
    git(bare, "update-ref", "refs/heads/hostile", commit)
    folder = tmp_path / "below" / "fetched"
    with pytest.raises(HubRevisionError, match=why) as caught:
        fetch(Repository(**where), "hostile", folder)
    assert caught.value.kind == "rejected"
    assert not folder.parent.exists()


def test_other_files_than_were_published_are_refused(
    hub: LocalHub, repository: Repository, tmp_path: Path
) -> None:
    """Somebody kept the message, and with it the content digest, but not the files."""
    bare = hub.root / f"{repository.repo_id}.git"
    message = git(bare, "log", "-1", "--format=%B", REVISION)
    blob = git(bare, "hash-object", "-w", "--stdin", stdin=b"{}").strip()
    tree = git(bare, "mktree", stdin=f"100644 blob {blob}\tconfig.json\n".encode()).strip()
    commit = git(
        bare, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit-tree", tree,
        "-F", "-", stdin=message.encode(),
    ).strip()  # fmt: skip
    git(bare, "update-ref", "refs/heads/other", commit)
    with pytest.raises(HubRevisionError, match="does not hold what was published") as caught:
        fetch(repository, "other", tmp_path / "fetched")
    assert caught.value.kind == "corrupt"
    assert not (tmp_path / "fetched").exists()
