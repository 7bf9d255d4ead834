"""Cancelling and closing in every stage of a job: within a second, and the remote is left alone."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from child_process import PATIENCE, command, environment, until
from holding_proxy import (
    AT_ANSWER,
    AT_REQUEST,
    IN_BODY,
    Answer,
    HoldingProxy,
    deaf_server,
    full_server,
)
from hub_revisions import RevisionPusher
from hub_revisions.local_hub import LocalHub
from tiny_training import branches, write_checkpoint

MIB = 1 << 20
PROMISED = 1.0  # seconds

# Where a job can be held: what the request's line looks like, and how far it gets.
STAGES = {
    "asking who we are": (r"/api/whoami-v2", AT_REQUEST),
    "creating": (r"/api/repos/create", AT_REQUEST),
    "checking access": (r"/auth-check/write", AT_REQUEST),
    "judging the card": (r"/api/validate-yaml", AT_REQUEST),
    "batch": (r"/objects/batch", AT_REQUEST),
    "sending": (r"^PUT ", IN_BODY),
    "sent": (r"^PUT ", AT_ANSWER),
    "completing": (r"/complete_multipart/", AT_REQUEST),
    "verifying": (r"/objects/verify", AT_REQUEST),
    "reading refs": (r"/info/refs", AT_REQUEST),
    "pushing": (r"/git-receive-pack$", AT_REQUEST),
    "pushed": (r"/git-receive-pack$", AT_ANSWER),
    "confirming": (r"/revision/", AT_REQUEST),
}
# While files are sent the server is asked about the card and the refs, each on its own.
MEANWHILE = ("/validate-yaml", "/info/refs")
COMES_TOO = dict.fromkeys(
    ("batch", "sending", "sent", "completing", "verifying"),
    MEANWHILE,
) | dict.fromkeys(("judging the card", "reading refs"), (*MEANWHILE, "/objects/verify"))
# More than the buffers of two sockets take, so that a body is held in its middle.
SIZE = 24 * MIB


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A hub that wants everything above 32 MiB in parts."""
    options = ["--multipart-threshold", str(32 * MIB), "--part-size", str(16 * MIB)]
    with LocalHub(tmp_path_factory.mktemp("hub"), *options) as running:
        yield running


@pytest.fixture
def proxy(hub: LocalHub) -> Iterator[HoldingProxy]:
    with HoldingProxy(hub) as running:
        yield running


@pytest.fixture
def where(hub: LocalHub, proxy: HoldingProxy, repo_id: str) -> dict[str, Any]:
    """As everywhere, but through the proxy."""
    return {"endpoint": proxy.endpoint, "token": hub.token, "repo_id": repo_id}


def state_of(pusher: RevisionPusher, job: str) -> str:
    (state,) = [record.state for record in pusher.status() if record.id == job]
    return state


def snapshot_of(pusher: RevisionPusher, job: str) -> list[str]:
    """What is left in a job's folder beside its record."""
    names = {path.name for path in (Path(pusher.spool) / job).iterdir()}
    return sorted(names - {"job.json", "cancel"})


def ended_within(pusher: RevisionPusher, job: str) -> float:
    """Seconds until the job has ended."""
    started = time.monotonic()
    assert pusher.wait(job, timeout=PATIENCE)
    return time.monotonic() - started


def until_asked(proxy: HoldingProxy, paths: Sequence[str] = MEANWHILE, jobs: int = 1) -> None:
    """Block until each of the paths was asked for by so many jobs."""
    for path in paths:
        until(
            lambda path=path: sum(path in line for line in proxy.requests) >= jobs,
            f"{path} was not asked {jobs} times",
        )


def held_job(
    proxy: HoldingProxy, where: dict[str, Any], folder: Path, stage: str
) -> tuple[RevisionPusher, str]:
    """A pusher whose one job is held in a stage, and asks for nothing more."""
    size = 2 * SIZE if stage == "completing" else SIZE
    checkpoint = write_checkpoint(folder / "checkpoint-1", step=1, size=size)
    hold = proxy.hold(*STAGES[stage])
    pusher = RevisionPusher(folder, **where)
    job = pusher.submit(checkpoint)
    hold.wait()
    until_asked(proxy, COMES_TOO.get(stage, ()))
    return pusher, job


