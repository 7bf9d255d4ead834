"""What a Trainer knows about a checkpoint: where it is, its step's metrics, its tokenizer's EOS."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

INCOMPLETE_MARKER = "checkpoint-is-incomplete.txt"  # there while the Trainer saves on SIGTERM

# How fast the evaluation ran says nothing about the model; the Trainer's own cards leave it out.
_SPEED = (
    "_runtime",
    "_samples_per_second",
    "_steps_per_second",
    "_jit_compilation_time",
    "_model_preparation_time",
)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint folder; `run` is the search trial's folder name, empty outside a search."""

    directory: str
    run: str


@dataclass(frozen=True)
class TrainerState:
    """The part of `trainer_state.json` that a revision records."""

    step: int | None
    epoch: float | None
    tokens: int | None  # input tokens seen so far
    metrics: Mapping[str, float]


def find_checkpoint(
    output_dir: str | os.PathLike[str], step: int, in_search: bool
) -> Checkpoint | None:
    """The folder of the checkpoint that was saved at `step`, if it is there.

    A hyperparameter search saves to `<output_dir>/<trial>/checkpoint-N` and does not say which
    trial it is in, so the newest one is taken.
    """
    name = f"checkpoint-{step}"
    if in_search:
        trials = [path for path in Path(output_dir).glob(f"[!_]*/{name}") if path.is_dir()]
        if trials:
            newest = max(trials, key=lambda path: path.stat().st_mtime_ns)
            return Checkpoint(str(newest), newest.parent.name)
    # No Path: training waits for this, and making one takes longer than looking for the folder.
    directory = os.path.join(output_dir, name)  # noqa: PTH118
    return Checkpoint(directory, "") if os.path.isdir(directory) else None  # noqa: PTH112


def find_checkpoints(output_dir: str | os.PathLike[str], in_search: bool) -> list[Checkpoint]:
    """All checkpoints that are there, by step; those of every trial in a search."""
    found = Path(output_dir).glob("[!_]*/checkpoint-*" if in_search else "checkpoint-*")
    paths = [path for path in found if path.name[len("checkpoint-") :].isdigit() and path.is_dir()]
    paths.sort(key=step_of)
    return [Checkpoint(str(path), path.parent.name if in_search else "") for path in paths]


def step_of(path: Path) -> int:
    """The step in a checkpoint folder's name."""
    return int(path.name.removeprefix("checkpoint-"))


def numbers_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are numbers (NaN and infinity included) and say something of the model."""
    return {
        name: float(value)
        for name, value in metrics.items()
        if isinstance(value, Real)
        and not isinstance(value, bool)
        and name not in ("epoch", "step")
        and not name.endswith(_SPEED)
    }


def metrics_at(log_history: Sequence[Mapping[str, Any]], step: int) -> dict[str, float]:
    """The evaluation metrics and the training loss that were logged at `step`."""
    found: dict[str, float] = {}
    for entry in _entries_at(log_history, step):
        for name, value in numbers_of(entry).items():
            if name == "loss" or name.startswith("eval_"):
                found.setdefault(name, value)
    return found


def _entries_at(log_history: Sequence[Mapping[str, Any]], step: int) -> Iterable[Mapping[str, Any]]:
    # Newest first, and no further than needed: a long run's history has many thousand entries.
    for entry in reversed(log_history):
        logged = entry.get("step")
        if logged == step:
            yield entry
        elif isinstance(logged, int) and logged < step:
            return


def read_trainer_state(directory: Path) -> TrainerState:
    """What a checkpoint's `trainer_state.json` says; without one nothing is known."""
    try:
        state = json.loads(_read_own(directory, "trainer_state.json"))
        step = int(state["global_step"])
        epoch = state.get("epoch")
        return TrainerState(
            step,
            float(epoch) if epoch is not None else None,
            tokens_of(state.get("num_input_tokens_seen")),
            metrics_at(state.get("log_history") or [], step),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Not a Trainer's checkpoint, or a damaged state: the revision is good without it.
        return TrainerState(None, None, None, {})


def tokens_of(num_input_tokens_seen: int | None) -> int | None:
    """The Trainer's count of input tokens, which is 0 where it does not count them."""
    return int(num_input_tokens_seen) if num_input_tokens_seen else None


def _read_own(directory: Path, name: str) -> bytes:
    """A regular file of the folder's own. Raises `OSError` for what leads elsewhere or is a pipe.

    The worker refuses such a checkpoint, but looks at it later.
    """
    path = (directory / name).resolve(strict=True)
    if not path.is_relative_to(directory.resolve()):
        raise OSError(errno.ELOOP, "leads out of the checkpoint", str(directory / name))
    # Opening a pipe would wait for its writer.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is no regular file", str(path))
        return file.read()


def eos_token_id_of(processing_class: Any) -> int | None:
    """The EOS id of a tokenizer, or of a processor's tokenizer; None if it defines none."""
    for candidate in (processing_class, getattr(processing_class, "tokenizer", None)):
        value = getattr(candidate, "eos_token_id", None)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def frozen_parameters_of(model: Any) -> list[str] | None:
    """The parameters that training leaves as they are, named as in a checkpoint's files.

    None of them if it leaves all as they are; None if there is no model to ask.
    """
    while (inner := getattr(model, "_orig_mod", getattr(model, "module", None))) is not None:
        model = inner  # of torch.compile, and of what distributes a model
    if not hasattr(model, "named_parameters"):
        return None
    trained = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    return [name for name in trained if not trained[name]] if any(trained.values()) else []
