"""What an attempt that has ended found out: its result, or one sentence that says why not."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from .._core import HubRevisionError
from ..results.formats import read_results
from ..results.types import OUTCOMES, Metric, Outcome, Result
from .contract import Job, JobStatus, State
from .evaluations import Evaluation
from .redaction import one_sentence
from .verdict import Verdict, read_done

_TAIL_BYTES = 4096
_SIGNALS = frozenset(int(number) for number in signal.Signals)


def result_of(
    evaluation: Evaluation,
    job: Job,
    verdict: Verdict,
    said: JobStatus | None,
    now: float,
    secrets: Sequence[str],
) -> Result:
    """The result of an attempt with a final verdict. `now` is unix seconds.

    One that succeeded has failed after all if its results cannot be read, are another commit's, or
    lack a required metric. What is published of its output holds none of the `secrets`.
    """
    done = read_done(job.out_dir)
    outcome = verdict.state.value
    assert outcome in OUTCOMES
    result = ended_without(evaluation, outcome, "", now)
    result = replace(
        result,
        engine=job.engine,
        job=job.id,
        url=one_sentence(said.url, *secrets) if said else "",
        started=int(job.submitted),
        finished=done.ended if done and done.ended else int(now),
    )
    if outcome != "succeeded":
        reason = _reason(verdict, said, job.out_dir)
        return replace(result, reason=one_sentence(reason, *secrets))
    try:
        form, metrics = read_results(
            job.out_dir,
            evaluation.suite.results,
            commit=evaluation.commit,
            revision=evaluation.revision,
            repo_id=evaluation.repo_id,
            suite=evaluation.suite.name,
        )
    except (HubRevisionError, OSError) as error:
        text = f"no result: {error}".replace(f"{job.out_dir}/", "").replace(str(job.out_dir), "it")
        return replace(result, outcome="failed", reason=one_sentence(text, *secrets))
    if missing := _missing(evaluation.suite.required, metrics):
        reason = f"required metrics are missing: {', '.join(missing)}"
        result = replace(result, outcome="failed", reason=reason)
    metrics = tuple(_with_benchmark(metric, evaluation.suite.benchmarks) for metric in metrics)
    return replace(result, format=form, metrics=metrics)


def ended_without(evaluation: Evaluation, outcome: Outcome, reason: str, now: float) -> Result:
    """The result of an attempt that no engine has taken."""
    return Result(
        key=evaluation.key,
        commit=evaluation.commit,
        revision=evaluation.revision,
        step=evaluation.step,
        suite=evaluation.suite.name,
        outcome=outcome,
        attempt=max(1, evaluation.attempt),
        reason=reason,
        engine=evaluation.setup.config.engine,
        started=int(now),
        finished=int(now),
    )


def _reason(verdict: Verdict, said: JobStatus | None, out_dir: Path) -> str:
    """The job's and the engine's words, and the last line that the evaluator complained with."""
    if verdict.state is not State.FAILED:
        return verdict.reason
    parts = [verdict.reason, _signal_name(out_dir)]
    if said and said.reason and said.reason not in verdict.reason:
        parts.append(f"({said.reason})")
    text = " ".join(filter(None, parts)) or "it failed"
    last = _last_line(out_dir / "stderr.log")
    return f"{text}: {last}" if last else text


def _signal_name(out_dir: Path) -> str:
    """A shell reports a command that a signal has ended as 128 and the signal's number."""
    done = read_done(out_dir)
    number = done.exit_code - 128 if done else 0
    return f"({signal.Signals(number).name})" if number in _SIGNALS else ""


def _last_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            tail = file.read().decode(errors="replace")
    except OSError:
        return ""
    # A first line that begins in its middle could hold the end of a token.
    lines = [line.strip() for line in tail.splitlines()[1 if len(tail) >= _TAIL_BYTES else 0 :]]
    return next((line for line in reversed(lines) if line), "")


def _missing(required: Sequence[str], metrics: Sequence[Metric]) -> list[str]:
    """The required metrics without a number; '*' stands for anything, brackets for themselves."""
    keys = [metric.key for metric in metrics if metric.value is not None]
    return [pattern for pattern in required if not any(_matches(pattern, key) for key in keys)]


def _with_benchmark(metric: Metric, benchmarks: Mapping[str, str]) -> Metric:
    for pattern, benchmark in benchmarks.items():
        if _matches(pattern, metric.key):
            return replace(metric, benchmark=benchmark)
    return metric


def _matches(pattern: str, key: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), key) is not None
