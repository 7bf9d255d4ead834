"""Revisions as clients see them that do not know this project: git, git-lfs, huggingface_hub."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hub_revisions import RevisionPusher
from hub_revisions.local_hub import LocalHub
from huggingface_hub import HfApi, ModelCard
from tiny_training import download, make_model, make_tokenizer

REVISION = "step-000000005"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a random model as transformers saves it, with what training leaves behind."""
    folder = tmp_path_factory.mktemp("saved") / "checkpoint-5"
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    model.config.use_cache = False
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    state = {"global_step": 5, "epoch": 0.5, "log_history": [{"step": 5, "eval_loss": 2.5}]}
    (folder / "trainer_state.json").write_text(json.dumps(state))
    (folder / "optimizer.pt").write_bytes(b"\x80state")
    (folder / "training_args.bin").write_bytes(b"\x80hf_secret")
    # Python's JSON holds what the standard does not; it must come out as it went in.
    config = (folder / "config.json").read_text()
    config = config.replace(
        '"use_cache": false', '"time_step_limit": [0.0, Infinity],\n  "use_cache": false'
    )
    (folder / "config.json").write_text(config)
    return folder


def push(checkpoint: Path, spool: Path, where: dict[str, Any], **settings: Any) -> Any:
    with RevisionPusher(spool, **where, **settings) as pusher:
        pusher.submit(checkpoint)
        assert pusher.wait(timeout=120)
        (record,) = pusher.records()
    assert record.state == "done", record.error
    return record


