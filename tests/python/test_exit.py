"""However a process ends, it ends soon, and what it has not pushed is pushed by the next one."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from child_process import Child, published_steps, snapshots_left, synced
from holding_proxy import HoldingProxy, deaf_server, full_server
from hub_revisions import HubRevisionCallback, RevisionPusher
from hub_revisions.local_hub import LocalHub
from tiny_training import make_trainer, write_checkpoint

SOON = 20.0  # seconds; an interpreter with torch in it takes one to go, a busy disk some more


@pytest.fixture
def proxy(hub: LocalHub) -> Iterator[HoldingProxy]:
    """A way to the hub on which nothing gets further than the LFS batch."""
    with HoldingProxy(hub) as running:
        running.hold("/objects/batch")
        yield running


def states(output_dir: Path) -> list[str]:
    """The states of the jobs on record, oldest first."""
    records = sorted((output_dir / "_hub_revisions").glob("*/job.json"))
    return [json.loads(record.read_text())["state"] for record in records]


def all_arrive(
    hub: LocalHub, proxy: HoldingProxy, repo_id: str, output_dir: Path, steps: list[int]
) -> None:
    """What was held goes on: a `sync` publishes every step once, and leaves nothing behind."""
    proxy.holds[0].release()
    said = synced(output_dir, hub.token)
    assert published_steps(hub, repo_id) == steps, said
    assert set(states(output_dir)) == {"done"}
    assert snapshots_left(output_dir) == []


# A real Trainer that saves three times; %s is what happens beside it.
TRAINING = """
import logging, os, signal, sys
from hub_revisions import HubRevisionCallback
from tiny_training import make_trainer
from transformers import TrainerCallback

output, endpoint, repo_id = sys.argv[1:]
logging.basicConfig(level=logging.INFO)

class Happens(TrainerCallback):
    def on_save(self, args, state, control, **kwargs):
        if state.global_step == 2:
            %s

arguments = {}
callback = HubRevisionCallback(endpoint=endpoint, repo_id=repo_id, drain_timeout=600)
trainer = make_trainer(output, callback, max_steps=3, **arguments)
trainer.add_callback(Happens())
trainer.train()
print("after training", flush=True)
"""


def training(
    proxy: HoldingProxy, hub: LocalHub, repo_id: str, tmp_path: Path, happens: str
) -> Child:
    return Child(
        tmp_path, TRAINING % happens, tmp_path / "out", proxy.endpoint, repo_id, HF_TOKEN=hub.token
    )


def test_ctrl_c_in_the_drain(
    hub: LocalHub, proxy: HoldingProxy, repo_id: str, tmp_path: Path
) -> None:
    with training(proxy, hub, repo_id, tmp_path, "pass") as child:
        child.says("waiting for 3 of 3 revisions")
        child.send(signal.SIGINT)
        assert child.ends(within=SOON) == 0, child.output
        assert "after training" in child.output  # the script's next line was what was waited for
        assert f"hub-revisions sync {tmp_path / 'out'}" in child.output
    all_arrive(hub, proxy, repo_id, tmp_path / "out", [1, 2, 3])


@pytest.mark.parametrize(
    ("happens", "status", "words"),
    [
        ("print('now', flush=True); sys.exit(3)", 3, "checkpoints are waiting"),
        ("print('now', flush=True); raise ValueError('loss is NaN')", 1, "loss is NaN"),
    ],
    ids=["sys.exit", "exception"],
)
def test_training_breaks_off(
    hub: LocalHub,
    proxy: HoldingProxy,
    repo_id: str,
    tmp_path: Path,
    happens: str,
    status: int,
    words: str,
) -> None:
    with training(proxy, hub, repo_id, tmp_path, happens) as child:
        child.says("now")
        assert child.ends(within=SOON) == status, child.output
        assert words in child.output
        assert f"hub-revisions sync {tmp_path / 'out'}" in child.output
    all_arrive(hub, proxy, repo_id, tmp_path / "out", [1, 2])


def test_the_trainers_own_sigterm_handler_keeps_working(
    hub: LocalHub, proxy: HoldingProxy, repo_id: str, tmp_path: Path
) -> None:
    # The save that it makes is announced by no hook, at a step where nothing else saves.
    code = TRAINING % "pass"
    code = code.replace("arguments = {}", "arguments = dict(enable_jit_checkpoint=True)")
    code = code.replace("max_steps=3", "max_steps=1_000_000, save_steps=500_000")
    code = code.replace("drain_timeout=600", "drain_timeout=0.5")
    code = code.replace(
        "trainer.train()",
        """
