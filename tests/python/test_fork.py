"""Forked and spawned children leave the worker alone, and cannot be hung by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from child_process import Child, published_steps, snapshots_left
from hub_revisions.local_hub import LocalHub
from tiny_training import write_checkpoint

# A real training with a new loading process for each of its passes over the data, while pushes are
# under way. Evaluations are passes, too; where processes are spawned they are left out, since each
# of these imports torch.
TRAINING = """
import json, multiprocessing, sys, torch
from hub_revisions import HubRevisionCallback
from tiny_training import make_trainer

output, endpoint, repo_id, method = sys.argv[1:]
torch.set_num_threads(1)
multiprocessing.set_start_method(method)
few = {"eval_strategy": "no"} if method == "spawn" else {}
callback = HubRevisionCallback(endpoint=endpoint, repo_id=repo_id)
make_trainer(
    output, callback, max_steps=3, dataloader_num_workers=1, per_device_train_batch_size=8, **few
).train()
print(json.dumps([record.state for record in callback.records()]), flush=True)
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_loading_processes_leave_the_worker_alone(
    hub: LocalHub, repo_id: str, tmp_path: Path, method: str
) -> None:
    with Child(
        tmp_path, TRAINING, tmp_path / "out", hub.endpoint, repo_id, method, HF_TOKEN=hub.token
    ) as child:
        assert child.ends(within=120) == 0, child.output
        assert '["done", "done", "done"]' in child.output
    assert published_steps(hub, repo_id) == [1, 2, 3]
    assert snapshots_left(tmp_path / "out") == []


# A pusher that hashes a file of gigabytes, all of it a hole; %s is done beside it. What a child
# finds goes to its parent by its exit status: 0 is well.
HASHING = """
import multiprocessing, os, signal, sys, time
from hub_revisions import ConfigError, RevisionPusher

output, endpoint, repo_id = sys.argv[1:]

def refused():
    '''Whether every use of the parent's pusher says why it cannot be.'''
    assert not pusher.owned
    for use in (
        lambda: pusher.submit(output + "/checkpoint-2"),
        lambda: pusher.wait(),
        lambda: pusher.status(),
        lambda: pusher.records(),
        lambda: pusher.cancel(),
        lambda: pusher.preflight(),
        lambda: pusher.preflight_result(),
    ):
        try:
            use()
        except ConfigError as error:
            assert f"process {parent}" in str(error) and "spool_dir" in str(error), error
        else:
            raise AssertionError("not refused")
    assert pusher.close()  # as a `with` block does that the fork happened in
    return True

def status_of(child):
    '''The exit status of a child that has to end soon.'''
    deadline = time.monotonic() + 20
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            raise AssertionError("a child hangs")
        time.sleep(0.002)

parent = os.getpid()
if __name__ == "__main__":
    pusher = RevisionPusher(
        output, endpoint=endpoint, repo_id=repo_id, priority="normal", max_shard_size="100GB"
    )
    job = pusher.submit(output + "/checkpoint-1")
    while not pusher.status()[0].progress.bytes_hashed:
        time.sleep(0.001)
    %s
    assert pusher.owned and pusher.status()[0].state == "uploading", pusher.status()
    second = pusher.submit(output + "/checkpoint-2")
    assert pusher.wait(second, timeout=60)
    assert {record.id: record.state for record in pusher.status()}[second] == "done"
    assert pusher.cancel(job) and pusher.wait(timeout=60)
    assert pusher.close()
    print("well", flush=True)
"""

