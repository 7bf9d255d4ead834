"""The recipe of `configs/`, read and trained as open-r1's scripts do it, on a tiny model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trl
from datasets import Dataset
from hub_revisions import ConfigError
from hub_revisions.local_hub import LocalHub
from hub_revisions.open_r1 import get_callbacks
from huggingface_hub import HfApi
from own_log import own_messages
from tiny_training import branches, card_metadata, download, make_model, make_tokenizer

RECIPE = Path(__file__).parents[3] / "configs" / "open-r1-sft.yaml"


@dataclass
class SFTConfig(trl.SFTConfig):
    """What open-r1's `configs.py` adds to TRL's arguments, as far as it concerns revisions."""

    benchmarks: list[str] = field(default_factory=list)
    callbacks: list[str] = field(default_factory=list)
    system_prompt: str | None = None
    hub_model_revision: str | None = "main"
    overwrite_hub_revision: bool = False
    push_to_hub_revision: bool = False


def read_recipe(*arguments: str) -> tuple[Any, Any]:
    parser = trl.TrlParser((trl.ScriptArguments, SFTConfig, trl.ModelConfig))
    _, training_args, model_args = parser.parse_args_and_config(
        ["--config", str(RECIPE), *arguments]
    )
    return training_args, model_args


def small(tmp_path: Path) -> list[str]:
    """What makes the recipe fit a tiny model on a CPU."""
    return [
        *("--output_dir", str(tmp_path / "out"), "--max_steps", "2", "--save_steps", "1"),
        *("--bf16", "false", "--use_cpu", "true", "--max_length", "16", "--packing", "false"),
        *("--disable_tqdm", "true"),
    ]


def test_a_recipe(hub: LocalHub, where: dict[str, Any], tmp_path: Path) -> None:
    repo_id = where.pop("repo_id")
    training_args, model_args = read_recipe(*small(tmp_path), "--hub_model_id", repo_id)
    callbacks = get_callbacks(training_args, model_args, **where)
    tokenizer = make_tokenizer()
    trl.SFTTrainer(
        model=make_model(tokenizer),
        args=training_args,
        train_dataset=Dataset.from_dict({"text": ["the otter swims"] * 8}),
        processing_class=tokenizer,
        callbacks=callbacks,
    ).train()
    revisions = {"v00.00-step-000000001", "v00.00-step-000000002"}
    assert branches(hub, repo_id) - {"main"} == revisions
    assert HfApi(endpoint=hub.endpoint, token=hub.token).model_info(repo_id).private
    got = download(hub, repo_id, "v00.00-step-000000002", tmp_path / "got")
    assert training_args.system_prompt.startswith("You are a helpful")
    assert training_args.system_prompt in (got / "README.md").read_text()
    assert card_metadata(got)["base_model"] == "Qwen/Qwen2.5-1.5B-Instruct"


def test_what_a_recipe_asks_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    training_args, model_args = read_recipe(*small(tmp_path))
    (callback,) = get_callbacks(training_args, model_args)
    assert callback.configuration[2] == {
        "private": True,
        "base_model": model_args.model_name_or_path,
    }

    training_args.overwrite_hub_revision = True
    training_args.hub_private_repo = False
    model_args.model_name_or_path = str(tmp_path)
    (callback,) = get_callbacks(training_args, model_args, max_retries=3)
    assert callback.configuration[2] == {"exists": "overwrite", "max_retries": 3}

    training_args.callbacks = []
    assert get_callbacks(training_args, model_args) == []
    training_args.push_to_hub_revision = True
    assert len(get_callbacks(training_args, model_args)) == 1
    assert own_messages(caplog) == []

    training_args.benchmarks = ["math_500"]
    get_callbacks(training_args, model_args)
    assert "'evaluate'" in caplog.text
    training_args.callbacks = ["save_to_moon"]
    with pytest.raises(ConfigError, match="'save_to_moon' is not known"):
        get_callbacks(training_args, model_args)
