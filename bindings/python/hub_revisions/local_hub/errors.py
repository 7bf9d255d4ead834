"""Refusals, in the shapes that Hub clients read (hub protocol 1.7)."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

LFS_MEDIA_TYPE = "application/vnd.git-lfs+json"
REPO_NOT_FOUND = "RepoNotFound"
REVISION_NOT_FOUND = "RevisionNotFound"
ENTRY_NOT_FOUND = "EntryNotFound"


class HubError(Exception):
    """A refusal that ends a request: `status`, a text for people, and the Hub's error code if any.

    Source: huggingface_hub `utils/_http.py::hf_raise_for_status`, which decides by
    `X-Error-Code`, then `X-Error-Message`, then the status.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})
        if code is not None:
            self.headers["X-Error-Code"] = code
        # A header holds one line of printable characters; the body carries the whole text.
        first_line = message.strip().splitlines()[0] if message.strip() else ""
        self.headers["X-Error-Message"] = re.sub(r"[^\x20-\x7e]", "?", first_line)


def repo_not_found() -> HubError:
    """The repository does not exist, or cannot be named."""
    return HubError(404, "Repository not found", code=REPO_NOT_FOUND)


def revision_not_found(revision: str) -> HubError:
    """No branch, tag or commit answers to `revision`."""
    return HubError(404, f"Invalid rev id: {revision}", code=REVISION_NOT_FOUND)


def entry_not_found(message: str, commit: str | None = None) -> HubError:
    """The revision exists, the path in it does not; `commit` tells which commit was searched."""
    headers = {"X-Repo-Commit": commit} if commit else None
    return HubError(404, message, code=ENTRY_NOT_FOUND, headers=headers)


def is_lfs_path(path: str) -> bool:
    """LFS routes put their text under `message`, with their own media type."""
    return "/info/lfs/" in path


def is_git_path(path: str) -> bool:
    """The smart-HTTP routes, whose errors are plain text: git shows the body as `remote: ...`."""
    return path.endswith(("/info/refs", "/git-upload-pack", "/git-receive-pack"))


def error_response(path: str, error: HubError) -> Response:
    """Render `error` for the family of routes that `path` belongs to."""
    if is_lfs_path(path):
        return JSONResponse(
            {"message": error.message},
            status_code=error.status,
            headers=error.headers,
            media_type=LFS_MEDIA_TYPE,
        )
    if is_git_path(path):
        return Response(
            error.message + "\n", error.status, headers=error.headers, media_type="text/plain"
        )
    return JSONResponse({"error": error.message}, error.status, headers=error.headers)


async def handle_hub_error(request: Request, error: Exception) -> Response:
    """Starlette exception handler for `HubError`."""
    assert isinstance(error, HubError)
    return error_response(request.scope["path"], error)


async def handle_client_gone(request: Request, error: Exception) -> Response:
    """The client went away in the middle of its request: only the log reads this answer."""
    return Response(status_code=400)
