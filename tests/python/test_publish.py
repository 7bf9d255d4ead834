"""`save_and_publish`: the order of its steps, what is saved, and what is published."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hub_revisions import (
    ConfigError,
    HubRevisionCallback,
    HubRevisionError,
    list_revisions,
    save_and_publish,
)
from hub_revisions.local_hub import LocalHub
from hub_revisions.publish import align_eos
from tiny_training import branches, download, make_model, make_tokenizer, make_trainer

pytestmark = pytest.mark.transformers4


def read(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text())
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("policy", "before", "eos", "after"),
    [
        ("align", 0, 2, 2),
        ("align", 2, 2, 2),
        ("align", None, 2, 2),
        ("align", [0, 1], 2, [2, 0, 1]),
        ("align", [0, 2], 2, [0, 2]),
        ("align", 0, None, 0),
        ("replace", [0, 1], 2, 2),
        ("replace", 0, None, 0),
        ("off", 0, 2, 0),
    ],
)
@pytest.mark.parametrize("where", ["generation_config", "config"])
def test_the_live_models_eos(policy: str, before: Any, eos: Any, after: Any, where: str) -> None:
    config = SimpleNamespace(eos_token_id=before)
    config.get_text_config = lambda: config
    model = SimpleNamespace(config=config, generation_config=None)
    holder = config
    if where == "generation_config":
        holder = model.generation_config = SimpleNamespace(eos_token_id=before)
    align_eos(model, SimpleNamespace(eos_token_id=eos), policy)
    assert holder.eos_token_id == after


def test_the_text_model_of_a_composite_is_aligned() -> None:
    text = SimpleNamespace(eos_token_id=0)
    config = SimpleNamespace(get_text_config=lambda: text)
    align_eos(
        SimpleNamespace(config=config, generation_config=None),
        SimpleNamespace(eos_token_id=2),
        "align",
    )
    assert text.eos_token_id == 2
    assert not hasattr(config, "eos_token_id")


def test_the_final_model_is_saved_and_not_pushed(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path / "out", max_steps=1, save_strategy="no")
    trainer.train()
    trainer.processing_class = make_tokenizer()
    trainer.model.generation_config.eos_token_id = 0
    order: list[str] = []
    for name in ("save_model", "create_model_card"):
        record_calls(trainer, name, order)
    result = save_and_publish(trainer, "org/animals", "zoo")
    assert order == ["save_model", "create_model_card"]
    out = tmp_path / "out"
    assert result is not None
    assert (result.directory, result.commit, result.error) == (str(out), "", "")
    assert read(out / "generation_config.json")["eos_token_id"] == 2
    assert read(out / "config.json")["use_cache"] is True
    assert (out / "tokenizer.json").exists()
    card = (out / "README.md").read_text()
    assert "zoo" in card
    assert "org/animals" in card
    assert not (out / "_hub_revisions").exists()


def record_calls(owner: Any, name: str, order: list[str]) -> None:
    original = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        order.append(name)
        return original(*args, **kwargs)

    # The signature is looked at, so it stays.
    call.__wrapped__ = original  # type: ignore[attr-defined]
    setattr(owner, name, call)


def test_the_final_model_is_published_with_the_callbacks_settings(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    repo_id = where["repo_id"]
    callback = HubRevisionCallback(**where)
    trainer = make_trainer(
        tmp_path / "out",
        callback,
        max_steps=2,
        processing_class=make_tokenizer(),
        load_best_model_at_end=True,
        greater_is_better=True,  # so that the best one is not the last one
        include_num_input_tokens_seen=True,
        save_total_limit=2,
    )
    trainer.train()
    assert trainer.state.best_global_step == 1
    result = save_and_publish(trainer, tags="zoo", push=True)
    assert result is not None
    assert (result.revision, result.error) == ("main", "")
    got = download(hub, repo_id, "main", tmp_path / "got")
    names = {path.relative_to(got).parts[0] for path in got.rglob("*")} - {".cache"}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "README.md"}
    assert not [name for name in names if name.startswith(("checkpoint-", "_", "runs"))], names
    assert "training_args.bin" not in names
    assert "zoo" in (got / "README.md").read_text()
    assert (got / "model.safetensors").read_bytes() == (
        tmp_path / "out" / "model.safetensors"
    ).read_bytes()
    (record,) = [r for r in callback_records(tmp_path / "out") if r["revision"] == "final"]
    assert (record["step"], record["tokens"]) == (1, 10)
    main = {r.revision: r for r in list_revisions(**where)}["main"]
    assert (main.commit, main.promoted) == (result.commit, "final")
    assert result.url == f"{hub.endpoint}/{repo_id}/tree/main"


def callback_records(output: Path) -> list[dict[str, Any]]:
    return [read(path) for path in (output / "_hub_revisions").glob("*/job.json")]


def test_args_push_to_hub_asks_for_a_push_and_the_trainer_makes_none(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(tmp_path / "out", max_steps=1, save_strategy="no")
    trainer.train()
    trainer.args.push_to_hub = True
    monkeypatch.setattr(trainer, "push_to_hub", lambda *_, **__: pytest.fail("the Trainer pushes"))
    result = save_and_publish(trainer, revision="final", private=True, **where)
    assert result is not None
    assert result.error == ""
    assert branches(hub, where["repo_id"]) >= {"final"}


def test_another_output_dir_gets_the_card_too(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path / "out", max_steps=1, save_strategy="no")
    trainer.train()
    save_and_publish(trainer, tags=["zoo"], output_dir=tmp_path / "final")
    assert "zoo" in (tmp_path / "final" / "README.md").read_text()
    assert read(tmp_path / "final" / "config.json")["use_cache"] is True


def test_a_card_that_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = make_trainer(tmp_path / "out", max_steps=1, save_strategy="no")

    def fail(tags: Any = None) -> None:
        raise RuntimeError("no network")

    monkeypatch.setattr(trainer, "create_model_card", fail)
    assert save_and_publish(trainer) is not None
    assert read(tmp_path / "out" / "config.json")["use_cache"] is True
    assert "no model card was written: no network" in caplog.text


def test_other_ranks_only_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(tmp_path / "out", max_steps=1, save_strategy="no")
    monkeypatch.setattr(trainer, "is_world_process_zero", lambda: False)
    order: list[str] = []
    for name in ("save_model", "create_model_card"):
        record_calls(trainer, name, order)
    assert save_and_publish(trainer, push=True) is None
    assert order == ["save_model"]


def test_a_push_that_fails_is_told(
    where: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = make_trainer(tmp_path / "out", max_steps=1, save_strategy="no")
    settings = where | {"token": "hf_wrong"}
    result = save_and_publish(trainer, push=True, **settings)
    assert result is not None
    assert "token" in result.error
    assert result.error in caplog.text
    with pytest.raises(HubRevisionError, match="token"):
        save_and_publish(trainer, push=True, on_error="raise", **settings)


def test_a_wrong_setting_does_not_cost_the_model(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = make_trainer(tmp_path / "out", max_steps=1, save_strategy="no")
    file = tmp_path / "run.json"
    file.write_text('{"eoss": "off"}')
    result = save_and_publish(trainer, push=True, config=file)
    assert result is not None
    assert "did you mean 'eos'" in result.error
    assert result.error in caplog.text
    assert (tmp_path / "out" / "model.safetensors").exists()
    with pytest.raises(ConfigError):
        save_and_publish(trainer, push=True, config=file, on_error="raise")


def test_a_peft_model_keeps_its_base_models_config_out(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(make_model(make_tokenizer()), LoraConfig(r=2, task_type="CAUSAL_LM"))
    trainer = make_trainer(tmp_path / "out", model=model, max_steps=1, save_strategy="no")
    trainer.train()
    save_and_publish(trainer)
    assert (tmp_path / "out" / "adapter_config.json").exists()
    assert not (tmp_path / "out" / "config.json").exists()
    assert trainer.model.config.use_cache is True
