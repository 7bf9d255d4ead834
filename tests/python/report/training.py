"""A training as a repository remembers it: eight revisions, good evaluations and bad ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from hub_revisions._native import JobError, JobRecord, Progress, Revision, RevisionFile
from hub_revisions.report import ReportData, build_report
from hub_revisions.results.types import Metric
from hub_revisions.selection.decision import Decision
from selection.making import NOW, REPO, commit_of, decide, pending, records, result, revision

ACC = "gsm8k@5/exact_match[strict-match]"
# By step: 300 failed, 400 is of a part, 500 is no number, 800 still runs; 600 is the best, and 700
# lies within its standard error.
VALUES = {100: 0.26, 200: 0.35, 400: 0.70, 500: None, 600: 0.60, 700: 0.59}
STDERR = 0.013
BEST = "step-600"


@dataclass
class Training:
    """What `build_report` takes; a test may change it before."""

    revisions: list[Revision] = field(default_factory=list)
    records: dict[str, str] = field(default_factory=dict)

    def decide(self, metric: str = f"{ACC}:max", **rule: Any) -> Decision:
        return decide(self.revisions, self.records, metric, now=NOW, **rule)

    def report(self, **options: Any) -> ReportData:
        return build_report(REPO, self.revisions, self.records, **options)


def training() -> Training:
    revisions = [
        revision(
            f"step-{step}",
            step,
            metrics={"eval_loss": 1 + 100 / step, "eval_runtime": 2.5, "grad_norm": math.nan},
            files=(RevisionFile("model.safetensors", 1_200_000_000, "ab" * 32),),
            time=1_767_225_600 + step,
        )
        for step in range(100, 801, 100)
    ]
    revisions += [
        revision("main", promoted=BEST, published_as="", parents=("0" * 40, commit_of(BEST))),
        revision("latest", 800, published_as="step-800", commit=commit_of("step-800")),
    ]
    stored = [
        result(f"step-{step}", _metric(step, value), step=step) for step, value in VALUES.items()
    ]
    stored.append(result("step-300", outcome="failed", reason="exit code 137", engine="slurm"))
    return Training(revisions, records(*stored, pending("step-800")))


def _metric(step: int, value: float | None) -> Metric:
    known = None if value is None else STDERR
    problem = "is NaN" if value is None else ""
    return Metric(ACC, value, known, 1319, partial=step == 400, mode="max", problem=problem)


def job(name: str, created: float, **changes: Any) -> JobRecord:
    """A push that began `created` seconds after the first one and took two."""
    start = 1_767_225_600_000 + int(created * 1000)
    values: dict[str, Any] = {
        "id": name, "revision": name, "directory": "/out", "step": None, "epoch": None,
        "tokens": None, "metrics": {}, "eos_token_id": None,
        "created_ms": start, "updated_ms": start + 3000,
        "state": "done", "repo_id": REPO, "error": None, "fixes": (), "warnings": (),
        "excluded": (), "commit": commit_of(name), "freeze_ms": 1.5, "push_seconds": 2.0,
        "bytes_total": 1000, "bytes_sent": 1000, "bytes_present": 0, "attempts": 1,
        "settings": {}, "progress": Progress(),
    }  # fmt: skip
    return JobRecord(**values | changes)


def failed_job(name: str, created: float, message: str) -> JobRecord:
    return job(name, created, state="failed", error=JobError("network", message), attempts=3,
               progress=Progress(retries=4))  # fmt: skip
