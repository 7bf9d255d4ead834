"""What every answer goes through: request ids, rate-limit headers and the access log."""

from __future__ import annotations

import logging
import threading
import time
import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import HubError, error_response

WINDOW_SECONDS = 300
_ADVERTISED_QUOTA = 100_000

access_log = logging.getLogger("hub_revisions.local_hub.access")


class RawPath:
    """Routes on the path as it was sent, still percent-encoded.

    A revision `a/b` arrives as one segment `a%2Fb`; the server decodes it before routing, which
    would make two segments of it. Handlers decode single parameters (`hub.parameter`).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": scope["raw_path"].decode("ascii", "replace")}
        await self._app(scope, receive, send)


class AccessLog:
    """Gives each request an id and writes one line when it is answered.

    The line has the path but never the query or a header: signatures and tokens stay out of it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        started = time.monotonic()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            took = (time.monotonic() - started) * 1000
            access_log.info(
                "%s %s %d %.0fms %s", scope["method"], scope["path"], status, took, request_id
            )


class RateLimit:
    """Counts requests in fixed windows per bucket and tells so on every answer (hub protocol 1.8).

    Without a limit, what is left is only told: it never reaches 0. With one, a request beyond it
    is answered 429.
    """

    def __init__(self, app: ASGIApp, limit: int | None) -> None:
        self._app = app
        self._enforced = limit is not None
        self._quota = limit if limit is not None else _ADVERTISED_QUOTA
        self._lock = threading.Lock()
        self._used: dict[str, int] = {}  # guarded by _lock, as is _window
        self._window = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        bucket = _bucket(scope["path"])
        used, reset = self._count(bucket)
        left = max(self._quota - used, 0 if self._enforced else 1)

        async def send_with_quota(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["RateLimit"] = f'"{bucket}";r={left};t={reset}'
                policy = f'"fixed window";"{bucket}";q={self._quota};w={WINDOW_SECONDS}'
                headers["RateLimit-Policy"] = policy
            await send(message)

        app: ASGIApp = self._app
        if self._enforced and used > self._quota:
            text = (
                f"We had to rate limit you, you hit the quota of {self._quota} {bucket} requests "
                f"per 5 minutes period."
            )
            app = error_response(scope["path"], HubError(429, text))
        await app(scope, receive, send_with_quota)

    def _count(self, bucket: str) -> tuple[int, int]:
        """Count one request; return how many there were in this window and when it ends."""
        now = int(time.time())
        with self._lock:
            if now // WINDOW_SECONDS != self._window:
                self._window = now // WINDOW_SECONDS
                self._used.clear()
            self._used[bucket] = self._used.get(bucket, 0) + 1
            return self._used[bucket], WINDOW_SECONDS - now % WINDOW_SECONDS


def _bucket(path: str) -> str:
    if "/resolve/" in path:
        return "resolvers"
    return "api"
