"""A runner that is killed again and again, on a real hub: everything is done, and done once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from child_process import Child
from hub_revisions import RevisionPusher
from hub_revisions.evaluation.evaluations import Evaluations
from hub_revisions.evaluation.ledger import Ledger
from hub_revisions.local_hub import LocalHub
from hub_revisions.repository import Repository
from hub_revisions.results.store import read_records
from tiny_training import write_checkpoint

STEPS = range(1, 5)

# Tells a common file that it ran: twice would be seen.
EVALUATOR = (
    "import json, os, sys, time; commit, runs = sys.argv[1:]; "
    "file = os.open(runs, os.O_WRONLY | os.O_APPEND | os.O_CREAT); "
    "os.write(file, (commit + '\\n').encode()); time.sleep(0.1); "
    "json.dump({'acc': 0.5}, open('results.json', 'w'))"
)

RUNNER = """
import json, sys, time
from hub_revisions.credentials import find_token
from hub_revisions.evaluation.pace import Pace
from hub_revisions.evaluation.runner import EvaluationRunner
from hub_revisions.repository import Repository
from hub_revisions.settings import resolve
spool, config, repo_id = sys.argv[1:4]
settings = resolve({"repo_id": repo_id})
revisions = Repository.of(settings, find_token()).read().revisions
runner = EvaluationRunner(
    spool, config, settings.values, find_token().value, pace=Pace(0.05, 1.1, 0.1)
)
print("ready", flush=True)
for item in revisions:
    if item.managed:
        runner.add(repo_id, item.revision, item.commit, item.step)
runner.wait()
runner.close()
print("all done", flush=True)
"""


def test_whenever_it_is_killed_each_evaluation_runs_and_is_recorded_once(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    with RevisionPusher(tmp_path / "training", **where) as pusher:
        for step in STEPS:
            pusher.submit(write_checkpoint(tmp_path / f"checkpoint-{step}", step=step, size=step))
        assert pusher.wait(timeout=60)
    runs = tmp_path / "runs"
    suite = {"name": "s", "command": [sys.executable, "-c", EVALUATOR, "{commit}", str(runs)]}
    config = tmp_path / "eval.json"
    config.write_text(json.dumps({"suites": [suite], "options": {"max_parallel": 2}}))
    spool, repo_id = tmp_path / "spool", where["repo_id"]

    variables = {"HF_TOKEN": hub.token, "HF_ENDPOINT": hub.endpoint}
    kills = 0
    for number in range(160):
        with Child(tmp_path, RUNNER, spool, config, repo_id, **variables) as child:
            child.says("ready")
            try:
                child.process.wait(
                    0.01 * 1.05**number
                )  # the moment of the kill, not a wait for luck
            except subprocess.TimeoutExpired:
                child.send(signal.SIGKILL)
                kills += 1
            child.ends()
            if "all done" in child.output:
                break
    assert "all done" in child.output
    assert kills > 3

    commits = sorted(runs.read_text().split())
    assert len(commits) == len(STEPS)
    assert len(set(commits)) == len(STEPS)
    repository = Repository(repo_id, endpoint=hub.endpoint, token=hub.token)
    stored = read_records(repository.read().records)
    assert stored.problems == ()
    assert stored.pending == ()
    assert sorted(result.commit for result in stored.results) == commits
    assert {(result.outcome, result.attempt) for result in stored.results} == {("succeeded", 1)}
    ledger = Ledger(spool / "evaluations")
    assert all(e.final and not e.unrecorded for e in Evaluations(ledger).all.values())
    ledger.close()
