"""Two processes: data parallel in the Trainer, and sharded state dicts as FSDP saves them.

The Trainer turns FSDP on for accelerators alone, so that its model is sharded here by torch's own
`fully_shard`, and saved by the function of accelerate that the Trainer calls.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from child_process import Child, environment, published_steps, until
from holding_proxy import HoldingProxy
from hub_revisions import RevisionPusher
from hub_revisions.local_hub import LocalHub
from tiny_training import download, make_model, make_tokenizer

TORCHRUN = """
import runpy, sys
sys.argv = ["torchrun", "--nproc-per-node=2", "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0",
            "--local-addr=127.0.0.1", *sys.argv[1:]]
runpy.run_module("torch.distributed.run", run_name="__main__")
"""

# A gloo thread that still frees a tensor when the interpreter ends aborts the process, as it asks
# for the GIL. The end of a process group joins it once nothing else refers to the group; what
# `fully_shard` has made always does, so that its script ends without the interpreter's end.
DDP = """
import gc, json, sys
from pathlib import Path
import torch
from hub_revisions import HubRevisionCallback
from tiny_training import make_tokenizer, make_trainer

def worker_threads():
    return sum(1 for _ in Path("/proc/self/task").iterdir())

class Look(HubRevisionCallback):
    def on_train_begin(self, args, state, control, **kwargs):
        before = worker_threads()
        super().on_train_begin(args, state, control, **kwargs)
        self.started = worker_threads() - before

output, endpoint, token = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
callback = Look(endpoint=endpoint, token=token, repo_id=sys.argv[4])
trainer = make_trainer(output, callback, processing_class=make_tokenizer(), eval_strategy="no")
trainer.train()
args = trainer.args
told = {"jobs": len(callback.records()), "threads": callback.started, "world": args.world_size}
Path(output, f"rank-{args.process_index}.json").write_text(json.dumps(told))
del trainer
gc.collect()
torch.distributed.destroy_process_group()
left = [name.read_text() for name in Path("/proc/self/task").glob("*/comm")]
assert not any("gloo" in name for name in left), left
"""

FSDP = """
import os, sys
from pathlib import Path
import torch
from accelerate import Accelerator
from accelerate.utils import FullyShardedDataParallelPlugin
from accelerate.utils.fsdp_utils import save_fsdp_model
from torch.distributed.fsdp import fully_shard
from tiny_training import make_model, make_tokenizer

accelerator = Accelerator(cpu=True)
torch.manual_seed(0)
model = make_model(make_tokenizer())
fully_shard(model, mesh=torch.distributed.init_device_mesh("cpu", (2,)))
for kind in ("SHARDED_STATE_DICT", "FULL_STATE_DICT"):
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, state_dict_type=kind, cpu_offload=False
    )
    save_fsdp_model(plugin, accelerator, model, str(Path(sys.argv[1], kind)))
torch.distributed.barrier()
os._exit(0)
"""


def run_on_two(tmp_path: Path, script: str, *arguments: object) -> Child:
    """The script, by torchrun in two processes that talk by gloo."""
    file = tmp_path / "script.py"
    file.write_text(script)
    return Child(tmp_path, TORCHRUN, file, *arguments, OMP_NUM_THREADS="1")


def test_one_rank_publishes_and_the_other_goes_on(
    hub: LocalHub, repo_id: str, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    with HoldingProxy(hub) as proxy:
        hold = proxy.hold("git-receive-pack")
        with run_on_two(tmp_path, DDP, output, proxy.endpoint, hub.token, repo_id) as ranks:
            # While the push of rank 0 does not end, rank 1 leaves the training.
            until(
                lambda: (output / "rank-1.json").exists() or ranks.process.poll() is not None,
                "rank 1 waits for the push of rank 0",
            )
            assert not (output / "rank-0.json").exists(), ranks.output
            hold.release()
            assert ranks.ends() == 0, ranks.output
    told = [json.loads((output / f"rank-{rank}.json").read_text()) for rank in (0, 1)]
    assert [one["world"] for one in told] == [2, 2]
    assert [one["jobs"] for one in told] == [2, 0]
    assert told[0]["threads"] > 0
    assert told[1]["threads"] == 0
    assert published_steps(hub, repo_id) == [1, 2]
    pushes = [line for line in proxy.requests if line.startswith("POST") and "receive-pack" in line]
    assert len(pushes) == 2


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What FSDP saves: a folder for each kind of state dict."""
    folder = tmp_path_factory.mktemp("fsdp")
    with run_on_two(folder, FSDP, folder) as ranks:
        assert ranks.ends() == 0, ranks.output
    return folder


def test_sharded_weights_are_told_and_can_be_merged(
    hub: LocalHub, where: dict[str, Any], saved: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    checkpoint = saved / "SHARDED_STATE_DICT"
    (checkpoint / "trainer_state.json").write_text('{"global_step": 5}')
    assert sorted(p.name for p in (checkpoint / "pytorch_model_fsdp_0").glob("*.distcp")) == [
        "__0_0.distcp",
        "__1_0.distcp",
    ]
    with RevisionPusher(tmp_path, **where) as pusher:
        pusher.submit(checkpoint)
    (record,) = pusher.records()
    assert record.state == "failed"
    assert record.error is not None
    assert "not loadable unless merged" in record.error.message

    # What it says, done.
    found = re.search(r"run 'accelerate (merge-weights \S+) DIR'", record.error.message)
    assert found, record.error.message
    merged = tmp_path / "merged"
    subprocess.run(
        [sys.executable, "-m", "accelerate.commands.accelerate_cli", *found[1].split(), merged],
        check=True,
        env=environment(),
    )
    tokenizer = make_tokenizer()
    make_model(tokenizer).config.save_pretrained(merged)
    tokenizer.save_pretrained(merged)
    with RevisionPusher(tmp_path, **where) as pusher:
        pusher.submit(merged, "merged")
    got = download(hub, where["repo_id"], "merged", tmp_path / "got")
    assert AutoModelForCausalLM.from_pretrained(got).config.vocab_size == len(tokenizer)


def test_sharded_weights_to_resume_from_are_published_with_a_warning(
    where: dict[str, Any], saved: Path, tmp_path: Path
) -> None:
    with RevisionPusher(tmp_path, **where, contents="full") as pusher:
        pusher.submit(saved / "SHARDED_STATE_DICT", "resume")
    (record,) = pusher.records()
    assert record.state == "done"
    assert any("not loadable unless merged" in warning for warning in record.warnings)


def test_what_fsdp_saves_beside_the_weights_stays_out(
    where: dict[str, Any], saved: Path, tmp_path: Path
) -> None:
    """The Trainer saves model.safetensors beside it."""
    checkpoint = saved / "FULL_STATE_DICT"
    tokenizer = make_tokenizer()
    make_model(tokenizer).save_pretrained(checkpoint)
    assert (checkpoint / "pytorch_model_fsdp.bin").exists()
    with RevisionPusher(tmp_path, **where) as pusher:
        pusher.submit(checkpoint, "full")
    (record,) = pusher.records()
    assert record.state == "done"
    assert record.excluded == ("pytorch_model_fsdp.bin",)
    assert not record.warnings