CHILDREN = {
    "os._exit": """
    child = os.fork()
    if child == 0:
        os._exit(0 if refused() else 1)
    assert status_of(child) == 0
    """,
    "sys.exit": """
    child = os.fork()
    if child == 0:
        sys.exit(0 if refused() else 1)
    assert status_of(child) == 0
    """,
    "sys.exit, without a look": """
    child = os.fork()
    if child == 0:
        sys.exit(0)
    assert status_of(child) == 0
    """,
    "an exception": """
    child = os.fork()
    if child == 0:
        raise ValueError("in the child")
    assert status_of(child) == 1
    """,
    "deleted": """
    child = os.fork()
    if child == 0:
        del pusher
        os._exit(0)
    assert status_of(child) == 0
    """,
    "in a with block": """
    child = os.fork()
    if child == 0:
        with pusher:
            sys.exit(0)
    assert status_of(child) == 0
    """,
    "a grandchild": """
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        if grandchild == 0:
            sys.exit(0 if refused() else 1)
        sys.exit(status_of(grandchild) + (0 if refused() else 1))
    assert status_of(child) == 0
    """,
    "multiprocessing, fork": """
    process = multiprocessing.get_context("fork").Process(target=refused)
    process.start()
    process.join(20)
    assert process.exitcode == 0, process.exitcode
    """,
    "multiprocessing, spawn": """
    process = multiprocessing.get_context("spawn").Process(target=print, args=("a child",))
    process.start()
    process.join(20)
    assert process.exitcode == 0, process.exitcode
    """,
    "multiprocessing, a pool": """
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(abs, [-1, 2]) == [1, 2]
    """,
    # Threads of the worker hold their mutexes at any moment; none of the forks may happen to hang.
    "many, at any moment": """
    for _ in range(40):
        child = os.fork()
        if child == 0:
            sys.exit(0 if refused() else 1)
        assert status_of(child) == 0
    """,
    "a pusher of its own": """
    child = os.fork()
    if child == 0:
        try:
            RevisionPusher(output, endpoint=endpoint, repo_id=repo_id)
        except ConfigError as error:
            assert f"in use by process {parent}" in str(error), error
        else:
            os._exit(1)
        with RevisionPusher(output + "/own", endpoint=endpoint, repo_id=repo_id) as own:
            own.submit(output + "/checkpoint-3")
            assert own.wait(timeout=20)
            sys.exit(0 if own.status()[0].state == "done" else 2)
    assert status_of(child) == 0
    """,
}


@pytest.mark.parametrize("how", CHILDREN)
def test_a_child_leaves_the_worker_alone(
    hub: LocalHub, repo_id: str, tmp_path: Path, how: str
) -> None:
    write_checkpoint(tmp_path / "checkpoint-1", step=1, size=200 << 30)
    for step in (2, 3):
        write_checkpoint(tmp_path / f"checkpoint-{step}", step=step)
    code = HASHING % CHILDREN[how].strip("\n ")
    with Child(tmp_path, code, tmp_path, hub.endpoint, repo_id, HF_TOKEN=hub.token) as child:
        assert child.ends() == 0, child.output
        assert child.output.endswith("well\n"), child.output
        assert "waiting in" not in child.output  # no child has said what only the parent may say
    wanted = [2, 3] if how == "a pusher of its own" else [2]
    assert published_steps(hub, repo_id) == wanted
    assert snapshots_left(tmp_path) == []


def test_a_fork_of_a_process_that_has_trained_may_train(tmp_path: Path) -> None:
    script = """
    import os, sys
    from pathlib import Path
    from hub_revisions import HubRevisionCallback
    from test_callback_hooks import hooks_of
    from tiny_training import write_checkpoint

    output = Path(sys.argv[1])
    callback = HubRevisionCallback(mode="spool", repo_id="me/model")

    def train(step):
        hooks = hooks_of(callback, output, step)
        write_checkpoint(output / f"checkpoint-{step}", step=step)
        callback.on_save(*hooks)
        callback.on_train_end(*hooks)

    train(1)
    child = os.fork()
    if child == 0:
        train(2)
        sys.exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    train(3)
    """
    with Child(tmp_path, script, tmp_path / "out") as child:
        assert child.ends() == 0, child.output
    records = (tmp_path / "out" / "_hub_revisions").glob("*/job.json")
    steps = sorted(json.loads(record.read_text())["step"] for record in records)
    assert steps == [1, 2, 3]
