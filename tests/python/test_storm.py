"""A short crash storm; and that a storm would tell if something were wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hub_revisions.local_hub import LocalHub
from storm.check import Findings, check_run
from storm.checkpoints import Checkpoint, write_checkpoints
from storm.control import (
    Expected,
    delete_repository,
    read_control,
    repository_of,
    run_environment,
)
from storm.events import Event, stage_of
from storm.git import BareRepository
from storm.traffic import Answer, count_resent, read_log

REVISION = "step-000000010"


def test_a_short_storm_loses_nothing(hub: LocalHub, tmp_path: Path) -> None:
    numbers_file = tmp_path / "numbers.json"
    command = [sys.executable, "-m", "storm", "--kills", "12", "--seed", "3"]
    done = subprocess.run(
        [*command, "--json", str(numbers_file), "--keep", str(tmp_path / "evidence")],
        env=run_environment(hub),  # for the path; a storm has a hub of its own
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    numbers = json.loads(numbers_file.read_text())
    assert numbers["holds"]
    assert numbers["kills"] == sum(numbers["kills_per_stage"].values()) == 12
    assert numbers["revisions_present"] == numbers["revisions_expected"] == 4 * numbers["runs"]
    assert "bytes resent" in done.stdout


@dataclass(frozen=True)
class Outcome:
    """What a run left; a test gets a copy of its own to spoil."""

    expected: Expected
    checkpoints: list[Checkpoint]
    repository: BareRepository
    output: Path
    answers: list[Answer]

    def copy(self, folder: Path) -> Outcome:
        shutil.copytree(self.repository.path, folder / "repository")
        shutil.copytree(self.output, folder / "output")
        return replace(
            self,
            repository=BareRepository(folder / "repository"),
            output=folder / "output",
            answers=list(self.answers),
        )

    def check(self) -> Findings:
        return check_run(
            self.expected, self.checkpoints, self.repository, self.output, self.answers
        )

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(self.repository.path), *arguments],
            env={"PATH": "/usr/bin:/bin", "GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "e",
                 "GIT_COMMITTER_NAME": "n", "GIT_COMMITTER_EMAIL": "e"},
            stdout=subprocess.PIPE, text=True, check=True,
        ).stdout.strip()  # fmt: skip

    def record(self) -> Path:
        for path in self.output.glob("_hub_revisions/*/job.json"):
            if REVISION in path.read_text():
                return path
        raise AssertionError("no record")

    def commit_again(self, tree: str) -> None:
        """Put another commit with this tree and the same message in place of the revision's."""
        message = self.git("log", "-1", "--format=%B", REVISION)
        commit = self.git("commit-tree", "-m", message, tree)
        self.git("update-ref", f"refs/heads/{REVISION}", commit)


@pytest.fixture(scope="module")
def outcome(hub: LocalHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Of a run that nobody killed, compared with another one."""
    root = tmp_path_factory.mktemp("outcome")
    repo_id = f"{hub.user}/storm-outcome"
    checkpoints = write_checkpoints(root / "checkpoints", 1, 2)

    def run(name: str) -> Path:
        command = [sys.executable, "-m", "storm.run", str(root / name), str(root / "checkpoints")]
        subprocess.run([*command, repo_id], env=run_environment(hub), check=True)
        return root / name

    run("control")
    expected = read_control(hub, repo_id, checkpoints)
    delete_repository(hub, repo_id)
    log = hub.root / "hub.log"
    log_begin = log.stat().st_size
    output = run("run")
    answers = read_log(log, log_begin)
    yield Outcome(expected, checkpoints, repository_of(hub, repo_id), output, answers)
    delete_repository(hub, repo_id)


def test_an_undisturbed_run_is_without_findings(outcome: Outcome) -> None:
    assert outcome.check() == Findings(revisions_expected=2, revisions_present=2)


def _delete_branch(outcome: Outcome) -> None:
    outcome.git("update-ref", "-d", f"refs/heads/{REVISION}")


def _commit_at_another_time(outcome: Outcome) -> None:
    outcome.commit_again(f"{REVISION}^{{tree}}")


def _change_a_file(outcome: Outcome) -> None:
    outcome.commit_again("step-000000020^{tree}")


def _change_an_object(outcome: Outcome) -> None:
    oid, _ = outcome.expected.pointers[REVISION]["head.bin"]
    outcome.repository.object_path(oid).write_bytes(b"other")


def _lose_an_object(outcome: Outcome) -> None:
    oid, _ = outcome.expected.pointers[REVISION]["head.bin"]
    outcome.repository.object_path(oid).unlink()


def _leave_a_snapshot(outcome: Outcome) -> None:
    (outcome.record().parent / "files").mkdir()


def _leave_half_a_submit(outcome: Outcome) -> None:
    (outcome.output / "_hub_revisions" / "tmp-20260131T120000123Z-9f3a1c").mkdir()


def _fail_a_job(outcome: Outcome) -> None:
    record = json.loads(outcome.record().read_bytes())
    outcome.record().write_text(json.dumps(record | {"state": "failed"}))


def _send_again(outcome: Outcome) -> None:
    put = next(answer for answer in outcome.answers if answer.path.endswith("/5000"))
    outcome.answers.append(replace(put, begin=put.end + 1, end=put.end + 2))


def _write_to_the_checkpoint(outcome: Outcome) -> None:
    (outcome.output / "checkpoint-20" / "config.json").write_text("{}")


def _add_a_branch(outcome: Outcome) -> None:
    outcome.git("update-ref", "refs/heads/step-000000030", REVISION)


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (_delete_branch, {"revisions_present": 1}),
        (_commit_at_another_time, {"duplicated": 1, "commit_ids_differing": 1}),
        (_change_a_file, {"duplicated": 1, "differing": 1, "commit_ids_differing": 1}),
        (_change_an_object, {"differing": 1}),
        (_lose_an_object, {"differing": 1}),
        (_leave_a_snapshot, {"snapshots_left": 1}),
        (_leave_half_a_submit, {"snapshots_left": 1}),
        (_fail_a_job, {}),
        (_send_again, {"bytes_resent": 5000}),
        (_write_to_the_checkpoint, {}),
        (_add_a_branch, {}),
    ],
)
def test_whatever_is_wrong_is_found(
    outcome: Outcome, tmp_path: Path, spoil: Callable[[Outcome], None], found: dict[str, int]
) -> None:
    spoilt = outcome.copy(tmp_path)
    spoil(spoilt)
    findings = spoilt.check()
    assert findings.problems
    wanted = {"revisions_expected": 2, "revisions_present": 2} | found
    assert replace(findings, problems=[]) == Findings(**wanted)


def _put(oid: str, status: int, begin: float, end: float) -> Answer:
    return Answer("PUT", f"/me/model/objects/{oid * 64}/100", status, begin, end)


def test_what_counts_as_sent_again() -> None:
    resent = count_resent(
        [
            _put("a", 200, 1, 2),
            _put("a", 200, 3, 4),  # the server had it
            _put("b", 400, 1, 2),  # cut
            _put("b", 200, 3, 4),
            _put("c", 200, 1, 3),
            _put("c", 200, 2, 4),  # side by side
            _put("d", 200, 1, 2),
            Answer("GET", f"/me/model/objects/{'d' * 64}/100", 200, 3, 4),
        ]
    )
    assert (resent.stored, resent.cut, resent.at_once) == (100, 100, 100)


JOB = "/o/_hub_revisions/20260131T120000123Z-9f3a1c"
NEXT = "/o/_hub_revisions/next"


@pytest.mark.parametrize(
    ("op", "subject", "when", "state", "stage"),
    [
        ("write", f"{NEXT}/files.small", "middle", None, "freezing"),
        ("link", f"{NEXT}/files/model.safetensors", "after", "done", "freezing"),
        ("rename", JOB, "before", None, "freezing"),
        ("rename", JOB, "after", "queued", "frozen"),
        ("write", f"{JOB}/job.json.tmp#fixing", "middle", "queued", "queued"),
        ("write", f"{JOB}/job.json.tmp#fixing", "middle", "pushing", "queued"),
        ("rename", f"{JOB}/job.json#fixing", "after", "fixing", "fixing"),
        ("send", "POST /api/validate-yaml", "before", None, "fixing"),
        ("read", f"{JOB}/files/model.safetensors", "after", "uploading", "hashing"),
        ("send", "POST /me/model.git/info/lfs/objects/batch", "after", None, "batch"),
        ("send", "PUT /me/model/objects/ab/1", "middle", None, "mid_put"),
        ("recv", "PUT /me/model/objects/ab/1", "after", None, "verify"),
        ("send", "POST /me/model.git/info/lfs/objects/verify", "before", None, "verify"),
        ("mkdir", f"{JOB}/git", "after", "uploading", "committed"),
        ("send", "POST /me/model/git-receive-pack", "middle", None, "committed"),
        ("recv", "POST /me/model/git-receive-pack", "after", None, "pushed_not_confirmed"),
        ("write", f"{JOB}/job.json.tmp#done", "after", "confirming", "pushed_not_confirmed"),
        ("rename", f"{JOB}/job.json#done", "after", "done", "confirmed_not_freed"),
        ("unlink", f"{JOB}/files.small", "before", "done", "confirmed_not_freed"),
        ("rename", NEXT, "after", None, None),
        ("mkdir", "/o/_hub_revisions/tmp-19700101T000000000Z-000000/files", "after", None, None),
    ],
)
def test_each_call_belongs_to_a_stage(
    op: str, subject: str, when: str, state: str | None, stage: str | None
) -> None:
    request = subject if op in ("send", "recv") else ""
    assert stage_of(Event(op, subject, request, False, when), state) == stage
