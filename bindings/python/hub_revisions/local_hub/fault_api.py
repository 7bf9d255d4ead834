"""The route that reads and replaces the rules of a running hub (see `faults`)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .auth import require_whole_hub
from .errors import HubError
from .faults import CONTROL_PATH, Count, Faults, InvalidFaultsError, parse_rules
from .hub import identity, read_json


class FaultApi:
    """The endpoint at `CONTROL_PATH`; it exists only on a hub that was started with faults."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def routes(self) -> list[Route]:
        return [
            Route(CONTROL_PATH, self.read, methods=["GET"]),
            Route(CONTROL_PATH, self.replace, methods=["PUT"]),
        ]

    async def read(self, request: Request) -> Response:
        """The rules in force, each with the requests that it saw and took."""
        require_whole_hub(identity(request))
        return JSONResponse({"rules": [_to_json(count) for count in self._faults.counts]})

    async def replace(self, request: Request) -> Response:
        """Put other rules into force; counting begins anew."""
        require_whole_hub(identity(request))
        try:
            rules = parse_rules(await read_json(request))
        except InvalidFaultsError as error:
            raise HubError(400, str(error)) from error
        self._faults.replace(rules)
        return await self.read(request)


def _to_json(count: Count) -> dict[str, Any]:
    rule = count.rule
    shown = {"do": rule.do, "method": rule.method, "path": rule.path, "on": rule.on}
    when = {"after": rule.after, "every": rule.every, "times": rule.times}
    return {**shown, **when, **rule.details, "matches": count.matches, "hits": count.hits}