def read_safetensors(path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Every tensor's type, shape and bytes, by the format's definition."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = (entry["dtype"], tuple(entry["shape"]), data[begin:end])
    return tensors


def folder_state(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What a write would change: sizes, times and inodes, the folder's own included."""
    paths = [folder, *folder.iterdir()]
    return {
        p.name: (p.stat().st_mtime_ns, p.stat().st_ino, p.stat().st_size if p.is_file() else 0)
        for p in paths
    }


def test_git_with_lfs_clones_one_revision(
    hub: LocalHub, where: dict[str, Any], checkpoint: Path, tmp_path: Path
) -> None:
    push(checkpoint, tmp_path / "out", where)
    environment = os.environ | {
        "HOME": str(tmp_path),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{hub.endpoint}/.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {hub.token}",
        "GIT_TERMINAL_PROMPT": "0",
    }
    subprocess.run(["git", "lfs", "install", "--skip-repo"], env=environment, check=True)
    clone = tmp_path / "clone"
    url = f"{hub.endpoint}/{where['repo_id']}"
    subprocess.run(["git", "clone", "-q", "-b", REVISION, url, clone], env=environment, check=True)

    def git(*arguments: str) -> str:
        result = subprocess.run(
            ["git", *arguments], cwd=clone, env=environment, check=True, capture_output=True
        )
        return result.stdout.decode()

    assert git("rev-list", "--count", "HEAD").strip() == "1", "a revision is one commit"
    assert git("status", "--porcelain") == "", ".gitattributes names what is stored as a pointer"
    assert "model.safetensors" in git("lfs", "ls-files")
    weights = (checkpoint / "model.safetensors").read_bytes()
    assert (clone / "model.safetensors").read_bytes() == weights
    lines = sorted(
        (path, hashlib.sha256((clone / path).read_bytes()).hexdigest())
        for path in git("ls-files").splitlines()
    )
    listing = "".join(f"{digest}  {path}\n" for path, digest in lines)
    digest = hashlib.sha256(listing.encode()).hexdigest()
    assert f"Content-Digest: sha256:{digest}" in git("log", "-1", "--format=%B")


def test_only_the_fixes_differ_from_what_was_saved(
    hub: LocalHub, where: dict[str, Any], checkpoint: Path, tmp_path: Path
) -> None:
    before = folder_state(checkpoint)
    push(checkpoint, tmp_path / "out", where)
    assert folder_state(checkpoint) == before, "the checkpoint itself is never touched"
    got = download(hub, where["repo_id"], REVISION, tmp_path / "got")
    published = {p.name for p in got.iterdir() if p.is_file()}
    saved = {p.name for p in checkpoint.iterdir()}
    assert saved - published == {"optimizer.pt", "training_args.bin"}
    assert published - saved == {".gitattributes", "README.md"}
    expected = {
        "config.json": ('"use_cache": false', '"use_cache": true'),
        "generation_config.json": ('"eos_token_id": 0', '"eos_token_id": 2'),
    }
    for name in saved & published:
        text = (checkpoint / name).read_bytes().decode("latin-1")
        old, new = expected.get(name, ("", ""))
        assert text.count(old) == 1 or not old
        assert (got / name).read_bytes().decode("latin-1") == text.replace(old, new), name
    card = ModelCard.load(got / "README.md")
    (result,) = card.data.eval_results
    assert (result.metric_name, result.metric_value) == ("eval_loss", 2.5)
    assert card.data.base_model is None


def test_transformers_loads_it_and_stops(
    hub: LocalHub, where: dict[str, Any], checkpoint: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    push(checkpoint, tmp_path / "out", where)
    got = download(hub, where["repo_id"], REVISION, tmp_path / "got")
    model = AutoModelForCausalLM.from_pretrained(got)
    assert model.config.use_cache is True
    assert model.generation_config.eos_token_id == AutoTokenizer.from_pretrained(got).eos_token_id


def test_stock_clients_push_beside_it(
    hub: LocalHub, where: dict[str, Any], checkpoint: Path, tmp_path: Path
) -> None:
    push(checkpoint, tmp_path / "out", where)
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    repo_id = where["repo_id"]
    api.create_branch(repo_id, branch="by-hand", revision=REVISION)
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    api.upload_folder(repo_id=repo_id, folder_path=folder, revision="by-hand")
    names = {ref.name for ref in api.list_repo_refs(repo_id).branches}
    assert names == {"main", REVISION, "by-hand"}
    assert (
        api.model_info(repo_id, revision=REVISION).sha
        != api.model_info(repo_id, revision="by-hand").sha
    )


@pytest.mark.parametrize("saved_in", ["one file", "shards"])
def test_large_weights_become_loadable_shards(
    hub: LocalHub, where: dict[str, Any], checkpoint: Path, tmp_path: Path, saved_in: str
) -> None:
    from transformers import AutoModelForCausalLM

    source = tmp_path / "checkpoint-5"
    shutil.copytree(checkpoint, source)
    if saved_in == "shards":
        model = AutoModelForCausalLM.from_pretrained(checkpoint)
        (source / "model.safetensors").unlink()
        model.save_pretrained(source, max_shard_size="20KB")
    tensors: dict[str, Any] = {}
    for path in source.glob("*.safetensors"):
        tensors |= read_safetensors(path)

    record = push(source, tmp_path / "out", where, max_shard_size="8KB")
    assert any(fix.name == "shards" and fix.outcome == "applied" for fix in record.fixes)
    got = download(hub, where["repo_id"], REVISION, tmp_path / "got")
    joined: dict[str, Any] = {}
    shards = sorted(got.glob("model-*.safetensors"))
    index = json.loads((got / "model.safetensors.index.json").read_text())
    for shard in shards:
        held = read_safetensors(shard)
        assert shard.stat().st_size <= 8000 or len(held) == 1
        assert {name for name, file in index["weight_map"].items() if file == shard.name} == set(
            held
        )
        joined |= held
    assert len(shards) > 2
    assert joined == tensors
    oversize = [t for t, (_, _, data) in tensors.items() if len(data) > 8000]
    for name in oversize:
        assert any(name in warning for warning in record.warnings)
    loaded = AutoModelForCausalLM.from_pretrained(got).state_dict()
    original = AutoModelForCausalLM.from_pretrained(source).state_dict()
    assert all(loaded[name].equal(original[name]) for name in original)
