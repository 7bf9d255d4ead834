"""The evaluations of one ledger: what each is, and how far it is.

Everything that happens to one is an event: a line in the ledger first, then applied here. Reading
the ledger applies the same events again, so there is one way to every state.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._core import HubRevisionError
from ..results.types import Result
from .config import EvaluationConfig, Suite, evaluation_key, load_config
from .contract import Job, JobStatus
from .ledger import Event, Ledger

logger = logging.getLogger("hub_revisions")


@dataclass(frozen=True)
class Setup:
    """What evaluations were added with: configuration, and the settings that lead to the Hub."""

    id: str
    config: EvaluationConfig
    settings: Mapping[str, Any]

    @property
    def endpoint(self) -> str:
        """The Hub that evaluators read from."""
        return str(self.settings.get("endpoint", ""))


@dataclass
class Evaluation:
    """One suite on one commit. Times are unix seconds.

    The first group is from the ledger. `attempt` counts all of them, `tries` those since it was
    last added; `intended`: the present attempt may have been submitted. `ended` is the last attempt
    that ended; `unrecorded` are those that the repository was not told of. The second group is
    what this process saw.
    """

    key: str
    repo_id: str
    revision: str
    commit: str
    step: int | None
    suite: Suite
    setup: Setup
    attempt: int = 0
    tries: int = 0
    intended: bool = False
    job: Job | None = None
    ended: Result | None = None
    final: bool = False
    unrecorded: list[Result] = field(default_factory=list)

    said: JobStatus | None = None
    unknown_polls: int = 0
    seen_since: float | None = None
    disagree_since: float | None = None
    refused_since: float | None = None
    problem: str = ""
    known_checked: bool = False
    # The text of its pending file in the repository; None: it has none.
    published: str | None = None

    @property
    def deadline(self) -> float:
        """When it must have ended."""
        submitted = self.job.submitted if self.job else 0.0
        return submitted + self.setup.config.queue_limit + self.suite.time_limit


class Evaluations:
    """The table. For one thread. `setup` is the latest one."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._setups: dict[str, Setup] = {}
        self.setup: Setup | None = None
        self.all: dict[str, Evaluation] = {}
        for event in ledger.events:
            self._replay(event)
        for evaluation in self.all.values():
            # Written by an earlier process, or maybe not: it is written, or removed, again.
            if evaluation.attempt and (evaluation.unrecorded or not evaluation.final):
                evaluation.published = ""

    @property
    def open(self) -> list[Evaluation]:
        """Those that have not ended, oldest first."""
        return [evaluation for evaluation in self.all.values() if not evaluation.final]

    def configure(self, config: EvaluationConfig, settings: Mapping[str, Any]) -> Setup:
        """What is added from now on is evaluated this way. Settings hold no token."""
        fields = {
            "config": config.to_json(),
            "config_dir": str(config.config_dir),
            # Nobody is told from here; the address of a webhook is often its password.
            "settings": {key: settings[key] for key in settings if key != "on_outcome"},
        }
        digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]
        if self.setup is None or self.setup.id != digest:
            self._happened({"event": "setup", "id": digest, **fields})
        assert self.setup is not None
        return self.setup

    def add(self, repo_id: str, revision: str, commit: str, step: int | None, now: float) -> None:
        """Evaluate a commit with every suite, but for what has succeeded or is under way."""
        assert self.setup is not None
        for suite in self.setup.config.suites:
            key = evaluation_key(repo_id, commit, suite.name, suite.identity, step)
            known = self.all.get(key)
            if known and (not known.final or (known.ended and known.ended.outcome == "succeeded")):
                continue
            self._happened(
                {
                    "event": "added",
                    "key": key,
                    "time": now,
                    "repo_id": repo_id,
                    "revision": revision,
                    "commit": commit,
                    "step": step,
                    "suite": suite.name,
                    "setup": self.setup.id,
                }
            )

    def intend(self, evaluation: Evaluation, now: float) -> None:
        """The next attempt is about to be submitted."""
        attempt = evaluation.attempt + 1
        self._happened({"event": "intent", "key": evaluation.key, "time": now, "attempt": attempt})

    def submitted(self, evaluation: Evaluation, job: Job) -> None:
        """The engine took it."""
        fields = {
            "engine": job.engine,
            "id": job.id,
            "out_dir": str(job.out_dir),
            "submitted": job.submitted,
            "extra": dict(job.extra),
        }
        self._happened({"event": "submitted", "key": evaluation.key, "job": fields})

    def end(self, evaluation: Evaluation, result: Result, *, final: bool) -> None:
        """An attempt has ended; if not `final`, another one follows."""
        self._happened(
            {"event": "ended", "key": evaluation.key, "final": final, "result": result.to_json()}
        )

    def known(self, evaluation: Evaluation, result: Result) -> None:
        """The repository has its result already."""
        self._happened({"event": "known", "key": evaluation.key, "result": result.to_json()})

    def recorded(self, evaluation: Evaluation) -> None:
        """The repository has all of its results."""
        self._happened({"event": "recorded", "key": evaluation.key})

    def _happened(self, event: Event) -> None:
        self._ledger.append(event)
        self._apply(event)

    def _replay(self, event: Event) -> None:
        """Apply what the ledger has; what makes no sense (any more) costs only itself."""
        try:
            self._apply(event)
        except (HubRevisionError, LookupError, TypeError, AttributeError, ValueError) as error:
            logger.warning("an event of the ledger is left out: %s: %.200s", error, event)

    def _apply(self, event: Event) -> None:
        kind = event["event"]
        if kind == "setup":
            config = load_config(event["config"], Path(event["config_dir"]))
            self.setup = self._setups[event["id"]] = Setup(event["id"], config, event["settings"])
        elif kind == "added":
            self._apply_added(event)
        else:
            _APPLY[kind](self.all[event["key"]], event)

    def _apply_added(self, event: Event) -> None:
        setup = self._setups[event["setup"]]
        fields = {name: event[name] for name in ("key", "repo_id", "revision", "commit", "step")}
        evaluation = Evaluation(**fields, suite=setup.config.suite(event["suite"]), setup=setup)
        # Added again: its attempts go on counting, since each has a folder of its own.
        if earlier := self.all.pop(evaluation.key, None):
            evaluation.attempt = earlier.attempt
            evaluation.unrecorded = earlier.unrecorded
        self.all[evaluation.key] = evaluation


