"""Pre-signed URLs: whoever holds one may do that one request until it expires.

They stand for the S3 URLs that the Hub hands out (hub protocol 3.3): no token is needed, and one
that is sent along is refused, because S3 refuses it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from enum import Enum


class Verdict(Enum):
    """What a check of a signed request found."""

    VALID = "valid"
    EXPIRED = "Request has expired"
    FORGED = "The request signature we calculated does not match the signature you provided."


class Signer:
    """Signs and checks URLs with a key that lives as long as the process.

    So no URL outlives a restart; clients then ask for a new one, as they do after an expiry.
    """

    def __init__(self, lifetime: int) -> None:
        self._key = secrets.token_bytes(32)
        self._lifetime = lifetime

    def query(self, method: str, path: str) -> str:
        """The query string that makes `method path` valid from now on, for the lifetime.

        `path` is the raw path, as it will stand in the request line.
        """
        expires = str(int(time.time()) + self._lifetime)
        return f"expires={expires}&signature={self._signature(method, path, expires)}"

    def check(self, method: str, path: str, query: Mapping[str, str]) -> Verdict:
        """Check a request. A URL signed for GET is good for HEAD too."""
        if method == "HEAD":
            method = "GET"
        expires = query.get("expires", "")
        expected = self._signature(method, path, expires).encode()
        if not hmac.compare_digest(query.get("signature", "").encode(), expected):
            return Verdict.FORGED
        # The signature covers `expires`, so from here on it is a number that we wrote.
        return Verdict.VALID if time.time() < int(expires) else Verdict.EXPIRED

    def _signature(self, method: str, path: str, expires: str) -> str:
        text = f"{method}\n{path}\n{expires}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()
