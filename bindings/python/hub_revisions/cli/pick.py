"""`pick`: name the best revision, say why, and who was left out."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from .._core import AuthError
from .._native import Promotion
from ..repository import Repository, check_model_branch
from ..selection.best import BestRevision, best_of, decide
from ..selection.decision import Decision, read_decisions, record
from ..selection.promotion import promote_revision
from ..selection.rule import Rule, make_rule
from ..selection.waiting import wait_until_final
from ..text_table import Column, printable
from .common import (
    NONE_ELIGIBLE,
    PROVISIONAL,
    add_options,
    add_repo,
    emit_json,
    keywords,
    message,
    say,
    show_table,
    tell,
)


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add_repo(parser)
    add("--metric", metavar="M[:mode]", help="What to compare; * and ? are wildcards.")
    add("--mode", choices=("min", "max"),
        help="Whether small or large is good, where that is not known.")  # fmt: skip
    add("--weights", default="", metavar="M=W,M=W", help="Several metrics, in place of --metric.")
    add("--require", action="append", default=[], metavar="'M>=X'",
        help="Who does not fulfil it is left out.")  # fmt: skip
    add("--normalize", choices=("rank", "baseline-delta"),
        help="How metrics of different scales are weighted.")  # fmt: skip
    add("--baseline", default="", metavar="REVISION", help="Of baseline-delta.")
    add("--tolerance", type=float, default=0.0, metavar="X",
        help="The earliest revision this close to the best.")  # fmt: skip
    add("--within-se", type=float, metavar="X",
        help="The same, in standard errors of the best.")  # fmt: skip
    add("--margin", type=float, default=0.0, metavar="X",
        help="What was picked before stays, unless better by more.")  # fmt: skip
    add("--source", choices=("trainer", "evaluation"),
        help="Whose numbers, where both have the metric.")  # fmt: skip
    add("--suite", default="", metavar="NAME", help="Only this suite's results.")
    add("--fingerprint", dest="fingerprints", action="append", default=[], metavar="HASH",
        help="Only results measured this way; its beginning is enough.")  # fmt: skip
    add("--allow-partial", action="store_true",
        help="Results of a part of the samples count too.")  # fmt: skip
    add("--final", action="store_true",
        help="Fail with status 4 while evaluations are running.")  # fmt: skip
    add("--wait", action="store_true", help="Wait for running evaluations.")
    add("--deadline", type=float, metavar="SECONDS", help="How long, instead of until theirs.")
    add("--promote", metavar="BRANCH", help="Make this branch equal to the best.")
    add("--provisional-ok", action="store_true",
        help="Promote although evaluations are running.")  # fmt: skip
    add("--no-record", action="store_true",
        help="Do not write the decision to the repository.")  # fmt: skip
    add_options(parser, "--config", "--endpoint", "--json")


def run(options: Namespace) -> int:
    """Name the best revision and say why; between equals, the earlier step.

    The decision is recorded on the branch 'evaluations'. Exit status 3: no revision is eligible, 4:
    the answer may still change, and --final or --promote asked for one that does not.
    """
    rule = make_rule(
        options.metric or ("" if options.weights else "eval_loss"),
        options.mode,
        weights=options.weights,
        require=options.require,
        normalize=options.normalize,
        baseline=options.baseline,
        tolerance=options.tolerance,
        within_se=options.within_se,
        margin=options.margin,
        source=options.source,
        suite=options.suite,
        fingerprints=options.fingerprints,
        allow_partial=options.allow_partial,
    )
    target: str | None = options.promote
    check_model_branch(target or "")  # now, and not after a long wait
    given = keywords(endpoint=options.endpoint)
    repository = Repository(options.repo, options.config, **given)
    view = _View(repository, rule)
    decision = view.look()
    if options.wait:
        decision = wait_until_final(view.look, options.deadline, told=_tell_waiting)
    needs_final = options.final or (target is not None and not options.provisional_ok)
    status = _status(decision, needs_final=needs_final)
    promotion, winner = None, decision.winner
    if winner and not (options.final and status):
        if not options.no_record:
            decision = view.record(decision)
        if target and not status:
            promotion = promote_revision(
                repository, winner.revision, target, commit=winner.commit, decision=decision
            )
    _show(decision, promotion, as_json=options.as_json)
    if status == PROVISIONAL and target:
        message(f"{target} was not moved: the answer may still change (--provisional-ok)")
    return status


class _View:
    """The repository, looked at with one rule."""

    def __init__(self, repository: Repository, rule: Rule) -> None:
        self._repository = repository
        self._rule = rule
        self._records: Mapping[str, str] = {}

    def look(self) -> Decision:
        """What the rule says about the repository as it is now."""
        contents = self._repository.read()
        self._records = contents.records
        return decide(self._rule, contents)

    def record(self, decision: Decision) -> Decision:
        """Write it down, as far as one may: whoever can only read gets the answer too."""
        try:
            return record(self._repository, decision, read_decisions(self._records).decisions)
        except AuthError as error:
            message(f"the decision was not recorded (--no-record says that it need not): {error}")
            return decision


def _status(decision: Decision, *, needs_final: bool) -> int:
    if needs_final and decision.provisional:
        return PROVISIONAL
    return 0 if decision.winner else NONE_ELIGIBLE


def _tell_waiting(decision: Decision) -> None:
    more = f" and {len(decision.awaited) - 1} more" if len(decision.awaited) > 1 else ""
    message(f"waiting: {decision.awaited[0]}{more}")


def _show(decision: Decision, promotion: Promotion | None, *, as_json: bool) -> None:
    best = best_of(decision) if decision.winner else None
    if as_json:
        emit_json({"best": best, "decision": decision.to_json(), "promotion": promotion})
        return
    if best:
        _show_best(best, decision)
    else:
        message(f"no revision is eligible for '{decision.rule}'")
    _show_tables(decision)
    for sentence in decision.provisional:
        message(f"provisional: {sentence}")
    for sentence in decision.warnings:
        message(f"warning: {sentence}")
    if promotion:
        tell(promotion)


def _show_best(best: BestRevision, decision: Decision) -> None:
    name = best.metric if len(decision.criteria) == 1 else "score"
    say(printable(f"{best.revision}  {name}={best.value:.6g}  {best.commit}"))
    facts = [decision.why, f"{len(decision.scored)} compared"]
    if decision.near is not None:
        names = f": {', '.join(decision.near)}" if decision.near else ""
        facts.append(f"{len(decision.near)} more within 1 standard error{names}")
    say(printable("; ".join(facts)))
    if decision.pareto:
        say(f"not beaten in every metric: {', '.join(decision.pareto)}")


def _show_tables(decision: Decision) -> None:
    if decision.scored:
        _show_scored(decision)
    if decision.excluded:
        rows = [(one.revision, one.reason) for one in decision.excluded]
        show_table([*map(Column, ("left out", "reason"))], rows)


def _show_scored(decision: Decision) -> None:
    several = len(decision.criteria) > 1
    numbers = ["step", *(["score"] if several else []), *(one.key for one in decision.criteria)]
    columns = [*map(Column, ("revision", "commit")), *(Column(name, "right") for name in numbers)]
    rows = []
    for one in decision.scored:
        cells = [one.revision, one.commit[:10], "" if one.step is None else str(one.step)]
        if several:
            cells.append(f"{one.score:.4g}")
        for value in one.values:
            error = "" if value.stderr is None else f" ±{value.stderr:.2g}"
            cells.append(f"{value.value:.6g}{error}")
        rows.append(cells)
    show_table(columns, rows)
