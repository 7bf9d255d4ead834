"""The end of a training script: the final model, saved, described and published."""

from __future__ import annotations

import inspect
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._core import HubRevisionError
from ._native import JobRecord, failure
from .address import page_url
from .callback import HubRevisionCallback
from .checkpoint import eos_token_id_of, metrics_at, tokens_of
from .drain import finish
from .pusher import RevisionPusher
from .selection.best import promote
from .settings import Config, resolve

MAIN = "main"
FINAL = "final"  # the revision that stands for a model published to main

logger = logging.getLogger("hub_revisions")


@dataclass(frozen=True)
class Published:
    """What `save_and_publish` did. `commit` is empty and `error` says why if it was not pushed."""

    directory: str
    revision: str
    commit: str
    url: str
    error: str


def save_and_publish(
    trainer: Any,
    dataset_name: str | Sequence[str] | None = None,
    tags: str | Sequence[str] | None = None,
    *,
    push: bool | None = None,
    revision: str = "main",
    private: bool | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    config: Config = None,
    token: str | None = None,
    **settings: Any,
) -> Published | None:
    """Save the trainer's model so that it can be used, and publish it if asked to.

    1. The generation config's EOS is aligned with the tokenizer's (setting `eos`).
    2. `trainer.save_model(output_dir)`: weights and tokenizer. On all ranks.
    3. On the main process: the model card with dataset name and tags; `config.use_cache = True`
       restored, and the config saved.
    4. If `push` (default: `args.push_to_hub`), `output_dir` becomes `revision` of the repository,
       through the same worker as the checkpoints; what is not the model's (checkpoints, logs) stays
       out. `private` decides over a repository that is created now. The Trainer's own push, which
       `args.push_to_hub` would start at step 2, does not happen.

    A revision is one commit without a parent and replaces what its branch held. `main` keeps its
    history: the model is published as revision `final`, and that is promoted to `main`.

    Call it on all ranks; the result is for the main process, the others get None. A
    `HubRevisionCallback` of the trainer lends its settings, which keyword arguments override. A
    push that fails is logged and told in the result, or raised with `on_error="raise"`. So is a
    wrong setting, after the model was saved with the default ones.
    """
    args = trainer.args
    directory = Path(output_dir if output_dir is not None else args.output_dir).absolute()
    callback = _callback_of(trainer)
    if callback is not None:
        lent_config, lent_token, lent_settings = callback.configuration
        config = lent_config if config is None else config
        token = lent_token if token is None else token
        settings = {**lent_settings, **settings}
    if private is not None:
        settings["private"] = private
    problem: HubRevisionError | None = None
    try:
        effective = resolve(settings, config, training_args=args, output_dir=args.output_dir)
    except HubRevisionError as error:
        # Days of training are not lost to a typing error: first the model is saved.
        problem, effective = error, resolve()
    model = trainer.accelerator.unwrap_model(trainer.model)

    align_eos(model, trainer.processing_class, effective["eos"])
    # `_internal_call` keeps save_model from pushing by itself.
    own_push = {"_internal_call": True} if args.push_to_hub else {}
    trainer.save_model(str(directory), **own_push)
    if not trainer.is_world_process_zero():
        return None

    datasets, card_tags = _as_list(dataset_name), _as_list(tags)
    _write_card(trainer, directory, datasets, card_tags)
    _restore_use_cache(model, directory)
    if problem is None and not (args.push_to_hub if push is None else push):
        return Published(str(directory), revision, "", "", "")

    if callback is not None:
        callback.finish(progress_bar=not args.disable_tqdm)  # one worker per spool
    # The final model is no candidate, and main is its own.
    settings |= {"evaluate": None, "promote": None, "pointers": [], "retention": None}
    settings["tags"] = _union(effective["tags"], card_tags)
    settings["datasets"] = _union(effective["datasets"], datasets)
    if revision == MAIN:
        # Each training's final model takes the place of the last one's; main keeps both.
        settings.setdefault("exists", "overwrite")
    url = page_url(effective["endpoint"], effective["repo_id"], f"tree/{revision}")
    try:
        if problem is not None:
            raise problem
        with RevisionPusher(
            args.output_dir, config, token=token, training_args=args, **settings
        ) as pusher:
            record = _publish(pusher, trainer, directory, FINAL if revision == MAIN else revision)
        commit = record.commit
        if record.repo_id:
            url = page_url(effective["endpoint"], record.repo_id, f"tree/{revision}")
        if revision == MAIN and commit:
            everything, key = pusher.settings.values, pusher.token.value
            commit = promote(record.repo_id, FINAL, MAIN, everything, token=key).commit
    except Exception as error:
        if settings.get("on_error", effective["on_error"]) == "raise":
            raise
        logger.error("%s was not published as %s: %s", directory, revision, error)
        return Published(str(directory), revision, "", url, str(error))
    return Published(str(directory), revision, commit, url, "")


def align_eos(model: Any, processing_class: Any, policy: str) -> None:
    """Make the live model's generation stop at the tokenizer's EOS; the policies of setting `eos`.

    The worker does the same to files; here it is for the files that `save_model` writes next. A
    tokenizer without EOS changes nothing.
    """
    eos = eos_token_id_of(processing_class)
    if eos is None or policy == "off" or not hasattr(model, "config"):
        return
    generation_config = getattr(model, "generation_config", None)
    if generation_config is not None:
        generation_config.eos_token_id = _aligned(generation_config.eos_token_id, eos, policy)
        return
    text_config = model.config.get_text_config()
    for config in (model.config, text_config):
        if config is text_config or getattr(config, "eos_token_id", None) is not None:
            config.eos_token_id = _aligned(getattr(config, "eos_token_id", None), eos, policy)


def _aligned(current: int | list[int] | None, eos: int, policy: str) -> int | list[int]:
    if policy == "replace" or current is None or isinstance(current, int):
        return eos
    return list(current) if eos in current else [eos, *current]


def _write_card(
    trainer: Any, directory: Path, datasets: Sequence[str], tags: Sequence[str]
) -> None:
    # TRL's trainers take fewer and other arguments than transformers'.
    known = inspect.signature(trainer.create_model_card).parameters
    arguments: dict[str, Any] = {"tags": list(tags) or None}
    if "dataset_name" in known:
        arguments["dataset_name"] = ", ".join(datasets) or None
    elif "dataset" in known:
        arguments["dataset"] = list(datasets) or None
    try:
        trainer.create_model_card(**arguments)
        written = Path(trainer.args.output_dir).absolute() / "README.md"
        wanted = directory / "README.md"
        if written != wanted and written.exists():
            shutil.copyfile(written, wanted)
    except Exception as error:
        # Third parties' code, and the network: a missing card is no reason to lose the model.
        logger.warning("no model card was written: %s", error)


def _restore_use_cache(model: Any, directory: Path) -> None:
    config = getattr(model, "config", None)
    if config is None:  # any torch module can be trained
        return
    config.use_cache = True
    text_config = config.get_text_config()
    if getattr(text_config, "use_cache", None) is False:
        text_config.use_cache = True
    # An adapter has no config of its own: one beside it would be its base model's.
    if not (directory / "adapter_config.json").exists():
        config.save_pretrained(directory)


def _publish(pusher: RevisionPusher, trainer: Any, directory: Path, revision: str) -> JobRecord:
    """Push `directory`; its record, which has no commit with the mode 'spool'."""
    state = trainer.state
    step = state.global_step
    if trainer.args.load_best_model_at_end and state.best_global_step:
        step = state.best_global_step  # what the Trainer has put back into the model
    entries = (entry for entry in state.log_history if entry.get("step") == step)
    logged: dict[str, Any] = next(entries, {})
    tokens = logged.get("num_input_tokens_seen")
    if step == state.global_step:
        tokens = state.num_input_tokens_seen
    job = pusher.submit(
        directory,
        revision,
        step=step,
        epoch=logged.get("epoch", state.epoch),
        tokens=tokens_of(tokens),
        metrics=metrics_at(state.log_history, step),
        eos_token_id=eos_token_id_of(trainer.processing_class),
    )
    finish(pusher, progress_bar=not trainer.args.disable_tqdm)
    record = next(record for record in pusher.status() if record.id == job)
    if record.error:
        raise failure(record.error.message, record.error.kind)
    if record.state != "done" and pusher.settings["mode"] != "spool":
        raise failure(f"it is {record.state}; push it with: {pusher.resume_command}", "timeout")
    return record


def _callback_of(trainer: Any) -> HubRevisionCallback | None:
    return next(
        (c for c in trainer.callback_handler.callbacks if isinstance(c, HubRevisionCallback)), None
    )


def _as_list(value: str | Sequence[str] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _union(first: Sequence[str], second: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*first, *second]))
