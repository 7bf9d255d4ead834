"""Checks a JSON value against the part of JSON Schema that `schema.json` uses, and fills defaults.

An error names file, key and the nearest known one, which general validators do not.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._native import config_error

Schema = Mapping[str, Any]

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": Mapping,
}
_NAMES = {"string": "text", "array": "a list", "object": "an object", "null": "null"}


@dataclass(frozen=True)
class Checker:
    """`root` is the whole schema, for its `$defs`. `origin` names the file in errors."""

    root: Schema
    origin: str

    def definition(self, name: str) -> Schema:
        """One of the schema's definitions."""
        found: Schema = self.root["$defs"][name]
        return found

    def checked(self, value: Any, schema: Schema, where: str = "") -> Any:
        """`value` with the defaults of what it leaves out. Raises `ConfigError`.

        `where` is the value's place, as in 'suites[0].command'.
        """
        if "$ref" in schema:
            schema = {**self.definition(schema["$ref"].rpartition("/")[2]), **schema}
        self._check_type(value, schema, where)
        if isinstance(value, Mapping):
            return self._checked_object(value, schema, where)
        if isinstance(value, list):
            if len(value) < schema.get("minItems", 0):
                raise self.error(where, "must not be empty")
            items = schema.get("items", {})
            return [self.checked(v, items, f"{where}[{i}]") for i, v in enumerate(value)]
        self._check_value(value, schema, where)
        return value

    def error(self, where: str, problem: str) -> Exception:
        """A `ConfigError` about one place."""
        return config_error(f"{self.origin}: {f'{where!r} ' if where else ''}{problem}")

    def _checked_object(self, value: Mapping[str, Any], schema: Schema, where: str) -> Any:
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties", {})
        prefix = f"{where}." if where else ""
        for key in value:
            if not isinstance(key, str) or (key not in properties and others is False):
                problem = f"is no known key; {suggestion(str(key), properties)}"
                raise self.error(f"{prefix}{key}", problem)
        for key in schema.get("required", ()):
            if key not in value:
                raise self.error(f"{prefix}{key}", "is missing")
        defaults = {k: s["default"] for k, s in properties.items() if "default" in s}
        return {
            **defaults,
            **{k: self.checked(v, properties.get(k, others), prefix + k) for k, v in value.items()},
        }

    def _check_type(self, value: Any, schema: Schema, where: str) -> None:
        wanted = schema.get("type", [])
        names = [wanted] if isinstance(wanted, str) else wanted
        if names and not any(_is(value, name) for name in names):
            described = " or ".join(_NAMES.get(name, f"a {name}") for name in names)
            raise self.error(where, f"must be {described.replace('a integer', 'an integer')}")

    def _check_value(self, value: Any, schema: Schema, where: str) -> None:
        if "enum" in schema and value not in schema["enum"]:
            known = ", ".join(map(str, schema["enum"]))
            raise self.error(where, f"is {value!r}; it must be one of: {known}")
        if isinstance(value, str):
            if len(value) < schema.get("minLength", 0):
                raise self.error(where, "must not be empty")
            if "pattern" in schema and not re.search(schema["pattern"], value):
                raise self.error(where, f"is {value!r}; it must match {schema['pattern']}")
        if _is(value, "number"):
            least, most = schema.get("minimum", value), schema.get("maximum", value)
            if not least <= value <= most:
                limits = f"at least {least}" + (
                    f" and at most {most}" if "maximum" in schema else ""
                )
                raise self.error(where, f"is {value}; it must be {limits}")


def suggestion(name: str, known: Iterable[str]) -> str:
    """'did you mean ...?', or the known names, for an error about an unknown one."""
    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(names)}"


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool) and name in ("integer", "number"):
        return False
    return isinstance(value, _TYPES[name])
