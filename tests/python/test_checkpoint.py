"""What is read from a Trainer's state and folders."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
from hub_revisions import _core
from hub_revisions.checkpoint import (
    eos_token_id_of,
    find_checkpoint,
    metrics_at,
    numbers_of,
    read_trainer_state,
)


def test_a_checkpoint_is_found_in_output_dir(tmp_path: Path) -> None:
    assert find_checkpoint(tmp_path, 5, in_search=False) is None
    (tmp_path / "checkpoint-5").mkdir()
    found = find_checkpoint(tmp_path, 5, in_search=False)
    assert found is not None
    assert (found.directory, found.run) == (str(tmp_path / "checkpoint-5"), "")


def test_in_a_search_the_newest_trials_checkpoint_is_found(tmp_path: Path) -> None:
    for age, name in enumerate(["run-2", "run-0", "run-1", "_hub_revisions"]):
        folder = tmp_path / name / "checkpoint-5"
        folder.mkdir(parents=True)
        os.utime(folder, (1_000 - age, 1_000 - age))
    (tmp_path / "checkpoint-5").mkdir()  # of an earlier training without a search
    found = find_checkpoint(tmp_path, 5, in_search=True)
    assert found is not None
    assert (found.directory, found.run) == (str(tmp_path / "run-2" / "checkpoint-5"), "run-2")


def test_a_second_save_is_noticed_and_a_foreign_file_is_not(tmp_path: Path) -> None:
    state = tmp_path / "trainer_state.json"
    state.write_text("{}")
    os.utime(state, ns=(1, 1))
    before = _core.saved_at(str(tmp_path))
    (tmp_path / "merged").mkdir()
    assert _core.saved_at(str(tmp_path)) == before
    os.utime(state, ns=(2, 2))
    assert _core.saved_at(str(tmp_path)) != before
    state.unlink()
    assert _core.saved_at(str(tmp_path)) == tmp_path.stat().st_mtime_ns
    assert _core.saved_at(str(tmp_path / "none")) is None


def test_metrics_are_numbers_about_the_model() -> None:
    metrics = numbers_of(
        {
            "eval_loss": 1.5,
            "eval_accuracy": numpy.float32(0.5),
            "eval_count": 3,
            "eval_nan": math.nan,
            "eval_runtime": 2.0,
            "eval_samples_per_second": 2.0,
            "eval_note": "text",
            "eval_done": True,
            "epoch": 1.0,
        }
    )
    assert math.isnan(metrics.pop("eval_nan"))
    assert metrics == {"eval_loss": 1.5, "eval_accuracy": 0.5, "eval_count": 3.0}


def test_the_metrics_of_a_step_are_taken_from_the_log() -> None:
    history = [
        {"step": 1, "loss": 9.0, "eval_loss": 9.0},
        {"step": 2, "loss": 2.0, "grad_norm": 1.0, "learning_rate": 0.1},
        {"step": 2, "eval_a_loss": 3.0, "eval_a_runtime": 1.0},
        {"step": 2, "eval_b_loss": 4.0},
        {"step": 3, "loss": 7.0},
    ]
    assert metrics_at(history, 2) == {"loss": 2.0, "eval_a_loss": 3.0, "eval_b_loss": 4.0}
    assert metrics_at(history, 4) == {}


def test_the_later_entry_of_a_step_counts() -> None:
    assert metrics_at([{"step": 1, "loss": 5.0}, {"step": 1, "loss": 4.0}], 1) == {"loss": 4.0}


def test_a_trainers_state_is_read(tmp_path: Path) -> None:
    state = {"global_step": 7, "epoch": 0.5, "log_history": [{"step": 7, "eval_loss": math.inf}]}
    (tmp_path / "trainer_state.json").write_text(json.dumps(state))
    read = read_trainer_state(tmp_path)
    assert (read.step, read.epoch, read.metrics) == (7, 0.5, {"eval_loss": math.inf})


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"global_step": "x"}', "null"])
def test_without_a_state_nothing_is_known(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "trainer_state.json").write_text(text)
    read = read_trainer_state(tmp_path)
    assert (read.step, read.epoch, read.metrics) == (None, None, {})


def test_the_eos_of_tokenizers_and_processors() -> None:
    tokenizer = SimpleNamespace(eos_token_id=7)
    assert eos_token_id_of(tokenizer) == 7
    assert eos_token_id_of(SimpleNamespace(tokenizer=tokenizer)) == 7
    assert eos_token_id_of(SimpleNamespace(eos_token_id=None)) is None
    assert eos_token_id_of(None) is None
