"""Objects carried by git-lfs transfer agents: ours, and huggingface_hub's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from child_process import Child, synced, until
from hub_revisions import ConfigError, RevisionPusher
from hub_revisions.local_hub import LocalHub
from huggingface_hub import HfApi
from tiny_training import branches, download, write_checkpoint

AGENT = Path(__file__).with_name("transfer_agent.py")
REVISION = "step-000000001"
OTHERS_TOKEN = "hf_somebody_elses"
HF_AGENT = "hf-multipart"
MIB = 1 << 20


@pytest.fixture
def store(hub: LocalHub, where: dict[str, Any]) -> Path:
    """Where the repository's objects lie: what a standalone agent may fill as well as the hub."""
    HfApi(endpoint=hub.endpoint, token=hub.token).create_repo(where["repo_id"])
    return hub.root / f"{where['repo_id']}.git" / "lfs/objects"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """One whose weights are two virtual shards for whom `max_shard_size` is 2 MiB."""
    folder = write_checkpoint(tmp_path / "out/checkpoint-1", step=1, size=3 * MIB)
    (folder / "optimizer.pt").write_bytes(os.urandom(2 * MIB))
    return folder


def agent(store: Path, *options: str, **more: Any) -> dict[str, Any]:
    """Settings with that agent for everything."""
    command = [sys.executable, str(AGENT), str(store), *options]
    entry = {"name": "folder", "command": command, "standalone": True, **more}
    return {"transfer_agents": [entry], "contents": "full"}


def agents_of(store: Path) -> list[str]:
    """The processes of the agent that live."""
    folder = store / "agents"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def is_alive(number: str) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return ") Z" not in Path(f"/proc/{number}/stat").read_text()
    except FileNotFoundError:
        return False


def spool_log(output: Path) -> str:
    return (output / "_hub_revisions/worker.log").read_text()


