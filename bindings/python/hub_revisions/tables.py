"""Jobs as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ._native import JobRecord
from .text_table import Column, render_table


@dataclass(frozen=True)
class SummaryRow:
    """One job in the table at the end of training.

    `size` and `sent` are bytes; `waited_ms` is how long training stood still for this checkpoint,
    in milliseconds; `metric` is None where the step was not evaluated.
    """

    revision: str
    step: int | None
    metric: float | None
    size: int
    sent: int
    push_seconds: float
    waited_ms: float
    state: str
    error: str


def summarise(
    records: Sequence[JobRecord], metric: str, waited_ms: Mapping[str, float] | None = None
) -> list[SummaryRow]:
    """One row per job. `waited_ms` by job id is what was measured around `submit`."""
    waited = waited_ms or {}
    return [
        SummaryRow(
            revision=record.revision,
            step=record.step,
            metric=record.metrics.get(metric),
            size=record.bytes_total,
            sent=record.bytes_sent,
            push_seconds=record.push_seconds,
            waited_ms=waited.get(record.id, record.freeze_ms),
            state=record.state,
            error=record.error.message if record.error else "",
        )
        for record in records
    ]


def main_metric(records: Sequence[JobRecord], wanted: str | None = None) -> str:
    """The metric that the table shows: the wanted one, else eval_loss, else what there is."""
    names = {name for record in records for name in record.metrics}
    evaluated = sorted(name for name in names if name.startswith("eval_"))
    preferred = [wanted, f"eval_{wanted}", "eval_loss", *evaluated, "loss"]
    return next((name for name in preferred if name in names), "eval_loss")


def summary_table(rows: Sequence[SummaryRow], metric: str, width: int | None) -> str:
    """The rows as a table, folded to `width` where that is given."""
    numbers = ("step", metric, "size", "sent", "push s", "waited ms")
    return render_table(
        [Column("revision"), *(Column(name, "right") for name in numbers), Column("state")],
        [
            (
                row.revision,
                "" if row.step is None else str(row.step),
                "" if row.metric is None else f"{row.metric:.4g}",
                format_bytes(row.size),
                format_bytes(row.sent),
                f"{row.push_seconds:.2f}",
                f"{row.waited_ms:.2f}",
                f"{row.state}: {row.error}" if row.error else row.state,
            )
            for row in rows
        ],
        title="Revisions",
        width=width,
    )


def format_bytes(count: float) -> str:
    """Bytes for people, in powers of 1000: '1.2 GB'."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
