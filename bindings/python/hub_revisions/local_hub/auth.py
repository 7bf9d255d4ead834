"""Tokens and the check that every request carries one."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from .errors import HubError, error_response, is_git_path, is_lfs_path
from .names import RepoId

COMPLETE_MULTIPART = "/api/complete_multipart/"
_PUBLIC_PREFIXES = ("/api/validate-yaml", COMPLETE_MULTIPART)
"""Routes that need no token: `ModelCard.validate` sends none, and the completion of a multipart
upload is authorised by the signature in its query (huggingface_hub `repocard.py`, `lfs.py`)."""


_SHORTEST_TOKEN = 8


@dataclass(frozen=True)
class Identity:
    """Who is calling: the one user of this hub, with what the token that was shown may do.

    `repositories` are the names, or patterns with `*`, of those that it sees; None: all.
    """

    user: str
    role: str
    token_name: str
    repositories: tuple[str, ...] | None = None

    @property
    def can_write(self) -> bool:
        return self.role == "write"

    def can_see(self, id: RepoId) -> bool:
        """Whether the repository exists for this token. Names ignore case, as everywhere."""
        return self.repositories is None or any(
            fnmatchcase(str(id).lower(), pattern.lower()) for pattern in self.repositories
        )


class Tokens:
    """The tokens of a hub, kept in `ROOT/tokens.json` (mode 0600).

    `write` and `read` are made on the first start. Who runs the hub may add tokens for some of the
    repositories under `limited`, and start it again:

        {"write": "hf_...", "read": "hf_...",
         "limited": [{"token": "hf_...", "name": "ci", "role": "write",
                      "repositories": ["me/model", "team/*"]}]}
    """

    def __init__(self, write: str, read: str, known: list[tuple[str, Identity]]) -> None:
        self.write = write
        self.read = read
        self._known = known

    @classmethod
    def load_or_create(cls, root: Path, user: str) -> Tokens:
        """Read the tokens under `root`, or make them on the first start.

        Raises `RuntimeError` for a file that is not as described above.
        """
        path = root / "tokens.json"
        if not path.exists():
            made = {"write": _new_token(), "read": _new_token()}
            # Created with its final mode: there is no moment at which others could open it.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(made, file, indent=1)
        try:
            stored = json.loads(path.read_text())
            write, read = _checked_token(stored["write"]), _checked_token(stored["read"])
            known = [
                (write, Identity(user, "write", "local-write")),
                (read, Identity(user, "read", "local-read")),
                *(_limited(item, user) for item in stored.get("limited", [])),
            ]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RuntimeError(f"{path} is not a file of tokens: {error!r}") from error
        return cls(write, read, known)

    def identify(self, authorization: str | None) -> Identity:
        """Turn an Authorization header into an identity.

        `Bearer TOKEN` and `Basic base64(anyone:TOKEN)` are accepted on every route; git and LFS
        clients send Basic, REST clients Bearer (hub protocol 2.1). Raises `HubError` 401.
        """
        if not authorization:
            raise HubError(401, "Invalid username or password.")
        shown = _token_of(authorization).encode()
        found = None
        # All comparisons always run, in constant time, so timing says nothing about any token.
        for token, identity in self._known:
            if hmac.compare_digest(shown, token.encode()):
                found = identity
        if found is None:
            raise HubError(401, "Invalid credentials in Authorization header")
        return found


class RequireToken:
    """ASGI middleware: puts an `Identity` into `scope["identity"]` or answers 401."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(_PUBLIC_PREFIXES):
            try:
                scope["identity"] = self._tokens.identify(_header(scope, b"authorization"))
                _refuse_other_sites(scope)
            except HubError as error:
                _add_challenge(scope, error)
                await error_response(scope["path"], error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def require_write(identity: Identity) -> None:
    """Raise `HubError` 403 unless the token may write."""
    if not identity.can_write:
        raise HubError(403, "Forbidden: this token has the role read, a write token is needed")


def require_whole_hub(identity: Identity) -> None:
    """Raise `HubError` 403 unless the token may write, and to every repository."""
    require_write(identity)
    if identity.repositories is not None:
        raise HubError(403, "Forbidden: this token is for some repositories only")


def require_visible(identity: Identity, id: RepoId) -> None:
    """Raise `HubError` 403 unless the token may create a repository of this name."""
    if not identity.can_see(id):
        raise HubError(403, f"Forbidden: this token is not for {id}")


def _add_challenge(scope: Scope, error: HubError) -> None:
    """git, git-lfs and browsers look for credentials only when a 401 names the scheme to use."""
    path = scope["path"]
    if error.status != 401:
        return
    if is_lfs_path(path):
        error.headers["LFS-Authenticate"] = 'Basic realm="local hub"'
    if is_lfs_path(path) or is_git_path(path) or "text/html" in (_header(scope, b"accept") or ""):
        error.headers["WWW-Authenticate"] = 'Basic realm="local hub"'


def _refuse_other_sites(scope: Scope) -> None:
    """Raise `HubError` 403 for what another site's page sends with a token that a browser keeps."""
    origin = _header(scope, b"origin")
    if origin is None or scope["method"] in ("GET", "HEAD"):
        return
    if urlsplit(origin).netloc != _header(scope, b"host"):
        raise HubError(403, "Forbidden: the request comes from another site's page")


def _limited(item: Any, user: str) -> tuple[str, Identity]:
    role, repositories = item["role"], item["repositories"]
    if role not in ("write", "read") or not isinstance(repositories, list):
        raise ValueError("'role' is write or read, 'repositories' is a list")
    name = str(item.get("name", "limited"))
    return _checked_token(item["token"]), Identity(
        user, role, name, tuple(str(pattern) for pattern in repositories)
    )


def _checked_token(token: Any) -> str:
    # An empty one would let in whoever shows none.
    if not isinstance(token, str) or len(token) < _SHORTEST_TOKEN:
        raise ValueError(f"a token has at least {_SHORTEST_TOKEN} characters")
    return token


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
