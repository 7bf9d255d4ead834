"""Checks the links of a built site: `python -m documentation.links SITE`.

Every file and anchor that a page refers to has to be there, and nothing may be loaded from another
server, so that the site reads offline. Links to other servers are listed; whether they are alive is
not looked at.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

_REFERENCES = {"a": "href", "img": "src", "link": "href", "script": "src"}
_LOADED = {"img", "script"}
# Of <link>: what a browser loads. 'canonical' and its like are only names.
_LOADED_RELATIONS = {"stylesheet", "icon", "preload", "preconnect"}
# The theme's page for addresses that do not exist has links from the server's root.
_NO_PAGE = "404.html"


@dataclass
class Reference:
    """One link. `loaded`: a browser fetches it without being asked."""

    target: str
    loaded: bool
    line: int


@dataclass
class Page(HTMLParser):
    """What a page refers to, and the anchors that it has."""

    anchors: set[str] = field(default_factory=set)
    references: list[Reference] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        target = values.get(_REFERENCES.get(tag, ""))
        if target is not None:
            loaded = tag in _LOADED or bool(_LOADED_RELATIONS & set(values.get("rel", "").split()))
            self.references.append(Reference(target, loaded, self.getpos()[0]))


def read_pages(site: Path) -> dict[Path, Page]:
    """All pages of a site."""
    pages = {}
    for file in sorted(site.rglob("*.html")):
        if file.name != _NO_PAGE:
            pages[file] = page = Page()
            page.feed(file.read_text())
    return pages


def problem_of(reference: Reference, file: Path, pages: dict[Path, Page]) -> str:
    """What is wrong with a page's reference; empty if nothing is."""
    try:
        url = urlsplit(reference.target)
    except ValueError as error:
        return str(error)
    if url.scheme in ("data", "mailto"):
        return ""
    if url.scheme or url.netloc:
        return "is loaded from another server" if reference.loaded else _foreign(url)
    wanted = (file.parent / unquote(url.path)).resolve() if url.path else file
    if wanted.is_dir():
        wanted /= "index.html"
    if not wanted.is_file():
        return "does not exist"
    if url.fragment and wanted in pages and unquote(url.fragment) not in pages[wanted].anchors:
        return "has no such anchor"
    return ""


def _foreign(url: SplitResult) -> str:
    if url.scheme not in ("http", "https"):
        return f"has the scheme {url.scheme!r}"
    return "" if url.hostname and "." in url.hostname else "names no server"


def main() -> int:
    """Print the problems, or what was looked at."""
    site = Path(sys.argv[1]).resolve()
    pages = read_pages(site)
    foreign: set[str] = set()
    problems = count = 0
    for file, page in pages.items():
        for reference in page.references:
            count += 1
            problem = problem_of(reference, file, pages)
            if problem:
                problems += 1
                where = f"{file.relative_to(site)}:{reference.line}"
                print(f"{where}: {reference.target} {problem}", file=sys.stderr)
            elif "://" in reference.target:
                foreign.add(reference.target)
    for target in sorted(foreign):
        print(f"not looked at: {target}")
    print(f"{len(pages)} pages, {count} links, {problems} of them wrong")
    return 1 if problems or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
