"""An engine and a repository that do what a test tells them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hub_revisions.evaluation.contract import (
    EvalRequest,
    Job,
    JobStatus,
    State,
    SubmitError,
    UnreachableError,
)
from hub_revisions.evaluation.staging import stage


class FakeEngine:
    """Stages what it is given and runs nothing; `states` says what it answers."""

    name = "fake"

    def __init__(self) -> None:
        self.states: dict[str, JobStatus] = {}  # by job id
        self.requests: dict[str, EvalRequest] = {}
        self.jobs: dict[str, Job] = {}
        self.cancelled: list[str] = []
        self.polls: list[int] = []  # how many jobs each asked about
        self.refusal: SubmitError | None = None
        self.crash: BaseException | None = None  # after the job was started
        self.unreachable = False
        self.unusable: str | None = None
        self.files: dict[str, str] = {}  # what `collect` brings
        self.clock = 0.0

    def probe(self) -> str | None:
        return self.unusable

    def submit(self, request: EvalRequest) -> Job:
        if self.refusal:
            raise self.refusal
        stage(request)
        id_ = str(len(self.jobs) + 1)
        job = Job("fake", id_, request.key, request.out_dir, self.clock)
        self.jobs[id_], self.requests[id_] = job, request
        self.states[id_] = JobStatus(State.QUEUED)
        if self.crash:
            raise self.crash
        return job

    def poll(self, jobs: Sequence[Job]) -> Mapping[str, JobStatus]:
        if self.unreachable:
            raise UnreachableError("the controller does not answer")
        self.polls.append(len(jobs))
        return {job.id: self.states[job.id] for job in jobs if job.id in self.states}

    def cancel(self, job: Job) -> None:
        if self.unreachable:
            raise UnreachableError("the controller does not answer")
        self.cancelled.append(job.id)
        if not self.states[job.id].state.is_final:
            self.states[job.id] = JobStatus(State.CANCELLED)

    def find(self, key: str, attempt: int) -> Job | None:
        if self.unreachable:
            raise UnreachableError("the controller does not answer")
        found = [
            self.jobs[id_]
            for id_, request in self.requests.items()
            if (request.key, request.attempt) == (key, attempt)
        ]
        return found[-1] if found else None

    def collect(self, job: Job) -> None:
        for name, text in self.files.items():
            (job.out_dir / name).write_text(text)

    def close(self) -> None:
        pass

    def ends(self, id_: str, exit_code: int = 0, **metrics: float) -> None:
        """The job writes its results and its last word."""
        folder = self.jobs[id_].out_dir
        if metrics:
            (folder / "results.json").write_text(json.dumps(metrics))
        word = {"exit_code": exit_code, "ended": int(self.clock), "host": "node"}
        (folder / "done.json").write_text(json.dumps(word))
        if not self.states[id_].state.is_final:
            self.states[id_] = JobStatus(State.FAILED if exit_code else State.SUCCEEDED, exit_code)


@dataclass
class FakeContents:
    records: Mapping[str, str]


@dataclass
class FakeRepository:
    """A branch as a dictionary; `problem` is raised instead of an answer."""

    files: dict[str, str] = field(default_factory=dict)
    commits: list[dict[str, str | None]] = field(default_factory=list)
    reads: int = 0
    problem: Exception | None = None

    def read(self) -> FakeContents:
        if self.problem:
            raise self.problem
        self.reads += 1
        return FakeContents(dict(self.files))

    def commit_files(self, branch: str, files: Mapping[str, str | None], message: str) -> None:
        if self.problem:
            raise self.problem
        assert branch == "evaluations"
        assert message
        self.commits.append(dict(files))
        for path, text in files.items():
            if text is None:
                self.files.pop(path, None)
            else:
                self.files[path] = text

    @property
    def results(self) -> list[dict[str, object]]:
        """The results on the branch, in order of their attempts."""
        items = [json.loads(t) for path, t in self.files.items() if path.startswith("results/")]
        return sorted(items, key=lambda item: (item["key"], item.get("attempt", 1)))

    @property
    def pending(self) -> list[str]:
        """The keys of what is pending."""
        return [
            path[len("pending/") : -len(".json")]
            for path in self.files
            if path.startswith("pending/")
        ]
