"""The Trainer callback: every checkpoint is frozen where it was saved, and pushed behind training.

The hooks only hand over: freezing takes milliseconds, and everything else is the worker's. They run
on every rank; only world process zero does anything, and never in a forked child.
"""

from __future__ import annotations

import functools
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from . import _core
from ._native import JobRecord, failure
from .checkpoint import (
    INCOMPLETE_MARKER,
    Checkpoint,
    eos_token_id_of,
    find_checkpoint,
    find_checkpoints,
    frozen_parameters_of,
    metrics_at,
    numbers_of,
    step_of,
    tokens_of,
)
from .drain import finish
from .outcomes import OnOutcome
from .plan import make_plan
from .pusher import RevisionPusher
from .settings import Config, check_config, check_keywords
from .tables import SummaryRow, main_metric, summarise, summary_table
from .text_table import terminal_width
from .watch import Watch

logger = logging.getLogger("hub_revisions")

Hook = Callable[..., None]
Save = tuple[str, int | None]  # a folder and when it was saved, as in the jobs' records


def _save_in(checkpoint: Checkpoint) -> Save:
    directory = _core.absolute_path(checkpoint.directory)
    return directory, _core.saved_at(directory)


def _guarded(hook: Hook) -> Hook:
    """The one place that decides who runs a hook, and what becomes of its errors."""

    @functools.wraps(hook)
    def run(
        self: HubRevisionCallback,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        if not state.is_world_process_zero or not self._owned:
            return
        try:
            hook(self, args, state, control, **kwargs)
        except Exception as error:
            self._watch.report(error)

    return run


# transformers is not followed by mypy: its types would be checked in every run of it.
class HubRevisionCallback(TrainerCallback):  # type: ignore[misc]
    """Publishes every checkpoint of a `Trainer` as a revision of its own.

        trainer = Trainer(..., callbacks=[HubRevisionCallback()])

    Settings are those of `configs/schema.json`: keyword arguments win over `config` (a JSON file or
    a dictionary), that over `TrainingArguments`, those over the environment. The token comes from
    `token`, `TrainingArguments.hub_token`, HF_TOKEN or the file of `hf auth login`.

    A wrong keyword argument raises `ConfigError` here. After that nothing stops training, unless
    the setting `on_error` is "raise": failures are logged once by the logger `hub_revisions`, kept
    in the job records and listed at the end. Then it waits, at most `drain_timeout` seconds, for
    what is not pushed yet; Ctrl-C ends the waiting, and `hub-revisions sync` pushes the rest.
    A hyperparameter search does not wait between its trials, but when the process ends.

    Copies and pickles carry the configuration, never the worker, and pickles never the token.
    """

    def __init__(
        self,
        config: Config = None,
        *,
        token: str | None = None,
        on_outcome: OnOutcome = None,
        **settings: Any,
    ) -> None:
        check_keywords(settings)
        known = check_config(config) if isinstance(config, dict) else {}
        make_plan({**known, **settings})
        self._on_outcome = on_outcome
        self._config = config
        self._token = token
        self._settings = settings
        self._watch = Watch(raises=settings.get("on_error") == "raise")
        self._pusher: RevisionPusher | None = None
        self._missed: list[dict[str, Any]] = []  # what could not be handed over yet
        self._waited_ms: dict[str, float] = {}  # by job
        self._metrics: tuple[int, dict[str, float]] = (-1, {})  # of the step evaluated last
        self._frozen: list[str] | None = None  # parameters that this training leaves as they are
        self._found: set[Save] = set()  # before training

    def __getstate__(self) -> dict[str, Any]:
        return {
            "config": self._config,
            "on_outcome": self._on_outcome,
            "settings": self._settings,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        HubRevisionCallback.__init__(
            self, state["config"], on_outcome=state["on_outcome"], **state["settings"]
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> HubRevisionCallback:
        return type(self)(
            self._config, token=self._token, on_outcome=self._on_outcome, **self._settings
        )

    @property
    def configuration(self) -> tuple[Config, str | None, dict[str, Any]]:
        """What it was made with: config, token and keyword settings."""
        return self._config, self._token, dict(self._settings)

    def records(self) -> list[JobRecord]:
        """The jobs of the last training, oldest first."""
        return self._pusher.records() if self._pusher else []

    def summary(self, metric: str | None = None) -> list[SummaryRow]:
        """The rows of the table at the end of training; `metric` as in `metric_for_best_model`."""
        records = self.records()
        return summarise(records, main_metric(records, metric), self._waited_ms)

    def finish(self, *, progress_bar: bool = True) -> bool:
        """Wait for the pushes, at most `drain_timeout` seconds, and close the worker.

        False if jobs are left in the spool. Called at the end of training; harmless afterwards.
        """
        pusher = self._pusher
        if pusher is None or not pusher.owned or pusher.closed:
            return True
        return finish(pusher, progress_bar=progress_bar)

    @_guarded
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Open the worker, and have token, repository and write access checked behind training.

        Also called when training resumes, when a batch size that fits is searched, and by every
        trial: an open worker stays.
        """
        self._metrics = (-1, {})
        self._found = {
            _save_in(checkpoint)
            for checkpoint in find_checkpoints(args.output_dir, state.is_hyper_param_search)
        }
        pusher = self._pusher
        if pusher is not None and not pusher.closed:
            if pusher.output_dir == Path(args.output_dir).absolute():
                return
            pusher.close(0)
        self._pusher = None
        self._missed = []
        self._waited_ms = {}
        self._frozen = frozen_parameters_of(kwargs.get("model"))
        self._open(args)

    @_guarded
    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Report what failed since the last look."""
        self._poll()

    @_guarded
    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Report what failed since the last look."""
        self._poll()

    @_guarded
    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Keep this step's metrics; several datasets are evaluated one after the other."""
        step, known = self._metrics
        if step != state.global_step:
            known = {}
        self._metrics = (state.global_step, known | numbers_of(metrics or {}))

    @_guarded
    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Freeze the checkpoint that was just saved, and queue it."""
        if self._pusher is not None and self._pusher.closed:
            return
        started = time.perf_counter()
        checkpoint = find_checkpoint(
            args.output_dir, state.global_step, state.is_hyper_param_search
        )
        if checkpoint is None:
            raise failure(
                f"no folder checkpoint-{state.global_step} in {args.output_dir}", "invalid_input"
            )
        submission = self._submission(checkpoint, state, kwargs)
        if self._pusher is None:
            # Another process had the spool when training began; it may have ended.
            self._missed.append(submission)
            self._open(args)
            return
        job = self._submit(self._pusher, submission)
        self._waited_ms[job] = (time.perf_counter() - started) * 1000

    @_guarded
    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Wait for the pushes, and list the revisions."""
        if self._pusher is None and self._missed:
            try:
                self._open(args)
            except Exception as error:
                self._watch.report(error)
        pusher = self._pusher
        if pusher is None:
            logger.warning(
                "no checkpoint was published, since the worker did not start (see above); "
                "publish one with: hub-revisions push %s/checkpoint-N --repo REPO",
                args.output_dir,
            )
            return
        if pusher.closed:
            return
        try:
            known = self._found | {(record.directory, record.saved_ns) for record in self.records()}
            for checkpoint in find_checkpoints(args.output_dir, state.is_hyper_param_search):
                save = _save_in(checkpoint)
                if save not in known and save[1] is not None:
                    self._submit_unannounced(pusher, checkpoint, kwargs)
        finally:
            if state.is_hyper_param_search:
                # The next trial should not wait for this one's pushes.
                pusher.exit_timeout = pusher.settings["drain_timeout"]
            else:
                self.finish(progress_bar=not args.disable_tqdm)
                self._print_summary(args.metric_for_best_model)
        self._watch.report_failures(pusher)

    def _open(self, args: TrainingArguments) -> None:
        pusher = RevisionPusher(
            args.output_dir,
            self._config,
            token=self._token,
            training_args=args,
            on_outcome=self._on_outcome,
            frozen_parameters=self._frozen,
            **self._settings,
        )
        self._pusher = pusher
        self._watch.start(pusher)
        counts = getattr(args, "include_num_input_tokens_seen", "no")
        if "{tokens" in pusher.settings["revision_template"] and counts in ("no", False):
            logger.warning(
                "'revision_template' names {tokens}, which the Trainer does not count, so that it "
                "will be 0; set include_num_input_tokens_seen=True"
            )
        missed, self._missed = self._missed, []
        for submission in missed:
            try:
                self._submit(pusher, submission)
            except Exception as error:
                self._watch.report(error)

    def _submission(
        self, checkpoint: Checkpoint, state: TrainerState, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        step = state.global_step
        metrics = metrics_at(state.log_history, step)
        if self._metrics[0] == step:
            metrics |= self._metrics[1]
        return self._described(
            checkpoint,
            kwargs,
            step=step,
            epoch=state.epoch,
            tokens=tokens_of(state.num_input_tokens_seen),
            metrics=metrics,
        )

    def _described(
        self, checkpoint: Checkpoint, kwargs: dict[str, Any], **facts: Any
    ) -> dict[str, Any]:
        return {
            "directory": checkpoint.directory,
            "run": checkpoint.run,
            # transformers called it `tokenizer` before 4.46.
            "eos_token_id": eos_token_id_of(
                kwargs.get("processing_class") or kwargs.get("tokenizer")
            ),
            **facts,
        }

    def _submit(self, pusher: RevisionPusher, submission: dict[str, Any]) -> str:
        job = pusher.submit(**submission)
        self._watch.add(job)
        return job

    def _submit_unannounced(
        self, pusher: RevisionPusher, checkpoint: Checkpoint, kwargs: dict[str, Any]
    ) -> None:
        # On SIGTERM the Trainer saves (`enable_jit_checkpoint`) without calling on_save: mostly in
        # the middle of the training's last step, so that the state has gone on by now, and maybe
        # for the second time.
        path = Path(checkpoint.directory)
        if not (path / INCOMPLETE_MARKER).exists():
            self._submit(pusher, self._described(checkpoint, kwargs, step=step_of(path)))

    def _print_summary(self, metric_for_best_model: str | None) -> None:
        records = self.records()
        if records:
            metric = main_metric(records, metric_for_best_model)
            rows = summarise(records, metric, self._waited_ms)
            sys.stderr.write(summary_table(rows, metric, terminal_width(sys.stderr)))

    def _poll(self) -> None:
        if self._pusher is not None and not self._pusher.closed:
            self._watch.poll(self._pusher)

    @property
    def _owned(self) -> bool:
        # A closed one is nobody's: a fork of a process that has trained may train.
        return self._pusher is None or self._pusher.closed or self._pusher.owned
