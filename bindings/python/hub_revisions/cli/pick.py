"""`pick`: name the best revision, say why, and who was left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .._core import AuthError
from .._native import Promotion
from ..repository import Repository, check_model_branch
from ..selection.best import BestRevision, best_of, decide
from ..selection.decision import Decision, read_decisions, record
from ..selection.promotion import promote_revision
from ..selection.rule import Rule, make_rule
from ..selection.waiting import wait_until_final
from .common import (
    NONE_ELIGIBLE,
    PROVISIONAL,
    ConfigOption,
    EndpointOption,
    JsonOption,
    RepoArgument,
    emit_json,
    guarded,
    keywords,
    message,
    printable,
    stdout_console,
    tell,
)

if TYPE_CHECKING:
    from rich.table import Table

MetricOption = Annotated[
    str | None,
    typer.Option("--metric", metavar="M[:mode]", help="What to compare; * and ? are wildcards."),
]
WeightsOption = Annotated[
    str, typer.Option("--weights", metavar="M=W,M=W", help="Several metrics, in place of --metric.")
]
RequireOption = Annotated[
    list[str] | None,
    typer.Option("--require", metavar="'M>=X'", help="Who does not fulfil it is left out."),
]


@guarded
def pick(
    repo: RepoArgument,
    metric: MetricOption = None,
    mode: Annotated[
        Literal["min", "max"] | None,
        typer.Option("--mode", help="Whether small or large is good, where that is not known."),
    ] = None,
    weights: WeightsOption = "",
    require: RequireOption = None,
    normalize: Annotated[
        Literal["rank", "baseline-delta"] | None,
        typer.Option("--normalize", help="How metrics of different scales are weighted."),
    ] = None,
    baseline: Annotated[
        str, typer.Option("--baseline", metavar="REVISION", help="Of baseline-delta.")
    ] = "",
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="The earliest revision this close to the best.")
    ] = 0.0,
    within_se: Annotated[
        float | None,
        typer.Option("--within-se", help="The same, in standard errors of the best."),
    ] = None,
    margin: Annotated[
        float,
        typer.Option("--margin", help="What was picked before stays, unless better by more."),
    ] = 0.0,
    source: Annotated[
        Literal["trainer", "evaluation"] | None,
        typer.Option("--source", help="Whose numbers, where both have the metric."),
    ] = None,
    suite: Annotated[str, typer.Option("--suite", help="Only this suite's results.")] = "",
    fingerprint: Annotated[
        list[str] | None,
        typer.Option(
            "--fingerprint", help="Only results measured this way; its beginning is enough."
        ),
    ] = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Results of a part of the samples count too.")
    ] = False,
    final: Annotated[
        bool, typer.Option("--final", help="Fail with status 4 while evaluations are running.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for running evaluations.")] = False,
    deadline: Annotated[
        float | None,
        typer.Option("--deadline", metavar="SECONDS", help="How long, instead of until theirs."),
    ] = None,
    promote_to: Annotated[
        str | None,
        typer.Option("--promote", metavar="BRANCH", help="Make this branch equal to the best."),
    ] = None,
    provisional_ok: Annotated[
        bool, typer.Option("--provisional-ok", help="Promote although evaluations are running.")
    ] = False,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Do not write the decision to the repository.")
    ] = False,
    config: ConfigOption = None,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
) -> int:
    """Name the best revision and say why; between equals, the earlier step.

    The decision is recorded on the branch 'evaluations'. Exit status 3: no revision is eligible, 4:
    the answer may still change, and --final or --promote asked for one that does not.
    """
    rule = make_rule(
        metric or ("" if weights else "eval_loss"),
        mode,
        weights=weights,
        require=require or (),
        normalize=normalize,
        baseline=baseline,
        tolerance=tolerance,
        within_se=within_se,
        margin=margin,
        source=source,
        suite=suite,
        fingerprints=fingerprint or (),
        allow_partial=allow_partial,
    )
    check_model_branch(promote_to or "")  # now, and not after a long wait
    repository = Repository(repo, config, **keywords(endpoint=endpoint))
    view = _View(repository, rule)
    decision = view.look()
    if wait:
        decision = wait_until_final(view.look, deadline, told=_tell_waiting)
    status = _status(decision, needs_final=final or (promote_to is not None and not provisional_ok))
    promotion, winner = None, decision.winner
    if winner and not (final and status):
        if not no_record:
            decision = view.record(decision)
        if promote_to and not status:
            promotion = promote_revision(
                repository, winner.revision, promote_to, commit=winner.commit, decision=decision
            )
    _show(decision, promotion, as_json=as_json)
    if status == PROVISIONAL and promote_to:
        message(f"{promote_to} was not moved: the answer may still change (--provisional-ok)")
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
    typer.echo(printable(f"{best.revision}  {name}={best.value:.6g}  {best.commit}"))
    facts = [decision.why, f"{len(decision.scored)} compared"]
    if decision.near is not None:
        names = f": {', '.join(decision.near)}" if decision.near else ""
        facts.append(f"{len(decision.near)} more within 1 standard error{names}")
    typer.echo(printable("; ".join(facts)))
    if decision.pareto:
        typer.echo(f"not beaten in every metric: {', '.join(decision.pareto)}")


def _show_tables(decision: Decision) -> None:
    from rich.table import Table

    if decision.scored:
        stdout_console().print(_scored_table(decision))
    if decision.excluded:
        table = Table("left out", "reason", box=None, pad_edge=False)
        for one in decision.excluded:
            table.add_row(printable(one.revision), printable(one.reason))
        stdout_console().print(table)


def _scored_table(decision: Decision) -> Table:
    from rich.table import Table

    several = len(decision.criteria) > 1
    table = Table("revision", "commit", box=None, pad_edge=False)
    headings = ["step", *(["score"] if several else []), *(one.key for one in decision.criteria)]
    for heading in headings:
        table.add_column(printable(heading), justify="right")
    for one in decision.scored:
        cells: list[Any] = ["" if one.step is None else str(one.step)]
        if several:
            cells.append(f"{one.score:.4g}")
        for value in one.values:
            error = "" if value.stderr is None else f" ±{value.stderr:.2g}"
            cells.append(f"{value.value:.6g}{error}")
        table.add_row(one.revision, one.commit[:10], *cells)
    return table
