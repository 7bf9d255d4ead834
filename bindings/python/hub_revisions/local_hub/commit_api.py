"""Commits over HTTP, without git on the client's side (hub protocol 1.5)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .auth import require_write
from .defaults import lfs_rule, literal_pattern
from .errors import HubError, revision_not_found
from .hub import Hub, identity, parameter
from .objects import is_oid
from .pointer import Pointer
from .repos import Repository
from .rules import RefUpdate, refusal
from .settings import MIB
from .staging import Staging, stage

MAX_LINE_BYTES = 128 * MIB
"""One line holds one file; base64 of the largest one that may be a plain blob is a tenth of it.
The room above lets a larger one reach the check that names it."""
_ATTRIBUTES = ".gitattributes"
_STALE = "A commit has happened since. Please refresh and try again."


@dataclass
class _Commit:
    """What the lines of a request asked for; file contents wait on disk."""

    summary: str = ""
    description: str = ""
    parent: str | None = None
    files: dict[str, Path] = field(default_factory=dict)
    lfs_paths: list[str] = field(default_factory=list)
    deleted: list[tuple[str, bool]] = field(default_factory=list)

    @property
    def message(self) -> str:
        return f"{self.summary}\n\n{self.description}".strip() + "\n"


class CommitApi:
    """The endpoint `commit`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[Route]:
        commit = "/api/models/{namespace}/{name}/commit/{rev}"
        return [Route(commit, self.commit, methods=["POST"])]

    async def commit(self, request: Request) -> Response:
        """Make one commit on a branch from the operations in the NDJSON body.

        404 when the branch does not exist, 412 when it is not at `parentCommit` or moved
        meanwhile, 400 with the pre-receive text when the content breaks a rule.
        """
        require_write(identity(request))
        repository = await run_in_threadpool(self._hub.repository, request)
        branch = parameter(request, "rev")
        if request.query_params.get("create_pr"):
            raise HubError(400, "This hub has no pull requests")
        with stage(repository) as staging:
            wanted = _Commit()
            async for line in _lines(request, self._hub.settings.max_push_bytes):
                await run_in_threadpool(_read_line, line, repository, staging, wanted)
            user = identity(request).user
            commit = await run_in_threadpool(_make, repository, staging, branch, wanted, user)
        url = f"{self._hub.endpoint(request)}/{repository.id}/commit/{commit}"
        return JSONResponse(
            {"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""}
        )


async def _lines(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The lines of the body as they arrive.

    Raises `HubError` 413 for a line that is too long, and for more than `limit` bytes in all.
    """
    rest = bytearray()
    received = 0
    async for chunk in request.stream():
        rest += chunk
        received += len(chunk)
        if received > limit:
            raise HubError(413, f"The commit is larger than {limit} bytes")
        if b"\n" in chunk:
            *whole, last = bytes(rest).split(b"\n")
            rest = bytearray(last)
            for line in whole:
                yield line
        if len(rest) > MAX_LINE_BYTES:
            raise HubError(413, f"One operation is larger than {MAX_LINE_BYTES} bytes")
    yield bytes(rest)


def _read_line(line: bytes, repository: Repository, staging: Staging, wanted: _Commit) -> None:
    """Take one operation. Raises `HubError` 400 when it is not understood."""
    if not line.strip():
        return
    try:
        operation = json.loads(line)
        key, value = operation["key"], operation["value"]
        if key == "header":
            wanted.summary = str(value.get("summary") or "")
            wanted.description = str(value.get("description") or "")
            wanted.parent = value.get("parentCommit")
        elif key == "file":
            wanted.files[str(value["path"])] = staging.keep(_file_content(value))
        elif key == "lfsFile":
            path = str(value["path"])
            wanted.files[path] = staging.keep(_pointer(repository, value).to_bytes())
            wanted.lfs_paths.append(path)
        elif key in ("deletedFile", "deletedFolder"):
            wanted.deleted.append((str(value["path"]), key == "deletedFolder"))
        else:
            raise HubError(400, f"Unknown operation: {key}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HubError(400, f"Malformed operation in the commit: {error!r}") from error


def _file_content(value: dict[str, Any]) -> bytes:
    content = str(value["content"])
    if value.get("encoding") != "base64":
        return content.encode()
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise HubError(400, f"Invalid base64 in {value['path']}") from error


def _pointer(repository: Repository, value: dict[str, Any]) -> Pointer:
    """The pointer for an `lfsFile`; a copy within the repository comes without its size."""
    oid = value["oid"]
    if not is_oid(oid):
        raise HubError(400, f"Invalid oid for {value['path']}")
    size = value.get("size")
    return Pointer(oid, int(size) if size is not None else repository.objects.size(oid) or 0)


def _make(repository: Repository, staging: Staging, branch: str, wanted: _Commit, user: str) -> str:
    """Stage, write, check and publish the commit; return its id."""
    if not wanted.summary:
        raise HubError(400, "The commit needs a header with a summary")
    ref = branch if branch.startswith("refs/") else f"refs/heads/{branch}"
    head = repository.git.commit_id(ref)
    if head is None:
        raise revision_not_found(branch)
    if wanted.parent is not None and not head.startswith(wanted.parent):
        raise HubError(412, _STALE)
    staging.load(head)
    for path, is_folder in wanted.deleted:
        (staging.remove_folder if is_folder else staging.remove_file)(path)
    staging.put_files(wanted.files.items())
    _complete_attributes(staging, wanted.lfs_paths)
    commit = repository.commit_tree(staging.write_tree(), [head], wanted.message, user)
    text = refusal(repository.git, repository.objects, [RefUpdate(head, commit, ref)])
    if text is not None:
        raise HubError(400, text)
    if not repository.update_ref(ref, commit, head):
        raise HubError(412, _STALE)
    return commit


def _complete_attributes(staging: Staging, lfs_paths: list[str]) -> None:
    """Add a rule for each LFS file that no rule covers, as the Hub does for commits over HTTP."""
    uncovered = staging.not_lfs(lfs_paths)
    if uncovered:
        rules = "".join(lfs_rule(literal_pattern(path)) for path in uncovered)
        content = staging.read(_ATTRIBUTES)
        separator = b"" if not content or content.endswith(b"\n") else b"\n"
        staging.put_files([(_ATTRIBUTES, staging.keep(content + separator + rules.encode()))])
