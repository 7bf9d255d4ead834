"""Markup from text that nobody vouches for: what is not markup already is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

# Characters that XML forbids, lone surrogates, and those that turn the direction of what follows.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
)
LONGEST_TEXT = 2000


class Markup(str):
    """Text that is markup: made by `element`, or written in this package."""


def clean(text: str, longest: int = LONGEST_TEXT) -> str:
    """Text that every reader of HTML, XML and JSON takes, and that does not fill pages."""
    if len(text) > longest:
        text = text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return _HARMFUL.sub("\N{REPLACEMENT CHARACTER}", text)


def escape(text: str) -> Markup:
    """Markup that shows `text`; markup stays as it is."""
    return text if isinstance(text, Markup) else Markup(html.escape(clean(text)))


def join(parts: Iterable[str]) -> Markup:
    """The parts one after the other, each escaped unless it is markup."""
    return Markup("".join(escape(part) for part in parts))


def element(name: str, /, *content: str, **attributes: str | float | None) -> Markup:
    """One element. `class_` is `class`, `data_key` is `data-key`; None leaves an attribute out."""
    start = name
    for key, value in attributes.items():
        if value is not None:
            text = f"{value:g}" if isinstance(value, float) else str(value)
            safe = value if isinstance(value, Markup) else html.escape(clean(text))
            start += f' {key.rstrip("_").replace("_", "-")}="{safe}"'
    if name in _EMPTY and not content:
        return Markup(f"<{start}/>")
    return Markup(f"<{start}>{join(content)}</{name}>")


_EMPTY = frozenset({"circle", "input", "line", "link", "meta", "path", "rect"})


def link(text: str, url: str) -> Markup:
    """A link, or the text alone if the address is none of http or https."""
    if not url.startswith(("https://", "http://")):
        return escape(text)
    return element("a", text, href=url, rel="noopener noreferrer")
