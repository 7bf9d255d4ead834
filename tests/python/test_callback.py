"""The callback in the real Trainer: what a training leaves on the Hub."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from hub_revisions import HubRevisionCallback, RevisionPusher, list_revisions
from hub_revisions.local_hub import LocalHub
from own_log import own_messages
from tiny_training import (
    branches,
    card_metadata,
    download,
    make_model,
    make_tokenizer,
    make_trainer,
)

pytestmark = pytest.mark.transformers4

STEPS = ["step-000000001", "step-000000002"]


def card_metrics(folder: Path) -> dict[str, float]:
    results = card_metadata(folder)["model-index"][0]["results"]
    return {m["name"]: m["value"] for result in results for m in result["metrics"]}


def times_of(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in [folder, *folder.rglob("*")]}


@pytest.fixture(scope="module")
def trained(
    hub: LocalHub, tmp_path_factory: pytest.TempPathFactory
) -> tuple[HubRevisionCallback, Any, str]:
    """One training without a tokenizer in the Trainer, so that nothing is repaired before."""
    output = tmp_path_factory.mktemp("trained")
    repo_id = f"{hub.user}/trained"
    callback = HubRevisionCallback(endpoint=hub.endpoint, token=hub.token)
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(output / "tokenizer")
    model = make_model(tokenizer)
    model.config.use_cache = False  # transformers 5 does that, of 4 scripts do
    trainer = make_trainer(
        output, callback, model=model, hub_model_id=repo_id, gradient_checkpointing=True
    )
    # A tokenizer that another callback, or the user, has put into the checkpoint.
    trainer.add_callback(saver(output / "tokenizer"))
    trainer.callback_handler.callbacks.reverse()
    trainer.train()
    return callback, trainer, repo_id


def saver(tokenizer: Path) -> Any:
    from transformers import TrainerCallback

    class SaveTokenizer(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            folder = Path(args.output_dir, f"checkpoint-{state.global_step}")
            for file in tokenizer.iterdir():
                (folder / file.name).write_bytes(file.read_bytes())

    return SaveTokenizer()


def test_every_checkpoint_becomes_a_revision(
    hub: LocalHub, trained: tuple[HubRevisionCallback, Any, str]
) -> None:
    callback, trainer, repo_id = trained
    assert branches(hub, repo_id) >= set(STEPS)
    losses = {e["step"]: e["eval_loss"] for e in trainer.state.log_history if "eval_loss" in e}
    for row, record in zip(callback.summary(), callback.records(), strict=True):
        assert (row.state, row.error) == ("done", "")
        assert row.metric == losses[row.step]
        assert row.waited_ms >= record.freeze_ms > 0
        assert row.size > row.sent > 0
    assert [row.revision for row in callback.summary()] == STEPS


def test_a_revision_is_repaired_and_described(
    hub: LocalHub, trained: tuple[HubRevisionCallback, Any, str], tmp_path: Path
) -> None:
    _, trainer, repo_id = trained
    source = Path(trainer.args.output_dir, "checkpoint-1")
    got = download(hub, repo_id, STEPS[0], tmp_path)
    assert json.loads((source / "config.json").read_text())["use_cache"] is False
    assert json.loads((got / "config.json").read_text())["use_cache"] is True
    assert json.loads((source / "generation_config.json").read_text())["eos_token_id"] == 0
    assert json.loads((got / "generation_config.json").read_text())["eos_token_id"] == 2
    entry = next(e for e in trainer.state.log_history if "eval_loss" in e and e["step"] == 1)
    assert card_metrics(got)["eval_loss"] == pytest.approx(entry["eval_loss"])
    assert card_metadata(got)["library_name"] == "transformers"
    names = {path.name for path in got.iterdir()}
    assert names >= {"model.safetensors", "tokenizer.json", ".gitattributes"}
    assert not names & {"optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"}
    weights = (got / "model.safetensors").read_bytes()
    assert weights == (source / "model.safetensors").read_bytes()


def test_a_stranger_loads_a_revision(
    hub: LocalHub, trained: tuple[HubRevisionCallback, Any, str], tmp_path: Path
) -> None:
    code = """
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
for revision in sys.argv[2:]:
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], revision=revision)
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], revision=revision)
    print(model.generation_config.eos_token_id, model.config.use_cache, tokenizer.eos_token_id)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, trained[2], *STEPS],
        env=os.environ
        | {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": hub.token, "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "2 True 2\n" * 2, done.stderr


def test_checkpoints_are_left_as_they_were(where: dict[str, Any], tmp_path: Path) -> None:
    seen: dict[str, dict[str, int]] = {}

    class Look(HubRevisionCallback):
        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            folder = Path(args.output_dir, f"checkpoint-{state.global_step}")
            seen[str(folder)] = times_of(folder)
            super().on_save(args, state, control, **kwargs)

    make_trainer(tmp_path, Look(**where)).train()
    assert len(seen) == 2
    assert all(times_of(Path(folder)) == times for folder, times in seen.items())


def test_rotation_takes_nothing_from_a_slow_push(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    callback = HubRevisionCallback(**where)
    trainer = make_trainer(tmp_path, callback, max_steps=4, save_total_limit=1)
    trainer.train()
    assert len(list(tmp_path.glob("checkpoint-*"))) == 1
    assert {row.state for row in callback.summary()} == {"done"}
    assert len(branches(hub, where["repo_id"]) - {"main"}) == 4


def test_a_tokenizer_in_the_trainer_and_a_prefix_from_the_arguments(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    repo_id = where.pop("repo_id")
    callback = HubRevisionCallback({"card": "off"}, **where)
    make_trainer(
        tmp_path,
        callback,
        processing_class=make_tokenizer(),
        max_steps=1,
        hub_model_id=repo_id,
        hub_revision="v2",
        hub_private_repo=True,
    ).train()
    (record,) = callback.records()
    assert (record.revision, record.eos_token_id) == ("v2-step-000000001", 2)
    got = download(hub, repo_id, record.revision, tmp_path / "got")
    assert not (got / "README.md").exists()
    eos = json.loads((got / "generation_config.json").read_text())["eos_token_id"]
    assert 2 in (eos if isinstance(eos, list) else [eos])


TOKENS_TEMPLATE = "step{step}-tokens{tokens}"


def test_revisions_named_by_tokens(
    hub: LocalHub,
    where: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    callback = HubRevisionCallback(**where, revision_template=TOKENS_TEMPLATE)
    make_trainer(tmp_path, callback, include_num_input_tokens_seen=True).train()
    assert [(r.revision, r.tokens) for r in callback.records()] == [
        ("step1-tokens10", 10),
        ("step2-tokens20", 20),
    ]
    listed = list_revisions(where["repo_id"], endpoint=hub.endpoint, token=hub.token)
    tokens = {r.revision: r.tokens for r in listed if r.managed}
    assert tokens == {"step1-tokens10": 10, "step2-tokens20": 20}
    monkeypatch.setenv("HF_TOKEN", hub.token)
    table = run("list", where["repo_id"], "--endpoint", hub.endpoint).stdout
    assert table.split()[:4] == ["revision", "commit", "step", "tokens"]
    got = download(hub, where["repo_id"], "step2-tokens20", tmp_path / "got")
    assert "| input tokens seen | 20 |" in (got / "README.md").read_text()
    assert not own_messages(caplog, logging.WARNING)

    # Another process knows it from the checkpoint alone.
    with RevisionPusher(
        tmp_path / "by-hand", **where, revision_template="x" + TOKENS_TEMPLATE
    ) as p:
        job = p.submit(tmp_path / "checkpoint-2")
        record = p.record(job)
    assert record is not None
    assert (record.revision, record.tokens) == ("xstep2-tokens20", 20)


def test_tokens_that_nobody_counts_are_told_before_the_first_save(
    where: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = HubRevisionCallback(**where, revision_template=TOKENS_TEMPLATE)
    make_trainer(tmp_path, callback, max_steps=1).train()
    assert [(r.revision, r.tokens) for r in callback.records()] == [("step1-tokens0", None)]
    (told,) = own_messages(caplog, logging.WARNING)
    assert "include_num_input_tokens_seen=True" in told


def test_data_loader_workers_leave_the_worker_alone(where: dict[str, Any], tmp_path: Path) -> None:
    callback = HubRevisionCallback(**where)
    make_trainer(tmp_path, callback, dataloader_num_workers=1, max_steps=1).train()
    assert [row.state for row in callback.summary()] == ["done"]
