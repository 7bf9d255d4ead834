"""The callback's hooks, called as the Trainer calls them: what is submitted, and when."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hub_revisions import HubRevisionCallback, InvalidCheckpointError
from own_log import own_messages
from tiny_training import write_checkpoint


def hooks_of(
    callback: HubRevisionCallback, output: str | Path, step: int, **state: Any
) -> tuple[Any, Any, Any]:
    """Arguments, state and control as the Trainer hands them to the hooks."""
    from transformers import TrainerControl, TrainerState, TrainingArguments

    args = TrainingArguments(output_dir=str(output), report_to=[], use_cpu=True, disable_tqdm=True)
    found = TrainerState(is_world_process_zero=True, is_local_process_zero=True)
    found.global_step, found.epoch = 0, step / 10
    for name, value in state.items():
        setattr(found, name, value)
    callback.on_train_begin(args, found, TrainerControl())
    found.global_step = step
    return args, found, TrainerControl()


def offline(**settings: Any) -> HubRevisionCallback:
    return HubRevisionCallback(mode="spool", repo_id="me/model", **settings)


def test_the_same_step_saved_twice_is_superseded(tmp_path: Path) -> None:
    callback = offline()
    hooks = hooks_of(callback, tmp_path, 5)
    write_checkpoint(tmp_path / "checkpoint-5", step=5)
    callback.on_save(*hooks)
    callback.on_save(*hooks)
    assert [record.state for record in callback.records()] == ["superseded", "queued"]
    callback.finish()


def test_the_metrics_of_several_datasets_are_merged(tmp_path: Path) -> None:
    callback = offline()
    args, state, control = hooks_of(callback, tmp_path, 5)
    write_checkpoint(tmp_path / "checkpoint-5")
    state.log_history = [{"step": 4, "eval_old": 1.0}, {"step": 5, "loss": 0.5}]
    state.global_step = 4
    callback.on_evaluate(args, state, control, metrics={"eval_old": 1.0})
    state.global_step = 5
    callback.on_evaluate(args, state, control, metrics={"eval_a_loss": 1.0, "epoch": 0.5})
    callback.on_evaluate(args, state, control, metrics={"eval_b_loss": 2.0, "eval_b_runtime": 9.0})
    callback.on_save(args, state, control)
    (record,) = callback.records()
    assert record.metrics == {"eval_a_loss": 1.0, "eval_b_loss": 2.0, "loss": 0.5}
    callback.finish()


def test_a_searchs_trials_have_revisions_of_their_own(tmp_path: Path) -> None:
    callback = offline()
    for trial in range(2):
        hooks = hooks_of(callback, tmp_path, 5, is_hyper_param_search=True)
        write_checkpoint(tmp_path / f"run-{trial}" / "checkpoint-5", step=5)
        callback.on_save(*hooks)
        callback.on_train_end(*hooks)  # waits for nothing, so that the next trial can start
    assert [r.revision for r in callback.records()] == [
        "run-0-step-000000005",
        "run-1-step-000000005",
    ]
    callback.finish()


def test_a_save_that_no_hook_told_of_is_found_at_the_end(tmp_path: Path) -> None:
    callback = offline()
    hooks = hooks_of(callback, tmp_path, 5)
    folder = write_checkpoint(tmp_path / "checkpoint-5", step=5)
    callback.on_save(*hooks)
    os.utime(folder / "trainer_state.json", ns=(1, 1))  # saved again
    callback.on_train_end(*hooks)
    assert [record.state for record in callback.records()] == ["superseded", "queued"]


@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}/../out", "/{}", "{}//.", "out"])
def test_no_spelling_of_output_dir_has_a_save_pushed_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.chdir(tmp_path)
    callback = offline()
    output = tmp_path / "out"
    hooks = hooks_of(callback, spelling.format(output), 5)
    write_checkpoint(output / "checkpoint-5", step=5)
    callback.on_save(*hooks)
    callback.on_train_end(*hooks)
    (record,) = callback.records()
    assert record.directory == str(output / "checkpoint-5")


@pytest.mark.parametrize("why", ["handled", "incomplete", "resumed"])
def test_nothing_is_pushed_twice_or_too_early_at_the_end(tmp_path: Path, why: str) -> None:
    callback = offline()
    args, state, control = hooks_of(callback, tmp_path, 5)
    folder = write_checkpoint(tmp_path / "checkpoint-5", step=5)
    if why == "handled":
        callback.on_save(args, state, control)
    if why == "incomplete":
        (folder / "checkpoint-is-incomplete.txt").touch()
    if why == "resumed":
        callback.on_train_begin(args, state, control)
    callback.on_train_end(args, state, control)
    assert len(callback.records()) == (1 if why == "handled" else 0)


def test_training_may_begin_twice(tmp_path: Path) -> None:
    callback = offline()
    hooks = hooks_of(callback, tmp_path, 5)
    write_checkpoint(tmp_path / "checkpoint-5", step=5)
    callback.on_save(*hooks)
    hooks = hooks_of(callback, tmp_path, 5)  # a smaller batch size is tried
    callback.on_save(*hooks)
    callback.on_train_end(*hooks)
    assert [record.state for record in callback.records()] == ["superseded", "queued"]
    hooks = hooks_of(callback, tmp_path, 6)  # trainer.train() again
    write_checkpoint(tmp_path / "checkpoint-6", step=6)
    callback.on_save(*hooks)
    callback.on_train_end(*hooks)
    assert [record.step for record in callback.records()] == [5, 6]


def test_other_ranks_do_nothing(tmp_path: Path) -> None:
    callback = offline()
    hooks = hooks_of(callback, tmp_path, 5, is_world_process_zero=False)
    write_checkpoint(tmp_path / "checkpoint-5", step=5)
    callback.on_save(*hooks)
    callback.on_train_end(*hooks)
    assert callback.records() == []
    assert not (tmp_path / "_hub_revisions").exists()


def test_copies_carry_the_configuration_and_not_the_worker(tmp_path: Path) -> None:
    callback = HubRevisionCallback({"eos": "off"}, token="hf_secret", mode="spool", repo_id="me/x")
    hooks_of(callback, tmp_path, 1)
    pickled = pickle.dumps(callback)
    assert b"hf_secret" not in pickled
    config, token, settings = pickle.loads(pickled).configuration
    assert (config, token, settings) == ({"eos": "off"}, None, {"mode": "spool", "repo_id": "me/x"})
    assert copy.deepcopy(callback).configuration == callback.configuration
    assert copy.deepcopy(callback).records() == []
    callback.finish()


def test_a_bad_checkpoint_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = offline()
    args, state, control = hooks_of(callback, tmp_path, 5)
    (tmp_path / "checkpoint-5").mkdir()
    for _ in range(2):
        callback.on_save(args, state, control)
        callback.on_step_end(args, state, control)
    callback.finish()
    assert len([line for line in own_messages(caplog) if "checkpoint-5" in line]) == 1
    assert {record.state for record in callback.records()} == {"failed"}


def test_a_bad_checkpoint_can_stop_training(tmp_path: Path) -> None:
    callback = offline(on_error="raise")
    hooks = hooks_of(callback, tmp_path, 5)
    (tmp_path / "checkpoint-5").mkdir()
    with pytest.raises(InvalidCheckpointError):
        callback.on_save(*hooks)
    callback.finish()


def test_a_processor_lends_its_tokenizers_eos(tmp_path: Path) -> None:
    callback = offline()
    hooks = hooks_of(callback, tmp_path, 5)
    write_checkpoint(tmp_path / "checkpoint-5", step=5)
    processor = SimpleNamespace(tokenizer=SimpleNamespace(eos_token_id=9))
    callback.on_save(*hooks, processing_class=processor)
    callback.on_save(*hooks, tokenizer=SimpleNamespace(eos_token_id=8))
    assert [record.eos_token_id for record in callback.records()] == [9, 8]
    callback.finish()
