"""Checkpoint folders as a Trainer leaves them, of any size and number of files."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
_SMALL_FILES = {
    "config.json": '{\n  "architectures": ["LlamaForCausalLM"],\n  "eos_token_id": 2,\n'
    '  "model_type": "llama",\n  "use_cache": false,\n  "vocab_size": 32000\n}\n',
    "generation_config.json": '{\n  "bos_token_id": 1,\n  "eos_token_id": 2\n}\n',
    "tokenizer_config.json": '{\n  "eos_token": "</s>"\n}\n',
    "special_tokens_map.json": '{\n  "eos_token": "</s>"\n}\n',
    "trainer_state.json": '{\n  "epoch": 1.0,\n  "global_step": 1,\n  "log_history": []\n}\n',
}
SMALL_FILES = tuple(_SMALL_FILES)
_CHUNK = 16 * MIB
_TENSORS_PER_FILE = 16
_SEEDS = (1 << 62) - 1  # a hash of numbers is the same in each process


def write_small_files(folder: Path) -> None:
    """The configuration that lies beside the weights; also makes the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in _SMALL_FILES.items():
        (folder / name).write_text(text)


@dataclass(frozen=True)
class Tensor:
    """A tensor of so many bytes. They are random from `seed`: neither compressible nor repeated,
    and the same in each run. Seed None is a hole, which reads as zeros and takes no disk."""

    name: str
    bytes: int
    seed: int | None


def write_weights(path: Path, tensors: Sequence[Tensor]) -> None:
    """A valid safetensors file of these tensors, of dtype U8, in this order."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in tensors:
        begin, end = end, end + tensor.bytes
        offsets = [begin, end]
        header[tensor.name] = {"dtype": "U8", "shape": [tensor.bytes], "data_offsets": offsets}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors:
            if tensor.seed is None:
                file.seek(tensor.bytes, os.SEEK_CUR)
                continue
            random = np.random.Generator(np.random.SFC64(tensor.seed))
            for begin in range(0, tensor.bytes, _CHUNK):
                file.write(random.bytes(min(_CHUNK, tensor.bytes - begin)))
        file.truncate()


def data_size(path: Path) -> int:
    """Bytes of a safetensors file behind its header, which may be split in another way."""
    with path.open("rb") as file:
        (header,) = struct.unpack("<Q", file.read(8))
    return path.stat().st_size - 8 - int(header)


def write_checkpoint(folder: Path, sizes: Sequence[int], seed: int | None) -> None:
    """A checkpoint whose weights are one file for each of `sizes` (bytes of data), with the names
    and the index that transformers gives shards, and what lies beside them. Those of other seeds
    share no tensor with it; with None the weights are holes."""
    write_small_files(folder)
    shards: dict[str, str] = {}
    for number, size in enumerate(sizes, start=1):
        shard = f"model-{number:05}-of-{len(sizes):05}.safetensors"
        count = min(_TENSORS_PER_FILE, max(1, size // MIB))
        tensors = [
            Tensor(
                f"model.layers.{number}.{part}.weight",
                size * (part + 1) // count - size * part // count,
                None if seed is None else hash((seed, number, part)) & _SEEDS,
            )
            for part in range(count)
        ]
        write_weights(folder / ("model.safetensors" if len(sizes) == 1 else shard), tensors)
        shards |= {tensor.name: shard for tensor in tensors}
    if len(sizes) > 1:
        index = {"metadata": {"total_size": sum(sizes)}, "weight_map": shards}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def warm(folder: Path) -> None:
    """Read everything once, so that it lies in the page cache for whoever reads it next."""
    buffer = bytearray(4 * MIB)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass
