"""Compares what a storm left with what an undisturbed run leaves."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from .checkpoints import Checkpoint
from .control import Expected
from .git import BareRepository
from .traffic import Answer, count_resent


@dataclass
class Findings:
    """What was found in one run, or in all of them; `problems` says what must not be, in words."""

    revisions_expected: int = 0
    revisions_present: int = 0
    duplicated: int = 0
    differing: int = 0
    commit_ids_differing: int = 0
    snapshots_left: int = 0
    bytes_resent: int = 0
    bytes_resent_partial: int = 0
    bytes_sent_at_once: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Add another run's."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def check_run(
    expected: Expected, checkpoints: list[Checkpoint], repository: BareRepository, output: Path,
    answers: list[Answer],
) -> Findings:  # fmt: skip
    """Everything that must hold after a run has ended. `answers`: the hub's log since it began."""
    findings = Findings(revisions_expected=len(expected.branches))
    spool = output / "_hub_revisions"
    _check_revisions(expected, repository, _records(spool, findings), findings)
    _check_spool(spool, findings)
    _check_checkpoint(checkpoints[-1], output, findings)
    resent = count_resent(answers)
    findings.bytes_resent = resent.stored
    findings.bytes_resent_partial = resent.cut
    findings.bytes_sent_at_once = resent.at_once
    if resent.stored:
        findings.problems.append(f"{resent.stored} bytes were sent though the server had them")
    return findings


def _records(spool: Path, findings: Findings) -> dict[str, dict[str, object]]:
    """The one done record of each revision."""
    records: dict[str, dict[str, object]] = {}
    for path in sorted(spool.glob("*/job.json")):
        record = json.loads(path.read_bytes())
        name = record["revision"]
        if record["state"] != "done":
            findings.problems.append(f"{name} is {record['state']}: {record['error']}")
        if name in records:
            findings.problems.append(f"{name} is on record twice")
        records[name] = record
    return records


def _check_revisions(
    expected: Expected, repository: BareRepository, records: dict[str, dict[str, object]],
    findings: Findings,
) -> None:  # fmt: skip
    branches = repository.branches()
    for name, count in repository.commits_by_revision().items():
        if count > 1:
            findings.duplicated += 1
            findings.problems.append(f"{name} was published as {count} different commits")
    for name in branches.keys() - expected.branches.keys():
        findings.problems.append(f"branch {name} was not asked for")
    for name, control in expected.branches.items():
        if name not in branches:
            findings.problems.append(f"{name} is not on the hub")
            continue
        findings.revisions_present += 1
        wrong = [path for path, (oid, _) in expected.pointers[name].items()
                 if repository.stored_sha256(oid) != oid]  # fmt: skip
        if branches[name].tree != control.tree:
            wrong += [path for _, _, path in {*branches[name].files} ^ {*control.files}]
        if wrong:
            findings.differing += 1
            findings.problems.append(f"{name} differs in {', '.join(sorted(set(wrong)))}")
        if name not in records:
            findings.problems.append(f"{name} is not on record")
            continue
        created = int(str(records[name]["created_ms"])) // 1000
        wanted = repository.commit_id(control.commit_object, created)
        if not branches[name].commit == wanted == records[name]["commit"]:
            findings.commit_ids_differing += 1
            findings.problems.append(f"{name} is {branches[name].commit}, not {wanted}")


def _check_spool(spool: Path, findings: Findings) -> None:
    allowed = {"lock", "lock.submit", "worker.log"} | {
        str(path.relative_to(spool)) for path in spool.glob("*/job.json")
    }
    left = [str(path.relative_to(spool)) for path in spool.rglob("*")]
    left = [name for name in left if name not in allowed and f"{name}/job.json" not in allowed]
    if left:
        findings.snapshots_left += len({name.partition("/")[0] for name in left})
        findings.problems.append(f"left in the spool: {', '.join(sorted(left)[:5])}")


def _check_checkpoint(last: Checkpoint, output: Path, findings: Findings) -> None:
    """The one that rotation leaves is as it was saved."""
    for path in last.folder.rglob("*"):
        if path.is_file():
            saved = output / last.name / path.relative_to(last.folder)
            if not saved.exists() or saved.read_bytes() != path.read_bytes():
                findings.problems.append(f"{saved} is not as it was saved")
