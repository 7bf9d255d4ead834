"""Picking and promoting, from what the repository itself remembers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hub_revisions import (
    HubRevisionError,
    RevisionPusher,
    best_revision,
    list_revisions,
    promote,
)
from hub_revisions.local_hub import LocalHub
from tiny_training import download, write_checkpoint


def test_pick_and_promote_from_the_repository_alone(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    with RevisionPusher(tmp_path, **where) as pusher:
        for step, loss in [(1, 2.0), (2, 1.5), (3, math.nan)]:
            folder = write_checkpoint(
                tmp_path / f"checkpoint-{step}", step=step, size=100 + step, eval_loss=loss
            )
            pusher.submit(folder)
        assert pusher.wait(timeout=60)
        assert {record.state for record in pusher.records()} == {"done"}
    (tmp_path / "_hub_revisions").rename(tmp_path / "forgotten")

    repo_id = where.pop("repo_id")
    best = best_revision(repo_id, "eval_loss", "min", **where)
    assert (best.revision, best.step, best.value) == ("step-000000002", 2, 1.5)
    assert best.skipped == ("step-000000003",)
    revisions = {item.revision: item for item in list_revisions(repo_id, **where)}
    assert revisions[best.revision].epoch == 0.2
    assert revisions[best.revision].commit == best.commit

    promotion = promote(repo_id, best.revision, **where)
    assert (promotion.target, promotion.changed) == ("main", True)
    assert not promote(repo_id, best.revision, **where).changed
    weights = download(hub, repo_id, "main", tmp_path / "main") / "model.safetensors"
    assert weights.read_bytes() == (tmp_path / "checkpoint-2" / "model.safetensors").read_bytes()
    main = next(r for r in list_revisions(repo_id, **where) if r.revision == "main")
    assert main.promoted == best.revision
    # A promoted branch is no competitor of what it was made from.
    assert best_revision(repo_id, **where) == best


def test_a_repository_that_is_not_there(where: dict[str, Any]) -> None:
    repo_id = where.pop("repo_id")
    with pytest.raises(HubRevisionError) as caught:
        best_revision(repo_id, **where)
    assert repo_id in str(caught.value)
    assert caught.value.kind in ("not_found", "auth")
