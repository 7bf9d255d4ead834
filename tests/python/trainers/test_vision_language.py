"""A composite model (its language model's settings are nested), trained with a processor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hub_revisions import HubRevisionCallback, RevisionPusher
from hub_revisions.local_hub import LocalHub
from tiny_training import STALE_EOS, download, eos_ids, make_tokenizer

pytestmark = pytest.mark.transformers4


def make_processor() -> Any:
    from transformers import CLIPImageProcessor, LlavaProcessor

    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    side = {"height": 8, "width": 8}
    return LlavaProcessor(
        image_processor=CLIPImageProcessor(size={"shortest_edge": 8}, crop_size=side),
        tokenizer=tokenizer,
        patch_size=4,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


def make_llava(processor: Any) -> Any:
    """A random Llava whose nested configuration names a stale EOS and no cache."""
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
    )

    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    vision = CLIPVisionConfig(**sizes, num_hidden_layers=1, image_size=8, patch_size=4)
    text = LlamaConfig(
        **sizes,
        vocab_size=len(processor.tokenizer),
        num_hidden_layers=1,
        num_key_value_heads=2,
        eos_token_id=STALE_EOS,
        pad_token_id=3,
        use_cache=False,
    )
    image_token = processor.tokenizer.convert_tokens_to_ids("<image>")
    return LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=vision,
            text_config=text,
            image_token_id=image_token,
            vision_feature_layer=-1,
        )
    )


def one_batch(processor: Any) -> dict[str, Any]:
    from PIL import Image

    image = Image.new("RGB", (8, 8), "green")
    return dict(processor(images=[image], text=["<image> the otter swims"], return_tensors="pt"))


def assert_repaired(folder: Path) -> None:
    text_config = json.loads((folder / "config.json").read_text())["text_config"]
    assert text_config["use_cache"] is True
    generation = folder / "generation_config.json"
    assert 2 in (eos_ids(folder) if generation.exists() else [text_config["eos_token_id"]])


def assert_answers(folder: Path) -> None:
    """A stranger's way: both parts from the folder, then a picture and a question."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    assert model.generate(**one_batch(processor), max_new_tokens=2).numel()


def test_a_processor_and_a_nested_configuration(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    from transformers import Trainer, TrainingArguments

    processor = make_processor()
    row = {name: value[0] for name, value in one_batch(processor).items()}
    row["labels"] = row["input_ids"]
    callback = HubRevisionCallback(**where)
    Trainer(
        model=make_llava(processor),
        args=TrainingArguments(
            output_dir=str(tmp_path / "out"),
            max_steps=1,
            save_steps=1,
            per_device_train_batch_size=1,
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=[row] * 2,
        processing_class=processor,
        callbacks=[callback],
    ).train()
    (record,) = callback.records()
    assert (record.state, record.eos_token_id) == ("done", 2)
    got = download(hub, where["repo_id"], record.revision, tmp_path / "got")
    assert_repaired(got)
    card = (got / "README.md").read_text()
    assert "AutoModelForImageTextToText.from_pretrained" in card
    assert "AutoProcessor.from_pretrained" in card
    assert_answers(got)


def test_no_generation_config(hub: LocalHub, where: dict[str, Any], tmp_path: Path) -> None:
    """Then generation goes by the nested configuration's ids, and no live tokenizer tells them."""
    processor = make_processor()
    model = make_llava(processor)
    folder = tmp_path / "saved"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    (folder / "generation_config.json").unlink()
    with RevisionPusher(tmp_path, **where) as pusher:
        pusher.submit(folder, "nested")
    assert [record.state for record in pusher.records()] == ["done"]
    got = download(hub, where["repo_id"], "nested", tmp_path / "got")
    assert_repaired(got)
    assert_answers(got)
