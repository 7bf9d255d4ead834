"""What each system does in the training thread when a checkpoint was saved: tasks for
`process.measure`.

A checkpoint is a folder of hard links to files that are there already: what it costs to write one
is not measured, and all of a case have the same bytes. So the storage receives these once, while
hashing and requests go on for every save. Pushes run during all of the saves, as in a training that
saves faster than it can push; the first of each case has to arrive, and what is left at the end is
given up.

Nothing is deleted here: for minutes after mass deletes, ext4 takes up to a millisecond to make a
file (`recently_deleted` in its inode allocator), and it is saves that are measured.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from .checkpoints import Tensor, write_small_files, write_weights
from .process import Meter
from .servers import HubClient

_PAUSE_S = 0.02  # between two saves; a training that saves more often is hard to imagine
_PATIENCE_S = 120.0
_LARGEST_AWAITED = 1 << 30  # bytes; larger ones are not waited for


@dataclass(frozen=True)
class Case:
    """A checkpoint of `files` files, a fifth of them weights, whose sizes add up to `bytes`."""

    bytes: int
    files: int

    @property
    def name(self) -> str:
        return f"{self.files}-files-{self.bytes}-bytes"

    @property
    def shards(self) -> int:
        """How many of the files are weights."""
        return max(1, self.files // 5)

    @property
    def is_awaited(self) -> bool:
        return self.bytes <= _LARGEST_AWAITED

    def write(self, folder: Path) -> None:
        """Write it, the weights as holes."""
        write_small_files(folder)
        shards = self.shards
        names = {
            f"model.layers.{number}.weight": f"model-{number:05}-of-{shards:05}.safetensors"
            for number in range(1, shards + 1)
        }
        for tensor, file in names.items():
            write_weights(folder / file, [Tensor(tensor, self.bytes // shards, None)])
        index = {"metadata": {"total_size": self.bytes}, "weight_map": names}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        for number in range(self.files - len(list(folder.iterdir()))):
            (folder / f"file-{number}.json").write_text('{"x": 1}\n' * 1000)


Times = dict[Case, list[float]]
"""Milliseconds of each save."""


def _save_repeatedly(
    folder: Path,
    case: Case,
    saves: int,
    on_save: Callable[[int, Path], None],
    prepare: Callable[[], None] = lambda: None,
) -> list[float]:
    """Milliseconds that `on_save` took for each of the checkpoints of steps 1 to `saves`, without
    what `prepare` took before it."""
    template = folder.with_name(f"{folder.name}-files")
    case.write(template)
    times = []
    for step in range(1, saves + 1):
        checkpoint = folder / f"checkpoint-{step}"
        shutil.copytree(template, checkpoint, copy_function=os.link)
        prepare()
        time.sleep(_PAUSE_S)
        started = time.perf_counter()
        on_save(step, checkpoint)
        times.append((time.perf_counter() - started) * 1000)
    return times


def save_with_hub_revisions(
    meter: Meter, work: Path, endpoint: str, token: str, cases: Iterable[Case], saves: int
) -> Times:
    """The callback's hook, called as the Trainer does, with its defaults. It is told to give up
    pushes at the end, which has no part in what is measured."""
    from hub_revisions import HubRevisionCallback
    from transformers import TrainerControl, TrainerState, TrainingArguments

    logging.getLogger("hub_revisions").setLevel(logging.ERROR)  # it says what is given up
    hub = HubClient(endpoint, token)

    def measure(case: Case) -> list[float]:
        folder = work / case.name
        callback = HubRevisionCallback(
            repo_id=hub.create_repository(f"ours-{case.name}"),
            endpoint=endpoint,
            token=token,
            on_error="raise",
            drain_timeout=0,
        )
        args = TrainingArguments(output_dir=str(folder), report_to=[], use_cpu=True)
        state, control = TrainerState(is_world_process_zero=True), TrainerControl()
        tokenizer = SimpleNamespace(eos_token_id=2)
        callback.on_train_begin(args, state, control, processing_class=tokenizer)

        def on_save(step: int, checkpoint: Path) -> None:
            state.global_step = step
            callback.on_save(args, state, control, processing_class=tokenizer)

        times = _save_repeatedly(folder, case, saves, on_save)
        if case.is_awaited:
            _wait_for(lambda: any(record.state == "done" for record in callback.records()))
        records = callback.records()
        callback.finish(progress_bar=False)
        failed = [record.error for record in records if record.error]
        if len(records) != saves or failed:
            raise RuntimeError(f"{len(records)} of {saves} were frozen; {failed[:1]}")
        return times

    with meter:
        return {case: measure(case) for case in cases}


def save_in_open_r1_order(
    meter: Meter, work: Path, endpoint: str, token: str, cases: Iterable[Case], saves: int
) -> Times:
    """The calls of huggingface_hub that open-r1 makes for each checkpoint, in its order
    (`push_to_hub_revision` in src/open_r1/utils/hub.py at 1416fa0): three requests and more on the
    training thread, then the upload on the client's one thread. Left out is the look for Slurm that
    follows. The repository's history, which it reads whole, is as short as can be."""
    from huggingface_hub import HfApi

    _silence_huggingface_hub()
    hub = HubClient(endpoint, token)

    def measure(case: Case) -> list[float]:
        api = HfApi(endpoint=endpoint, token=token)
        repo_id = hub.create_repository(f"open-r1-{case.name}")
        uploads = []

        def on_save(step: int, checkpoint: Path) -> None:
            branch = f"main-step-{step:09d}"
            api.create_repo(repo_id=repo_id, private=True, exist_ok=True)
            first = api.list_repo_commits(repo_id)[-1].commit_id
            api.create_branch(repo_id=repo_id, branch=branch, revision=first, exist_ok=True)
            uploads.append(
                api.upload_folder(
                    repo_id=repo_id,
                    folder_path=checkpoint,
                    revision=branch,
                    commit_message=f"Add {branch} checkpoint",
                    ignore_patterns=["checkpoint-*", "*.pth", "*.pt"],
                    run_as_future=True,
                )
            )

        folder = work / case.name
        times = _save_repeatedly(folder, case, saves, on_save)
        branches = hub.api(f"/api/models/{repo_id}/refs")["branches"]
        if len(branches) != saves + 1:  # and main
            raise RuntimeError(f"{len(branches)} branches after {saves} saves")
        uploads[0].result(_PATIENCE_S)
        for upload in uploads[1:]:
            if not upload.cancel():
                upload.result(_PATIENCE_S)  # one that runs cannot be stopped
        return times

    with meter:
        return {case: measure(case) for case in cases}


