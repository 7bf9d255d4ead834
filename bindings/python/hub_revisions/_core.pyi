"""The native worker. Settings, snapshots, fixes and pushes live here; Python only asks.

All functions release the GIL while they work. Structured values cross as JSON text so that there is
one definition of each (the C++ one); `hub_revisions._native` decodes them.
"""

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

def render_revision(settings: str, step: int, epoch: float | None = None, run: str = "") -> str:
    """The revision's name by the settings' template; ConfigError if it is not valid."""

def list_revisions(settings: str, token: str) -> str:
    """JSON array, one object per branch of the repository, read from the repository itself.

    Keys: revision, commit, managed (made by hub-revisions), title, time (unix seconds), step,
    epoch, metrics (object), fixes (array of text), content_digest, promoted (the revision that this
    branch was made equal to, or ""), files (array of {path, size, lfs}).
    """

def promote(settings: str, token: str, revision: str, branch: str) -> str:
    """Make `branch`'s tree equal to `revision`'s in one new commit with both as parents.

    Returns a JSON object: branch, revision, commit, changed (false when the trees were equal
    already).
    """

def doctor(settings: str, token: str, output_dir: str) -> str:
    """JSON array of {check, ok, detail}: endpoint, token, write access, spool, free space."""

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
        self, settings: str, token: str, output_dir: str, endpoint_override: str = ""
    ) -> None:
        """Open the spool, resume what an earlier process left, start the threads.

        Jobs of earlier processes go to `endpoint_override`, or where they were meant to go if "".
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
        run: str = "",
        metrics: dict[str, float] = ...,
        eos_token_id: int | None = None,
    ) -> str:
        """Freeze a checkpoint and queue it; returns the job's id. Milliseconds; no network.

        `revision` overrides the template. A failure to freeze is kept in a record of its own and
        raised.
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

        False at once where nothing would end: with the setting `offline`, and after `close`.
        Ctrl-C raises KeyboardInterrupt within 100 ms.
        """

    def cancel(self, job: str = "") -> bool:
        """Cancel one pending job, or '' for all; False if there was none to cancel."""

    def close(self, timeout: float = 0) -> bool:
        """Stop after at most `timeout` seconds of draining; idempotent. False: jobs are left."""
