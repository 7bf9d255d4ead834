"""Every block of README and docs runs, in the order of its page, on a local hub."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import hub_revisions
import pytest
from hub_revisions.local_hub import LocalHub
from tiny_training import write_checkpoint

from .blocks import blocks_of
from .reader import Reader

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = {
    name: blocks
    for page in PAGES
    if (blocks := blocks_of(page, name := page.relative_to(ROOT).as_posix()))
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", BLOCKS)
def test_a_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    if not any("Trainer(" in block.text for block in BLOCKS[page]):
        # Whoever reads a page without a training has trained.
        for step in (500, 1000):
            write_checkpoint(folder / f"out/checkpoint-{step}", step=step, eval_loss=1000 / step)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with LocalHub(tmp_path / "hub", "--user", "me") as hub:
        environment = os.environ | {
            "PATH": programs,
            "PYTHONPATH": str(Path(hub_revisions.__file__).parents[1]),
            "HOME": str(tmp_path),
            "HF_ENDPOINT": hub.endpoint,
            "HF_TOKEN": hub.token,
        }
        with Reader(folder, environment) as reader:
            for block in BLOCKS[page]:
                reader.follow(block)
