"""The native worker. Settings, snapshots, fixes and pushes live here; Python only asks.

All functions release the GIL while they work. Structured values cross as JSON text so that there is
one definition of each (the C++ one); `hub_revisions._native` decodes them.
"""

from collections.abc import Mapping
from typing import final

__version__: str

class HubRevisionError(Exception):
    """Base of every error that the worker raises.

    `kind` is one of: cancelled, timeout, network, rate_limited, server, auth, not_found, conflict,
    rejected, invalid_input, corrupt, io, no_space, config, internal. `retryable` says whether the
    same call may succeed later with nothing changed here.
    """

    kind: str
    retryable: bool

class ConfigError(HubRevisionError): ...
class AuthError(HubRevisionError): ...
class InvalidCheckpointError(HubRevisionError): ...

def settings_schema() -> str:
    """configs/schema.json, word for word."""

def default_settings() -> str:
    """JSON object: every setting with its default."""

def check_settings(settings: str, origin: str) -> None:
    """Raise ConfigError naming `origin`, the key and the remedy if the JSON object is not valid."""

def read_repository(settings: str, token: str) -> str:
    """JSON object of what the repository holds, read from its branches and tags; no weights.

    Keys: repo_id (full), revisions (array), tags (object: commit by name), records (object: text by
    path, of the branch 'evaluations'), records_commit ("" without that branch). Of a revision:
    revision (the branch), commit, published_as ("" if it is not one of ours), title, time (unix
    seconds), step, epoch, tokens, metrics (object), fixes (array of text), content_digest, promoted
    (the revision that this branch was made equal to, or ""), parents (array of commits), files
    (array of {path, size, oid}; oid is "" for what is no LFS object).
    """

def read_files(settings: str, token: str, revision: str, paths: list[str]) -> dict[str, bytes]:
    """Files that git stores itself, of a branch or of a commit that a branch has, by path.

    Those that are not there are left out.
    """

def commit_files(
    settings: str, token: str, branch: str, files: Mapping[str, str | bytes | None], message: str
) -> str:
    """Add, replace or remove (None) files in one commit on top of a branch.

    What others push meanwhile is kept. JSON object: commit, changed (false if it was so already).
    """

def promote(
    settings: str,
    token: str,
    revision: str,
    branch: str,
    commit: str = "",
    files: Mapping[str, str | bytes | None] = ...,
) -> str:
    """Give `branch` the files of `revision`, changed by `files`, in a commit with both as parents.

    Of kind conflict if the revision no longer has `commit` (if given), or somebody moved the branch
    meanwhile. JSON object: target, revision, commit, changed (false when it was so already).
    """

def tag_revision(settings: str, token: str, revision: str, tag: str, commit: str = "") -> str:
    """Give the tag the commit of `revision`, wherever it was before; as `promote`."""

def move_pointers(settings: str, token: str, pointers: Mapping[str, str]) -> str:
    """Move branches that only point to revisions to these commits.

    Of kind conflict for a branch that holds something of its own. JSON array, as of `promote`.
    """

def card_with_choice(card: str, choice: str) -> str:
    """A promoted revision's README.md with what evaluations found, and why it was chosen.

    `choice` is a JSON object: revision, chart (an image's path, or ""), rows (array of [name,
    text]), scores (array of {dataset, url, metrics: array of [name, value]}).
    """

def prune(settings: str, token: str, request: str) -> str:
    """Delete revisions, each if it still is at its commit and nothing else needs it.

    `request` is a JSON object: revisions (array of {revision, commit}), purge ("keep" or "purge":
    what becomes of large files that no commit refers to any more), mode ("plan" or "apply").

    Returns a JSON object: revisions (array of {revision, commit, verdict, reason}; the verdict is
    "deleted", "gone" or "kept", for the reason), files {objects, bytes, young_objects, young_bytes,
    problem}.
    """

def read_yaml(text: str) -> str:
    """One YAML document as JSON text; every scalar is a string.

    HubRevisionError for what is no YAML, uses aliases or tags, or is nested too deeply.
    """

def write_yaml(value: str) -> str:
    """The JSON text of a list or an object that is not empty, as YAML in block style."""

