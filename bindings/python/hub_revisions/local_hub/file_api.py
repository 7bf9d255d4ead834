"""REST routes for reading what lies in a commit (hub protocol 1.3)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote, unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .errors import HubError, entry_not_found
from .files import BlobEntry, Entry, find_file, find_paths, list_tree
from .git import API_DATE
from .hub import Hub, parameter, read_body
from .paging import next_link, number
from .repos import Repository

_MODEL = "/api/models/{namespace}/{name}"
MAX_PATHS = 1000
MAX_EXPANDED = 50


class FileApi:
    """Endpoints that list directories, describe paths and hand out files."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[Route]:
        return [
            Route(f"{_MODEL}/tree/{{rev}}", self.tree),
            Route(f"{_MODEL}/tree/{{rev}}/{{path:path}}", self.tree),
            Route(f"{_MODEL}/paths-info/{{rev}}", self.paths_info, methods=["POST"]),
            Route("/{namespace}/{name}/resolve/{rev}/{path:path}", self.resolve),
        ]

    def tree(self, request: Request) -> Response:
        """The entries of a directory, in pages of 1000, or of 50 with `expand`."""
        repository = self._hub.repository(request)
        commit = repository.commit_of(parameter(request, "rev"))
        path = unquote(request.path_params.get("path", "")).strip("/")
        expand = _is_true(request.query_params.get("expand"))
        recursive = _is_true(request.query_params.get("recursive"))
        entries = list_tree(repository, commit, path, recursive=recursive)
        size = min(number(request, "limit", MAX_EXPANDED if expand else MAX_PATHS), MAX_PATHS)
        start = number(request, "cursor", 0)
        page = entries[start : start + size]
        headers = {"X-Repo-Commit": commit}
        if start + size < len(entries):
            next_path = f"/api/models/{repository.id}/tree/{commit}"
            next_path += f"/{quote(path, safe='')}" if path else ""
            headers |= next_link(request, self._hub, next_path, {"cursor": start + size})
        return JSONResponse(_to_json(repository, commit, page, expand), headers=headers)

    async def paths_info(self, request: Request) -> Response:
        """The entries at the paths given; those that do not exist are left out."""
        body = await read_body(request)
        form = parse_qs(body.decode("utf-8", "replace"))
        paths = form.get("paths", [])
        if len(paths) > MAX_PATHS:
            raise HubError(413, "too many parameters")
        expand = _is_true(form.get("expand", ["false"])[0])
        return await run_in_threadpool(self._paths_info, request, paths, expand)

    def _paths_info(self, request: Request, paths: list[str], expand: bool) -> Response:
        repository = self._hub.repository(request)
        commit = repository.commit_of(parameter(request, "rev"))
        entries = find_paths(repository, commit, paths)
        return JSONResponse(_to_json(repository, commit, entries, expand))

    def resolve(self, request: Request) -> Response:
        """A file: its bytes, or for an LFS file a redirect to a pre-signed URL."""
        repository = self._hub.repository(request)
        commit = repository.commit_of(parameter(request, "rev"))
        entry = find_file(repository, commit, parameter(request, "path"))
        headers = {"X-Repo-Commit": commit, "ETag": f'"{entry.id}"'}
        if entry.pointer is None:
            return _blob_response(request, repository, entry, headers)
        pointer = entry.pointer
        if repository.objects.size(pointer.oid) is None:
            raise entry_not_found("The LFS object of this file is not stored", commit)
        path = f"/{repository.id}/objects/{pointer.oid}/{pointer.size}"
        headers["X-Linked-ETag"] = f'"{pointer.oid}"'
        headers["X-Linked-Size"] = str(pointer.size)
        url = self._hub.signed_url(request, "GET", path)
        return RedirectResponse(url, status_code=302, headers=headers)


def _blob_response(
    request: Request, repository: Repository, entry: BlobEntry, headers: dict[str, str]
) -> Response:
    """A blob is at most 10 MiB, so it is answered from memory; one byte range is honoured."""
    headers["Accept-Ranges"] = "bytes"
    content = repository.git.content(entry.id)
    wanted = request.headers.get("range", "")
    if not wanted.startswith("bytes=") or "," in wanted:
        return Response(content, headers=headers, media_type="application/octet-stream")
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    if not (first + last).isdigit():
        raise HubError(400, f"Malformed range: {wanted}")
    start = int(first) if first else max(len(content) - int(last), 0)
    end = min(int(last) if first and last else len(content) - 1, len(content) - 1)
    if start > end:
        span = {"Content-Range": f"bytes */{len(content)}"}
        raise HubError(416, "Range not satisfiable", headers=span)
    headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
    return Response(
        content[start : end + 1], 206, headers=headers, media_type="application/octet-stream"
    )


def _to_json(
    repository: Repository, commit: str, entries: list[Entry], expand: bool
) -> list[dict[str, Any]]:
    answers = [entry.to_json() for entry in entries]
    if expand:
        for answer in answers:
            answer["lastCommit"] = _last_commit(repository, commit, answer["path"])
    return answers


def _last_commit(repository: Repository, commit: str, path: str) -> dict[str, str]:
    """The newest commit that touched `path`."""
    literal = repository.git.with_environment({"GIT_LITERAL_PATHSPECS": "1"})
    line = literal.line("log", "-1", API_DATE, "--format=%H%x00%cd%x00%s", commit, "--", path)
    id, date, title = line.split("\0")
    return {"id": id, "title": title, "date": date}


def _is_true(text: str | None) -> bool:
    return text is not None and text.lower() in ("true", "1")
