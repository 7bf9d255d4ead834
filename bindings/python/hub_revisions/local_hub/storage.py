"""The object storage behind pre-signed URLs: what S3 is to the Hub.

A second ASGI application on its own port. It knows no tokens: the signature in the query is the
permission, and a request that brings an Authorization header as well is refused, as S3 does.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from .errors import HubError, handle_client_gone, handle_hub_error
from .hub import Hub, parameter
from .objects import BUFFER, NoSuchUploadError, RepositoryGoneError, Sink, WrongContentError
from .presign import Verdict
from .xet import XetStorage


class _StorageError(Exception):
    """A refusal in S3's form: a status, a code for programs and a text (S3 "Error responses")."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Storage:
    """Endpoints of the storage listener."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def app(self) -> Starlette:
        objects = "/{namespace}/{name}/objects/{oid}/{size:int}"
        parts = "/{namespace}/{name}/uploads/{upload_id}/{number:int}/{size:int}"
        return Starlette(
            routes=[
                Route(objects, self.get_object, methods=["GET"]),
                Route(objects, self.put_object, methods=["PUT"]),
                Route(parts, self.put_part, methods=["PUT"]),
                *XetStorage(self._hub).routes(),
            ],
            exception_handlers={
                _StorageError: _error_response,
                HubError: handle_hub_error,
                RepositoryGoneError: self._hub.handle_repository_gone,
                ClientDisconnect: handle_client_gone,
            },
        )

    async def get_object(self, request: Request) -> Response:
        """The bytes of an object; `Range` is honoured."""
        self._check_signature(request)
        repository = await run_in_threadpool(self._hub.stored, request)
        oid = parameter(request, "oid")
        if repository.objects.size(oid) is None:
            raise _StorageError(404, "NoSuchKey", "The specified key does not exist.")
        return FileResponse(
            repository.objects.path(oid),
            media_type="application/octet-stream",
            headers={"ETag": f'"{oid}"'},
        )

    async def put_object(self, request: Request) -> Response:
        """Store one whole object."""
        size = self._checked_length(request)
        repository = await run_in_threadpool(self._hub.stored, request)
        oid = parameter(request, "oid")
        return await _store(request, await run_in_threadpool(repository.objects.receive, oid, size))

    async def put_part(self, request: Request) -> Response:
        """Store one part of a multipart upload; the answer's ETag is needed to complete it."""
        size = self._checked_length(request)
        repository = await run_in_threadpool(self._hub.stored, request)
        upload_id, number = parameter(request, "upload_id"), request.path_params["number"]
        try:
            sink = await run_in_threadpool(repository.objects.receive_part, upload_id, number, size)
        except NoSuchUploadError as error:
            raise _StorageError(
                404, "NoSuchUpload", "The specified multipart upload does not exist."
            ) from error
        return await _store(request, sink)

    def _check_signature(self, request: Request) -> None:
        if "authorization" in request.headers:
            raise _StorageError(
                400,
                "InvalidArgument",
                "Only one auth mechanism allowed; only the Signature query string parameter or "
                "the Authorization header should be specified",
            )
        verdict = self._hub.signer.check(
            request.method, request.scope["path"], request.query_params
        )
        if verdict is Verdict.EXPIRED:
            raise _StorageError(403, "AccessDenied", verdict.value)
        if verdict is Verdict.FORGED:
            raise _StorageError(403, "SignatureDoesNotMatch", verdict.value)

    def _checked_length(self, request: Request) -> int:
        """Check an upload by its headers alone, and return the length that was signed for."""
        self._check_signature(request)
        sent = request.headers.get("content-length", "")
        if not sent.isdigit():
            raise _StorageError(
                411, "MissingContentLength", "You must provide the Content-Length HTTP header."
            )
        if int(sent) > self._hub.settings.max_object_bytes:
            raise _StorageError(413, "EntityTooLarge", "This server stores no file of that size")
        if int(sent) > self._hub.settings.single_put_limit:
            raise _StorageError(
                400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"
            )
        size = int(request.path_params["size"])
        if int(sent) != size:
            raise _StorageError(400, "BadRequest", f"{size} bytes were announced, {sent} are sent")
        return size


async def _store(request: Request, sink: Sink) -> Response:
    """Stream the body into `sink`: at most one buffer is held, and the work is done in threads."""
    buffer = bytearray()
    try:
        async for chunk in request.stream():
            buffer += chunk
            if len(buffer) >= BUFFER:
                await run_in_threadpool(sink.write, bytes(buffer))
                buffer.clear()
        await run_in_threadpool(sink.write, bytes(buffer))
        etag = await run_in_threadpool(sink.finish)
    except WrongContentError as error:
        raise _StorageError(400, "BadDigest", str(error)) from error
    finally:
        await run_in_threadpool(sink.discard)
    return Response(status_code=200, headers={"ETag": f'"{etag}"'})


def storage_error(status: int, code: str, message: str) -> Response:
    """An error as S3 words it."""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    )
    return Response(text, status, media_type="application/xml")


async def _error_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, _StorageError)
    return storage_error(error.status, error.code, error.message)
