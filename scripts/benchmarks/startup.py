"""What a training script pays before its first step: imports, and the callback's construction.

Each case is timed in fresh interpreters, with bytecode cached as in any installed package. A case
with `loaded_before` is timed after that was imported: what a script with a Trainer has anyway is
not ours. The callback has no other case, since it is a subclass of transformers' TrainerCallback.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import Report, Row
from .effort import Effort

NAME = "startup"

_TRAINER = "from transformers import Trainer, TrainerCallback, TrainingArguments"
_MARK = "benchmarks-startup-begins"
_FOREIGN = ("torch", "transformers")  # what ours must not load by itself

# Prints how long each of the given statements took, in ms, and what of _FOREIGN was loaded by them.
_TIMED = """
import json, sys, time
exec(sys.argv[1])
before = set(sys.modules)
times = []
for statement in sys.argv[4:]:
    print(sys.argv[2], file=sys.stderr)
    started = time.perf_counter()
    exec(statement)
    times.append((time.perf_counter() - started) * 1000)
loaded = set(sys.modules) - before
print(json.dumps({"times": times, "foreign": sorted(loaded & set(sys.argv[3].split()))}))
"""


@dataclass(frozen=True)
class Case:
    """Statements timed one after the other in one interpreter, each a row of its own."""

    system: str
    loaded_before: str
    statements: tuple[str, ...]
    foreign_allowed: bool = False


_ALONE = (
    Case("hub-revisions", "", ("import hub_revisions",)),
    Case("hub-revisions", "", ("from hub_revisions import RevisionPusher",)),
    Case("huggingface_hub", "", ("from huggingface_hub import HfApi", "HfApi()"), True),
)
_WITH_TRAINER = (
    Case(
        "hub-revisions",
        _TRAINER,
        (
            "import hub_revisions",
            "from hub_revisions import HubRevisionCallback",
            "HubRevisionCallback()",
        ),
    ),
)
_PROCESSES = {  # of the cases alone, and of those that load transformers, some seconds each
    Effort.QUICK: (3, 1),
    Effort.DEFAULT: (10, 5),
    Effort.FULL: (10, 10),
}


def run(effort: Effort, work: Path, report: Report) -> list[Row]:
    """Time every case; the median of several processes, after one that fills the caches."""
    rows = []
    for cases, count in zip((_ALONE, _WITH_TRAINER), _PROCESSES[effort], strict=True):
        for case in cases:
            report(case.statements[-1])
            heaviest = _heaviest(case)
            runs = [_times(case) for _ in range(count)]
            for statement, times, modules in zip(
                case.statements, zip(*runs, strict=True), heaviest, strict=True
            ):
                rows.append(
                    Row(
                        system=case.system,
                        statement=statement,
                        loaded_before="transformers, torch" if case.loaded_before else "nothing",
                        processes=count,
                        median_ms=round(statistics.median(times), 3),
                        max_ms=round(max(times), 3),
                        heaviest_modules=modules,
                    )
                )
    return rows


def _times(case: Case) -> list[float]:
    """Milliseconds of each statement. Raises `RuntimeError` if torch or transformers came along."""
    answer = json.loads(_python(case, ()).stdout)
    if answer["foreign"] and not case.foreign_allowed:
        raise RuntimeError(f"{case.statements} loaded {', '.join(answer['foreign'])}")
    times: list[float] = answer["times"]
    return times


def _heaviest(case: Case) -> list[str]:
    """The five modules whose own code took longest, for each statement, by `-X importtime`."""
    told = _python(case, ("-X", "importtime")).stderr.split(_MARK)[1:]
    return [_top(statement) for statement in told]


def _top(lines: str) -> str:
    costs = []
    for line in lines.splitlines():
        own, _, rest = line.removeprefix("import time:").partition("|")
        if own.strip().isdigit():
            costs.append((int(own), rest.partition("|")[2].strip()))
    top = sorted(costs, reverse=True)[:5]
    return ", ".join(f"{name} {own / 1000:.1f} ms" for own, name in top)


def _python(case: Case, options: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    arguments = (case.loaded_before, _MARK, " ".join(_FOREIGN), *case.statements)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, *options, "-c", _TIMED, *arguments],
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{case.statements} failed: {done.stderr[-2000:]}")
    return done
