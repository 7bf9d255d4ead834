"""REST routes for the stored large files of a repository (hub protocol 1.4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from .auth import require_write
from .errors import HubError
from .hub import Hub, identity, read_json
from .objects import StoredObject, is_oid
from .paging import next_link, number
from .pointer import Pointer
from .repos import Repository

_MODEL = "/api/models/{namespace}/{name}"
PAGE = 1000
MAX_DELETIONS = 1000


class LfsFilesApi:
    """Endpoints that list what is stored, referred to or not, and delete it for good."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[Route]:
        return [
            Route(f"{_MODEL}/lfs-files", self.list_files),
            Route(f"{_MODEL}/lfs-files/batch", self.delete_files, methods=["POST"]),
        ]

    def list_files(self, request: Request) -> Response:
        """All stored objects, in pages that stay whole while objects come and go."""
        repository = self._hub.repository(request)
        size = min(number(request, "limit", PAGE), PAGE)
        after = request.query_params.get("cursor", "")
        stored = [item for item in repository.objects.all() if item.oid > after]
        page = stored[:size]
        headers = {}
        if page and len(stored) > len(page):
            path = f"/api/models/{repository.id}/lfs-files"
            headers = next_link(request, self._hub, path, {"cursor": page[-1].oid})
        places = _places(repository, page)
        return JSONResponse([_file_json(item, places) for item in page], headers=headers)

    async def delete_files(self, request: Request) -> Response:
        """Delete objects for good, whether or not a commit refers to them.

        This hub does not rewrite history, so with `rewriteHistory` it takes only what no commit
        refers to.
        """
        require_write(identity(request))
        body = await read_json(request)
        deletions = body.get("deletions")
        shas = deletions.get("sha") if isinstance(deletions, dict) else None
        if not isinstance(shas, list) or not all(is_oid(sha) for sha in shas):
            raise HubError(400, "deletions.sha must be a list of SHA-256 in lower-case hex")
        if len(shas) > MAX_DELETIONS:
            raise HubError(400, f"At most {MAX_DELETIONS} files are deleted in one request")
        assert isinstance(deletions, dict)
        rewrite = bool(deletions.get("rewriteHistory"))
        repository = await run_in_threadpool(self._hub.repository, request)
        await run_in_threadpool(_delete, repository, shas, rewrite)
        return PlainTextResponse("OK")


@dataclass(frozen=True)
class _Place:
    """Where a commit has an object's pointer."""

    path: str
    ref: str


def _delete(repository: Repository, oids: list[str], rewrite_history: bool) -> None:
    if rewrite_history:
        wanted = set(oids)
        stored = [item for item in repository.objects.all() if item.oid in wanted]
        if _places(repository, stored):
            raise HubError(
                501, "This hub does not rewrite history; send rewriteHistory=false to delete files "
                "that commits refer to"
            )  # fmt: skip
    for oid in oids:
        repository.objects.remove(oid)


def _places(repository: Repository, items: Iterable[StoredObject]) -> dict[str, _Place]:
    """Where each object was committed first, by oid; without those that no ref reaches."""
    pointers = {_blob_id(Pointer(item.oid, item.size).to_bytes()): item.oid for item in items}
    if not pointers:
        return {}
    fields = iter(
        repository.git.run(
            "log", "--all", "--source", "-m", "--root", "--raw", "--no-abbrev", "--no-renames",
            "--diff-filter=d", "-z", "--format=%x01%S",
        ).split(b"\0")
    )  # fmt: skip
    places, ref = {}, ""
    for field in fields:
        line = field.decode("utf-8", "replace").lstrip("\n")
        if line.startswith("\x01"):
            ref = line[1:].rstrip("\n")
        elif line.startswith(":"):
            path = next(fields).decode("utf-8", "replace")
            oid = pointers.get(line.split(" ")[3])
            if oid is not None:
                places[oid] = _Place(path, ref)  # newest first: the oldest one stays
    return places


def _blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _file_json(item: StoredObject, places: Mapping[str, _Place]) -> dict[str, Any]:
    """One file in the Hub's form (huggingface_hub `LFSFileInfo`).

    `oid` is the Hub's own id of its entry, which only tells it from `fileOid` here.
    """
    place = places.get(item.oid)
    pushed = datetime.fromtimestamp(item.stored_at, timezone.utc)
    answer: dict[str, Any] = {
        "oid": hashlib.sha256(item.oid.encode()).hexdigest()[:24],
        "fileOid": item.oid,
        "filename": place.path if place else item.oid,
        "size": item.size,
        "pushedAt": pushed.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }
    return answer | ({"ref": place.ref} if place else {})
