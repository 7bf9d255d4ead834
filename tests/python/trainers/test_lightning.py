"""The callback for PyTorch Lightning in its real Trainer."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from hub_revisions import ConfigError
from hub_revisions.lightning import HubRevisionCallback
from hub_revisions.local_hub import LocalHub
from lightning.pytorch.callbacks import ModelCheckpoint
from tiny_training import (
    branches,
    card_metadata,
    download,
    eos_ids,
    examples,
    make_model,
    make_tokenizer,
)
from transformers import AutoModelForCausalLM, AutoTokenizer, default_data_collator


class Fitted(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.tokenizer = make_tokenizer()
        self.model = make_model(self.tokenizer)
        self.head = torch.nn.Linear(1, 1)  # of the module alone; no business of the revision

    def training_step(self, batch: dict[str, Any], index: int) -> torch.Tensor:
        loss = self.model(**batch).loss
        self.log("loss", loss)
        return loss

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        self.log("eval_loss", self.model(**batch).loss)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.model.parameters(), lr=0.1)


def fit(root: Path, module: pl.LightningModule, callback: Any, **checkpoint: Any) -> None:
    loader = torch.utils.data.DataLoader(examples(4), 2, collate_fn=default_data_collator)
    saver = ModelCheckpoint(dirpath=root / "saved", **checkpoint)
    pl.Trainer(
        default_root_dir=root,
        callbacks=[callback, saver],
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(module, loader, loader)


def test_each_checkpoint_becomes_a_revision(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    module = Fitted()
    callback = HubRevisionCallback(**where)
    fit(tmp_path, module, callback, monitor="eval_loss", save_top_k=-1, save_last=True)
    assert [(record.step, record.state) for record in callback.records()] == [
        (2, "done"),
        (4, "done"),
    ]
    assert branches(hub, where["repo_id"]) - {"main"} == {"step-000000002", "step-000000004"}
    assert not list(tmp_path.glob("*saving*"))

    got = download(hub, where["repo_id"], "step-000000004", tmp_path / "got")
    assert eos_ids(got) == [2]
    results = card_metadata(got)["model-index"][0]["results"]
    assert {"eval_loss", "loss"} <= {m["name"] for one in results for m in one["metrics"]}
    loaded = AutoModelForCausalLM.from_pretrained(got)
    assert AutoTokenizer.from_pretrained(got).eos_token_id == 2
    # Exactly what Lightning has saved.
    saved = torch.load(tmp_path / "saved" / "last.ckpt", weights_only=False)["state_dict"]
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, saved[f"model.{name}"])


def test_a_hub_that_is_away_leaves_the_fit_alone(
    where: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = HubRevisionCallback(**where | {"endpoint": "http://127.0.0.1:9", "max_retries": 0})
    with caplog.at_level(logging.ERROR, "hub_revisions"):
        fit(tmp_path, Fitted(), callback, every_n_train_steps=4)
    assert [record.state for record in callback.records()] == ["failed"]
    assert "127.0.0.1:9" in caplog.text
    assert len(list((tmp_path / "saved").iterdir())) == 1


def test_which_model_must_be_clear(where: dict[str, Any], tmp_path: Path) -> None:
    class Distilled(Fitted):
        def __init__(self) -> None:
            super().__init__()
            self.teacher = make_model(self.tokenizer)

    strict = where | {"on_error": "raise"}
    with pytest.raises(ConfigError, match=r"\(model, teacher\).*model="):
        fit(tmp_path, Distilled(), HubRevisionCallback(**strict))
    callback = HubRevisionCallback(model="model", **strict)
    fit(tmp_path, Distilled(), callback, every_n_train_steps=4)
    assert [record.state for record in callback.records()] == ["done"]
