"""What the native worker answers, as Python values. The only place that decodes its JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ._core import ConfigError, HubRevisionError

FINAL_STATES = frozenset({"done", "failed", "cancelled", "superseded", "dropped"})


def config_error(message: str) -> ConfigError:
    """A `ConfigError` with the attributes that the worker's own ones have."""
    error = ConfigError(message)
    error.kind = "config"
    error.retryable = False
    return error


def failure(message: str, kind: str) -> HubRevisionError:
    """A `HubRevisionError` about something that the worker told without raising it."""
    error = HubRevisionError(message)
    error.kind = kind
    error.retryable = False
    return error


@dataclass(frozen=True)
class Fix:
    """What one fix did to the published copy. `outcome`: applied, unchanged or skipped."""

    name: str
    outcome: str
    detail: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class JobError:
    """Why the last attempt of a job failed. `http_status` is 0 if no server answered."""

    kind: str
    message: str
    http_status: int = 0
    request_id: str = ""


@dataclass(frozen=True)
class Progress:
    """How far a job is, in bytes of its LFS files.

    `bytes_sent` counts what was sent twice, twice; `bytes_present` is what the server had already,
    `bytes_done` what is there now. Rate and time left are None while unknown. `retries` and
    `last_error` are about single requests, which the job survives.
    """

    bytes_total: int = 0
    bytes_hashed: int = 0
    bytes_sent: int = 0
    bytes_present: int = 0
    bytes_done: int = 0
    bytes_per_second: float | None = None
    eta_seconds: float | None = None
    retries: int = 0
    last_error: str = ""


