"""The parts that every route needs, made once per process, and small helpers for requests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from .auth import Identity, Tokens
from .errors import HubError, handle_hub_error, repo_not_found
from .faults import Faults
from .presign import Signer
from .repos import Repositories, Repository
from .settings import MIB, Settings

MAX_JSON_BYTES = 8 * MIB


@dataclass(frozen=True)
class Hub:
    """One running hub. Immutable; its parts are safe from any thread."""

    settings: Settings
    tokens: Tokens
    signer: Signer
    repositories: Repositories
    faults: Faults | None = None

    def repository(self, request: Request) -> Repository:
        """The repository named in the request's path.

        Raises `HubError` 404, also for one that the token is not for, and 307 with its present
        address for one that was renamed.
        """
        namespace, name = _named(request)
        found = self.repositories.find(namespace, name)
        present = found or self.repositories.moved_to(namespace, name)
        if present is None or not identity(request).can_see(present.id):
            raise repo_not_found()
        if found is None:
            raise _redirection(request, present)
        return found

    def stored(self, request: Request) -> Repository:
        """The same for addresses that were signed: they lead to a renamed one as well."""
        namespace, name = _named(request)
        return self.repositories.moved_to(namespace, name) or self.repositories.get(namespace, name)

    async def handle_repository_gone(self, request: Request, error: Exception) -> Response:
        """Starlette exception handler for `RepositoryGoneError`: 404 for a deleted one. A renamed
        one is there again, and the same request finds it."""
        try:
            await run_in_threadpool(self.stored, request)
        except HubError as refusal:
            return await handle_hub_error(request, refusal)
        return await handle_hub_error(request, HubError(503, "Please try again."))

    def endpoint(self, request: Request) -> str:
        """The address under which this client reaches the hub."""
        return f"http://{request.headers.get('host', '')}"

    def storage_endpoint(self, request: Request) -> str:
        """The address of the storage listener, under the host name that this client uses."""
        if self.settings.storage_url is not None:
            return self.settings.storage_url.rstrip("/")
        host = request.url.hostname or self.settings.host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.settings.storage_port}"

    def signed_url(self, request: Request, method: str, path: str) -> str:
        """A pre-signed URL on the storage listener."""
        return f"{self.storage_endpoint(request)}{path}?{self.signer.query(method, path)}"


def _named(request: Request) -> tuple[str, str]:
    return parameter(request, "namespace"), parameter(request, "name").removesuffix(".git")


def _redirection(request: Request, moved: Repository) -> HubError:
    """A refusal that sends the client to the same route of `moved`, on this host."""
    sent = request.path_params
    old = f"/{sent['namespace']}/{sent['name'].removesuffix('.git')}"
    path = request.scope["path"].replace(old, f"/{moved.id}", 1)
    query = f"?{request.url.query}" if request.url.query else ""
    headers = {"Location": path + query}
    return HubError(307, f"The repository is called {moved.id} now", headers=headers)


def identity(request: Request) -> Identity:
    """Who calls; set by `RequireToken` before any route runs."""
    caller = request.scope["identity"]
    assert isinstance(caller, Identity)
    return caller


def parameter(request: Request, name: str) -> str:
    """One path parameter, decoded. Paths are matched while still percent-encoded (see `app`)."""
    return unquote(request.path_params[name])


async def read_body(request: Request, limit: int = MAX_JSON_BYTES) -> bytes:
    """The whole body. Raises `HubError` 413 as soon as it grows above `limit`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise HubError(413, f"Request body is larger than {limit} bytes")
    return bytes(body)


async def read_json(request: Request) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty object. Raises `HubError` 400, 413."""
    body = await read_body(request)
    try:
        value = json.loads(body or b"{}")
    except ValueError as error:
        raise HubError(400, f"Invalid JSON: {error}") from error
    if not isinstance(value, dict):
        raise HubError(400, "The body must be a JSON object")
    return value
