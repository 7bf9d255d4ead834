"""A loop of one's own with accelerate, and its checkpoints through `RevisionPusher`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hub_revisions import RevisionPusher
from hub_revisions.local_hub import LocalHub
from tiny_training import branches, card_metadata, download, examples, make_model, make_tokenizer

pytestmark = pytest.mark.transformers4


def test_a_loop_of_ones_own(hub: LocalHub, where: dict[str, Any], tmp_path: Path) -> None:
    import torch
    from accelerate import Accelerator
    from accelerate.utils import ProjectConfiguration
    from transformers import AutoModelForCausalLM, default_data_collator

    project = ProjectConfiguration(
        project_dir=str(tmp_path), automatic_checkpoint_naming=True, total_limit=1
    )
    accelerator = Accelerator(cpu=True, project_config=project)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader(examples(4), 2, collate_fn=default_data_collator)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    logits = []
    with RevisionPusher(tmp_path, **where) as pusher:
        for step, batch in enumerate(loader, start=1):
            loss = model(**batch).loss
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()

            # save_state alone holds no configuration: beside it, what from_pretrained reads.
            checkpoint = accelerator.save_state()
            accelerator.wait_for_everyone()
            if accelerator.is_main_process:
                unwrapped = accelerator.unwrap_model(model)
                unwrapped.save_pretrained(checkpoint)
                tokenizer.save_pretrained(checkpoint)
                pusher.submit(checkpoint, step=step, metrics={"loss": loss.item()})
            logits.append(unwrapped(input_ids=torch.tensor([[1, 5]])).logits.detach())
    # accelerate keeps one checkpoint, the Hub both.
    assert len(list(tmp_path.glob("checkpoints/*"))) == 1
    steps = ["step-000000001", "step-000000002"]
    assert branches(hub, where["repo_id"]) - {"main"} == set(steps)
    for revision, expected in zip(steps, logits, strict=True):
        got = download(hub, where["repo_id"], revision, tmp_path / revision)
        names = {path.name for path in got.iterdir()}
        assert not names & {"optimizer.bin", "random_states_0.pkl"}
        assert card_metadata(got)["model-index"][0]["results"]
        loaded = AutoModelForCausalLM.from_pretrained(got)
        assert torch.equal(loaded(input_ids=torch.tensor([[1, 5]])).logits, expected)
