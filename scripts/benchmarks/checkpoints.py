"""Checkpoint folders as a Trainer leaves them, of any size and number of files."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

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


def write_small_files(folder: Path) -> None:
    """The configuration that lies beside the weights; also makes the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in _SMALL_FILES.items():
        (folder / name).write_text(text)


def write_weights(
    path: Path, tensors: Mapping[str, int], seeds: Sequence[int | None] | int | None
) -> None:
    """A valid safetensors file of U8 tensors, by name and number of bytes.

    Each tensor's bytes are random from its seed (one for all, or one each): neither compressible
    nor repeated, and the same in each run. Seed None leaves a hole in the file, which reads as
    zeros and takes no disk.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    begin = 0
    for name, size in tensors.items():
        header[name] = {"dtype": "U8", "shape": [size], "data_offsets": [begin, begin + size]}
        begin += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        data = file.tell()
        each = seeds if isinstance(seeds, Sequence) else [seeds] * len(tensors)
        for number, (size, seed) in enumerate(zip(tensors.values(), each, strict=True)):
            if seed is None:
                file.seek(size, 1)
                continue
            random = np.random.Generator(
                np.random.SFC64([seed, number if isinstance(seeds, int) else 0])
            )
            for start in range(0, size, _CHUNK):
                file.write(random.bytes(min(_CHUNK, size - start)))
        file.truncate(data + begin)


def write_checkpoint(folder: Path, sizes: Sequence[int], seed: int | None) -> None:
    """A checkpoint whose weights are one file for each of `sizes` (bytes of data), named as
    transformers names shards, and what lies beside them. `seed` as in `write_weights`."""
    write_small_files(folder)
    for number, size in enumerate(sizes, start=1):
        shard = f"model-{number:05}-of-{len(sizes):05}.safetensors"
        name = "model.safetensors" if len(sizes) == 1 else shard
        count = min(_TENSORS_PER_FILE, max(1, size // MIB))
        tensors = {
            f"layers.{number}.{part}.weight": size * (part + 1) // count - size * part // count
            for part in range(count)
        }
        file_seed = None if seed is None else seed * 100_003 + number
        write_weights(folder / name, tensors, file_seed)


def warm(folder: Path) -> None:
    """Read everything once, so that it lies in the page cache for whoever reads it next."""
    buffer = bytearray(4 * MIB)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass
