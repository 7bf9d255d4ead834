"""The callback for PyTorch Lightning: whenever it saves a checkpoint, the model is published, too.

A `.ckpt` file is Lightning's own format. A revision holds what `from_pretrained` reads instead: the
transformers or PEFT model inside the LightningModule, with the weights that go into the checkpoint.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:
    # One project under two names; a script has either.
    try:
        from lightning.pytorch import Callback
    except ImportError:
        from pytorch_lightning import Callback

from ._native import JobRecord, config_error
from .checkpoint import eos_token_id_of, frozen_parameters_of
from .drain import finish
from .outcomes import OnOutcome
from .plan import make_plan
from .pusher import RevisionPusher
from .settings import Config, check_config, check_keywords
from .watch import Watch

_SAVING = "_hub_revisions.saving"  # beside the spool, so that freezing can link
_PROCESSING_CLASSES = ("processing_class", "processor", "tokenizer")


def _guarded(hook: Callable[..., None]) -> Callable[..., None]:
    """On the main process alone, and no error of a hook ends the training."""

    @functools.wraps(hook)
    def run(
        self: HubRevisionCallback, trainer: Trainer, pl_module: LightningModule, *args: Any
    ) -> None:
        if not trainer.is_global_zero:
            return
        try:
            hook(self, trainer, pl_module, *args)
        except Exception as error:
            self._watch.report(error)

    return run


# Lightning is not followed by mypy, like transformers.
class HubRevisionCallback(Callback):  # type: ignore[misc]
    """Publishes the model of a LightningModule whenever a checkpoint is saved while it fits.

        from hub_revisions.lightning import HubRevisionCallback

        trainer = Trainer(callbacks=[ModelCheckpoint(...), HubRevisionCallback(repo_id="me/model")])

    When to save stays `ModelCheckpoint`'s business (`save_weights_only=True` keeps it from telling
    callbacks, so then nothing is published). `model` names the attribute of the LightningModule
    that is published; it can be left out where only one has `save_pretrained`. A tokenizer or
    processor in the attribute `processing_class`, `processor` or `tokenizer` is published with it.
    The spool lies in `output_dir`, else in the trainer's `default_root_dir`.

    Settings, token, errors and the waiting at the end are those of the callback for transformers;
    step, epoch and metrics are Lightning's `global_step`, `current_epoch` and `callback_metrics`.
    """

    def __init__(
        self,
        config: Config = None,
        *,
        model: str | None = None,
        output_dir: str | Path | None = None,
        token: str | None = None,
        on_outcome: OnOutcome = None,
        **settings: Any,
    ) -> None:
        check_keywords(settings)
        known = check_config(config) if isinstance(config, Mapping) else {}
        make_plan({**known, **settings})
        self._config = config
        self._model = model
        self._output_dir = output_dir
        self._token = token
        self._on_outcome = on_outcome
        self._settings = settings
        self._watch = Watch(raises=settings.get("on_error") == "raise")
        self._pusher: RevisionPusher | None = None
        self._last: tuple[int, dict[str, float]] | None = None  # step and metrics published last

    def records(self) -> list[JobRecord]:
        """The jobs of the last fit, oldest first."""
        return self._pusher.records() if self._pusher else []

    @_guarded
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the worker, and have token, repository and write access checked behind training."""
        if self._pusher is not None:
            self._pusher.close(0)
            self._pusher = None
        self._last = None
        name = self._name_of_model(pl_module)
        self._pusher = RevisionPusher(
            self._output_dir or trainer.default_root_dir,
            self._config,
            token=self._token,
            on_outcome=self._on_outcome,
            frozen_parameters=frozen_parameters_of(getattr(pl_module, name)),
            **self._settings,
        )
        self._watch.start(self._pusher)

    @_guarded
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Report what failed since the last look."""
        if self._pusher is not None:
            self._watch.poll(self._pusher)

    @_guarded
    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the model as `from_pretrained` reads it, freeze that, and queue it."""
        pusher = self._pusher
        if pusher is None or pusher.closed:
            return
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        now = trainer.global_step, metrics
        if now == self._last:  # as the best one, and again as the last one
            return
        self._last = now
        folder = pusher.output_dir / _SAVING
        shutil.rmtree(folder, ignore_errors=True)
        try:
            processing_class = self._save(pl_module, checkpoint["state_dict"], folder)
            job = pusher.submit(
                folder,
                step=trainer.global_step,
                epoch=trainer.current_epoch,
                metrics=metrics,
                eos_token_id=eos_token_id_of(processing_class),
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._watch.add(job)

    @_guarded
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait for the pushes."""
        pusher = self._pusher
        if pusher is not None and not pusher.closed:
            finish(pusher, progress_bar=trainer.progress_bar_callback is not None)
            self._watch.report_failures(pusher)

    def _save(self, pl_module: LightningModule, state_dict: Mapping[str, Any], folder: Path) -> Any:
        """Write model and processing class to `folder`; the latter, or None."""
        name = self._name_of_model(pl_module)
        prefix = f"{name}."
        weights = {
            key.removeprefix(prefix): value
            for key, value in state_dict.items()
            if key.startswith(prefix)
        }
        if not weights:
            raise config_error(
                f"the checkpoint holds no weights of '{name}': its strategy saves them in shards; "
                "have it save a full state dict"
            )
        getattr(pl_module, name).save_pretrained(folder, state_dict=weights)
        for attribute in _PROCESSING_CLASSES:
            processing_class: Any = getattr(pl_module, attribute, None)
            if hasattr(processing_class, "save_pretrained"):
                processing_class.save_pretrained(folder)
                return processing_class
        return None

    def _name_of_model(self, pl_module: LightningModule) -> str:
        names: list[str] = [
            name for name, child in pl_module.named_children() if hasattr(child, "save_pretrained")
        ]
        wanted = names if self._model is None else [self._model]
        if len(wanted) == 1 and wanted[0] in names:
            return wanted[0]
        raise config_error(
            f"{type(pl_module).__name__} has {len(names)} submodules with save_pretrained "
            f"({', '.join(names) or 'none'}); name one of them: HubRevisionCallback(model=...)"
        )
