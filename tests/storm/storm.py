"""The loop of a storm: start the run, kill it, start it again; check what it left, and repeat."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hub_revisions.local_hub import LocalHub

from .check import Findings, check_run
from .checkpoints import Checkpoint, write_checkpoints
from .control import delete_repository, read_control, repository_of, run_environment
from .events import ELSEWHERE, STAGES, read_events, stage_of, stage_on_disk, states_on_disk
from .points import Aim, Points
from .traffic import read_log

CHECKPOINTS = 4
REPOSITORY = "storm"
# Longer than the run's own deadline: whoever is here that long does not end at all.
RUN_SECONDS = 180
NO_AIM = Aim(None, seconds=RUN_SECONDS)


def find_preload() -> Path:
    """The newest build of `preload.cc`."""
    root = Path(__file__).resolve().parents[2]
    built = sorted(
        root.glob("build/*/tests/storm/libstorm_preload.so"), key=lambda path: path.stat().st_mtime
    )
    if not built:
        raise RuntimeError("build it first: cmake --build --preset dev --target storm_preload")
    return built[-1]


class Storm:
    """One storm below `root`, which also keeps its evidence."""

    def __init__(self, root: Path, hub: LocalHub, seed: int) -> None:
        self._root = root
        self._hub = hub
        self._dice = random.Random(seed)
        self._preload = find_preload()
        self._hub_log = hub.root / "hub.log"
        self._repo_id = f"{hub.user}/{REPOSITORY}"
        self._checkpoints: list[Checkpoint] = write_checkpoints(
            root / "checkpoints", seed, CHECKPOINTS
        )
        self.kills: Counter[str] = Counter()  # by stage
        self.runs = 0
        self.findings = Findings()
        self._prepare()

    def _prepare(self) -> None:
        """Run undisturbed, to learn what must come out and where a kill is possible."""
        output, trace = self._root / "control", self._root / "control.trace"
        began = time.monotonic()
        status, _ = self._start(output, NO_AIM, {"STORM_TRACE": str(trace)})
        seconds = time.monotonic() - began
        if status != 0:
            raise RuntimeError(f"undisturbed, the run ended with {status}: {self._errors(output)}")
        self._expected = read_control(self._hub, self._repo_id, self._checkpoints)
        delete_repository(self._hub, self._repo_id)
        self._points = Points(read_events(trace), _spool(output), CHECKPOINTS, seconds)

    def until(self, kills: int, progress: Callable[[str], None]) -> None:
        """Start runs, one after the other, until there were so many kills and all is published."""
        while self.kills.total() < kills:
            self.runs += 1
            output = self._root / f"run-{self.runs}"
            log_begin = _size(self._hub_log)
            self._run(output, kills, progress)
            answers = read_log(self._hub_log, log_begin)
            repository = repository_of(self._hub, self._repo_id)
            found = check_run(self._expected, self._checkpoints, repository, output, answers)
            found.problems = [f"run {self.runs}: {problem}" for problem in found.problems]
            self.findings.add(found)
            if found.problems:
                shutil.copytree(repository.path, output / "repository.git")
            delete_repository(self._hub, self._repo_id)

    def _run(self, output: Path, kills: int, progress: Callable[[str], None]) -> None:
        while True:
            aim = self._aim(output) if self.kills.total() < kills else NO_AIM
            log_begin = _size(self._hub_log)
            worker_log = _size(_spool(output) / "worker.log")
            status, noted = self._start(output, aim)
            if status != -signal.SIGKILL or aim is NO_AIM:
                break
            began = noted or _size(_spool(output) / "worker.log") > worker_log
            stage = self._stage(output, log_begin, noted) if began else ELSEWHERE
            self.kills[stage] += 1
            progress(f"{self.kills.total()} of {kills} kills, run {self.runs}: {stage}")
        if status != 0:
            text = f"run {self.runs} ended with {status}: {self._errors(output)}"
            self.findings.problems.append(text)

    def _aim(self, output: Path) -> Aim:
        on_record = len(states_on_disk(_spool(output)))
        repository = repository_of(self._hub, self._repo_id)
        oids = {oid for pointers in self._expected.pointers.values()
                for oid, _ in pointers.values()}  # fmt: skip
        return self._points.choose(
            self._dice,
            self.kills,
            _spool(output),
            to_submit=on_record < CHECKPOINTS,
            to_upload=any(not repository.object_path(oid).exists() for oid in oids),
        )

    def _stage(self, output: Path, log_begin: int, noted: bool) -> str:
        """Where the kill hit, by what it left. `noted`: `preload.cc` wrote down at which call."""
        spool = _spool(output)
        states = states_on_disk(spool)
        if noted:
            event = read_events(_note(output))[-1]
            stage = stage_of(event, states.get(event.job or ""))
            if stage is not None:
                return stage
        answers = read_log(self._hub_log, log_begin)
        last = f"{answers[-1].method} {answers[-1].path}" if answers else ""
        return stage_on_disk(spool, states, last)

    def _start(
        self, output: Path, aim: Aim, more: dict[str, str] | None = None
    ) -> tuple[int, bool]:
        """Start the run and wait for its end: its status, and whether `preload.cc` killed it."""
        output.mkdir(exist_ok=True)
        environment = run_environment(self._hub) | aim.environment | (more or {})
        environment |= {
            "LD_PRELOAD": str(self._preload),
            "STORM_SPOOL": str(_spool(output)),
            "STORM_NOTE": str(_note(output)),
        }
        arguments = [str(output), str(self._root / "checkpoints"), self._repo_id]
        with (output / "errors.txt").open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "storm.run", *arguments],
                env=environment,
                stdout=subprocess.DEVNULL, stderr=errors,
            )  # fmt: skip
        try:
            status = process.wait(aim.seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait(), False
        return status, status == -signal.SIGKILL

    def _errors(self, output: Path) -> str:
        return (output / "errors.txt").read_text()[-2000:].strip()

    @property
    def holds(self) -> bool:
        """Whether all is as it must be."""
        return not self.findings.problems

    def stages(self) -> dict[str, int]:
        """Kills per stage, all stages."""
        return {stage: self.kills[stage] for stage in (*STAGES, ELSEWHERE)}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _spool(output: Path) -> Path:
    return output / "_hub_revisions"


def _note(output: Path) -> Path:
    """Where `preload.cc` writes what it killed at; outside of what is checked."""
    return output / "kills.tsv"
