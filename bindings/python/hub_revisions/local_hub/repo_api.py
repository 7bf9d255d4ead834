"""REST routes about who calls and about whole repositories (hub protocol 1.1 to 1.3)."""

from __future__ import annotations

import json
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from .auth import Identity, require_visible, require_write
from .card import check_card
from .errors import HubError, repo_not_found
from .files import BlobEntry, list_tree
from .git import API_DATE
from .hub import Hub, identity, parameter, read_json
from .names import RepoId
from .repos import MAIN, Repository

_MODEL = "/api/models/{namespace}/{name}"


class RepoApi:
    """Endpoints for identity, create, delete, move, permissions, info and card validation."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[Route]:
        return [
            Route("/api/whoami-v2", self.whoami),
            Route("/api/repos/create", self.create, methods=["POST"]),
            Route("/api/repos/delete", self.delete, methods=["DELETE"]),
            Route("/api/repos/move", self.move, methods=["POST"]),
            Route("/api/validate-yaml", self.validate_yaml, methods=["POST"]),
            Route(_MODEL, self.info),
            Route(f"{_MODEL}/revision/{{rev}}", self.info),
            Route(f"{_MODEL}/auth-check", self.auth_check),
            Route(f"{_MODEL}/auth-check/write", self.auth_check_write),
        ]

    async def whoami(self, request: Request) -> Response:
        """The user and the role of the token."""
        caller = identity(request)
        return JSONResponse(
            {
                "type": "user",
                "id": caller.user,
                "name": caller.user,
                "fullname": caller.user,
                "emailVerified": True,
                "isPro": False,
                "canPay": False,
                "periodEnd": None,
                "avatarUrl": "",
                "orgs": [],
                "auth": {
                    "type": "access_token",
                    "accessToken": {"displayName": caller.token_name, "role": caller.role},
                },
            }
        )

    async def create(self, request: Request) -> Response:
        """Create a model repository; 409 when it exists, with its `url` all the same."""
        require_write(identity(request))
        body = await read_json(request)
        id = _named_repository(body, identity(request))
        require_visible(identity(request), id)
        private = body.get("visibility") == "private" or body.get("private") is True
        url = f"{self._hub.endpoint(request)}/{id}"
        try:
            await run_in_threadpool(
                self._hub.repositories.create, id, private, identity(request).user
            )
        except HubError as error:
            if error.status != 409:
                raise
            answer = {"error": error.message, "url": url}
            return JSONResponse(answer, 409, headers=error.headers)
        return JSONResponse({"url": url, "name": str(id), "id": str(id)})

    async def delete(self, request: Request) -> Response:
        """Delete a repository with everything in it."""
        require_write(identity(request))
        id = _named_repository(await read_json(request), identity(request))
        if not identity(request).can_see(id):
            raise repo_not_found()
        await run_in_threadpool(self._hub.repositories.delete, id.namespace, id.name)
        return PlainTextResponse("OK")

    async def move(self, request: Request) -> Response:
        """Rename a repository; its old addresses redirect to the new ones."""
        require_write(identity(request))
        body = await read_json(request)
        old, new = (
            _named_repository({"name": body.get(name), "type": body.get("type")}, identity(request))
            for name in ("fromRepo", "toRepo")
        )
        if not identity(request).can_see(old):
            raise repo_not_found()
        require_visible(identity(request), new)
        await run_in_threadpool(self._hub.repositories.move, old, new)
        return PlainTextResponse("OK")

    async def validate_yaml(self, request: Request) -> Response:
        """Check a README.md before it is pushed; 400 with `errors` when a push would be refused."""
        content = (await read_json(request)).get("content")
        if not isinstance(content, str):
            raise HubError(400, "content must be the text of a README.md")
        report = await run_in_threadpool(check_card, content)
        answer = {
            "errors": [{"message": text} for text in report.errors],
            "warnings": [{"message": text} for text in report.warnings],
        }
        return JSONResponse(answer, 400 if report.errors else 200)

    def auth_check(self, request: Request) -> Response:
        """200 when the token may read the repository."""
        self._hub.repository(request)
        return PlainTextResponse("OK")

    def auth_check_write(self, request: Request) -> Response:
        """200 when the token may write to the repository."""
        self._hub.repository(request)
        require_write(identity(request))
        return PlainTextResponse("OK")

    def info(self, request: Request) -> Response:
        """The repository at a revision (default main): its `sha`, files and card metadata."""
        repository = self._hub.repository(request)
        revision = parameter(request, "rev") if "rev" in request.path_params else MAIN
        commit = repository.commit_of(revision)
        with_blobs = request.query_params.get("blobs", "").lower() in ("true", "1")
        answer = _model_info(repository, commit, with_blobs)
        # A date in a card's YAML is a date in Python; JSON wants text.
        return Response(json.dumps(answer, default=str), media_type="application/json")


def _named_repository(body: dict[str, Any], caller: Identity) -> RepoId:
    """The repository that a body names. Raises `HubError` 400, 404."""
    if body.get("type") not in (None, "model"):
        raise HubError(404, "This hub serves models only", code="RepoNotFound")
    name, organization = body.get("name"), body.get("organization")
    if not isinstance(name, str) or not isinstance(organization, str | None):
        raise HubError(400, "name must be a string, organization a string or null")
    if "/" in name and organization is None:
        organization, _, name = name.partition("/")
    return RepoId(organization or caller.user, name)


def _model_info(repository: Repository, commit: str, with_blobs: bool) -> dict[str, Any]:
    files = [entry for entry in list_tree(repository, commit, "", recursive=True)
             if isinstance(entry, BlobEntry)]  # fmt: skip
    metadata = _card_metadata(repository, files)
    stored = repository.metadata
    modified = repository.git.line("log", "-1", API_DATE, "--format=%cd", commit)
    info: dict[str, Any] = {
        "_id": stored["id"],
        "id": str(repository.id),
        "modelId": str(repository.id),
        "author": repository.id.namespace,
        "sha": commit,
        "lastModified": modified,
        "createdAt": stored["createdAt"],
        "private": stored["private"],
        "disabled": False,
        "gated": False,
        "downloads": 0,
        "likes": 0,
        "tags": _tags(metadata),
        "siblings": [entry.sibling(with_blobs) for entry in files],
    }
    if metadata:
        info["cardData"] = metadata
    for name in ("library_name", "pipeline_tag"):
        if isinstance(metadata.get(name), str):
            info[name] = metadata[name]
    return info


def _card_metadata(repository: Repository, files: list[BlobEntry]) -> dict[str, Any]:
    for entry in files:
        if entry.path == "README.md" and entry.pointer is None:
            text = repository.git.content(entry.id).decode("utf-8", "replace")
            return check_card(text).metadata
    return {}


def _tags(metadata: dict[str, Any]) -> list[str]:
    """The tags that the Hub derives from a card: some as they are, some with their field's name."""
    tags: list[str] = []
    for field, prefix in (
        ("library_name", ""),
        ("tags", ""),
        ("language", ""),
        ("datasets", "dataset:"),
        ("base_model", "base_model:"),
        ("license", "license:"),
    ):
        value = metadata.get(field)
        items = value if isinstance(value, list) else [value]
        tags += [f"{prefix}{item}" for item in items if isinstance(item, str)]
    return list(dict.fromkeys(tags))
