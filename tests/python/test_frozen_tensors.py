"""The setting `frozen_tensors`: what does not change is sent once, and nothing else differs."""

from __future__ import annotations

import json
import random
import signal
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from child_process import environment
from holding_proxy import HoldingProxy
from hub_revisions import HubRevisionCallback, RevisionPusher, list_revisions
from hub_revisions._native import JobRecord
from hub_revisions.checkpoint import frozen_parameters_of
from hub_revisions.local_hub import LocalHub
from tiny_training import download, make_tokenizer, make_trainer

MIB = 1 << 20
# Three layers, of which two together are worth a shard of their own.
SIZES = {"model.embed": 40 * MIB, "model.first": 2 * MIB, "model.second": 30 * MIB}
FROZEN = {"model.embed": 1, "model.second": 1}


def write_step(root: Path, step: int, seeds: Mapping[str, int]) -> Path:
    """A checkpoint whose tensors hold what their seeds say."""
    folder = root / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, size in SIZES.items():
        header[name] = {"dtype": "U8", "shape": [size], "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, size in SIZES.items():
            file.write(random.Random(f"{name} {seeds[name]}").randbytes(size))
    (folder / "config.json").write_text("{}")
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return folder


def push(output: Path, folder: Path, where: Mapping[str, Any], **more: Any) -> JobRecord:
    with RevisionPusher(output, **where, **more) as pusher:
        job = pusher.submit(folder)
        assert pusher.wait(job, timeout=120)
        record = next(record for record in pusher.status() if record.id == job)
    assert record.state == "done", record.error
    return record


def tensors_of(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in folder.glob("*.safetensors"):
        data = path.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        for name, entry in json.loads(data[8 : 8 + length]).items():
            if name != "__metadata__":
                begin, end = (8 + length + offset for offset in entry["data_offsets"])
                assert name not in found
                found[name] = data[begin:end]
    return found


def check_same(hub: LocalHub, where: Mapping[str, Any], folder: Path, got: Path) -> Path:
    """The revision holds the checkpoint's tensors, byte for byte."""
    step = int(folder.name.removeprefix("checkpoint-"))
    download(hub, where["repo_id"], f"step-{step:09d}", got)
    assert tensors_of(got) == tensors_of(folder)
    index = got / "model.safetensors.index.json"
    if index.exists():
        for name, file in json.loads(index.read_text())["weight_map"].items():
            assert name.encode() in (got / file).read_bytes()[:2000]
    return got


def shards_report(record: JobRecord) -> str:
    return next(fix.detail for fix in record.fixes if fix.name == "shards")


def files_of(where: Mapping[str, Any], revision: str) -> set[tuple[str, str]]:
    """Names and objects of a revision's weights."""
    found = list_revisions(where["repo_id"], endpoint=where["endpoint"], token=where["token"])
    (files,) = (one.files for one in found if one.revision == revision)
    return {(file.path, file.oid) for file in files if ".safetensors" in file.path}


def test_what_is_seen_not_to_change_is_sent_no_more(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    sent = []
    for step in range(1, 6):
        seeds = {"model.first": step, "model.embed": 1, "model.second": 1 + step // 5}
        folder = write_step(tmp_path, step, seeds)
        record = push(tmp_path / "out", folder, where)
        sent.append(record.bytes_sent // MIB)
        check_same(hub, where, folder, tmp_path / f"got-{step}")
    # Seen in the second revision, apart in the third; in the fifth a part is unfrozen.
    assert sent == [72, 72, 72, 2, 72]
    names = {path for path, _ in files_of(where, "step-000000004")}
    assert names == {
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    }
    assert "2 tensors (73400320 bytes) apart that have not changed since" in shards_report(record)
    assert "step-000000003" in shards_report(record)


def test_what_training_freezes_is_sent_once(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    frozen = ["model.embed", "model.second", "not.saved"]
    sent = []
    for step in (1, 2, 3):
        folder = write_step(tmp_path, step, FROZEN | {"model.first": step})
        record = push(tmp_path / "out", folder, where, frozen_parameters=frozen)
        sent.append(record.bytes_sent // MIB)
        if step == 1:
            assert "2 tensors (73400320 bytes) apart that are frozen" in shards_report(record)
    assert sent == [72, 2, 2]
    check_same(hub, where, folder, tmp_path / "got")


def test_where_everything_changes_nothing_differs_from_off(
    where: dict[str, Any], tmp_path: Path
) -> None:
    published = []
    for setting in ("share", "off"):
        for step in (1, 2, 3):
            folder = write_step(tmp_path / setting, step, dict.fromkeys(SIZES, step))
            record = push(
                tmp_path / setting, folder, where, revision=setting, frozen_tensors=setting
            )
            assert shards_report(record).startswith("no safetensors file is above")
        published.append(files_of(where, f"{setting}-step-000000003"))
    assert published[0] == published[1]
    assert {path for path, _ in published[0]} == {"model.safetensors"}
    assert not (tmp_path / "off" / "_hub_revisions" / "weights.json").exists()


def test_a_memory_that_cannot_be_read_costs_sending_alone(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    memory = tmp_path / "out" / "_hub_revisions" / "weights.json"
    for step in (1, 2, 3):
        if step == 3:
            assert memory.stat().st_mode & 0o777 == 0o600
            memory.write_text(memory.read_text()[:100])
        folder = write_step(tmp_path, step, FROZEN | {"model.first": step})
        record = push(tmp_path / "out", folder, where)
    check_same(hub, where, folder, tmp_path / "got")
    assert shards_report(record).startswith("no safetensors file is above")
    assert "weights.json: not a memory of weights" in memory.with_name("worker.log").read_text()
    assert json.loads(memory.read_text())["revision"] == "step-000000003"


def test_killed_between_layout_and_push_a_retry_makes_the_same_commit(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    memory = output / "_hub_revisions" / "weights.json"
    with HoldingProxy(hub) as proxy:
        there = where | {"endpoint": proxy.endpoint}
        for step in (1, 2):
            push(output, write_step(tmp_path, step, FROZEN | {"model.first": step}), there)
        folder = write_step(tmp_path, 3, FROZEN | {"model.first": 3})
        hold = proxy.hold("POST .*/git-receive-pack")
        code = (
            "import json, sys\n"
            "from hub_revisions import RevisionPusher\n"
            "pusher = RevisionPusher(sys.argv[1], **json.loads(sys.argv[3]))\n"
            "pusher.submit(sys.argv[2])\n"
            "pusher.wait()\n"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(output), str(folder), json.dumps(there)],
            env=environment(),
        )
        hold.wait()
        child.send_signal(signal.SIGKILL)
        child.wait()
        (record,) = (
            record
            for path in memory.parent.glob("*/job.json")
            if (record := json.loads(path.read_text()))["revision"] == "step-000000003"
        )
        assert record["state"] == "pushing"
        # Whatever others have published meanwhile is none of this job's business.
        memory.unlink()
        hold.release()
        with RevisionPusher(output, **there) as pusher:
            assert pusher.wait(timeout=120)
            (again,) = pusher.records()
    assert (again.state, again.commit) == ("done", record["commit"])
    assert again.bytes_sent == 0
    assert len(files_of(where, "step-000000003")) == 3
    check_same(hub, where, folder, tmp_path / "got")
    assert not list(memory.parent.glob("*/weights.json"))


def test_a_training_with_frozen_embeddings_loads_again(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=70_000,
        hidden_size=256,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        max_position_embeddings=64,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    model.model.embed_tokens.requires_grad_(False)
    callback = HubRevisionCallback(**where)
    trainer = make_trainer(
        tmp_path / "out",
        callback,
        model=model,
        max_steps=3,
        processing_class=make_tokenizer(),
    )
    trainer.train()
    records = callback.records()
    assert [record.state for record in records] == ["done"] * 3
    # The lanes push side by side: whoever comes first sends the embeddings.
    embeddings = 70_000 * 256 * 4
    assert sum(record.bytes_sent for record in records) < 1.2 * embeddings
    got = download(hub, where["repo_id"], "step-000000003", tmp_path / "got")
    loaded = AutoModelForCausalLM.from_pretrained(got).state_dict()
    for name, tensor in trainer.model.state_dict().items():
        assert loaded[name].equal(tensor), name


def test_frozen_parameters_are_named_as_in_files() -> None:
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    assert frozen_parameters_of(model) == []
    model[0].requires_grad_(False)
    assert frozen_parameters_of(model) == ["0.weight", "0.bias"]
    assert frozen_parameters_of(torch.nn.DataParallel(model)) == ["0.weight", "0.bias"]
    assert frozen_parameters_of(torch.compile(model)) == ["0.weight", "0.bias"]
    model.requires_grad_(False)
    assert frozen_parameters_of(model) == []
    assert frozen_parameters_of(None) is None


@pytest.mark.parametrize("given", [[], None])
def test_no_frozen_parameters_are_no_hint(
    where: dict[str, Any], tmp_path: Path, given: list[str] | None
) -> None:
    folder = write_step(tmp_path, 1, dict.fromkeys(SIZES, 1))
    record = push(tmp_path / "out", folder, where, frozen_parameters=given)
    assert shards_report(record).startswith("no safetensors file is above")
