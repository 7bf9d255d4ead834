"""The loops that a push may slow down. Each takes an item of `steps` after every step that it has
made, and ends with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any


def train(steps: Iterator[None], folder: Path) -> None:
    """A Trainer on the CPU, of whose steps one takes some tens of milliseconds on two cores."""
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
            hidden_size=256,
            intermediate_size=512,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
        )
    )
    tokens = torch.randint(0, 512, (64, 64)).tolist()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder / "training"),
            per_device_train_batch_size=4,
            max_steps=1_000_000,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=[{"input_ids": row, "labels": row} for row in tokens],
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


LOOPS: Mapping[str, Callable[[Iterator[None], Path], None]] = {
    "trainer": train,
    "python": count,
}