def test_a_standalone_agent_carries_every_object(
    hub: LocalHub, where: dict[str, Any], checkpoint: Path, store: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_TOKEN", OTHERS_TOKEN)
    output = checkpoint.parent
    with RevisionPusher(output, **where, **agent(store), max_shard_size=2 * MIB) as pusher:
        job = pusher.submit(checkpoint)
        assert pusher.wait(job, timeout=60)
        record = pusher.record(job)
    assert record is not None
    assert record.state == "done", record.error
    assert record.bytes_sent >= 5 * MIB
    got = download(hub, where["repo_id"], REVISION, tmp_path / "got")
    assert (got / "optimizer.pt").read_bytes() == (checkpoint / "optimizer.pt").read_bytes()
    (weights,) = got.glob("*.safetensors")
    assert weights.stat().st_size > 3 * MIB
    assert agents_of(store) == []
    assert not (output / "_hub_revisions" / job / "objects").exists()
    log = spool_log(output)
    assert "transfer agent 'folder': agent " in log
    assert "has the token None" in log
    assert OTHERS_TOKEN not in log


def test_an_agents_error_is_the_jobs_and_the_next_try_mends_it(
    hub: LocalHub, where: dict[str, Any], checkpoint: Path, store: Path, tmp_path: Path
) -> None:
    settings = where | agent(store, "--fail", "no quota left")
    with RevisionPusher(checkpoint.parent, **settings) as pusher:
        job = pusher.submit(checkpoint)
        pusher.wait(job, timeout=60)
        record = pusher.record(job)
    assert record is not None and record.error is not None
    assert record.state == "failed"
    assert "transfer agent 'folder' reported: no quota left" in record.error.message
    assert branches(hub, where["repo_id"]) <= {"main"}
    assert agents_of(store) == []
    with RevisionPusher(checkpoint.parent, **where | agent(store)) as pusher:
        second = pusher.submit(checkpoint)
        assert pusher.wait(second, timeout=60)
    assert REVISION in branches(hub, where["repo_id"])


def test_cancelling_ends_a_waiting_agent(
    where: dict[str, Any], checkpoint: Path, store: Path
) -> None:
    with RevisionPusher(checkpoint.parent, **where, **agent(store, "--wait")) as pusher:
        job = pusher.submit(checkpoint)
        until(lambda: agents_of(store) != [], "an agent was started")
        (number, *_) = agents_of(store)
        assert pusher.cancel(job)
        pusher.wait(job, timeout=60)
        until(lambda: not is_alive(number), "the agent is gone")
        assert [record.state for record in pusher.status()] == ["cancelled"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_agent_outlives_the_process(
    hub: LocalHub, where: dict[str, Any], checkpoint: Path, store: Path, number: signal.Signals
) -> None:
    """Its input ends with us; and what it did not carry is carried by `sync`."""
    script = """
        import json, sys
        from hub_revisions import RevisionPusher
        output, settings = sys.argv[1], json.loads(sys.argv[2])
        pusher = RevisionPusher(output, **settings)
        pusher.submit(sys.argv[1] + "/checkpoint-1")
        pusher.wait()
        """
    output = checkpoint.parent
    waiting = agent(store, "--wait")
    with Child(output, script, output, json.dumps(where | waiting)) as child:
        until(lambda: agents_of(store) != [], f"an agent was started: {child.output}")
        numbers = agents_of(store)
        child.send(number)
        child.ends()
    until(lambda: not any(is_alive(one) for one in numbers), "the agents are gone")
    # The job's own settings name an agent that waits; in its place there is one that works now.
    shutil.rmtree(store / "agents")
    (job,) = (output / "_hub_revisions").glob("*/job.json")
    job.write_text(re.sub(r',\s*"--wait"', "", job.read_text()))
    synced(output, hub.token)
    assert REVISION in branches(hub, where["repo_id"])


def test_a_missing_program_and_a_wrong_setting_are_named(
    where: dict[str, Any], checkpoint: Path, store: Path
) -> None:
    missing = agent(store, command=["/no/such/agent"])
    with RevisionPusher(checkpoint.parent, **where, **missing) as pusher:
        job = pusher.submit(checkpoint)
        pusher.wait(job, timeout=60)
        record = pusher.record(job)
    assert record is not None and record.error is not None
    assert (record.error.kind, record.state) == ("config", "failed")
    assert "transfer agent 'folder': cannot start '/no/such/agent'" in record.error.message
    for wrong, says in (
        ({"comand": ["x"]}, "'transfer_agents', item 1: unknown setting 'comand'"),
        ({"command": "x"}, "'command' must be a list of strings"),
        ({"name": "basic"}, "'basic' cannot be the name of one"),
    ):
        with pytest.raises(ConfigError, match=says):
            RevisionPusher(checkpoint.parent, **where, **agent(store, **wrong))


@pytest.fixture(scope="module")
def hub_with_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A hub that offers huggingface_hub's agent its parts, and takes little in one PUT."""
    options = ["--multipart-agent", HF_AGENT, "--part-size", str(MIB),
               "--single-put-limit", str(MIB)]  # fmt: skip
    with LocalHub(tmp_path_factory.mktemp("agents-hub"), *options) as running:
        yield running


def test_the_hubs_own_agent_is_one(
    hub_with_agent: LocalHub, where: dict[str, Any], checkpoint: Path, tmp_path: Path
) -> None:
    """`hf lfs-multipart-upload`, which `hf lfs-enable-largefiles` gives to git-lfs."""
    hf = shutil.which("hf", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert hf is not None, "huggingface_hub brings it"
    where |= {"endpoint": hub_with_agent.endpoint, "token": hub_with_agent.token}
    entry = {"name": HF_AGENT, "command": [hf, "lfs-multipart-upload"]}
    with RevisionPusher(
        checkpoint.parent, **where, contents="full", transfer_agents=[entry]
    ) as pusher:
        job = pusher.submit(checkpoint)
        assert pusher.wait(job, timeout=120)
        record = pusher.record(job)
    assert record is not None
    assert record.state == "done", record.error
    got = download(hub_with_agent, where["repo_id"], REVISION, tmp_path / "got")
    for name in ("optimizer.pt", "model.safetensors"):
        assert (got / name).read_bytes() == (checkpoint / name).read_bytes()
    log = hub_with_agent.root.joinpath("hub.log").read_text()
    assert "/uploads/" in log and "/complete_multipart/" in log


def test_git_lfs_takes_the_tests_agent_for_one(store: Path, tmp_path: Path) -> None:
    """The agent that these tests trust speaks to git-lfs itself."""
    repository, folder = tmp_path / "bare.git", tmp_path / "clone"
    environment = os.environ | {"HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], env=environment, check=True, capture_output=True)

    git("init", "--quiet", "--bare", str(repository))
    git("init", "--quiet", str(folder))
    inside = ("-C", str(folder))
    for key, value in {
        "user.name": "Tester",
        "user.email": "tester@example.com",
        "lfs.standalonetransferagent": "folder",
        "lfs.customtransfer.folder.path": sys.executable,
        "lfs.customtransfer.folder.args": f"{AGENT} {store}",
        "lfs.url": "https://lfs.invalid",
        "lfs.locksverify": "false",
    }.items():
        git(*inside, "config", key, value)
    git(*inside, "lfs", "install", "--local")
    git(*inside, "lfs", "track", "*.bin")
    (folder / "a.bin").write_bytes(b"carried by git-lfs")
    git(*inside, "add", "--all")
    git(*inside, "commit", "--quiet", "--message", "a")
    git(*inside, "push", "--quiet", str(repository), "HEAD:refs/heads/main")
    (found,) = [path for path in store.glob("??/??/*") if path.is_file()]
    assert found.read_bytes() == b"carried by git-lfs"
