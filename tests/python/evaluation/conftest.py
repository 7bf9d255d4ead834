"""What the tests of evaluations share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hub_revisions.evaluation.contract import EvalRequest
from hub_revisions.evaluation.staging import make_job_folder

COMMIT = "c" * 40


class Requests:
    """Makes requests, each with a folder of its own below `jobs`."""

    def __init__(self, jobs: Path) -> None:
        self.jobs = jobs

    def __call__(
        self, *argv: str, key: str = "ev-0123456789ab-suite-1", attempt: int = 1, **fields: Any
    ) -> EvalRequest:
        values: Mapping[str, Any] = {
            "repo_id": "me/model",
            "revision": "step-000000001",
            "commit": COMMIT,
            "step": 1,
            "suite": "suite",
        }
        return EvalRequest(
            key=key,
            attempt=attempt,
            argv=argv,
            out_dir=make_job_folder(self.jobs, key, attempt),
            **{**values, **fields},
        )


@pytest.fixture
def make_request(tmp_path: Path) -> Requests:
    """Requests for jobs in a temporary folder."""
    return Requests(tmp_path / "jobs")
