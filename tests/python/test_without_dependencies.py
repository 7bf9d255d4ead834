"""The package needs nothing but Python: modules and commands load where nothing else is installed.

Only what runs inside other libraries needs these, and the local hub's server its extra.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hub_revisions
import pytest
from hub_revisions.cli.app import COMMANDS

PACKAGE = Path(hub_revisions.__file__).parent
INSIDE_OTHERS = {
    "hub_revisions.callback": "transformers",
    "hub_revisions.lightning": "pytorch_lightning",
    "hub_revisions.open_r1": "transformers",
    "hub_revisions.publish": "transformers",
}
Bare = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """Runs code where the standard library is, and a folder with this package alone."""
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "hub_revisions").symlink_to(PACKAGE)

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        found = f"import sys; sys.path.insert(0, {str(tmp_path / 'alone')!r})\n"
        return subprocess.run(
            [sys.executable, "-I", "-S", "-c", found + code, *arguments],
            capture_output=True,
            text=True,
        )

    return run


def modules() -> list[str]:
    names = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.parent.name != "local_hub" or path.name in ("__init__.py", "__main__.py")
    ]
    return [name.removesuffix(".__init__") for name in names if name not in INSIDE_OTHERS]


def test_there_is_nothing_to_find(bare: Bare) -> None:
    assert "No module named 'pytest'" in bare("import pytest").stderr


def test_every_module_is_imported(bare: Bare) -> None:
    code = "import importlib\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = bare(code, *modules())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("module", INSIDE_OTHERS)
def test_what_runs_inside_another_library_names_it(bare: Bare, module: str) -> None:
    assert f"No module named '{INSIDE_OTHERS[module]}'" in bare(f"import {module}").stderr


def test_every_command_explains_itself(bare: Bare) -> None:
    code = (
        "import contextlib\n"
        "from hub_revisions.cli import main\n"
        "for name in ['', *sys.argv[1:]]:\n"
        "    with contextlib.suppress(SystemExit): main([*name.split(), '--help'])\n"
    )
    done = bare(code, *COMMANDS)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("usage: hub-revisions") == len(COMMANDS) + 1


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ("from hub_revisions.cli import main; sys.exit(main(['hub', '--root', 'x']))", "hub"),
        (
            "from hub_revisions.evaluation.loss import main; "
            "main(['--repo', 'me/model', '--text', sys.argv[1], '--threads', '1'])",
            "eval",
        ),
    ],
)
def test_a_missing_extra_is_named(bare: Bare, tmp_path: Path, code: str, extra: str) -> None:
    (tmp_path / "text").write_text("a text")
    done = bare(code, str(tmp_path / "text"))
    assert done.returncode == 1
    assert f'pip install "hub-revisions[{extra}]"' in done.stderr
    assert len(done.stderr.splitlines()) == 1
