"""Evaluations that somebody else runs: a signed POST says what to evaluate, and that is all.

Nothing is polled. Results come back as the files of the contract (`results...json`, then
`done.json`, in the folder that the request names), or with `hub-revisions results add`; what has
not come back by the deadline has failed.

The body is JSON. Its signature is in the header `X-Hub-Revisions-Signature`: 'sha256=' and the hex
HMAC-SHA256 of "<timestamp>.<body>" with the shared secret, where the timestamp (unix seconds) is in
`X-Hub-Revisions-Timestamp`. A receiver should refuse old timestamps. `X-Hub-Revisions-Delivery` is
the same for repeated deliveries of one attempt.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from ..._core import ConfigError
from ..contract import EvalRequest, Job, JobStatus, State, SubmitError
from ..staging import stage
from . import Surroundings

NAME = "webhook"
SCHEMA = "hub-revisions-webhook/1"
_SECONDS = 15.0


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive without its body."""

    def redirect_request(self, *args: object, **more: object) -> None:
        """None: the redirection is the answer."""


_OPENER = urllib.request.build_opener(_NoRedirects)


class WebhookEngine:
    """See the module; `options` are those of `schema.json`."""

    name = NAME

    def __init__(self, options: Mapping[str, Any], surroundings: Surroundings) -> None:
        self._url: str = options["url"]
        self._secret_name: str = options["secret_env"]
        self._endpoint = surroundings.endpoint

    def probe(self) -> str | None:
        """Whether the secret is there."""
        if not os.environ.get(self._secret_name):
            return f"options.secret_env: the environment variable {self._secret_name} is not set"
        return None

    def submit(self, request: EvalRequest) -> Job:
        """POST it."""
        try:
            stage(request)
        except ConfigError as error:
            raise SubmitError(str(error), retryable=False) from error
        except OSError as error:
            raise SubmitError(f"{request.out_dir}: {error.strerror}", retryable=True) from error
        submitted = time.time()
        delivery = f"{request.key}.{request.attempt}"
        self._post(self._body(request), int(submitted), delivery)
        return Job(NAME, delivery, request.key, request.out_dir, submitted)

    def poll(self, jobs: Sequence[Job]) -> Mapping[str, JobStatus]:
        """Nobody can be asked: all run until their files say otherwise."""
        return {job.id: JobStatus(State.RUNNING) for job in jobs}

    def cancel(self, job: Job) -> None:
        """Nothing: whoever received it decides."""

    def find(self, key: str, attempt: int) -> Job | None:
        """None: it is delivered again, under the same name."""
        return None

    def collect(self, job: Job) -> None:
        """Nothing: files come by themselves."""

    def close(self) -> None:
        """Nothing is held."""

    def _body(self, request: EvalRequest) -> bytes:
        fields = {name: getattr(request, name) for name in request.__dataclass_fields__}
        fields |= {"out_dir": str(request.out_dir), "env": dict(request.env)}
        return json.dumps({"schema": SCHEMA, "endpoint": self._endpoint, **fields}).encode()

    def _post(self, body: bytes, timestamp: int, delivery: str) -> None:
        secret = os.environ.get(self._secret_name, "")
        signature = sign(secret, timestamp, body)
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self._url,
            data=body,
            headers={
                "Content-Type": "application/json",
                "X-Hub-Revisions-Timestamp": str(timestamp),
                "X-Hub-Revisions-Signature": signature,
                "X-Hub-Revisions-Delivery": delivery,
            },
            method="POST",
        )
        try:
            with _OPENER.open(request, timeout=_SECONDS):
                pass
        except urllib.error.HTTPError as error:
            error.close()
            passing = error.code in (408, 425, 429) or error.code >= 500
            raise SubmitError(f"the webhook answered {error.code}", retryable=passing) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise SubmitError(f"the webhook cannot be reached: {reason}", retryable=True) from error


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """The signature that a receiver computes and compares."""
    message = f"{timestamp}.".encode() + body
    return f"sha256={hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()}"