@dataclass(frozen=True)
class JobRecord:
    """One checkpoint on its way to its revision.

    `state`: skipped (not frozen for want of room, see the setting `when_full`), queued, fixing,
    uploading, pushing, confirming, or one of the final ones: done, failed, cancelled, superseded,
    dropped. `freeze_ms` is how long `submit` took, in milliseconds; `push_seconds`
    how long the push took; `created_ms` and `updated_ms` are unix milliseconds; `bytes_present` are
    bytes that the server had already. `repo_id` is the full name, once the server was asked;
    `settings` are the effective ones when it was submitted, and empty in a worker's `status`;
    `tokens` are the input tokens seen by then, where the trainer counts them; `saved_ns` is
    when the checkpoint was saved, by which one save of a folder is told from another.
    """

    id: str
    revision: str
    directory: str
    step: int | None
    epoch: float | None
    tokens: int | None
    metrics: Mapping[str, float]
    eos_token_id: int | None
    created_ms: int
    updated_ms: int
    state: str
    repo_id: str
    error: JobError | None
    fixes: tuple[Fix, ...]
    warnings: tuple[str, ...]
    excluded: tuple[str, ...]
    commit: str
    freeze_ms: float
    push_seconds: float
    bytes_total: int
    bytes_sent: int
    bytes_present: int
    attempts: int
    settings: Mapping[str, Any] = field(repr=False)
    progress: Progress
    saved_ns: int | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens to this job by itself."""
        return self.state in FINAL_STATES


@dataclass(frozen=True)
class RevisionFile:
    """One file of a revision; `size` in bytes is the real one for LFS files too.

    `oid` is an LFS object's SHA-256, and empty for what git stores itself.
    """

    path: str
    size: int
    oid: str

    @property
    def lfs(self) -> bool:
        """Whether its content is an LFS object."""
        return bool(self.oid)


@dataclass(frozen=True)
class Revision:
    """One branch of a repository, read from the repository itself.

    `published_as` is the name that hub-revisions published its commit under, empty for a commit of
    somebody else; only with one can step, epoch, tokens and metrics be known. `time` is the
    commit's, in unix seconds. `promoted` is the revision that this branch was made equal to, if it
    was. `content_digest` is 'sha256:...' over the digests of its files.
    """

    revision: str
    commit: str
    published_as: str
    title: str
    time: int
    step: int | None
    epoch: float | None
    tokens: int | None
    metrics: Mapping[str, float]
    fixes: tuple[str, ...]
    content_digest: str
    promoted: str
    parents: tuple[str, ...]
    files: tuple[RevisionFile, ...]

    @property
    def managed(self) -> bool:
        """Whether this is a revision of ours, and not a pointer to one."""
        return self.published_as == self.revision

    @property
    def pointer_to(self) -> str:
        """The revision that this branch points to ('latest', 'best'); empty if it is no pointer."""
        return "" if self.managed else self.published_as

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Promotion:
    """A branch, tag or pointer (`target`) made equal to a revision.

    `commit` is what it has now; `changed` is false if it was so already.
    """

    target: str
    revision: str
    commit: str
    changed: bool


@dataclass(frozen=True)
class Fetched:
    """A revision that was brought back: `directory` has its `files`, with their sizes in bytes.

    `published_as` is the name that hub-revisions published it under, empty for a commit of somebody
    else; only with one can the step be known. `changed` is false if all was there before.
    """

    repo_id: str
    commit: str
    published_as: str
    step: int | None
    directory: str
    files: Mapping[str, int]
    changed: bool


@dataclass(frozen=True)
class FetchProgress:
    """How far a fetch is, in bytes of its LFS objects.

    `bytes_here` are on this disk; `bytes_received` counts what came twice, twice.
    """

    bytes_total: int
    bytes_here: int
    bytes_received: int
    last_error: str


@dataclass(frozen=True)
class Contents:
    """What a repository holds, by one look at all its branches and tags.

    `revisions` are the branches, those of hub-revisions by step; without the branch of the records,
    whose text files are `records`, by path, and whose commit is `records_commit` ("" without one).
    `tags` are commits by name. `repo_id` is the full name.
    """

    repo_id: str
    revisions: tuple[Revision, ...]
    tags: Mapping[str, str]
    records: Mapping[str, str]
    records_commit: str


@dataclass(frozen=True)
class Check:
    """One finding of `doctor`. `verdict`: ok, warn, fail, or skipped for what another one says.

    `remedy` is "" where nothing is to be done.
    """

    check: str
    verdict: str
    detail: str
    remedy: str


@dataclass(frozen=True)
class SpoolContents:
    """What a spool holds. `problems`: one sentence for each folder that could not be read."""

    records: tuple[JobRecord, ...]
    problems: tuple[str, ...]


def decode_jobs(text: str) -> list[JobRecord]:
    """Job records from `Worker.status`, oldest first."""
    return [_job(item) for item in json.loads(text)]


def decode_job(text: str) -> JobRecord | None:
    """One record from `Worker.record`."""
    item = json.loads(text)
    return _job(item) if item else None


def decode_spool(text: str) -> SpoolContents:
    """The answer of `_core.read_spool`."""
    contents = json.loads(text)
    return SpoolContents(
        tuple(_job(item) for item in contents["records"]), tuple(contents["problems"])
    )


def decode_contents(text: str) -> Contents:
    """The answer of `_core.read_repository`."""
    item = json.loads(text)
    return Contents(
        item["repo_id"],
        tuple(_revision(revision) for revision in item["revisions"]),
        item["tags"],
        item["records"],
        item["records_commit"],
    )


def decode_promotion(text: str) -> Promotion:
    """The outcome from `_core.promote` and `_core.tag_revision`."""
    return Promotion(**json.loads(text))


def decode_promotions(text: str) -> list[Promotion]:
    """The outcome from `_core.move_pointers`."""
    return [Promotion(**item) for item in json.loads(text)]


def decode_fetched(text: str, directory: str) -> Fetched:
    """The outcome of a `_core.Fetch` into `directory`."""
    item = json.loads(text)
    files = {file["path"]: file["size"] for file in item.pop("files")}
    return Fetched(**item, directory=directory, files=files)


def decode_fetch_progress(text: str) -> FetchProgress:
    """The progress of a `_core.Fetch`."""
    return FetchProgress(**json.loads(text))


def decode_checks(text: str) -> list[Check]:
    """The checks from `_core.doctor`."""
    return [Check(**item) for item in json.loads(text)]


def to_json(value: object, *, indent: int | None = 2) -> str:
    """JSON of the values above, and of lists and dictionaries of them.

    JSON has no NaN and no infinity, and other programs stumble over Python's spelling of them: they
    are written as null.
    """
    return json.dumps(_plain(value), indent=indent, allow_nan=False)


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _metrics(item: Mapping[str, float | None]) -> dict[str, float]:
    # The worker writes NaN as null for the same reason.
    return {name: math.nan if value is None else float(value) for name, value in item.items()}


def _job(item: Mapping[str, Any]) -> JobRecord:
    error = item["error"]
    return JobRecord(
        id=item["id"],
        revision=item["revision"],
        directory=item["directory"],
        step=item["step"],
        epoch=item["epoch"],
        tokens=item["tokens"],
        metrics=_metrics(item["metrics"]),
        eos_token_id=item["eos_token_id"],
        created_ms=item["created_ms"],
        updated_ms=item["updated_ms"],
        state=item["state"],
        repo_id=item["repo_id"],
        error=JobError(**error) if error else None,
        fixes=tuple(
            Fix(fix["name"], fix["outcome"], fix["detail"], tuple(fix["files"]))
            for fix in item["fixes"]
        ),
        warnings=tuple(item["warnings"]),
        excluded=tuple(item["excluded"]),
        commit=item["commit"],
        freeze_ms=item["freeze_ms"],
        push_seconds=item["push_seconds"],
        bytes_total=item["bytes_total"],
        bytes_sent=item["bytes_sent"],
        bytes_present=item["bytes_present"],
        attempts=item["attempts"],
        settings=item.get("settings", {}),
        progress=_progress(item, item.get("progress") or {}),
        saved_ns=item["saved_ns"],
    )


def _progress(item: Mapping[str, Any], progress: Mapping[str, Any]) -> Progress:
    done = item["bytes_sent"] + item["bytes_present"]
    values = {
        "bytes_total": item["bytes_total"],
        "bytes_sent": item["bytes_sent"],
        "bytes_present": item["bytes_present"],
        "bytes_done": min(item["bytes_total"], done),
    }
    return Progress(**(values | dict(progress)))


def _revision(item: Mapping[str, Any]) -> Revision:
    return Revision(
        revision=item["revision"],
        commit=item["commit"],
        published_as=item["published_as"],
        title=item["title"],
        time=item["time"],
        step=item["step"],
        epoch=item["epoch"],
        tokens=item["tokens"],
        metrics=_metrics(item["metrics"]),
        fixes=tuple(item["fixes"]),
        content_digest=item["content_digest"],
        promoted=item["promoted"],
        parents=tuple(item["parents"]),
        files=tuple(RevisionFile(**file) for file in item["files"]),
    )
