"""Faults on purpose: rules that say which requests go wrong, how, and how often.

They let people rehearse what their training does when the Hub fails, and tests prove it. A hub
started with `--faults RULES` follows them, and lets whoever has its write token read and replace
them at `CONTROL_PATH` while it runs (`fault_api`). Rules are JSON:

    {"rules": [
      {"path": "/api/whoami-v2", "do": "answer", "status": 503, "times": 2},
      {"on": "storage", "method": "PUT", "do": "reset", "after": 1},
      "flaky"
    ]}

A rule is the name of a preset (`PRESETS`) or an object. Which requests it means: `method`, `path`
(a pattern with `*`, matched against the path as it was sent, without the query) and `on` (`hub`,
`storage` or `any`); all are optional. When: it lets `after` requests pass, then takes every
`every`-th one, until it has taken `times` of them (default 1; null: always). The first rule that is
due takes a request; rules behind it do not see it. What happens: `do`, with the fields that
`ACTIONS` names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

CONTROL_PATH = "/api/local-hub/faults"
_Kind = type | tuple[type, ...]
LISTENERS = ("any", "hub", "storage")

ACTIONS: dict[str, dict[str, _Kind]] = {
    # An answer instead of the work: `message` and the Hub's error `code` in the form of the route.
    "answer": {"status": int, "message": str, "code": str, "headers": dict},
    # The work is done, the answer comes without its second half, and the connection is closed.
    "truncate": {},
    # The work is done, and Content-Length announces more than comes; the connection stays open.
    "length-too-large": {},
    # The work is done, and Content-Length announces the first half of what comes.
    "length-too-small": {},
    # The work is done, and the body of the answer is not JSON.
    "invalid-json": {},
    # The work is done, and the connection is closed without an answer.
    "lose-answer": {},
    # The connection is reset before any work.
    "reset": {},
    # No byte for `seconds`; then the request is answered if the client is still there.
    "stall": {"seconds": (int, float)},
    # A redirect to `location`, an address of any host, by `status` (default 307).
    "redirect": {"location": str, "status": int},
    # The pre-receive hook refuses the push with `message`.
    "refuse-push": {"message": str},
    # Somebody else points `ref` to a new commit of theirs; then the request goes on.
    "move-ref": {"ref": str},
    # Somebody deletes the repository of the request; then the request goes on.
    "delete-repository": {},
    # Somebody renames it to `to`, `namespace/name`; then the request goes on.
    "rename-repository": {"to": str},
}
_OPTIONAL = {do: {"message", "code", "headers"} for do in ACTIONS} | {"redirect": {"status"}}
_WHEN: dict[str, _Kind] = {
    "method": str,
    "path": str,
    "on": str,
    "after": int,
    "every": int,
    "times": (int, type(None)),
}
_HEADER = re.compile(r"[A-Za-z0-9-]+: [\x20-\x7e]*")

PRESETS: dict[str, Sequence[Mapping[str, Any]]] = {
    "none": (),
    # Every few requests something goes wrong, in turn.
    "flaky": (
        {"do": "reset", "every": 5, "times": None},
        {"do": "answer", "status": 503, "message": "Service Unavailable", "every": 6,
         "times": None},
        {"do": "truncate", "every": 7, "times": None},
        {"do": "lose-answer", "every": 8, "times": None},
    ),
    # The request quota is used up again and again, and refills after three seconds.
    "rate-limited": (
        {"on": "hub", "do": "answer", "status": 429, "every": 4, "times": None,
         "message": "We had to rate limit you, you hit the quota of 1000 api requests per 5 "
                    "minutes period.",
         "headers": {"RateLimit": '"api";r=0;t=2'}},
    ),
    # Nothing works until the rules are replaced.
    "down": (
        {"do": "answer", "status": 503, "message": "The Hub is down for maintenance",
         "times": None},
    ),
    # Every answer takes long.
    "slow": ({"do": "stall", "seconds": 3, "times": None},),
    # The storage quota of the namespace is used up.
    "full": (
        {"on": "hub", "path": "*/info/lfs/objects/batch", "do": "answer", "status": 403,
         "message": "Private repository storage limit reached, please upgrade your plan to "
                    "increase your private storage limit.", "times": None},
    ),
}  # fmt: skip


class InvalidFaultsError(ValueError):
    """The rules are not what this module describes; the text names the rule and the field."""


@dataclass(frozen=True)
class Rule:
    """One rule; its fields are those of the JSON, the ones that belong to `do` in `details`."""

    do: str
    method: str = "*"
    path: str = "*"
    on: str = "any"
    after: int = 0
    every: int = 1
    times: int | None = 1
    details: Mapping[str, Any] = field(default_factory=dict)

    def means(self, method: str, path: str, listener: str) -> bool:
        """Whether such a request is one that this rule is about."""
        return (
            self.method in ("*", method)
            and self.on in ("any", listener)
            and fnmatchcase(path, self.path)
        )


@dataclass
class Count:
    """A rule and what it met: the requests that it saw, and those of them that it took."""

    rule: Rule
    matches: int = 0
    hits: int = 0

    def take(self) -> bool:
        """Count one request that the rule is about; whether it is due."""
        self.matches += 1
        rule = self.rule
        beyond = self.matches - rule.after
        due = beyond > 0 and beyond % rule.every == 0
        if not due or (rule.times is not None and self.hits >= rule.times):
            return False
        self.hits += 1
        return True


class Faults:
    """The rules in force, in order. Used by the server's event loop alone."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.counts: list[Count] = []
        self.replace(rules)

    def replace(self, rules: Sequence[Rule]) -> None:
        """Follow these rules from now on; all counts begin at 0."""
        self.counts = [Count(rule) for rule in rules]

    def take(self, method: str, path: str, listener: str) -> Rule | None:
        """The rule that takes this request, if any."""
        for count in self.counts:
            if count.rule.means(method, path, listener) and count.take():
                return count.rule
        return None


