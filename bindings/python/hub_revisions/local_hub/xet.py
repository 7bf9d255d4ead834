"""Uploads by Xet, turned into LFS objects.

`huggingface_hub` with `hf_xet` installed uploads by Xet and never falls back to LFS, so a hub that
stock clients can write to has to take it (huggingface_hub `_commit_api.py`). Only what an upload
needs is here: xorbs are kept, and a shard makes the server put its files together and store them as
LFS objects. Downloads never offer Xet. Protocol: hub-docs `xet/upload-protocol.md`, `xet/api.md`.
"""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .auth import require_write
from .errors import HubError
from .hub import Hub, identity, parameter, read_body
from .objects import BUFFER, WrongContentError, is_oid
from .presign import Verdict
from .repos import Repository
from .settings import MIB
from .xet_format import FileRecipe, MalformedXetError, read_chunks, read_shard

MAX_XORB_BYTES = 80 * MIB
"""The specification's limit is 64 MiB; what a client adds to it is not worth a refusal here."""
MAX_SHARD_BYTES = 64 * MIB


class XetTokens:
    """The hub's side: the token with which a client may upload into one repository."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[Route]:
        return [Route("/api/models/{namespace}/{name}/xet-write-token/{rev}", self.write_token)]

    def write_token(self, request: Request) -> Response:
        """Where to upload to, and a signature that allows it.

        The address contains the id of this very repository: clients remember by address what they
        have uploaded, and must not take a new repository for a deleted one of the same name.
        """
        require_write(identity(request))
        repository = self._hub.repository(request)
        path = _base_path(repository)
        answer = {
            "accessToken": self._hub.signer.query("POST", path),
            "exp": int(time.time()) + self._hub.settings.url_lifetime,
            "casUrl": f"{self._hub.storage_endpoint(request)}{path}",
        }
        headers = {
            "X-Xet-Cas-Url": str(answer["casUrl"]),
            "X-Xet-Access-Token": str(answer["accessToken"]),
            "X-Xet-Token-Expiration": str(answer["exp"]),
        }
        return JSONResponse(answer, headers=headers)


class XetStorage:
    """The storage's side: takes xorbs and shards."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[Route]:
        base = "/xet/{namespace}/{name}/{id}/v1"
        return [
            Route(f"{base}/xorbs/default/{{hash}}", self.put_xorb, methods=["POST"]),
            Route(f"{base}/shards", self.put_shard, methods=["POST"]),
        ]

    async def put_xorb(self, request: Request) -> Response:
        """Keep a xorb; doing it again changes nothing."""
        repository = await run_in_threadpool(self._repository, request)
        xorb = parameter(request, "hash")
        if not is_oid(xorb):
            raise HubError(400, "The name of a xorb is a hash")
        path = _xorb_path(repository, xorb)
        is_new = not path.exists()
        repository.objects.make_folder(path.parent)
        await _receive(request, repository, path)
        return JSONResponse({"was_inserted": is_new})

    async def put_shard(self, request: Request) -> Response:
        """Put the files of a shard together; each becomes an LFS object."""
        repository = await run_in_threadpool(self._repository, request)
        shard = await read_body(request, MAX_SHARD_BYTES)
        try:
            for recipe in read_shard(shard):
                await run_in_threadpool(_assemble, repository, recipe)
        except (MalformedXetError, WrongContentError) as error:
            raise HubError(400, str(error)) from error
        return JSONResponse({"result": 1})

    def _repository(self, request: Request) -> Repository:
        """The repository, if the token is for it. Raises `HubError` 401, which makes clients ask
        for a new token, and 404."""
        repository = self._hub.stored(request)
        path = _base_path(repository)
        _, _, token = request.headers.get("authorization", "").partition(" ")
        verdict = self._hub.signer.check("POST", path, dict(parse_qsl(token)))
        if verdict is not Verdict.VALID or not request.scope["path"].startswith(f"{path}/"):
            raise HubError(401, verdict.value)
        return repository


def _base_path(repository: Repository) -> str:
    return f"/xet/{repository.id}/{repository.metadata['id']}"


def _xorb_path(repository: Repository, xorb: str) -> Path:
    return repository.path / "lfs" / "xorbs" / xorb[:2] / xorb


async def _receive(request: Request, repository: Repository, path: Path) -> None:
    """Stream a body to a temporary file, which becomes `path` when it is whole."""
    temporary = repository.objects.temporary()
    received = 0
    buffer = bytearray()
    with repository.objects.present():
        body = temporary.open("wb")
    try:
        with body as file:
            async for chunk in request.stream():
                buffer += chunk
                received += len(chunk)
                if received > MAX_XORB_BYTES:
                    raise HubError(413, f"A xorb is larger than {MAX_XORB_BYTES} bytes")
                if len(buffer) >= BUFFER:
                    await run_in_threadpool(file.write, bytes(buffer))
                    buffer.clear()
            await run_in_threadpool(file.write, bytes(buffer))
        with repository.objects.present():
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _assemble(repository: Repository, recipe: FileRecipe) -> None:
    """Make an LFS object of one file. Raises `MalformedXetError`, `WrongContentError`."""
    if repository.objects.size(recipe.oid) == recipe.size:
        return
    sink = repository.objects.receive(recipe.oid, recipe.size)
    try:
        with repository.objects.present():
            for term in recipe.terms:
                with _xorb_path(repository, term.xorb).open("rb") as xorb:
                    for content in read_chunks(xorb, term.first, term.end):
                        sink.write(content)
            sink.finish()
    except FileNotFoundError as error:
        raise MalformedXetError("the shard names a xorb that is not stored") from error
    finally:
        sink.discard()
