"""Second checkpoint: bytes sent when part of the tensors is as it was in the revision before.

A run saves a row of checkpoints of one model; embeddings and the first layers are frozen, so many
percent of the bytes, and all other tensors are new each time. One process of each system publishes
the row, as a training does. The callback knows from the model what is frozen; without it the worker
has to see it. `huggingface_hub` without Xet is LFS, where a file with one changed byte is sent
whole; with Xet it is what deduplication of chunks reaches.
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from hub_revisions.local_hub import LocalHub

from . import Report, Row, clients
from .checkpoints import MIB, Tensor, data_size, write_small_files, write_weights
from .clients import Published
from .effort import Effort
from .process import measure
from .servers import HubClient, Servers, bytes_received

NAME = "second_checkpoint"
_UNCHANGED_PERCENT = {
    Effort.QUICK: (0, 90),
    Effort.DEFAULT: (0, 50, 90, 100),
    Effort.FULL: (0, 50, 90, 100),
}
_BYTES = {Effort.QUICK: 96 * MIB, Effort.DEFAULT: 256 * MIB, Effort.FULL: 2048 * MIB}
_REVISIONS = {Effort.QUICK: 2, Effort.DEFAULT: 4, Effort.FULL: 4}
_LAYERS = 24
_PARTS = {
    "input_layernorm": 0.001,
    "mlp.down_proj": 0.24,
    "mlp.gate_proj": 0.24,
    "mlp.up_proj": 0.24,
    "self_attn.k_proj": 0.04,
    "self_attn.o_proj": 0.10,
    "self_attn.q_proj": 0.10,
    "self_attn.v_proj": 0.039,
}
"""Each part's share of a layer, about as in a Llama with grouped-query attention."""
_EMBEDDINGS = 0.08
"""Share of the model in the embeddings, and as much again in the head."""
_STORED_XORB = re.compile(r"POST /xet/\S+/xorbs/default/([0-9a-f]{64}) 200 ")


def run(effort: Effort, work: Path, report: Report) -> list[Row]:
    """One row for each percentage, system and revision."""
    rows: list[Row] = []
    total = _BYTES[effort]
    with Servers(work / "servers") as servers:
        for percent in _UNCHANGED_PERCENT[effort]:
            report(f"{percent} % unchanged")
            checkpoints = [
                _write(work / "run" / f"checkpoint-{number}", total, percent, number)
                for number in range(1, _REVISIONS[effort] + 1)
            ]
            facts: Row = {"bytes": total, "unchanged_percent": percent}
            frozen = _model(total)[: _frozen(total, percent)]
            unchanged = sum(size for _, size in frozen)
            names = [name for name, _ in frozen]
            published = {
                ("hub-revisions", "frozen are known"): _with_hub_revisions(
                    servers, checkpoints, names
                ),
                ("hub-revisions", "frozen are found"): _with_hub_revisions(
                    servers, checkpoints, None
                ),
                ("huggingface_hub", "LFS"): _without_xet(servers, checkpoints),
                ("huggingface_hub", "Xet"): _with_xet(checkpoints, work / "xet"),
            }
            for (system, way), published_row in published.items():
                for number, published_one in enumerate(published_row, start=1):
                    name: Row = {"system": system, "way": way, "revision_number": number}
                    rows.append(name | facts | _figures(published_one, total))
                    if number > 1 and unchanged:
                        again = max(0, published_one.bytes_sent - (total - unchanged))
                        rows[-1]["resent_percent"] = 100 * again / unchanged
            shutil.rmtree(work / "run")
    return rows


def _figures(published: Published, total: int) -> Row:
    return {
        "bytes_sent": published.bytes_sent,
        "sent_percent": 100 * published.bytes_sent / total,
        "wall_s": published.cost.wall_s,
        "cpu_s": published.cost.cpu_s,
    }


def _write(folder: Path, total: int, percent: int, number: int) -> Path:
    """The checkpoint of the row's `number`th save."""
    write_small_files(folder)
    frozen = _frozen(total, percent)
    tensors = [
        Tensor(name, size, index if index < frozen else number * 10_000 + index)
        for index, (name, size) in enumerate(_model(total))
    ]
    # As safetensors writes tensors of one dtype: by name.
    write_weights(folder / "model.safetensors", sorted(tensors, key=lambda tensor: tensor.name))
    return folder


def _frozen(total: int, percent: int) -> int:
    """How many tensors of the model make so many percent of its bytes, from the embeddings on."""
    passed = list(itertools.accumulate(size for _, size in _model(total)))
    return sum(1 for end in passed if end <= passed[-1] * percent / 100)


def _model(total: int) -> list[tuple[str, int]]:
    """Names and sizes of the tensors, in the order in which layers are frozen."""
    ends = int(total * _EMBEDDINGS)
    layer = (total - 2 * ends) // _LAYERS
    tensors = [("model.embed_tokens.weight", ends)]
    for number in range(_LAYERS):
        tensors += [
            (f"model.layers.{number}.{part}.weight", int(layer * share))
            for part, share in _PARTS.items()
        ]
    rest = total - ends - sum(size for _, size in tensors)
    return [*tensors, ("model.norm.weight", rest), ("lm_head.weight", ends)]


def _with_hub_revisions(
    servers: Servers, checkpoints: Sequence[Path], frozen: Sequence[str] | None
) -> list[Published]:
    """`frozen` is what the callback reads off the model; None where nobody tells it."""
    shutil.rmtree(checkpoints[0].parent / "_hub_revisions", ignore_errors=True)  # of another way
    task = clients.publish_row_with_hub_revisions
    sent = partial(bytes_received, servers.storage_endpoint)
    return _publish(servers, task, checkpoints, sent, {}, frozen)


def _without_xet(servers: Servers, checkpoints: Sequence[Path]) -> list[Published]:
    task = clients.publish_row_with_huggingface_hub
    sent = partial(bytes_received, servers.storage_endpoint)
    return _publish(servers, task, checkpoints, sent, clients.WITHOUT_XET)


def _with_xet(checkpoints: Sequence[Path], folder: Path) -> list[Published]:
    """To a hub of its own in `folder`, which is removed: it keeps what is sent. `hf_xet` knows what
    it has sent from its cache; this hub has no index of chunks that could tell it of others'."""
    with LocalHub(folder / "hub") as hub:
        environment = {"HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        published = _publish(
            HubClient(hub.endpoint, hub.token),
            clients.publish_row_with_huggingface_hub,
            checkpoints,
            partial(_in_xorbs, hub.root),
            environment,
        )
    shutil.rmtree(folder)
    return published


def _publish(
    client: HubClient,
    task: Callable[..., list[Published]],
    checkpoints: Sequence[Path],
    sent: Callable[[], int],
    environment: Mapping[str, str],
    *options: object,
) -> list[Published]:
    target = client.new_target()
    _, published = measure(task, target, checkpoints, sent, *options, environment=environment)
    for checkpoint in checkpoints:
        weights = data_size(checkpoint / "model.safetensors")
        files = client.files(target.repo_id, checkpoint.name)
        if sum(size for path, size in files.items() if path.endswith(".safetensors")) < weights:
            raise RuntimeError(f"{task.__name__}: {checkpoint.name} is not whole: {files}")
    return published


def _in_xorbs(root: Path) -> int:
    """Bytes of the xorbs that the hub was sent, one sent twice counted twice. The shards that
    describe them are left out: they are small."""
    sent = _STORED_XORB.findall((root / "hub.log").read_text())
    sizes = {path.name: path.stat().st_size for path in root.glob("*/*.git/lfs/xorbs/*/*")}
    return sum(sizes[xorb] for xorb in sent)