def write_different_checkpoints(folder: Path, count: int) -> list[Path]:
    """None shares its weights with another: the second would wait for the first one's upload."""
    return [
        write_checkpoint(folder / f"checkpoint-{step}", step=step, size=SIZE + step)
        for step in range(1, count + 1)
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_cancel(proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path, stage: str) -> None:
    pusher, job = held_job(proxy, where, tmp_path, stage)
    before = proxy.count()
    assert pusher.cancel(job)
    took = ended_within(pusher, job)
    assert state_of(pusher, job) == "cancelled"
    assert snapshot_of(pusher, job) == []
    proxy.holds[0].release()
    assert pusher.close(0)  # its threads have ended: whatever they would have asked was asked
    assert proxy.requests[before:] == []
    assert took < PROMISED


def test_cancel_everything(proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path) -> None:
    folders = write_different_checkpoints(tmp_path, 4)
    proxy.hold(*STAGES["sending"])
    with RevisionPusher(tmp_path, **where) as pusher:
        jobs = [pusher.submit(folder) for folder in folders]
        until(lambda: sum("PUT" in line for line in proxy.requests) == 2, "two are held")
        until_asked(proxy, jobs=2)
        before = proxy.count()
        started = time.monotonic()
        assert pusher.cancel()
        assert pusher.wait(timeout=PATIENCE)
        took = time.monotonic() - started
        assert {state_of(pusher, job) for job in jobs} == {"cancelled"}
        assert [snapshot_of(pusher, job) for job in jobs] == [[], [], [], []]
    assert proxy.requests[before:] == []
    assert took < PROMISED


@pytest.mark.parametrize("stage", STAGES)
def test_cancel_from_another_process(
    proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path, stage: str
) -> None:
    pusher, job = held_job(proxy, where, tmp_path, stage)
    before = proxy.count()
    asked = command("cancel", str(tmp_path), job)
    assert asked.returncode == 0, asked.stderr
    took = ended_within(pusher, job)
    assert state_of(pusher, job) == "cancelled"
    assert snapshot_of(pusher, job) == []
    proxy.holds[0].release()
    assert pusher.close(0)
    assert proxy.requests[before:] == []
    assert took < PROMISED


@pytest.mark.parametrize("stage", STAGES)
def test_close(
    hub: LocalHub, proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path, stage: str
) -> None:
    pusher, job = held_job(proxy, where, tmp_path, stage)
    before = proxy.count()
    started = time.monotonic()
    assert not pusher.close(0)
    took = time.monotonic() - started
    assert state_of(pusher, job) == "queued"
    proxy.holds[0].release()
    assert proxy.requests[before:] == []
    with RevisionPusher(tmp_path, **where) as again:  # takes up what was left
        assert again.wait(job, timeout=PATIENCE)
        assert state_of(again, job) == "done"
        assert snapshot_of(again, job) == []
    assert branches(hub, where["repo_id"]) >= {"step-000000001"}
    assert took < PROMISED


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_while_it_hashes(
    proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path, how: str
) -> None:
    # All of it is a hole, so that it costs no space; to hash it takes many seconds.
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1, size=40 << 30)
    with RevisionPusher(tmp_path, **where, max_shard_size="100GB") as pusher:
        job = pusher.submit(folder)
        until(lambda: pusher.status()[0].progress.bytes_hashed > MIB, "it never hashed")
        until_asked(proxy)
        before = proxy.count()
        started = time.monotonic()
        if how == "cancel":
            assert pusher.cancel(job)
            assert pusher.wait(job, timeout=PATIENCE)
        else:
            pusher.close(0)
        took = time.monotonic() - started
        assert state_of(pusher, job) == ("cancelled" if how == "cancel" else "queued")
    assert proxy.requests[before:] == []
    assert took < PROMISED


def test_while_it_waits_for_a_lane(
    proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path
) -> None:
    *held, last = write_different_checkpoints(tmp_path, 3)
    hold = proxy.hold(r"/objects/batch")
    with RevisionPusher(tmp_path, **where) as pusher:
        running = [pusher.submit(folder) for folder in held]
        until(lambda: sum("batch" in line for line in proxy.requests) == 2, "two are held")
        until_asked(proxy, jobs=2)
        waiting = pusher.submit(last)
        before = proxy.count()
        assert pusher.cancel(waiting)
        assert ended_within(pusher, waiting) < PROMISED
        assert state_of(pusher, waiting) == "cancelled"
        assert snapshot_of(pusher, waiting) == []
        assert proxy.count() == before
        hold.release()
        assert pusher.wait(timeout=PATIENCE)
        assert {state_of(pusher, job) for job in running} == {"done"}


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_while_it_pauses_before_a_retry(
    proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path, how: str
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    proxy.answer(r"/objects/batch", lambda _: Answer(503, {"Retry-After": "60"}))
    with RevisionPusher(tmp_path, **where) as pusher:
        job = pusher.submit(folder)
        log = Path(pusher.spool) / "worker.log"
        until(lambda: "trying again" in log.read_text(), "no pause")
        until_asked(proxy)
        before = proxy.count()
        started = time.monotonic()
        if how == "cancel":
            assert pusher.cancel(job)
            assert pusher.wait(job, timeout=PATIENCE)
        else:
            pusher.close(0)
        assert time.monotonic() - started < PROMISED
    assert proxy.count() == before


@pytest.mark.parametrize("how", ["cancel", "close"])
@pytest.mark.parametrize("server", [deaf_server, full_server])
def test_while_nobody_answers(
    where: dict[str, Any], tmp_path: Path, server: Callable[[], Any], how: str
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    with (
        server() as endpoint,
        RevisionPusher(tmp_path, **where | {"endpoint": endpoint}) as pusher,
    ):
        job = pusher.submit(folder)
        pusher.preflight()  # and while that hangs, too
        until(lambda: state_of(pusher, job) == "fixing", "it never began")
        started = time.monotonic()
        if how == "cancel":
            assert pusher.cancel(job)
            assert pusher.wait(job, timeout=PATIENCE)
        else:
            pusher.close(0)
        assert time.monotonic() - started < PROMISED


@pytest.mark.parametrize("state", ["queued", "failed"])
def test_what_nobody_works_on_is_dropped_by_the_next_worker_before_it_starts(
    hub: LocalHub, proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path, state: str
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    if state == "queued":
        with RevisionPusher(tmp_path, **where, mode="spool") as pusher:
            job = pusher.submit(folder)
    else:
        with RevisionPusher(tmp_path, **where | {"token": "hf_wrong"}) as pusher:
            job = pusher.submit(folder)
            assert pusher.wait(job, timeout=PATIENCE)
    assert state_of(pusher, job) == state
    assert command("cancel", str(tmp_path), job).returncode == 0
    before = proxy.count()
    with RevisionPusher(tmp_path, **where) as pusher:
        assert pusher.wait(job, timeout=PATIENCE)
        until(lambda: state_of(pusher, job) == "cancelled", "it was not dropped")
        assert snapshot_of(pusher, job) == []
    assert proxy.requests[before:] == []
    assert command("cancel", str(tmp_path), job).returncode == 1  # nothing to cancel any more


def test_a_stopped_job_is_not_stopped_twice(
    proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path
) -> None:
    pusher, job = held_job(proxy, where, tmp_path, "sending")
    assert pusher.cancel(job)
    assert not pusher.close(0) or state_of(pusher, job) == "cancelled"
    assert state_of(pusher, job) == "cancelled"  # the first word counts
    assert pusher.status()[0].error is None


# In a mount namespace of its own, its resolver asks a server that never answers.
RESOLVING = """
import ctypes, sys, time
from hub_revisions import RevisionPusher

output, how = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
NEWNS, BIND, PRIVATE = 0x20000, 0x1000, 0x4000 | 0x40000
alone = libc.unshare(NEWNS) == 0 and libc.mount(b"none", b"/", None, PRIVATE, None) == 0
resolver = (output + "/resolv.conf").encode()
if not alone or libc.mount(resolver, b"/etc/resolv.conf", None, BIND, None) != 0:
    sys.exit("no mount namespace")
pusher = RevisionPusher(
    output, endpoint="https://hub.invalid.example", token="hf_x", repo_id="me/model"
)
job = pusher.submit(output + "/checkpoint-1")
print("submitted", flush=True)
sys.stdin.readline()
started = time.monotonic()
if how == "cancel":
    pusher.cancel(job)
    pusher.wait(job)
else:
    pusher.close(0)
print(time.monotonic() - started, pusher.status()[0].state)
"""


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_while_the_hubs_name_is_looked_up(tmp_path: Path, how: str) -> None:
    write_checkpoint(tmp_path / "checkpoint-1", step=1)
    (tmp_path / "resolv.conf").write_text("nameserver 127.7.7.7\noptions timeout:10 attempts:1\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nameserver:
        try:
            nameserver.bind(("127.7.7.7", 53))
        except PermissionError:
            pytest.skip("needs root: a nameserver's port is below 1024")
        nameserver.settimeout(PATIENCE)
        with subprocess.Popen(
            [sys.executable, "-c", RESOLVING, str(tmp_path), how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            if child.stdout.readline() != "submitted\n":
                pytest.skip("needs root: a mount namespace gives a process its own resolver")
            nameserver.recv(512)  # it has asked
            child.stdin.write("now\n")
            child.stdin.flush()
            took, state = child.stdout.read().split()
    assert state == ("cancelled" if how == "cancel" else "queued")
    assert float(took) < PROMISED