@final
class Fetch:
    """A revision on its way into a folder, on threads of its own."""

    def __init__(self, settings: str, token: str, revision: str, folder: str) -> None:
        """Begin. `revision` is a branch, a tag or a whole commit id; `folder` is absolute."""

    def wait(self, timeout: float) -> bool:
        """Block until it has ended; False when `timeout` seconds passed first.

        Ctrl-C raises KeyboardInterrupt within 100 ms.
        """

    def cancel(self) -> None:
        """Stop it where it is, and block until it has; another one goes on from there."""

    def progress(self) -> str:
        """JSON object: bytes_total, bytes_here, bytes_received, last_error ("" for none)."""

    def outcome(self) -> str:
        """Block until it has ended, and raise what ended it; may be called once.

        JSON object: repo_id (full), commit, published_as ("" if it is not one of ours), step (or
        null), files (array of {path, size}), changed (false if the folder had all of it already).
        """

def doctor(settings: str, token: str, token_origin: str, output_dir: str) -> str:
    """JSON array of {check, verdict, detail, remedy}; the verdict is ok, warn, fail or skipped.

    Creates the settings' repository if it is missing, and pushes a small revision, which it removes
    again, also after Ctrl-C.
    """

def library_versions() -> str:
    """JSON object: the version of each library that this module uses, as it is loaded."""

def fingerprint(directory: str) -> str:
    """Stands for what every file of a folder is; it stays while nothing happens there.

    "" if the folder is not there, or changes while it is looked at.
    """

def saved_at(directory: str) -> int | None:
    """When a checkpoint was last written, in nanoseconds; None if that cannot be seen.

    It differs after it is saved again, not after another callback has added a file.
    """

def absolute_path(path: str) -> str:
    """The path from the root without '.', '..' and a last slash, as records spell folders."""

def check_complete(directory: str, settings: str) -> str:
    """Why a checkpoint could not be published as it is; "" if it could. Reads headers only."""

def read_spool(spool_dir: str) -> str:
    """JSON object {records, problems} of a spool, records oldest first. Changes nothing.

    Records of jobs that a worker is busy with have its "progress".
    """

def request_cancel(spool_dir: str, job: str) -> bool:
    """Ask whoever owns the spool to cancel a job ('' for all pending). False: no such job."""

@final
class Worker:
    """Owns a spool, its threads and its pending jobs. One per spool; ConfigError if taken.

    In a forked child every method raises and destruction does nothing.
    """

    def __init__(
        self,
        settings: str,
        token: str,
        output_dir: str,
        endpoint_override: str = "",
        frozen_parameters: list[str] | None = None,
    ) -> None:
        """Open the spool, resume what an earlier process left, start the threads.

        Jobs of earlier processes go to `endpoint_override`, or where they were meant to go if "".
        `frozen_parameters`, where known, are those that the training to come leaves as they are.
        """

    def preflight(self) -> None:
        """Start, in the background: whoami, create the repository, check write access."""

    def preflight_result(self) -> str | None:
        """None while it runs; '' when all is well; else the error's text."""

    def submit(
        self,
        directory: str,
        revision: str = "",
        step: int | None = None,
        epoch: float | None = None,
        tokens: int | None = None,
        run: str = "",
        metrics: dict[str, float] = ...,
        eos_token_id: int | None = None,
        fingerprint: str = "",
    ) -> str:
        """Freeze a checkpoint and queue it; returns the job's id. Milliseconds; no network.

        `revision` overrides the template. With the folder's `fingerprint`, of kind conflict, and
        without a record, if something has happened to it since. A failure to freeze is kept in a
        record of its own and raised.
        """

    def take_up_new(self) -> list[str]:
        """Take up what another process has submitted since the last look; the ids of its jobs.

        Of a worker with the mode 'sync'. Also tries again what failed for want of a server, each
        job after `retry_max_delay`.
        """

    def status(self) -> str:
        """JSON array of job records, oldest first, each with a `progress` object.

        Without the keys `frozen` and `settings`, which `read_spool` has.
        """

    def record(self, job: str) -> str:
        """One record in the form of `status`, 'null' if there is no such job."""

    def wait_for_outcomes(self, seen: int, timeout: float) -> list[str]:
        """Ids of jobs that ended, or were skipped, in this worker's life, after the first `seen`.

        Blocks without the GIL while there is none, at most `timeout` seconds, and not after
        `close`. A failed job that was tried again may occur more than once.
        """

    def wait(self, job: str = "", timeout: float | None = None) -> bool:
        """Block until the job (or '' for all) has ended; False when the timeout passed first.

        False at once where nothing would end: with the mode 'spool', and after `close`.
        Ctrl-C raises KeyboardInterrupt within 100 ms.
        """

    def cancel(self, job: str = "") -> bool:
        """Cancel one pending job, or '' for all; False if there was none to cancel."""

    def close(self, timeout: float = 0) -> bool:
        """Stop after at most `timeout` seconds of draining; idempotent. False: jobs are left."""
