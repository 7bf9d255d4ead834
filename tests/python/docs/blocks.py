"""The fenced blocks of a page, and what the page says about running them."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>\S*) *(?P<rest>.*)$")
_TITLE = re.compile(r'title="([^"]+)"')
_NOT_RUN = re.compile(r"<!-- not run: (.+) -->")
STAYS_RUNNING = "<!-- stays running -->"


@dataclass(frozen=True)
class Block:
    """One block. `title` is the file that it stands for, `not_run` why it cannot run here."""

    where: str  # PAGE:LINE of its first line
    language: str
    text: str
    title: str = ""
    not_run: str = ""
    stays_running: bool = False


def blocks_of(page: Path, name: str) -> list[Block]:
    """A page's blocks, from top to bottom. A comment right above a block speaks of that block."""
    lines = page.read_text().splitlines()
    blocks = []
    at = 0
    while at < len(lines):
        opened = _FENCE.match(lines[at])
        if opened is None:
            at += 1
            continue
        closing = opened["indent"] + opened["fence"]
        try:
            end = lines.index(closing, at + 1)
        except ValueError:
            raise AssertionError(f"{name}:{at + 1}: this block has no end") from None
        comment = lines[at - 1].strip() if at else ""
        reason = _NOT_RUN.fullmatch(comment)
        title = _TITLE.search(opened["rest"])
        blocks.append(
            Block(
                where=f"{name}:{at + 2}",
                language=opened["language"],
                text=textwrap.dedent("\n".join(lines[at + 1 : end]) + "\n"),
                title=title[1] if title else "",
                not_run=reason[1] if reason else "",
                stays_running=comment == STAYS_RUNNING,
            )
        )
        at = end + 1
    return blocks
