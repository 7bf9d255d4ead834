"""Tokens and the check that every request carries one."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from .errors import HubError, error_response, is_git_path, is_lfs_path

COMPLETE_MULTIPART = "/api/complete_multipart/"
_PUBLIC_PREFIXES = ("/api/validate-yaml", COMPLETE_MULTIPART)
"""Routes that need no token: `ModelCard.validate` sends none, and the completion of a multipart
upload is authorised by the signature in its query (huggingface_hub `repocard.py`, `lfs.py`)."""


@dataclass(frozen=True)
class Identity:
    """Who is calling: the one user of this hub, with the role of the token that was shown."""

    user: str
    role: str
    token_name: str

    @property
    def can_write(self) -> bool:
        return self.role == "write"


class Tokens:
    """The write and the read token of a hub, kept in `ROOT/tokens.json` (mode 0600)."""

    def __init__(self, user: str, write: str, read: str) -> None:
        self.user = user
        self.write = write
        self.read = read

    @classmethod
    def load_or_create(cls, root: Path, user: str) -> Tokens:
        """Read the tokens under `root`, or make them on the first start."""
        path = root / "tokens.json"
        if path.exists():
            stored = json.loads(path.read_text())
        else:
            stored = {"write": _new_token(), "read": _new_token()}
            # Created with its final mode: there is no moment at which others could open it.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(stored, file, indent=1)
        return cls(user, stored["write"], stored["read"])

    def identify(self, authorization: str | None) -> Identity:
        """Turn an Authorization header into an identity.

        `Bearer TOKEN` and `Basic base64(anyone:TOKEN)` are accepted on every route; git and LFS
        clients send Basic, REST clients Bearer (hub protocol 2.1). Raises `HubError` 401.
        """
        if not authorization:
            raise HubError(401, "Invalid username or password.")
        token = _token_of(authorization).encode()
        # Both comparisons always run, in constant time, so timing says nothing about either.
        is_write = hmac.compare_digest(token, self.write.encode())
        is_read = hmac.compare_digest(token, self.read.encode())
        if is_write:
            return Identity(self.user, "write", "local-write")
        if is_read:
            return Identity(self.user, "read", "local-read")
        raise HubError(401, "Invalid credentials in Authorization header")


class RequireToken:
    """ASGI middleware: puts an `Identity` into `scope["identity"]` or answers 401."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(_PUBLIC_PREFIXES):
            try:
                scope["identity"] = self._tokens.identify(_header(scope, b"authorization"))
            except HubError as error:
                _add_challenge(scope["path"], error)
                await error_response(scope["path"], error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def require_write(identity: Identity) -> None:
    """Raise `HubError` 403 unless the token may write."""
    if not identity.can_write:
        raise HubError(403, "Forbidden: this token has the role read, a write token is needed")


def _add_challenge(path: str, error: HubError) -> None:
    """git and git-lfs look for credentials only when a 401 names the scheme to use."""
    if is_lfs_path(path):
        error.headers["LFS-Authenticate"] = 'Basic realm="local hub"'
    if is_lfs_path(path) or is_git_path(path):
        error.headers["WWW-Authenticate"] = 'Basic realm="local hub"'


def _new_token() -> str:
    return "hf_" + secrets.token_hex(17)


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def _token_of(authorization: str) -> str:
    """The token inside a Bearer or Basic header; empty when there is none."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return password if user else ""
    return ""
