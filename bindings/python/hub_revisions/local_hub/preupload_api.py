"""The question before a commit over HTTP: which files are LFS files (hub protocol 1.5)."""

from __future__ import annotations

import base64
import binascii
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .errors import HubError
from .files import BlobEntry, find_paths
from .git import server_environment
from .hub import Hub, parameter, read_json
from .repos import Repository
from .rules import MAX_BLOB_BYTES
from .staging import stage

MAX_FILES = 256


class PreuploadApi:
    """The endpoint `preupload`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[Route]:
        preupload = "/api/models/{namespace}/{name}/preupload/{rev}"
        return [Route(preupload, self.preupload, methods=["POST"])]

    async def preupload(self, request: Request) -> Response:
        """For each file: its `uploadMode`, whether it is ignored, and what is there now."""
        body = await read_json(request)
        files = body.get("files")
        if not isinstance(files, list) or len(files) > MAX_FILES or not all(map(_is_file, files)):
            wanted = f"at most {MAX_FILES} objects of path, sample and size"
            raise HubError(400, f"files must be a list of {wanted}")
        repository = await run_in_threadpool(self._hub.repository, request)
        commit = await run_in_threadpool(repository.commit_of, parameter(request, "rev"))
        answers = await run_in_threadpool(_answers, repository, commit, body)
        return JSONResponse({"files": answers})


def _is_file(file: object) -> bool:
    return (
        isinstance(file, dict)
        and isinstance(file.get("path"), str)
        and isinstance(file.get("sample"), str)
        and isinstance(file.get("size"), int)
    )


def _answers(repository: Repository, commit: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    files = {file["path"]: file for file in body["files"]}
    present = {entry.path: entry for entry in find_paths(repository, commit, [*files, ".gitignore"])
               if isinstance(entry, BlobEntry)}  # fmt: skip
    with stage(repository) as staging:
        staging.load(commit)
        if isinstance(body.get("gitAttributes"), str):
            attributes = staging.keep(body["gitAttributes"].encode())
            staging.put_files([(".gitattributes", attributes)])
        plain = set(staging.not_lfs(files))
    ignore_rules = body.get("gitIgnore")
    if ignore_rules is None and ".gitignore" in present:
        ignore_rules = repository.git.content(present[".gitignore"].id).decode("utf-8", "replace")
    ignored = _ignored(str(ignore_rules), list(files)) if ignore_rules else set()
    answers = []
    for path, file in files.items():
        is_lfs = path not in plain or _needs_lfs(file)
        answer = {
            "path": path,
            "uploadMode": "lfs" if is_lfs else "regular",
            "shouldIgnore": path in ignored,
        }
        if path in present:
            entry = present[path]
            answer["oid"] = entry.pointer.oid if entry.pointer else entry.id
        answers.append(answer)
    return answers


def _needs_lfs(file: dict[str, Any]) -> bool:
    """Whether the hook would refuse this file as a plain blob, judged by its size and sample."""
    if file["size"] > MAX_BLOB_BYTES:
        return True
    try:
        sample = base64.b64decode(file["sample"], validate=True)
    except binascii.Error as error:
        raise HubError(400, f"Invalid sample for {file['path']}") from error
    if b"\0" in sample:
        return True
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        # The sample is cut at 512 bytes, perhaps in the middle of a character.
        return error.reason != "unexpected end of data"
    return False


def _ignored(rules: str, paths: list[str]) -> set[str]:
    """Those of `paths` that git leaves out under these `.gitignore` rules."""
    with tempfile.TemporaryDirectory(prefix="hub-ignore-") as folder:
        environment = server_environment()
        subprocess.run(["git", "init", "--quiet", folder], check=True, env=environment)
        (Path(folder) / ".gitignore").write_text(rules)
        done = subprocess.run(
            ["git", "-C", folder, "check-ignore", "--no-index", "--stdin", "-z"],
            input="".join(f"{path}\0" for path in paths).encode(),
            capture_output=True,
            env=environment,
        )
    # It exits with 1 when it ignores nothing, which is no failure here.
    return set(done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1])
