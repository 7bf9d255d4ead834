"""Trainings that take a second: a random model, a tokenizer learnt here, a checkpoint by hand."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import HfApi

STALE_EOS = 0  # '<unk>': what a base model's files would hold


def write_checkpoint(
    folder: Path, *, step: int | None = None, size: int = 16, **metrics: float
) -> Path:
    """A checkpoint folder as a Trainer leaves it, without one: one tensor of `size` bytes."""
    folder.mkdir(parents=True)
    header = json.dumps(
        {"weight": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    ).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + size)
    config = {"architectures": ["LlamaForCausalLM"], "eos_token_id": 0, "use_cache": False}
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    if step is not None:
        state = {
            "global_step": step,
            "epoch": step / 10,
            "log_history": [{"step": step, "epoch": step / 10, **metrics}],
        }
        (folder / "trainer_state.json").write_text(json.dumps(state))
    return folder


def make_tokenizer() -> Any:
    """A tokenizer whose EOS is '</s>', id 2."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<unk>", "<s>", "</s>", "<pad>"], show_progress=False
    )
    tokenizer.train_from_iterator(["the otter swims", "the heron sleeps"] * 5, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_input_names=["input_ids", "attention_mask"],
    )


def make_model(tokenizer: Any) -> Any:
    """A random Llama of a few thousand weights whose files name a stale EOS."""
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        eos_token_id=STALE_EOS,
        pad_token_id=3,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(eos_token_id=STALE_EOS, pad_token_id=3)
    return model


def examples(count: int = 16) -> list[dict[str, list[int]]]:
    """Rows of equal length, so that no collator has to pad."""
    return [{"input_ids": [1, 5, 6, 7, 2], "labels": [1, 5, 6, 7, 2]} for _ in range(count)]


def make_trainer(output_dir: Path, callback: Any = None, **arguments: Any) -> Any:
    """A `Trainer` that evaluates and saves after every step.

    Without `processing_class` it does not align special tokens itself: what is right in the
    revisions then is the worker's doing.
    """
    from transformers import Trainer, TrainingArguments

    options = {
        "max_steps": 2,
        "per_device_train_batch_size": 2,
        "eval_strategy": "steps",
        "eval_steps": 1,
        "save_steps": 1,
        "logging_steps": 1,
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
    } | arguments
    tokenizer = options.pop("processing_class", None)
    return Trainer(
        model=options.pop("model", None) or make_model(make_tokenizer()),
        args=TrainingArguments(output_dir=str(output_dir), **options),
        train_dataset=examples(),
        eval_dataset=examples(4),
        processing_class=tokenizer,
        callbacks=[callback] if callback is not None else [],
    )


def branches(hub: Any, repo_id: str) -> set[str]:
    """The branches of a repository, as the stock client sees them."""
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    return {branch.name for branch in api.list_repo_refs(repo_id).branches}


def download(hub: Any, repo_id: str, revision: str, folder: Path) -> Path:
    """One revision's files, fetched by the stock client."""
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    return Path(api.snapshot_download(repo_id, revision=revision, local_dir=folder))


def card_metadata(folder: Path) -> dict[str, Any]:
    """What the model card in a folder says about the model."""
    _, front_matter, _ = (folder / "README.md").read_text().split("---\n", 2)
    found = yaml.safe_load(front_matter)
    assert isinstance(found, dict)
    return found


def eos_ids(folder: Path, file: str = "generation_config.json") -> list[int]:
    """The ids at which generation stops, according to a file."""
    found = json.loads((folder / file).read_text())["eos_token_id"]
    return found if isinstance(found, list) else [found]
