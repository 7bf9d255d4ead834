"""Evaluations as Hugging Face Jobs, through huggingface_hub.

The container shares no folder with us. Its script sends the evaluator's JSON files home as marked
lines of the job's log, and its exit code behind them; `collect` puts them into the job's folder.
That is meant for results, not for predictions: a job that has more to say pushes it itself.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from ..._core import ConfigError
from ..contract import EvalRequest, Job, JobStatus, State, SubmitError, UnreachableError
from ..staging import REMOTE_FOLDER, job_folder, stage
from . import Surroundings
from .parcel import MARK, unpack

logger = logging.getLogger("hub_revisions")

NAME = "hf-jobs"
_STATES = {
    "SCHEDULING": State.QUEUED,
    "RUNNING": State.RUNNING,
    "UPDATING": State.RUNNING,
    "COMPLETED": State.SUCCEEDED,
    "CANCELED": State.CANCELLED,
    "ERROR": State.FAILED,
    "DELETED": State.LOST,
}
_REPO_LABEL, _KEY_LABEL, _ATTEMPT_LABEL = (
    *("hub-revisions-repo", "hub-revisions-key", "hub-revisions-attempt"),
)
# $1 is the folder, $2 the mark, the rest is the evaluator.
_SCRIPT = """
folder=$1 mark=$2; shift 2
mkdir -p "$folder" && cd "$folder" || exit 97
"$@" < /dev/null
code=$?
find . -type f -name '*.json' -size -1025k -print0 | tar --null -T - -czf - |
  base64 -w 4000 | while read -r line; do echo "$mark data $line"; done
