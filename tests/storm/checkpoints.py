"""The checkpoints that a storm publishes: the same bytes for the same seed."""

from __future__ import annotations

import json
import random
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
CARD = "---\nlicense: apache-2.0\n---\n# A model\n\nWritten by the trainer.\n"


@dataclass(frozen=True)
class Checkpoint:
    """One saved step; `folder` is the original that the run program copies from."""

    step: int
    folder: Path

    @property
    def name(self) -> str:
        """What a Trainer calls the folder."""
        return f"checkpoint-{self.step}"

    @property
    def revision(self) -> str:
        """The branch that it becomes."""
        return f"step-{self.step:09d}"


def write_checkpoints(root: Path, seed: int, count: int) -> list[Checkpoint]:
    """Write `count` checkpoints below `root`."""
    checkpoints = []
    for step in range(10, 10 * count + 1, 10):
        checkpoint = Checkpoint(step, root / f"checkpoint-{step}")
        for path, content in _files(seed, step).items():
            file = checkpoint.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        checkpoints.append(checkpoint)
    return checkpoints


def find_checkpoints(root: Path) -> list[Checkpoint]:
    """What `write_checkpoints` wrote there, by step."""
    found = [Checkpoint(int(path.name.rpartition("-")[2]), path) for path in root.iterdir()]
    return sorted(found, key=lambda checkpoint: checkpoint.step)


def save(checkpoint: Checkpoint, output: Path) -> Path:
    """Save it as a trainer does, whole or not at all; keep it if it was saved before a kill."""
    target = output / checkpoint.name
    if not target.exists():
        half = output / f"saving-{checkpoint.name}"
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(checkpoint.folder, half)
        half.rename(target)
    return target


def _files(seed: int, step: int) -> dict[str, bytes]:
    own = random.Random(f"{seed} {step}")
    shared = random.Random(f"{seed} shared")
    state = {
        "global_step": step,
        "epoch": step / 100,
        "log_history": [{"step": step, "epoch": step / 100, "eval_loss": 1 / step}],
    }
    return {
        # Large and new in each; large and the same in all; small and in LFS; packed when frozen.
        "model.safetensors": _safetensors(own.randbytes(3 * MIB)),
        "base/model.safetensors": _safetensors(shared.randbytes(2 * MIB)),
        "vocabulary.bin": shared.randbytes(20_000),
        "head.bin": own.randbytes(5_000),
        "optimizer.pt": own.randbytes(1000),
        "tokenizer.json": _json(_tokenizer()),
        "tokenizer_config.json": _json({"eos_token": "</s>"}),
        "config.json": _json({"architectures": ["LlamaForCausalLM"], "use_cache": False}),
        "generation_config.json": _json({"eos_token_id": 0}),
        "trainer_state.json": _json(state),
    }


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2).encode()


def _safetensors(data: bytes) -> bytes:
    tensor = {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}
    header = json.dumps({"weight": tensor}).encode()
    return struct.pack("<Q", len(header)) + header + data


def _tokenizer() -> dict[str, object]:
    special = ["<unk>", "<s>", "</s>"]
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": id, "content": content, "special": True} for id, content in enumerate(special)
        ],
        "model": {
            "type": "BPE",
            "vocab": {content: id for id, content in enumerate([*special, "a", "b"])},
            "merges": [],
        },
    }
