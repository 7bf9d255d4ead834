"""Paging by `Link: <...>; rel="next"`, which clients follow as given (hub protocol 1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request

from .errors import HubError
from .hub import Hub


def number(request: Request, name: str, default: int) -> int:
    """A query parameter that counts something. Raises `HubError` 400 when it does not."""
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or len(text) > 9:
        raise HubError(400, f"{name} must be a number")
    return int(text)


def next_link(
    request: Request, hub: Hub, path: str, changes: Mapping[str, object]
) -> dict[str, str]:
    """The header that points to the next page: this request's query with `changes`.

    `path` names the commit rather than the branch, so that a push between two pages does not
    mix two states.
    """
    query = [(key, value) for key, value in request.query_params.multi_items()
             if key not in changes]  # fmt: skip
    query += [(key, str(value)) for key, value in changes.items()]
    return {"Link": f'<{hub.endpoint(request)}{path}?{urlencode(query)}>; rel="next"'}
