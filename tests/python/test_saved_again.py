"""A Trainer that saves a step again, in place, while its first save waits for the hub."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from child_process import published_steps, snapshots_left
from holding_proxy import HoldingProxy
from hub_revisions import HubRevisionCallback
from hub_revisions.local_hub import LocalHub
from own_log import own_messages
from tiny_training import download, make_tokenizer, make_trainer
from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback

OPTIMIZER = "optimizer.pt"  # torch writes it in place; safetensors' files are replaced instead


@pytest.fixture
def proxy(hub: LocalHub) -> Iterator[HoldingProxy]:
    with HoldingProxy(hub) as running:
        yield running


@pytest.fixture
def where(hub: LocalHub, proxy: HoldingProxy, repo_id: str) -> dict[str, Any]:
    """Through the proxy, and with the optimizer's state."""
    return {
        "endpoint": proxy.endpoint,
        "token": hub.token,
        "repo_id": repo_id,
        "contents": "full",
        "max_retries": 1,
    }


def large_model() -> Any:
    """A model whose optimizer's file is frozen by a link."""
    config = LlamaConfig(
        vocab_size=len(make_tokenizer()),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    return LlamaForCausalLM(config)


def trainer_of(output: Path, callback: HubRevisionCallback, **arguments: Any) -> Any:
    options = {"max_steps": 2, "eval_strategy": "no", "model": large_model()} | arguments
    return make_trainer(output, callback, **options)


class SavedAgain(TrainerCallback):
    """Sees that a step is saved a second time, into the same file, with other bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first: tuple[int, bytes] | None = None
        self.in_place = False

    def look(self) -> None:
        if not self.path.exists():
            return
        now = (self.path.stat().st_ino, self.path.read_bytes())
        if self.first is None:
            self.first = now
        elif now[1] != self.first[1]:
            self.in_place = now[0] == self.first[0]

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.look()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.look()


class Release(TrainerCallback):
    """Lets go of what is held, before the drain."""

    def __init__(self, proxy: HoldingProxy) -> None:
        self.proxy = proxy

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        for hold in self.proxy.holds:
            hold.release()


def perturb(trainer: Any) -> None:
    """Make its next save another one than this step's last."""
    for moment in trainer.optimizer.state.values():
        moment["exp_avg"].add_(1)


def put_first(trainer: Any, *callbacks: TrainerCallback) -> None:
    """Have them called before all others."""
    trainer.callback_handler.callbacks[:0] = callbacks


def last_save_is_published(
    hub: LocalHub, repo_id: str, output: Path, steps: list[int], folder: Path
) -> None:
    """Every step is there once, and holds what was saved last, to the byte."""
    assert published_steps(hub, repo_id) == steps
    for step in steps:
        got = download(hub, repo_id, f"step-{step:09d}", folder / str(step))
        saved = output / f"checkpoint-{step}"
        for name in (OPTIMIZER, "model.safetensors"):
            assert (got / name).read_bytes() == (saved / name).read_bytes(), (step, name)
    assert snapshots_left(output) == []


@pytest.mark.parametrize("hook", ["on_step_begin", "on_pre_optimizer_step", "on_step_end"])
@pytest.mark.parametrize("save_steps", [1, 100])
def test_by_a_jit_checkpoint(
    hub: LocalHub,
    proxy: HoldingProxy,
    where: dict[str, Any],
    tmp_path: Path,
    hook: str,
    save_steps: int,
) -> None:
    callback = HubRevisionCallback(**where)
    trainer = trainer_of(
        tmp_path / "out",
        callback,
        max_steps=5,
        save_steps=save_steps,
        enable_jit_checkpoint=True,
    )
    hold = proxy.hold("/objects/batch")
    again = SavedAgain(tmp_path / "out" / "checkpoint-2" / OPTIMIZER)
    (jit,) = [one for one in trainer.callback_handler.callbacks if hasattr(one, "jit_manager")]

    def preempted(args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """As if the scheduler had sent SIGTERM some seconds before."""
        if state.global_step == 2:
            if save_steps == 1 and hook != "on_step_end":
                hold.wait()  # the step's first save is on its way
            perturb(trainer)
            jit.jit_manager.is_checkpoint_requested = True

    preemption = TrainerCallback()
    setattr(preemption, hook, preempted)
    put_first(trainer, again, Release(proxy), preemption)
    trainer.train()
    assert trainer.state.global_step == (2 if hook == "on_step_end" else 3)
    if save_steps == 1:
        saved = [1, 2] if hook == "on_step_end" else [1, 2, 3]
        assert again.in_place is (hook != "on_step_end")
    else:
        saved = [2]
    assert sorted(r.step for r in callback.records() if r.state == "done") == saved
    last_save_is_published(hub, where["repo_id"], tmp_path / "out", saved, tmp_path / "got")


def test_by_a_resumed_run(
    hub: LocalHub, proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    again = SavedAgain(output / "checkpoint-2" / OPTIMIZER)
    first = trainer_of(output, HubRevisionCallback(**where, mode="spool"))
    put_first(first, again)
    first.train()
    again.look()
    assert again.first is not None
    proxy.hold("/objects/batch")
    callback = HubRevisionCallback(**where)
    trainer = trainer_of(output, callback)
    other = TrainerCallback()
    other.on_step_end = lambda *_, **__: perturb(trainer)
    put_first(trainer, again, Release(proxy), other)
    trainer.train(resume_from_checkpoint=str(output / "checkpoint-1"))
    assert again.in_place
    last_save_is_published(hub, where["repo_id"], output, [1, 2], tmp_path / "got")
    assert [(r.step, r.state) for r in callback.records() if r.state == "done"] == [
        (1, "done"),
        (2, "done"),
    ]


def test_by_the_search_for_a_batch_size(
    hub: LocalHub, proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path
) -> None:
    callback = HubRevisionCallback(**where)
    trainer = trainer_of(tmp_path / "out", callback, auto_find_batch_size=True, max_steps=3)
    hold = proxy.hold("/objects/batch")
    again = SavedAgain(tmp_path / "out" / "checkpoint-1" / OPTIMIZER)

    class OutOfMemory(TrainerCallback):
        """At the second step, once."""

        happened = False

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 1 and not self.happened:
                self.happened = True
                hold.wait()
                raise RuntimeError("CUDA out of memory. Tried to allocate all there is")

    out_of_memory = OutOfMemory()
    put_first(trainer, again, Release(proxy))
    trainer.add_callback(out_of_memory)
    trainer.train()
    assert out_of_memory.happened
    assert again.in_place
    assert [r.step for r in callback.records() if r.state == "done"] == [1, 2, 3]
    last_save_is_published(hub, where["repo_id"], tmp_path / "out", [1, 2, 3], tmp_path / "got")


@pytest.mark.parametrize("stage", ["/objects/batch", "/objects/verify"])
def test_and_it_is_never_submitted(
    hub: LocalHub,
    proxy: HoldingProxy,
    where: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    stage: str,
) -> None:
    callback = HubRevisionCallback(**where)
    trainer = trainer_of(tmp_path / "out", callback)
    hold = proxy.hold(stage)
    file = tmp_path / "out" / "checkpoint-1" / OPTIMIZER

    def rewrites(*_: Any, **__: Any) -> None:
        hold.wait()
        file.write_bytes(os.urandom(file.stat().st_size))

    rewriting = TrainerCallback()
    rewriting.on_train_end = rewrites
    put_first(trainer, rewriting, Release(proxy))
    with caplog.at_level(logging.ERROR, "hub_revisions"):
        trainer.train()
    failed, done = callback.records()
    assert (failed.step, failed.state, done.step, done.state) == (1, "failed", 2, "done")
    (told,) = own_messages(caplog)
    assert published_steps(hub, where["repo_id"]) == [2]
    assert OPTIMIZER in told
    assert "changed while pending" in told