def save_with_trainer(
    meter: Meter, work: Path, endpoint: str, token: str, cases: Iterable[Case], saves: int
) -> Times:
    """What the Trainer adds to a save with `push_to_hub` and its default strategy, "every_save": it
    copies the weights into `output_dir` and hands that to huggingface_hub's thread. Each save waits
    for the last push, since it would not push otherwise; the waiting is not counted. HF_ENDPOINT
    has to name the hub."""
    import torch
    from transformers import Trainer, TrainingArguments

    _silence_huggingface_hub()
    hub = HubClient(endpoint, token)

    def measure(case: Case) -> list[float]:
        folder = work / case.name
        repo_id = hub.create_repository(f"trainer-{case.name}")
        arguments = TrainingArguments(
            output_dir=str(folder),
            push_to_hub=True,
            hub_model_id=repo_id,
            hub_token=token,
            report_to=[],
            use_cpu=True,
        )
        trainer = Trainer(model=torch.nn.Linear(1, 1), args=arguments)

        def wait() -> None:
            for push in trainer.push_in_progress.jobs if trainer.push_in_progress else ():
                push.result(_PATIENCE_S)

        def on_save(step: int, checkpoint: Path) -> None:
            trainer.state.global_step = step
            trainer._push_from_checkpoint(str(checkpoint))

        times = _save_repeatedly(folder, case, saves, on_save, wait)
        wait()
        pushed = hub.files(repo_id, "main")
        if sum(path.startswith("model-") for path in pushed) != case.shards:
            raise RuntimeError(f"the Trainer pushed only {', '.join(pushed)}")
        return times

    with meter:
        return {case: measure(case) for case in cases}


def _silence_huggingface_hub() -> None:
    from huggingface_hub.utils import disable_progress_bars, logging

    disable_progress_bars()
    logging.set_verbosity_error()


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("nothing arrived at the hub")
        time.sleep(0.05)
