"""An encoder-decoder in `Seq2SeqTrainer`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hub_revisions import HubRevisionCallback
from hub_revisions.local_hub import LocalHub
from tiny_training import STALE_EOS, download, eos_ids, make_tokenizer

pytestmark = pytest.mark.transformers4


def test_an_encoder_decoder(hub: LocalHub, where: dict[str, Any], tmp_path: Path) -> None:
    from transformers import (
        AutoModelForSeq2SeqLM,
        DataCollatorForSeq2Seq,
        Seq2SeqTrainer,
        Seq2SeqTrainingArguments,
        T5Config,
        T5ForConditionalGeneration,
    )

    tokenizer = make_tokenizer()
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=16,
            d_kv=8,
            d_ff=32,
            num_layers=1,
            num_heads=2,
            decoder_start_token_id=3,
            pad_token_id=3,
            eos_token_id=STALE_EOS,
            use_cache=False,
        )
    )
    callback = HubRevisionCallback(**where)
    row = {"input_ids": [5, 6, 2], "attention_mask": [1, 1, 1], "labels": [7, 2]}
    Seq2SeqTrainer(
        model=model,
        args=Seq2SeqTrainingArguments(
            output_dir=str(tmp_path / "out"),
            max_steps=1,
            save_steps=1,
            eval_strategy="steps",
            eval_steps=1,
            predict_with_generate=True,
            generation_max_length=4,
            per_device_train_batch_size=2,
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=[row] * 4,
        eval_dataset=[row] * 2,
        data_collator=DataCollatorForSeq2Seq(tokenizer, model),
        processing_class=tokenizer,
        callbacks=[callback],
    ).train()
    (record,) = callback.records()
    assert (record.state, set(record.metrics) >= {"eval_loss"}) == ("done", True)
    got = download(hub, where["repo_id"], record.revision, tmp_path / "got")
    assert json.loads((got / "config.json").read_text())["use_cache"] is True
    assert 2 in eos_ids(got)
    assert "AutoModelForSeq2SeqLM" in (got / "README.md").read_text()
    loaded = AutoModelForSeq2SeqLM.from_pretrained(got)
    assert loaded.generate(**tokenizer("the otter", return_tensors="pt"), max_new_tokens=2).numel()
