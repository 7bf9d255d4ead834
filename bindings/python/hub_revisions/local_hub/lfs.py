"""The LFS batch API (git-lfs docs/api/batch.md) as the Hub speaks it (hub protocol 3.3)."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .auth import COMPLETE_MULTIPART, require_write
from .errors import LFS_MEDIA_TYPE, HubError
from .hub import Hub, identity, parameter, read_json
from .objects import NoSuchUploadError, WrongContentError, is_oid
from .presign import Verdict
from .repos import Repository

MAX_BATCH_OBJECTS = 256
"""huggingface_hub sends up to 256 objects in one batch; git-lfs and others at most 100."""
_SHA256_NAMES = ("sha256", "sha_256")
_TOO_LARGE = (
    "You need to configure your repository to enable upload of files > 5GB.\n"
    'Run "hf lfs-enable-largefiles ./path/to/your/repo" and try again.'
)


class Lfs:
    """Endpoints below `/{namespace}/{name}.git/info/lfs`, and the end of a multipart upload."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._agent = hub.settings.multipart_agent

    def routes(self) -> list[Route]:
        lfs = "/{namespace}/{name}/info/lfs"
        complete = COMPLETE_MULTIPART + "{namespace}/{name}/{upload_id}/{oid}/{size:int}"
        return [
            Route(f"{lfs}/objects/batch", self.batch, methods=["POST"]),
            Route(f"{lfs}/objects/verify", self.verify, methods=["POST"]),
            Route(complete, self.complete_multipart, methods=["POST"]),
        ]

    async def batch(self, request: Request) -> Response:
        """Say for each object what the client has to do: nothing, upload, download or give up."""
        body = await read_json(request)
        repository = await run_in_threadpool(self._hub.repository, request)
        operation = body.get("operation")
        objects = body.get("objects")
        if operation not in ("upload", "download") or not isinstance(objects, list):
            raise HubError(422, "operation must be upload or download, and objects a list")
        if len(objects) > MAX_BATCH_OBJECTS:
            raise HubError(413, f"At most {MAX_BATCH_OBJECTS} objects are accepted in one batch")
        if body.get("hash_algo", "sha256") not in _SHA256_NAMES:
            raise HubError(409, "The only hash algorithm of this server is sha256")
        transfers = body.get("transfers") or ["basic"]
        agent = None
        if operation == "upload":
            require_write(identity(request))
            agent = next((name for name in transfers if name == self._agent), None)
        threshold = 0 if agent else self._hub.settings.multipart_threshold
        takes_parts = agent is not None or "multipart" in transfers
        batch = _Batch(self._hub, request, repository, threshold if takes_parts else None)
        answer = batch.upload if operation == "upload" else batch.download
        answered = await run_in_threadpool(lambda: [answer(item) for item in objects])
        # git-lfs refuses an adapter that it did not offer, and every part of an answer shares one.
        transfer = agent or ("multipart" if batch.has_multipart else "basic")
        return JSONResponse(
            {"transfer": transfer, "hash_algo": "sha256", "objects": answered},
            media_type=LFS_MEDIA_TYPE,
        )

    async def verify(self, request: Request) -> Response:
        """Confirm that an object is stored with this size, or answer 404."""
        require_write(identity(request))
        body = await read_json(request)
        repository = await run_in_threadpool(self._hub.repository, request)
        oid, size = body.get("oid"), body.get("size")
        if not isinstance(oid, str) or not is_oid(oid) or repository.objects.size(oid) != size:
            # The repository may be gone or renamed by now, which says more.
            await run_in_threadpool(self._hub.repository, request)
            raise HubError(404, f"Object {oid} of size {size} is not stored")
        return JSONResponse({"oid": oid, "size": size}, media_type=LFS_MEDIA_TYPE)

    async def complete_multipart(self, request: Request) -> Response:
        """Join the parts that the client names by number and ETag (huggingface_hub `lfs.py`)."""
        verdict = self._hub.signer.check("POST", request.scope["path"], request.query_params)
        if verdict is not Verdict.VALID:
            raise HubError(403, verdict.value)
        body = await read_json(request)
        repository = await run_in_threadpool(self._hub.stored, request)
        try:
            parts = sorted(body["parts"], key=lambda part: int(part["partNumber"]))
            etags = [str(part["etag"]).strip('"') for part in parts]
            numbers = [int(part["partNumber"]) for part in parts]
        except (KeyError, TypeError, ValueError) as error:
            raise HubError(400, "parts must be a list of {partNumber, etag}") from error
        if numbers != list(range(1, len(numbers) + 1)):
            raise HubError(400, "parts must be numbered from 1 on, without gaps")
        upload_id, oid = parameter(request, "upload_id"), parameter(request, "oid")
        size = request.path_params["size"]
        try:
            await run_in_threadpool(
                repository.objects.finish_multipart, upload_id, oid, size, etags
            )
        except NoSuchUploadError as error:
            # A repeated completion, after the answer to the first was lost, succeeds again.
            if repository.objects.size(oid) != size:
                raise HubError(404, "No such multipart upload") from error
        except WrongContentError as error:
            raise HubError(400, str(error)) from error
        return JSONResponse({"oid": oid, "size": size}, media_type=LFS_MEDIA_TYPE)


