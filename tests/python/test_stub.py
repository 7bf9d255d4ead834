"""`_core.pyi` is the module's documentation: it names what there is, with the same parameters."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import hub_revisions
from child_process import environment
from hub_revisions import _core

STUB = ast.parse((Path(hub_revisions.__file__).parent / "_core.pyi").read_text())


def parameters(function: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in function.args.args if argument.arg != "self"]


def documented(function: object) -> list[str]:
    """The parameters that pybind11 writes into a function's docstring."""
    line = str(function.__doc__).splitlines()[0]
    return [name for name in re.findall(r"(\w+):", line) if name != "self"]


def test_the_stub_names_everything() -> None:
    declared = {node.name for node in STUB.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert declared == {name for name in dir(_core) if not name.startswith("_")}


def test_functions_have_the_parameters_of_the_stub() -> None:
    for node in STUB.body:
        if isinstance(node, ast.FunctionDef):
            assert documented(getattr(_core, node.name)) == parameters(node), node.name


def test_the_worker_has_the_methods_of_the_stub() -> None:
    (worker,) = [n for n in STUB.body if isinstance(n, ast.ClassDef) and n.name == "Worker"]
    methods = {node.name: node for node in worker.body if isinstance(node, ast.FunctionDef)}
    assert set(methods) - {"__init__"} == {n for n in dir(_core.Worker) if not n.startswith("_")}
    for name, node in methods.items():
        assert documented(getattr(_core.Worker, name)) == parameters(node), name


def test_the_stub_passes_stubtest(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    # Their metaclass is pybind11's.
    allowed.write_text("hub_revisions._core.Fetch\nhub_revisions._core.Worker\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy.stubtest",
            "hub_revisions._core",
            "--allowlist",
            allowed,
            "--mypy-config-file",
            "pyproject.toml",
        ],
        cwd=Path(__file__).parents[2],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
