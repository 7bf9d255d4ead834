"""The loops that a push may slow down. Each takes an item of `steps` after every step that it has
made, and ends with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any


def train_on_cpu(steps: Iterator[None], folder: Path) -> None:
    """A Trainer on the CPU, of whose steps one takes some tens of milliseconds on two cores."""
    _train(steps, folder, layers=2, hidden=256, tokens=64, use_cpu=True)


def train_on_gpu(steps: Iterator[None], folder: Path) -> None:
    """A Trainer on a GPU, with a model of 0.4 billion parameters."""
    _train(steps, folder, layers=24, hidden=1024, tokens=512, bf16=True)


def _train(
    steps: Iterator[None], folder: Path, layers: int, hidden: int, tokens: int, **arguments: Any
) -> None:
    import torch
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        PrinterCallback,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    class EachStep(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            control.should_training_stop = next(steps, "ended") == "ended"

    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=512,
            hidden_size=hidden,
            intermediate_size=2 * hidden,
            num_hidden_layers=layers,
            num_attention_heads=hidden // 64,
            num_key_value_heads=hidden // 64,
        )
    )
    rows = torch.randint(0, 512, (64, tokens)).tolist()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder / "training"),
            per_device_train_batch_size=4,
            max_steps=1_000_000,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            **arguments,
        ),
        train_dataset=[{"input_ids": row, "labels": row} for row in rows],
        callbacks=[EachStep()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()


def count(steps: Iterator[None], folder: Path) -> None:
    """Pure Python, a few milliseconds each."""
    for _ in steps:
        total = 0
        for number in range(100_000):
            total += number


_NVIDIA = Path("/dev/nvidia0")

LOOPS: Mapping[str, Callable[[Iterator[None], Path], None]] = {
    "trainer": train_on_cpu,
    "trainer on GPU": train_on_gpu,
    "python": count,
}


def possible() -> list[str]:
    """Names of the loops that this machine can run."""
    return [name for name in LOOPS if "GPU" not in name or _NVIDIA.exists()]