def _apply_intent(evaluation: Evaluation, event: Event) -> None:
    evaluation.attempt = event["attempt"]
    evaluation.tries += 1
    evaluation.intended = True
    evaluation.job = None


def _apply_submitted(evaluation: Evaluation, event: Event) -> None:
    fields: dict[str, Any] = event["job"]
    evaluation.job = Job(**{**fields, "key": evaluation.key, "out_dir": Path(fields["out_dir"])})


def _apply_ended(evaluation: Evaluation, event: Event) -> None:
    evaluation.ended = Result.from_json(event["result"])
    evaluation.unrecorded = [*evaluation.unrecorded, evaluation.ended]
    evaluation.final = event["final"]
    evaluation.intended = False
    evaluation.job = None
    evaluation.said = None
    evaluation.unknown_polls = 0
    evaluation.seen_since = None
    evaluation.disagree_since = None
    evaluation.refused_since = None
    evaluation.problem = ""


def _apply_known(evaluation: Evaluation, event: Event) -> None:
    evaluation.ended = Result.from_json(event["result"])
    evaluation.final = True


def _apply_recorded(evaluation: Evaluation, event: Event) -> None:
    evaluation.unrecorded = []


_APPLY: Mapping[str, Any] = {
    "intent": _apply_intent,
    "submitted": _apply_submitted,
    "ended": _apply_ended,
    "known": _apply_known,
    "recorded": _apply_recorded,
}