echo "$mark end $code $(date +%s)"
exit $code
"""


class _RefusedError(Exception):
    """The Hub answered with an error. `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class HfJobsEngine:
    """See the module; `options` are those of `schema.json`.

    `pass_env`'s variables and, with `pass_token`, the token reach the container as secrets.
    """

    name = NAME

    def __init__(self, options: Mapping[str, Any], surroundings: Surroundings) -> None:
        self._options = options
        self._surroundings = surroundings
        self._namespace: str = options["namespace"]

    def probe(self) -> str | None:
        """Whether huggingface_hub can start jobs, and there is a token."""
        try:
            import huggingface_hub
        except ImportError:
            return "it needs huggingface_hub; install it"
        if not hasattr(huggingface_hub, "run_job"):
            return (
                f"huggingface_hub {huggingface_hub.__version__} knows no jobs; install a newer one"
            )
        if self._options["mount"] and not hasattr(huggingface_hub, "Volume"):
            return "options.mount needs a newer huggingface_hub"
        return None if self._surroundings.token else "it needs a token; set HF_TOKEN"

    def submit(self, request: EvalRequest) -> Job:
        """Start it, labelled with its key and attempt."""
        mark = f"{MARK} {request.key}.{request.attempt}"
        labels = {
            "name": request.key,
            _REPO_LABEL: _label(request.repo_id),
            _KEY_LABEL: request.key,
            _ATTEMPT_LABEL: str(request.attempt),
        }
        command = ["bash", "-c", _SCRIPT, "job", REMOTE_FOLDER, mark, *request.argv]
        submitted = time.time()
        try:
            stage(request)
            with _answers():
                info = self._api().run_job(
                    image=self._options["image"],
                    command=command,
                    env={"HF_ENDPOINT": self._surroundings.endpoint, **request.env},
                    secrets=dict(self._surroundings.secrets),
                    flavor=self._options["flavor"],
                    timeout=request.time_limit,
                    labels=labels,
                    namespace=self._owner(),
                    **self._volumes(request),
                )
        except ConfigError as error:
            raise SubmitError(str(error), retryable=False) from error
        except _RefusedError as error:
            passing = error.status in (408, 429) or error.status >= 500
            raise SubmitError(str(error), retryable=passing) from error
        except UnreachableError as error:
            raise SubmitError(str(error), retryable=True) from error
        except OSError as error:
            raise SubmitError(f"{request.out_dir}: {error.strerror}", retryable=True) from error
        extra = {"repo": labels[_REPO_LABEL]}
        return Job(NAME, info.id, request.key, request.out_dir, submitted, extra)

    def poll(self, jobs: Sequence[Job]) -> Mapping[str, JobStatus]:
        """One list for each repository; what is not in it is asked for by itself."""
        found = {}
        for repo in {job.extra.get("repo", "") for job in jobs}:
            for info in self._list({_REPO_LABEL: repo}):
                found[info.id] = _status(info)
        for job in jobs:
            if job.id not in found and (info := self._inspect(job.id)):
                found[job.id] = _status(info)
        return {job.id: found[job.id] for job in jobs if job.id in found}

    def cancel(self, job: Job) -> None:
        """Cancel it; one that has ended or is unknown stays as it is."""
        try:
            with _answers():
                self._api().cancel_job(job_id=job.id, namespace=self._owner())
        except _RefusedError as error:
            if error.status not in (400, 404, 409, 410):
                raise UnreachableError(str(error)) from error

    def find(self, key: str, attempt: int) -> Job | None:
        """By its labels."""
        infos = self._list({_KEY_LABEL: key, _ATTEMPT_LABEL: str(attempt)})
        if not infos:
            return None
        info = infos[0]
        submitted = info.created_at.timestamp() if info.created_at else time.time()
        extra = {"repo": (info.labels or {}).get(_REPO_LABEL, "")}
        folder = job_folder(self._surroundings.jobs, key, attempt)
        return Job(NAME, info.id, key, folder, submitted, extra)

    def collect(self, job: Job) -> None:
        """Unpack what the job's log holds of its files, and its last word."""
        mark = f"{MARK} {job.key}.{job.out_dir.name} "
        try:
            with _answers():
                lines = self._api().fetch_job_logs(job_id=job.id, namespace=self._owner())
                marked = [line.strip().removeprefix(mark) for line in lines if mark in line]
        except _RefusedError as error:
            raise UnreachableError(str(error)) from error
        unpack(marked, job.out_dir, host=NAME)

    def close(self) -> None:
        """Nothing is held."""

    def _api(self) -> Any:
        from huggingface_hub import HfApi

        return HfApi(endpoint=self._surroundings.endpoint, token=self._surroundings.token)

    def _owner(self) -> str:
        """Whose jobs they are; asked once."""
        if not self._namespace:
            self._namespace = self._api().whoami()["name"]
        return self._namespace

    def _volumes(self, request: EvalRequest) -> dict[str, Any]:
        if not self._options["mount"]:
            return {}
        from huggingface_hub import Volume

        volume = Volume(
            type="model",
            source=request.repo_id,
            revision=request.commit,
            mount_path=self._options["mount"],
        )
        return {"volumes": [volume]}

    def _list(self, labels: Mapping[str, str]) -> list[Any]:
        """Jobs with all these labels, newest first."""
        try:
            with _answers():
                return list(self._api().list_jobs(labels=dict(labels), namespace=self._owner()))
        except _RefusedError as error:
            raise UnreachableError(str(error)) from error

    def _inspect(self, job: str) -> Any:
        try:
            with _answers():
                return self._api().inspect_job(job_id=job, namespace=self._owner())
        except _RefusedError as error:
            if error.status == 404:
                return None
            raise UnreachableError(str(error)) from error


@contextmanager
def _answers() -> Iterator[None]:
    """Turn what huggingface_hub raises into `_RefusedError` and `UnreachableError`."""
    from huggingface_hub.errors import HfHubHTTPError

    # Its HTTP library differs by version; its own error is derived from the library's.
    network = cast("tuple[type[Exception], ...]", (OSError, *HfHubHTTPError.__bases__))
    try:
        yield
    except HfHubHTTPError as error:
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", 0)
        told = " ".join((getattr(error, "server_message", None) or str(error)).split())
        raise _RefusedError(status, f"Hugging Face Jobs answered {status}: {told[:200]}") from error
    except network as error:
        raise UnreachableError(f"Hugging Face Jobs cannot be reached: {error}") from error


def _status(info: Any) -> JobStatus:
    stage_name = str(getattr(info.status.stage, "value", info.status.stage))
    state = _STATES.get(stage_name)
    if state is None:
        logger.warning("Hugging Face Jobs: unknown stage '%s'; taken as running", stage_name)
        state = State.RUNNING
    reason = info.status.message or ("" if state is State.SUCCEEDED else stage_name)
    return JobStatus(state, reason=reason, url=info.url)


def _label(repo_id: str) -> str:
    """A repository's name as a label may be: 100 letters, digits, '.', '_' or '-'."""
    return re.sub(r"[^A-Za-z0-9._-]", ".", repo_id)[-100:]
