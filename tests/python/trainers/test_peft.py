"""LoRA adapters: the files of a revision, what its card names, and that it loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hub_revisions import HubRevisionCallback
from hub_revisions.local_hub import LocalHub
from tiny_training import card_metadata, download, make_model, make_tokenizer, make_trainer

REVISION = "step-000000001"

pytestmark = pytest.mark.transformers4


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A base model on this machine's disk, where no card may point."""
    folder = tmp_path / "base"
    tokenizer = make_tokenizer()
    make_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def assert_usable_adapter(folder: Path, base: Path) -> None:
    """It holds an adapter alone, its card names no local path, and it changes the base model."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    names = {path.name for path in folder.iterdir()}
    assert names >= {"adapter_model.safetensors", "adapter_config.json", "README.md"}
    assert not names & {"config.json", "generation_config.json", "model.safetensors"}
    card = card_metadata(folder)
    assert card["library_name"] == "peft"
    assert "base_model" not in card
    assert str(base) not in (folder / "README.md").read_text()
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder)
    ids = torch.tensor([[1, 5, 6]])
    adapted = model(input_ids=ids).logits
    with model.disable_adapter():
        assert not torch.equal(adapted, model(input_ids=ids).logits)


def test_an_adapter_of_the_trainer(
    hub: LocalHub, where: dict[str, Any], base: Path, tmp_path: Path
) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    lora = LoraConfig(r=2, task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"])
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), lora)
    callback = HubRevisionCallback(**where)
    make_trainer(tmp_path / "out", callback, model=model, max_steps=1, learning_rate=0.1).train()
    (record,) = callback.records()
    assert record.state == "done"
    assert {fix.name: fix.outcome for fix in record.fixes}["use_cache"] == "unchanged"
    got = download(hub, where["repo_id"], REVISION, tmp_path / "got")
    assert_usable_adapter(got, base)


def test_an_adapter_of_sft(
    hub: LocalHub, where: dict[str, Any], base: Path, tmp_path: Path
) -> None:
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    callback = HubRevisionCallback(**where)
    SFTTrainer(
        model=str(base),
        args=SFTConfig(
            output_dir=str(tmp_path / "out"),
            max_steps=1,
            save_steps=1,
            per_device_train_batch_size=2,
            learning_rate=0.1,
            max_length=16,
            report_to=[],
            use_cpu=True,
            bf16=False,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict({"text": ["the otter swims"] * 2}),
        peft_config=LoraConfig(r=2, task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"]),
        callbacks=[callback],
    ).train()
    (record,) = callback.records()
    assert (record.state, record.eos_token_id) == ("done", 2)
    got = download(hub, where["repo_id"], REVISION, tmp_path / "got")
    assert_usable_adapter(got, base)
    # The base model has another EOS in its files; who loads the adapter takes the tokenizer's.
    assert {"trl", "sft"} <= set(card_metadata(got)["tags"])
