"""A hook of mkdocs: pages of the site that lie elsewhere in the repository.

README.md and its like are pages of the site, so that nothing is told twice. Links are written as
paths in the repository, which work wherever it is read; here they become links of the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DOCS = "docs/"
PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "configs/README.md": "reference/settings.md",
    "configs/evaluations.md": "reference/evaluations.md",
    "bindings/python/hub_revisions/evaluation/schema.json": "configs/evaluation-schema.json",
}
RECIPES = {
    path.relative_to(ROOT).as_posix(): f"configs/{path.name}"
    for path in sorted((ROOT / "configs").iterdir())
    if path.suffix != ".md"
}
MAPPED = PAGES | RECIPES
_LINK = re.compile(r"(\]\()([^)#\s]+)")
_FENCE = re.compile(r" *```")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add them."""
    for path, place in MAPPED.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to files of the repository into links to their places in the site."""
    place = page.file.src_uri
    path = next((path for path, there in PAGES.items() if there == place), DOCS + place)
    lines = []
    in_block = False
    for line in markdown.split("\n"):
        in_block ^= _FENCE.match(line) is not None
        lines.append(line if in_block else _LINK.sub(lambda m: m[1] + link(path, m[2]), line))
    return "\n".join(lines)


def link(path: str, target: str) -> str:
    """How the site's page of the file `path` refers to what `target` refers to in the file."""
    if ":" in target:
        return target
    folder = posixpath.dirname(path)
    wanted = posixpath.normpath(posixpath.join(folder, target))
    there = MAPPED.get(wanted, wanted.removeprefix(DOCS))
    here = posixpath.dirname(MAPPED.get(path, path.removeprefix(DOCS)))
    return posixpath.relpath(there, here or ".")