def load_rules(source: str) -> list[Rule]:
    """The rules of a command line: a preset's name or a file. Raises `InvalidFaultsError`."""
    if source in PRESETS:
        return parse_rules({"rules": [source]})
    try:
        document = json.loads(Path(source).read_text())
    except (OSError, ValueError) as error:
        names = ", ".join(PRESETS)
        reason = f"neither a preset ({names}) nor a readable file of JSON"
        raise InvalidFaultsError(f"{source}: {reason}: {error}") from error
    return parse_rules(document)


def parse_rules(document: object) -> list[Rule]:
    """Rules from JSON. Raises `InvalidFaultsError`."""
    listed = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise InvalidFaultsError('faults are an object {"rules": [...]}')
    rules: list[Rule] = []
    for number, item in enumerate(listed, start=1):
        if isinstance(item, str):
            if item not in PRESETS:
                raise InvalidFaultsError(f"rule {number}: no preset is called {item!r}")
            rules += [_rule(number, preset) for preset in PRESETS[item]]
        elif isinstance(item, dict):
            rules.append(_rule(number, item))
        else:
            raise InvalidFaultsError(f"rule {number} is neither an object nor a preset's name")
    return rules


def _rule(number: int, item: Mapping[str, Any]) -> Rule:
    do = item.get("do")
    try:
        if do not in ACTIONS:
            raise InvalidFaultsError(f"'do' is one of {', '.join(ACTIONS)}")
        fields = _WHEN | ACTIONS[do]
        for name, value in item.items():
            if name != "do":
                _check_field(do, name, value, fields)
        missing = set(ACTIONS[do]) - _OPTIONAL[do] - set(item)
        if missing:
            raise InvalidFaultsError(f"{do!r} needs {', '.join(sorted(missing))}")
        rule = Rule(
            do,
            details={name: item[name] for name in ACTIONS[do] if name in item},
            **{name: item[name] for name in _WHEN if name in item},
        )
        _check_values(rule)
    except InvalidFaultsError as error:
        raise InvalidFaultsError(f"rule {number}: {error}") from None
    return rule


def _check_field(do: str, name: str, value: object, fields: Mapping[str, _Kind]) -> None:
    if name not in fields:
        raise InvalidFaultsError(f"{do!r} has no field {name!r}")
    kinds = fields[name]
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise InvalidFaultsError(f"{name!r} has the wrong type")


def _check_values(rule: Rule) -> None:
    if rule.on not in LISTENERS:
        raise InvalidFaultsError(f"'on' is one of {', '.join(LISTENERS)}")
    if rule.every < 1 or rule.after < 0 or (rule.times or 0) < 0:
        raise InvalidFaultsError("'after' and 'times' are at least 0, 'every' is at least 1")
    if not 200 <= rule.details.get("status", 200) <= 599:
        raise InvalidFaultsError("'status' is that of an answer")
    for name, value in rule.details.get("headers", {}).items():
        if not (isinstance(value, str) and _HEADER.fullmatch(f"{name}: {value}")):
            raise InvalidFaultsError("'headers' are names and values of one line each")
