"""What becomes of revisions once they are pushed: evaluated, pointed to, picked, promoted, pruned.

All of it behind training, on one thread that asks the repository, and the runner's own. Nothing
here raises into training: what goes wrong is logged once, and tried again after the next push.
"""

from __future__ import annotations

import logging
import os
import shlex
import threading
from collections.abc import Callable, Collection, Iterable

from ._core import ConfigError, HubRevisionError
from ._native import Contents, JobRecord, Promotion
from .credentials import Token
from .evaluation.runner import EvaluationRunner
from .outcomes import EventLog
from .plan import Plan
from .prune import apply_retention, ranking_of
from .repository import Repository
from .selection.best import decide
from .selection.decision import Decision, read_decisions, record
from .selection.promotion import promote_revision
from .settings import Effective

logger = logging.getLogger("hub_revisions")

_CLOSE_SECONDS = 10.0


class Choosing:
    """Follows the pushes of one training. `busy` names the revisions that are being pushed.

    Owns a thread, and with `evaluate` an `EvaluationRunner`. Raises `ConfigError` if another
    process evaluates for this spool.
    """

    def __init__(
        self,
        plan: Plan,
        settings: Effective,
        token: Token,
        spool: str,
        events: EventLog,
        busy: Callable[[], Collection[str]],
    ) -> None:
        self._plan = plan
        self._settings = settings
        self._token = token
        self._events = events
        self._busy = busy
        self._pid = os.getpid()
        self._changed = threading.Condition()  # guards the five below
        self._pushed: dict[str, str] = {}  # revision by commit
        self._latest: JobRecord | None = None
        self._news = False
        self._closing = False
        self._repo_id = ""
        self.runner = self._make_runner(spool)
        self._thread = threading.Thread(target=self._run, name="hub-revisions-choose", daemon=True)
        self._thread.start()

    def pushed(self, records: Iterable[JobRecord]) -> None:
        """Take note of what is pushed; of what was told before, nothing. Any thread, no network."""
        evaluated = {one.commit for one in self.runner.status()} if self.runner else set()
        with self._changed:
            for one in records:
                if one.state != "done" or one.commit in self._pushed:
                    continue
                self._pushed[one.commit] = one.revision
                self._repo_id = one.repo_id
                if self._latest is None or one.id > self._latest.id:  # saved later
                    self._latest = one
                if self.runner and one.commit not in evaluated:
                    self.runner.add(one.repo_id, one.revision, one.commit, one.step)
                self._news = True
            self._changed.notify_all()

    def conclude(self, wait: Callable[[EvaluationRunner], bool]) -> Promotion | None:
        """Pick and, if asked to, promote: the end of a training whose pushes have ended.

        `wait` waits for the runner, if the rule's numbers are still to come. Without a final answer
        nothing is promoted, which is logged with the command that does it. Raises nothing but what
        `wait` raises.
        """
        if not self._plan.promote or not self._repo_id:
            return None
        if self.runner and not self._is_final():
            wait(self.runner)
        try:
            return self._promote_best()
        except Exception as error:  # also a mistake of ours must not end the training
            told = str(error) if isinstance(error, HubRevisionError) else repr(error)
            self._events.problem(f"{self._plan.promote} was not moved: {told}")
            logger.warning("do it later with: %s", self._command)
            return None

    def close(self, timeout: float = _CLOSE_SECONDS) -> None:
        """End, within about `timeout` seconds. Evaluations go on where they run."""
        if self._pid != os.getpid():
            return
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)
        if self.runner and not self.runner.close(timeout):
            logger.info(
                "evaluations are going on; 'hub-revisions watch-evals %s' records their results",
                self.runner.folder.parent.parent,
            )

    @property
    def _command(self) -> str:
        words = ("hub-revisions", "pick", self._repo_id, *self._plan.rule.options)
        return shlex.join((*words, "--promote", self._plan.promote))

    def _make_runner(self, spool: str) -> EvaluationRunner | None:
        if self._plan.evaluate is None:
            return None
        return EvaluationRunner(
            spool,
            self._plan.evaluate,
            self._settings.values,
            self._token.value,
            on_results=lambda _: self._wake(),
        )

    def _wake(self) -> None:
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._news or self._closing)
                if not self._news:
                    return
                self._news = False
                latest = self._latest
            try:
                self._follow(latest)
            except HubRevisionError as error:
                self._events.problem(f"pointers and retention wait for the next push: {error}")
            except Exception as error:  # a mistake of ours must not end the thread
                self._events.problem(f"choosing failed: {type(error).__name__}: {error}")

    def _follow(self, latest: JobRecord | None) -> None:
        """Bring pointers and retention up to date."""
        plan = self._plan
        if latest is None or not (plan.pointers or str(plan.retention)):
            return
        repository = self._repository()
        decision = self._look(repository.read()) if plan.needs_best else None
        wanted = {}
        if "latest" in plan.pointers:
            wanted["latest"] = latest.commit
        if "best" in plan.pointers and decision and decision.winner:
            wanted["best"] = decision.winner.commit
        if wanted:
            repository.move_pointers(wanted)
        if str(plan.retention):
            ranking = ranking_of(decision) if decision else []
            report = apply_retention(
                repository, plan.retention, ranking, self._needed(), purge=plan.purge
            )
            for one in report.revisions:
                if one.verdict == "deleted":
                    logger.info("%s: deleted from the repository: %s", one.revision, one.reason)

    def _needed(self) -> set[str]:
        """The revisions on their way to the repository, or from there to their evaluation."""
        needed = set(self._busy())
        with self._changed:
            pushed = dict(self._pushed)
        if needed:
            # Weights that did not change are sent no more: they are those of a revision that was
            # the newest when the push began. Two are pushed at a time.
            needed |= set(list(pushed.values())[-2:])
        if self.runner:
            unsettled: dict[str, bool] = {}
            for one in self.runner.status():
                unsettled[one.commit] = unsettled.get(one.commit, False) or not one.recorded
            # One that the runner does not know yet was added a moment ago.
            needed |= {name for commit, name in pushed.items() if unsettled.get(commit, True)}
        return needed

    def _repository(self) -> Repository:
        values = {**self._settings.values, "repo_id": self._repo_id}
        return Repository.of(Effective(values, self._settings.origins), self._token)

    def _look(self, contents: Contents) -> Decision | None:
        """The answer so far; None while no revision has the metric."""
        try:
            return decide(self._plan.rule, contents)
        except ConfigError as error:
            logger.debug("no best revision yet: %s", error)
            return None

    def _is_final(self) -> bool:
        try:
            decision = self._look(self._repository().read())
        except HubRevisionError:
            return False
        return decision is not None and decision.winner is not None and not decision.provisional

    def _promote_best(self) -> Promotion | None:
        repository = self._repository()
        contents = repository.read()
        decision = decide(self._plan.rule, contents)
        if decision.winner is None or decision.provisional:
            reasons = decision.provisional or [
                f"{x.revision}: {x.reason}" for x in decision.excluded
            ]
            logger.warning(
                "%s was not moved, since there is no final answer yet: %s; later: %s",
                self._plan.promote,
                "; ".join(reasons[:3]),
                self._command,
            )
            return None
        decision = record(repository, decision, read_decisions(contents.records).decisions)
        winner = decision.winner
        assert winner is not None
        promotion = promote_revision(
            repository,
            winner.revision,
            self._plan.promote,
            commit=winner.commit,
            decision=decision,
            contents=contents,
        )
        logger.info(
            "%s is %s: %s by '%s'",
            promotion.target,
            winner.revision,
            decision.why,
            decision.rule,
        )
        if "best" in self._plan.pointers:
            repository.move_pointers({"best": winner.commit})
        return promotion