for one in trainer.callback_handler.callbacks:
    if manager := getattr(one, "jit_manager", None):
        manager.kill_wait = 0.1  # how long it waits to see whether SIGKILL follows
class Steps(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        print("step", state.global_step, flush=True)
trainer.add_callback(Steps())
trainer.train()
""",
    )
    with Child(
        tmp_path, code, tmp_path / "out", proxy.endpoint, repo_id, HF_TOKEN=hub.token
    ) as child:
        child.says("step 3\n")
        child.send(signal.SIGTERM)
        assert child.ends(within=2 * SOON) == 0, child.output
        assert "after training" in child.output
    (checkpoint,) = (tmp_path / "out").glob("checkpoint-*")
    assert not (checkpoint / "checkpoint-is-incomplete.txt").exists()
    step = int(checkpoint.name.removeprefix("checkpoint-"))
    all_arrive(hub, proxy, repo_id, tmp_path / "out", [step])


def test_a_training_ends_when_the_hub_never_answers(where: dict[str, Any], tmp_path: Path) -> None:
    with deaf_server() as endpoint:
        callback = HubRevisionCallback(**where | {"endpoint": endpoint}, drain_timeout=1)
        trainer = make_trainer(tmp_path, callback, max_steps=2)
        started = time.monotonic()
        trainer.train()
        assert time.monotonic() - started < 1 + SOON
    assert states(tmp_path) == ["queued", "queued"]


# Two checkpoints are on their way; %s is how the process ends.
PUSHING = """
import atexit, gc, os, signal, sys, threading, time
from hub_revisions import RevisionPusher

output, endpoint, repo_id = sys.argv[1:]

def pushing(drain_timeout=900):
    pusher = RevisionPusher(
        output, endpoint=endpoint, repo_id=repo_id, drain_timeout=drain_timeout
    )
    pusher.submit(output + "/checkpoint-1")
    pusher.submit(output + "/checkpoint-2")
    while any(record.state == "queued" for record in pusher.status()):
        time.sleep(0.005)
    return pusher

%s
"""

WAYS_TO_END = {
    "no close": ("pusher = pushing()\nprint('now')", 0),
    "with, and sys.exit": ("with pushing():\n    print('now')\n    sys.exit(4)", 4),
    "with, and an exception": ("with pushing():\n    print('now')\n    raise ValueError('x')", 1),
    "with, until the deadline": ("with pushing(drain_timeout=0.5):\n    print('now')", 0),
    "os._exit": ("pusher = pushing()\nprint('now', flush=True)\nos._exit(5)", 5),
    "SIGTERM": (
        "pusher = pushing()\nprint('now', flush=True)\nos.kill(os.getpid(), signal.SIGTERM)",
        -signal.SIGTERM,
    ),
    "SIGKILL": (
        "pusher = pushing()\nprint('now', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)",
        -signal.SIGKILL,
    ),
    "Ctrl-C in wait": (
        "pusher = pushing()\nprint('now')\n"
        "threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()\npusher.wait()",
        -signal.SIGINT,
    ),
    "Ctrl-C in close": (
        "pusher = pushing()\nprint('now')\n"
        "threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()\npusher.close()",
        -signal.SIGINT,
    ),
    # Collected while the interpreter runs, by the collector.
    "a dead cycle": (
        "gc.disable()\nloop = [pushing()]\nloop.append(loop)\ndel loop\nprint('now')\ngc.collect()",
        0,
    ),
    # Still there when the interpreter ends, in a cycle that nothing refers to.
    "a dead cycle at the end": (
        "gc.disable()\nloop = [pushing()]\nloop.append(loop)\ndel loop\nprint('now')",
        0,
    ),
    "a thread's": (
        "thread = threading.Thread(target=lambda: pushing().close(0.2))\n"
        "thread.start()\nthread.join()\nprint('now')",
        0,
    ),
    "a thread's, never closed": (
        "kept = []\nthread = threading.Thread(target=lambda: kept.append(pushing()))\n"
        "thread.start()\nthread.join()\nprint('now')",
        0,
    ),
    # Blocked in the worker when the interpreter goes.
    "a daemon thread waits": (
        "pusher = pushing()\nbegun = threading.Event()\n"
        "def wait():\n    begun.set()\n    pusher.wait()\n"
        "threading.Thread(target=wait, daemon=True).start()\nbegun.wait()\nprint('now')",
        0,
    ),
    "daemon threads look": (
        "pusher = pushing()\n"
        "def look():\n    while True:\n        pusher.wait(timeout=0.001), pusher.status()\n"
        "for _ in range(8):\n    threading.Thread(target=look, daemon=True).start()\n"
        "time.sleep(0.1)\nprint('now')",
        0,
    ),
    # No hook at the interpreter's end knows of it: the module's variables are cleared last.
    "a destructor at the end": (
        "pusher = pushing()\natexit.unregister(pusher._exit_hook)\nprint('now')",
        0,
    ),
}


@pytest.mark.parametrize("way", WAYS_TO_END)
def test_a_process_ends(
    hub: LocalHub, proxy: HoldingProxy, repo_id: str, tmp_path: Path, way: str
) -> None:
    for step in (1, 2):
        write_checkpoint(tmp_path / f"checkpoint-{step}", step=step, size=2 << 20)
    end, status = WAYS_TO_END[way]
    with Child(
        tmp_path, PUSHING % end, tmp_path, proxy.endpoint, repo_id, HF_TOKEN=hub.token
    ) as child:
        child.says("now")
        assert child.ends(within=SOON) == status, child.output
        output = child.output
    assert "Fatal" not in output
    assert "terminate" not in output
    all_arrive(hub, proxy, repo_id, tmp_path, [1, 2])


@pytest.mark.parametrize("server", [deaf_server, full_server])
def test_a_process_ends_when_the_hub_never_answers(
    hub: LocalHub, repo_id: str, tmp_path: Path, server: Any
) -> None:
    for step in (1, 2):
        write_checkpoint(tmp_path / f"checkpoint-{step}", step=step)
    with (
        server() as endpoint,
        Child(
            tmp_path,
            PUSHING % "with pushing(drain_timeout=1) as pusher:\n    pusher.preflight()\n"
            "    print('now')",
            tmp_path,
            endpoint,
            repo_id,
            HF_TOKEN=hub.token,
        ) as child,
    ):
        child.says("now")
        assert child.ends(within=1 + SOON) == 0, child.output
    assert states(tmp_path) == ["queued", "queued"]


def test_the_next_run_takes_up_what_was_left(
    hub: LocalHub, proxy: HoldingProxy, where: dict[str, Any], repo_id: str, tmp_path: Path
) -> None:
    with training(proxy, hub, repo_id, tmp_path, "os._exit(9)") as child:
        assert child.ends() == 9, child.output
    assert len(states(tmp_path / "out")) == 2
    proxy.holds[0].release()
    callback = HubRevisionCallback(**where)  # the hub has moved: it is no longer at the proxy's
    make_trainer(tmp_path / "out", callback, max_steps=4).train(resume_from_checkpoint=True)
    assert {record.state for record in callback.records()} == {"done"}
    assert published_steps(hub, repo_id) == [1, 2, 3, 4]
    assert snapshots_left(tmp_path / "out") == []


def test_a_pusher_in_a_loop_of_processes_leaves_no_threads(
    where: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)

    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    before = threads()
    for _ in range(3):
        with RevisionPusher(tmp_path, **where) as pusher:
            pusher.submit(folder)
            pusher.wait(timeout=60)
    deadline = time.monotonic() + SOON
    while threads() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threads() <= before
