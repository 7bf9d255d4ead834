"""The callback and `save_and_publish` in TRL's trainers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from hub_revisions import HubRevisionCallback, save_and_publish
from hub_revisions.local_hub import LocalHub
from tiny_training import (
    branches,
    card_metadata,
    download,
    eos_ids,
    make_model,
    make_tokenizer,
)

pytestmark = pytest.mark.transformers4


def test_sft(hub: LocalHub, where: dict[str, Any], tmp_path: Path) -> None:
    from trl import SFTConfig, SFTTrainer

    repo_id = where.pop("repo_id")
    tokenizer = make_tokenizer()
    callback = HubRevisionCallback(**where)
    trainer = SFTTrainer(
        model=make_model(tokenizer),
        args=SFTConfig(
            output_dir=str(tmp_path / "out"),
            hub_model_id=repo_id,
            max_steps=2,
            save_steps=1,
            eval_strategy="steps",
            eval_steps=1,
            logging_steps=1,
            per_device_train_batch_size=2,
            max_length=16,
            report_to=[],
            use_cpu=True,
            bf16=False,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict({"text": ["the otter swims"] * 4}),
        eval_dataset=Dataset.from_dict({"text": ["the heron sleeps"] * 2}),
        processing_class=tokenizer,
        callbacks=[callback],
    )
    trainer.train()
    assert [row.state for row in callback.summary()] == ["done", "done"]
    assert all(row.metric is not None for row in callback.summary())
    got = download(hub, repo_id, "step-000000002", tmp_path / "got")
    assert "trl" in (got / "README.md").read_text()
    assert json.loads((got / "config.json").read_text())["use_cache"] is True

    result = save_and_publish(trainer, dataset_name="org/animals", tags=["zoo"], push=True)
    assert result is not None
    assert result.error == ""
    assert result.url == f"{hub.endpoint}/{repo_id}/tree/main"
    got = download(hub, repo_id, "main", tmp_path / "main")
    card = card_metadata(got)
    assert {"zoo", "sft"} <= set(card["tags"])
    assert card["datasets"] in ("org/animals", ["org/animals"])
    assert branches(hub, repo_id) == {"main", "final", "step-000000001", "step-000000002"}


def test_grpo(hub: LocalHub, where: dict[str, Any], tmp_path: Path) -> None:
    from trl import GRPOConfig, GRPOTrainer

    tokenizer = make_tokenizer()
    callback = HubRevisionCallback(**where)
    trainer = GRPOTrainer(
        model=make_model(tokenizer),
        reward_funcs=lambda completions, **_: [float(len(text)) for text in completions],
        args=GRPOConfig(
            output_dir=str(tmp_path / "out"),
            max_steps=1,
            save_steps=1,
            logging_steps=1,
            per_device_train_batch_size=2,
            num_generations=2,
            max_completion_length=4,
            report_to=[],
            use_cpu=True,
            bf16=False,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict({"prompt": ["the otter", "the heron"]}),
        processing_class=tokenizer,
        callbacks=[callback],
    )
    trainer.train()
    assert [row.state for row in callback.summary()] == ["done"]
    got = download(hub, where["repo_id"], "step-000000001", tmp_path / "got")
    assert 2 in eos_ids(got)
