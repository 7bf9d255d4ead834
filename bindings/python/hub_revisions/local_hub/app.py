"""Puts the parts together: two ASGI applications, told apart by the port they are reached on."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .auth import RequireToken
from .commit_api import CommitApi
from .errors import REPO_NOT_FOUND, HubError, handle_client_gone, handle_hub_error
from .fault_api import FaultApi
from .fault_layer import FaultLayer
from .file_api import FileApi
from .git_http import GitHttp
from .hub import Hub
from .lfs import Lfs
from .lfs_files_api import LfsFilesApi
from .middleware import AccessLog, RateLimit, RawPath
from .objects import RepositoryGoneError
from .pages import Pages
from .preupload_api import PreuploadApi
from .ref_api import RefApi
from .repo_api import RepoApi
from .storage import Storage
from .xet import XetTokens


def create_app(hub: Hub) -> ASGIApp:
    """The hub behind one ASGI callable.

    Each request passes, from the outside in: `RawPath`, `AccessLog` (so every answer has an id and
    a line in the log), `FaultLayer` if the hub was started with faults (it sees the hub and the
    storage alike), then on the hub's port `RateLimit` and `RequireToken`.
    """
    app: ASGIApp = _ByPort(hub, _hub_app(hub), Storage(hub).app())
    if hub.faults is not None:
        app = FaultLayer(app, hub, hub.faults)
    return RawPath(AccessLog(app))


class _ByPort:
    """Sends what comes in on the storage port to the storage, all else to the hub."""

    def __init__(self, hub: Hub, hub_app: ASGIApp, storage_app: ASGIApp) -> None:
        self._storage_port = hub.settings.storage_port
        self._hub_app = hub_app
        self._storage_app = storage_app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        on_storage = scope["type"] == "http" and scope["server"][1] == self._storage_port
        await (self._storage_app if on_storage else self._hub_app)(scope, receive, send)


def _hub_app(hub: Hub) -> Starlette:
    routes = [
        *_model_only_routes(),
        *(FaultApi(hub.faults).routes() if hub.faults is not None else []),
        *RepoApi(hub).routes(),
        *RefApi(hub).routes(),
        *FileApi(hub).routes(),
        *PreuploadApi(hub).routes(),
        *CommitApi(hub).routes(),
        *Lfs(hub).routes(),
        *LfsFilesApi(hub).routes(),
        *XetTokens(hub).routes(),
        *_git_routes(hub),
        *Pages(hub).routes(),
    ]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(RateLimit, limit=hub.settings.rate_limit),
            Middleware(RequireToken, tokens=hub.tokens),
        ],
        exception_handlers={
            HubError: handle_hub_error,
            RepositoryGoneError: hub.handle_repository_gone,
            ClientDisconnect: handle_client_gone,
            404: _no_such_route,
        },
    )


def _git_routes(hub: Hub) -> list[Route]:
    repository = "/{namespace}/{name}"
    return [
        Route(f"{repository}/info/refs", GitHttp(hub, "info/refs"), methods=["GET"]),
        Route(f"{repository}/git-upload-pack", GitHttp(hub, "git-upload-pack"), methods=["POST"]),
        Route(f"{repository}/git-receive-pack", GitHttp(hub, "git-receive-pack"), methods=["POST"]),
    ]


def _model_only_routes() -> list[Route]:
    """Datasets and Spaces get an answer that says why, before any other route claims their path."""
    prefixes = ("/api/datasets", "/api/spaces", "/api/kernels", "/datasets", "/spaces")
    methods = ["GET", "POST", "PUT", "DELETE"]
    return [Route(prefix + "/{rest:path}", _models_only, methods=methods) for prefix in prefixes]


async def _models_only(request: Request) -> Response:
    raise HubError(404, "This hub serves models only", code=REPO_NOT_FOUND)


async def _no_such_route(request: Request, error: Exception) -> Response:
    return await handle_hub_error(request, HubError(404, "This hub has no such route"))