class _Batch:
    """Answers the objects of one batch request; those above `threshold`, if any, go in parts."""

    def __init__(
        self, hub: Hub, request: Request, repository: Repository, threshold: int | None
    ) -> None:
        self._hub = hub
        self._request = request
        self._repository = repository
        self._threshold = threshold
        self.has_multipart = False

    def upload(self, item: object) -> dict[str, Any]:
        oid, size = _oid_and_size(item)
        if oid is None:
            return _refused(item, 422, "oid must be a SHA-256 and size a number of bytes")
        if self._repository.objects.size(oid) == size:
            return {"oid": oid, "size": size}
        if size > self._hub.settings.max_object_bytes:
            limit = self._hub.settings.max_object_bytes
            return _refused(item, 413, f"This server stores no file above {limit} bytes")
        if self._threshold is not None and size > self._threshold:
            upload = self._multipart_action(oid, size)
            self.has_multipart = True
        elif size > self._hub.settings.single_put_limit:
            return _refused(item, 422, _TOO_LARGE)
        else:
            path = f"/{self._repository.id}/objects/{oid}/{size}"
            upload = {"href": self._hub.signed_url(self._request, "PUT", path)}
        return {
            "oid": oid,
            "size": size,
            "authenticated": True,
            "actions": {"upload": upload, "verify": self._verify_action()},
        }

    def download(self, item: object) -> dict[str, Any]:
        oid, size = _oid_and_size(item)
        if oid is None or self._repository.objects.size(oid) != size:
            return _refused(item, 404, "Object does not exist on the server")
        path = f"/{self._repository.id}/objects/{oid}/{size}"
        action = {"href": self._hub.signed_url(self._request, "GET", path)}
        return {"oid": oid, "size": size, "authenticated": True, "actions": {"download": action}}

    def _multipart_action(self, oid: str, size: int) -> dict[str, Any]:
        """`header` holds `chunk_size` and one signed URL per part, under 00001, 00002, ..."""
        part_size = self._hub.settings.part_size
        upload_id = self._repository.objects.start_multipart()
        header = {"chunk_size": str(part_size)}
        for number, start in enumerate(range(0, size, part_size), start=1):
            length = min(part_size, size - start)
            path = f"/{self._repository.id}/uploads/{upload_id}/{number}/{length}"
            header[f"{number:05}"] = self._hub.signed_url(self._request, "PUT", path)
        path = f"{COMPLETE_MULTIPART}{self._repository.id}/{upload_id}/{oid}/{size}"
        query = self._hub.signer.query("POST", path)
        return {"href": f"{self._hub.endpoint(self._request)}{path}?{query}", "header": header}

    def _verify_action(self) -> dict[str, Any]:
        """git-lfs sends no credentials of its own to an `authenticated` object's actions, so the
        caller gets its own header back. It is for this hub alone."""
        if self._hub.settings.verify_url is not None:
            return {"href": f"{self._hub.settings.verify_url.rstrip('/')}/{self._repository.id}"}
        return {
            "href": f"{self._hub.endpoint(self._request)}/{self._repository.id}.git"
            "/info/lfs/objects/verify",
            "header": {"Authorization": self._request.headers["authorization"]},
        }


def _oid_and_size(item: object) -> tuple[str | None, int]:
    if isinstance(item, dict) and is_oid(item.get("oid")):
        size = item.get("size")
        if isinstance(size, int) and size >= 0:
            return item["oid"], size
    return None, 0


def _refused(item: object, code: int, message: str) -> dict[str, Any]:
    """A per-object error; it repeats what the client sent so that it knows which one is meant."""
    sent = item if isinstance(item, dict) else {}
    return {
        "oid": sent.get("oid"),
        "size": sent.get("size"),
        "error": {"code": code, "message": message},
    }
