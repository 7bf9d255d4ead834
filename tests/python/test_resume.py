"""Training that goes on from a revision is the training that was not interrupted."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from hub_revisions import HubRevisionCallback, HubRevisionError, RevisionPusher, resume_from
from hub_revisions.local_hub import LocalHub
from own_log import own_messages
from tiny_training import write_checkpoint

STEPS = 6
STOP_AT = 3


def dropout_model(lora: bool) -> Any:
    """A random GPT-2 whose losses depend on the random numbers of its dropout."""
    from transformers import GPT2Config, GPT2LMHeadModel, set_seed

    set_seed(11)
    config = GPT2Config(vocab_size=64, n_positions=16, n_embd=16, n_layer=2, n_head=2)
    model = GPT2LMHeadModel(config)
    if not lora:
        return model
    from peft import LoraConfig, get_peft_model

    return get_peft_model(model, LoraConfig(target_modules=["c_attn"], lora_dropout=0.2))


def rows() -> list[dict[str, list[int]]]:
    """Rows that all differ, so that their order matters."""
    ids = [[(5 * row + column * column) % 64 for column in range(8)] for row in range(24)]
    return [{"input_ids": one, "labels": one} for one in ids]


def trainer_for(output_dir: Path, *callbacks: Any, lora: bool = False) -> Any:
    """A `Trainer` of `STEPS` steps that saves at `STOP_AT`."""
    from transformers import Trainer, TrainingArguments

    arguments = TrainingArguments(
        output_dir=str(output_dir),
        max_steps=STEPS,
        per_device_train_batch_size=2,
        save_steps=STOP_AT,
        logging_steps=1,
        learning_rate=0.01,
        seed=5,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    return Trainer(
        model=dropout_model(lora), args=arguments, train_dataset=rows(), callbacks=list(callbacks)
    )


def interrupted() -> Any:
    """A callback that ends the training when `STOP_AT` steps are done and saved."""
    from transformers import TrainerCallback

    class Interrupted(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = True

    return Interrupted()


def losses(trainer: Any) -> dict[int, float]:
    return {entry["step"]: entry["loss"] for entry in trainer.state.log_history if "loss" in entry}


def publish_and_wipe(output_dir: Path, where: dict[str, Any], lora: bool, **settings: Any) -> None:
    """Train to `STOP_AT`, publish, and lose the machine."""
    callback = HubRevisionCallback(**where, **settings)
    trainer_for(output_dir, callback, interrupted(), lora=lora).train()
    (record,) = callback.records()
    assert record.state == "done", record.error
    shutil.rmtree(output_dir)


def assert_same_training(one: Any, other: Any) -> None:
    import torch

    assert losses(one) == losses(other)
    weights, others = one.model.state_dict(), other.model.state_dict()
    assert weights.keys() == others.keys()
    for name, tensor in weights.items():
        assert torch.equal(tensor, others[name]), name


@pytest.mark.parametrize(
    ("lora", "settings", "weights"),
    [
        (False, {}, "model.safetensors"),
        (False, {"max_shard_size": "8KB"}, "model.safetensors.index.json"),
        (True, {}, "adapter_model.safetensors"),
    ],
    ids=["whole", "shards", "lora"],
)
def test_it_goes_on_as_if_never_interrupted(
    hub: LocalHub,
    where: dict[str, Any],
    tmp_path: Path,
    lora: bool,
    settings: dict[str, Any],
    weights: str,
) -> None:
    uninterrupted = trainer_for(tmp_path / "uninterrupted", lora=lora)
    uninterrupted.train()
    assert sorted(losses(uninterrupted)) == list(range(1, STEPS + 1))

    output_dir = tmp_path / "out"
    publish_and_wipe(output_dir, where, lora, contents="full", **settings)
    folder = Path(resume_from(**where, output_dir=output_dir))

    assert folder == output_dir / f"checkpoint-{STOP_AT}"
    assert not (output_dir / f"checkpoint-{STOP_AT}.incomplete").exists()
    names = {path.name for path in folder.iterdir()}
    assert names >= {weights, "optimizer.pt", "scheduler.pt", "rng_state.pth"}
    assert "training_args.bin" not in names
    for path in folder.rglob("*"):
        assert not path.is_file() or hub.token.encode() not in path.read_bytes(), path

    resumed = trainer_for(output_dir, lora=lora)
    resumed.train(resume_from_checkpoint=str(folder))
    assert_same_training(resumed, uninterrupted)


def test_it_is_published_again_by_no_one_and_the_next_step_is(
    where: dict[str, Any], tmp_path: Path
) -> None:
    output_dir = tmp_path / "out"
    publish_and_wipe(output_dir, where, False, contents="full")
    folder = resume_from(**where, output_dir=output_dir)
    callback = HubRevisionCallback(**where, contents="full")
    trainer_for(output_dir, callback).train(resume_from_checkpoint=folder)
    assert [(record.step, record.state) for record in callback.records()] == [(STEPS, "done")]


def test_without_the_resume_state_it_says_what_starts_anew(
    where: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output_dir = tmp_path / "out"
    publish_and_wipe(output_dir, where, False)
    with caplog.at_level(logging.WARNING, "hub_revisions"):
        folder = resume_from(**where, output_dir=output_dir)
    (warning,) = own_messages(caplog)
    assert "has no optimizer state" in warning
    assert 'contents="full"' in warning
    resumed = trainer_for(output_dir)
    resumed.train(resume_from_checkpoint=folder)
    uninterrupted = trainer_for(tmp_path / "uninterrupted")  # now, since it sets the seed
    uninterrupted.train()
    assert losses(resumed).keys() == losses(uninterrupted).keys()
    same = [
        step for step in losses(resumed) if losses(resumed)[step] == losses(uninterrupted)[step]
    ]
    assert same == list(range(1, STOP_AT + 1))


def push(where: dict[str, Any], checkpoint: Path, revision: str | None = None) -> None:
    with RevisionPusher(checkpoint.parent, **where, contents="full") as pusher:
        pusher.submit(checkpoint, revision)
        assert pusher.wait(timeout=60)
        assert [record.state for record in pusher.records()] == ["done"]


def test_the_newest_the_best_or_what_is_named(where: dict[str, Any], tmp_path: Path) -> None:
    for step, loss in ((1, 0.5), (2, 0.1), (10, 0.9)):
        push(where, write_checkpoint(tmp_path / f"checkpoint-{step}", step=step, eval_loss=loss))

    def name(revision: str | None) -> str:
        return Path(resume_from(**where, revision=revision, output_dir=tmp_path / "out")).name

    assert name(None) == "checkpoint-10"
    assert name("latest") == "checkpoint-10"
    assert name("best") == "checkpoint-2"
    assert name("step-000000001") == "checkpoint-1"


def test_without_an_output_dir_it_is_below_hf_home(where: dict[str, Any], tmp_path: Path) -> None:
    push(where, write_checkpoint(tmp_path / "checkpoint-4", step=4))
    folder = Path(resume_from(**where))
    assert folder.name == "checkpoint-4"
    assert folder.is_relative_to(tmp_path / "hf-home" / "hub-revisions")
    assert resume_from(**where) == str(folder)


def test_what_the_trainer_could_not_resume_from_is_refused(
    where: dict[str, Any], tmp_path: Path
) -> None:
    push(where, write_checkpoint(tmp_path / "exported"), "exported")
    with pytest.raises(HubRevisionError, match=r"no trainer_state\.json") as caught:
        resume_from(**where, revision="exported", output_dir=tmp_path / "out")
    assert caught.value.kind == "invalid_input"
    assert not (tmp_path / "out").exists()
    with pytest.raises(HubRevisionError, match="no revision with a step") as caught:
        resume_from(**where, output_dir=tmp_path / "out")
    assert caught.value.kind == "not_found"
