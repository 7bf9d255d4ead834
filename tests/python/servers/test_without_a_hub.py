"""What works on a Hub works on any git server with LFS, and in a folder."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import child_process
import pytest
from command_line import document, run
from hub_revisions import (
    HubRevisionCallback,
    Repository,
    RevisionPusher,
    list_revisions,
    save_and_publish,
)
from hub_revisions._native import JobRecord
from results.documents import vllm
from tiny_training import make_tokenizer, make_trainer, write_checkpoint

from .place import Place

MIB = 1 << 20


def push(place: Place, output: Path, *steps: int, **settings: Any) -> list[JobRecord]:
    """A checkpoint for each step, with weights of its own."""
    with RevisionPusher(output, **(place.where | settings)) as pusher:
        for step in steps:
            made = output / f"checkpoint-{step}"
            pusher.submit(write_checkpoint(made, step=step, size=1000 + step, eval_loss=1 / step))
        assert pusher.wait(timeout=120)
    return pusher.records()


def name_of(step: int) -> str:
    return f"step-{step:09d}"


def test_a_trainers_checkpoints_come_back_by_git(place: Place, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    output = tmp_path / "out"
    callback = HubRevisionCallback(**place.where, on_error="raise")
    make_trainer(output, callback, processing_class=make_tokenizer()).train()
    assert set(place.branches()) == {name_of(1), name_of(2)}
    got = place.clone(name_of(2), tmp_path / "got")
    saved = output / "checkpoint-2"
    assert (got / "model.safetensors").read_bytes() == (saved / "model.safetensors").read_bytes()
    assert json.loads((got / "config.json").read_text())["use_cache"] is True
    AutoModelForCausalLM.from_pretrained(got)
    assert AutoTokenizer.from_pretrained(got).eos_token == "</s>"
    card = (got / "README.md").read_text()
    assert f"git clone --branch '{name_of(2)}'" in card
    assert place.token not in card or not place.token


def test_push_list_pick_promote_and_results_by_command(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", place.token)
    for step in (1, 2, 3):
        made = write_checkpoint(
            tmp_path / f"checkpoint-{step}", step=step, size=1000 + step, eval_loss=abs(step - 2.5)
        )
        pushed = run("push", made, "--repo", place.address)
        assert pushed.exit_code == 0, pushed.stderr
    listed = document(run("list", place.address, "--json"))
    assert [one["step"] for one in listed] == [1, 2, 3]

    picked = run("pick", place.address, "--metric", "eval_loss:min", "--promote", "main")
    assert picked.exit_code == 0, picked.stderr
    got = place.clone("main", tmp_path / "main")
    weights = (tmp_path / "checkpoint-2" / "model.safetensors").read_bytes()
    assert (got / "model.safetensors").read_bytes() == weights

    evaluated = tmp_path / "results.json"
    evaluated.write_text(json.dumps(vllm(f"pretrained={got}")))
    added = run("results", "add", place.address, name_of(3), evaluated, "--suite", "bench")
    assert added.exit_code == 0, added.stderr
    assert set(place.branches()) == {"main", "evaluations", *map(name_of, (1, 2, 3))}

    promoted = run("promote", place.address, name_of(3), "--to", "main")
    assert promoted.exit_code == 0, promoted.stderr
    tagged = Repository(place.address, token=place.token or None).tag(name_of(3), "v1")
    assert tagged.commit == place.branches()[name_of(3)]
    report = run("report", place.address, "--output", tmp_path / "report.html")
    assert report.exit_code == 0, report.stderr
    assert "git clone --branch" in (tmp_path / "report.html").read_text()


def test_the_final_model_is_promoted_to_main(place: Place, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path / "out", processing_class=make_tokenizer(), max_steps=1)
    trainer.train()
    published = save_and_publish(trainer, push=True, on_error="raise", **place.where)
    assert published is not None
    assert set(place.branches()) == {"main", "final"}
    assert published.commit == place.branches()["main"]
    assert published.url == place.address.replace("ann@", "")
    got = place.clone("main", tmp_path / "got")
    weights = (tmp_path / "out" / "model.safetensors").read_bytes()
    assert (got / "model.safetensors").read_bytes() == weights


def test_revisions_are_evaluated_and_the_best_is_pointed_to(place: Place, tmp_path: Path) -> None:
    code = "import json, sys; json.dump({'acc': -float(sys.argv[1])}, open('results.json', 'w'))"
    suite = {"name": "s", "command": [sys.executable, "-c", code, "{step}"]}
    chosen = {"evaluate": {"suites": [suite]}, "pick": "s/acc:max", "promote": "main"}
    push(place, tmp_path, 1, 2, pointers=["latest", "best"], **chosen)
    found = place.branches()
    assert set(found) == {"main", "evaluations", "latest", "best", name_of(1), name_of(2)}
    assert found["latest"] == found[name_of(2)]
    assert found["best"] == found[name_of(1)]
    got = place.clone("main", tmp_path / "got")
    weights = (tmp_path / "checkpoint-1" / "model.safetensors").read_bytes()
    assert (got / "model.safetensors").read_bytes() == weights


@pytest.mark.parametrize("exists", ["verify", "overwrite", "suffix"])
def test_somebody_elses_branch(place: Place, tmp_path: Path, exists: str) -> None:
    (mine,) = push(place, tmp_path / "mine", 1)
    other = write_checkpoint(tmp_path / "other", step=1, size=5000)
    with RevisionPusher(tmp_path / "theirs", **place.where, exists=exists) as pusher:
        job = pusher.submit(other)
        pusher.wait(timeout=60)
        theirs = pusher.record(job)
    assert theirs is not None
    if exists == "verify":
        assert theirs.error is not None
        assert theirs.error.kind == "conflict"
        assert "'exists'" in theirs.error.message
        assert place.branches() == {name_of(1): mine.commit}
    elif exists == "overwrite":
        assert place.branches() == {name_of(1): theirs.commit}
    else:
        assert place.branches() == {name_of(1): mine.commit, f"{name_of(1)}-2": theirs.commit}


def test_the_same_files_of_another_run_are_a_success(place: Place, tmp_path: Path) -> None:
    (first,) = push(place, tmp_path / "a", 1)
    (second,) = push(place, tmp_path / "b", 1)
    assert (second.state, second.commit) == ("done", first.commit)


def test_pruned_revisions_go(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", place.token)
    push(place, tmp_path, 1, 2, 3)
    before = place.objects()
    pruned = run("prune", place.address, "--keep-last", 1, "--purge-lfs", "--yes")
    assert set(place.branches()) == {name_of(3)}
    if place.can_purge:
        assert pruned.exit_code == 0, pruned.stderr
        assert len(place.objects()) == len(before) - 2
    else:
        assert "no way to delete large files" in pruned.stdout + pruned.stderr
        assert place.objects() == before
    place.clone(name_of(3), tmp_path / "got")


def write_weights(file: Path, frozen: int, trained: bytes) -> None:
    """Two tensors, of which the first is always the same."""
    end = frozen + len(trained)
    tensors = {
        "frozen": {"dtype": "U8", "shape": [frozen], "data_offsets": [0, frozen]},
        "trained": {"dtype": "U8", "shape": [len(trained)], "data_offsets": [frozen, end]},
    }
    header = json.dumps(tensors).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(frozen) + trained)


def test_unchanged_weights_are_stored_once(place: Place, tmp_path: Path) -> None:
    for step in (1, 2, 3):
        made = write_checkpoint(tmp_path / f"checkpoint-{step}", step=step)
        write_weights(made / "model.safetensors", 70 * MIB, bytes([step]) * 1000)
        with RevisionPusher(tmp_path, **place.where, frozen_parameters=["frozen"]) as pusher:
            job = pusher.submit(made)
            assert pusher.wait(job, timeout=120)
            record = pusher.record(job)
        assert record is not None
        assert record.state == "done", record.error
        assert sum(place.objects().values()) // MIB == 70
    got = place.clone(name_of(3), tmp_path / "got")
    assert sum(path.stat().st_size for path in got.glob("*.safetensors")) // MIB == 70


def test_what_a_killed_run_left_is_synced(place: Place, tmp_path: Path) -> None:
    made = write_checkpoint(tmp_path / "checkpoint-1", step=1, size=2 * MIB)
    code = """
        import sys, time
        from hub_revisions import RevisionPusher
        pusher = RevisionPusher(sys.argv[1], repo_id=sys.argv[2], max_pushes_per_hour=1)
        pusher.submit(sys.argv[3])
        pusher.wait()
        pusher.submit(sys.argv[3], "left")  # waits for its hour
        print("submitted", flush=True)
        time.sleep(600)
    """
    output = tmp_path / "out"
    with child_process.Child(
        tmp_path, code, output, place.address, made, HF_TOKEN=place.token
    ) as child:
        child.says("submitted")
        child.send(signal.SIGKILL)
        child.ends()
    assert set(place.branches()) == {name_of(1)}
    command = ("sync", str(output), "--set", "max_pushes_per_hour=null")
    done = child_process.command(*command, HF_TOKEN=place.token)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"pushing to {place.address.replace('ann@', '')}\n" in done.stderr
    assert set(place.branches()) == {name_of(1), "left"}


def test_all_of_it_is_read_without_the_spool(place: Place, tmp_path: Path) -> None:
    push(place, tmp_path, 1, 2)
    found = list_revisions(place.address, token=place.token or None)
    assert [one.revision for one in found] == [name_of(1), name_of(2)]
    assert {one.revision: one.commit for one in found} == place.branches()
    card = Repository(place.address, token=place.token or None).read_files(
        name_of(1), ["README.md", "model.safetensors"]
    )
    assert set(card) == {"README.md"}


def test_the_doctor_finds_that_all_works_and_leaves_nothing(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", place.token)
    result = run("doctor", "--repo", place.address, "--output-dir", tmp_path, "--json")
    found = {one["check"]: one for one in document(result)}
    assert result.exit_code == 0, found
    assert found["round trip"]["verdict"] == "ok"
    assert place.branches() == {}
    assert bool(place.objects()) != place.can_purge  # where it may not be freed, it stays
