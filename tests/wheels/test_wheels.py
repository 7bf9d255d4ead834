"""Each wheel in an environment of its own: no other package, and no library of the system's."""

from __future__ import annotations

import os
import re
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from .conftest import ROOT, WHEELS, TlsHub, install, run


def each_wheel() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("wheel", WHEELS, ids=lambda wheel: wheel.name.split("-")[2])


def test_there_are_wheels() -> None:
    assert WHEELS, "scripts/wheel makes them"


@each_wheel()
def test_it_publishes_in_a_clean_environment(wheel: Path, tls_hub: TlsHub, tmp_path: Path) -> None:
    python = install(wheel, tmp_path / "venv")
    command = python.parent / "hub-revisions"
    trust = {"SSL_CERT_FILE": str(tls_hub.authority)}
    work = tmp_path / "work"
    printed = run(python, ROOT / "scripts/quickstart.py", work, **trust, **tls_hub.environment())
    assert "{'first': 'done'}" in printed
    over_tls = tls_hub.environment() | trust | {"HF_ENDPOINT": tls_hub.tls_endpoint}
    assert "first" in run(command, "list", "local-user/quickstart", **over_tls)
    assert run(command, "--version").strip().endswith(version_of(wheel))


@each_wheel()
def test_it_loads_its_own_libraries(wheel: Path, tmp_path: Path) -> None:
    """Those of the system are here, too: they are what it was linked with."""
    python = install(wheel, tmp_path / "venv")
    code = "import hub_revisions._core; print(open('/proc/self/maps').read())"
    mapped = {
        Path(line.split()[-1]) for line in run(python, "-c", code).splitlines() if "/" in line
    }
    own = {path.name for path in mapped if path.parent.name == "hub_revisions.libs"}
    assert own == {Path(name).name for name in files_of(wheel) if "hub_revisions.libs/" in name}
    others = {path.name for path in mapped} - own
    assert not {stem(name) for name in own} & {stem(name) for name in others}


@each_wheel()
def test_it_shares_no_symbol_with_other_modules(wheel: Path, tmp_path: Path) -> None:
    (module,) = (name for name in files_of(wheel) if "/_core." in name and name.endswith(".so"))
    with zipfile.ZipFile(wheel) as archive:
        path = archive.extract(module, tmp_path)
    symbols = run("nm", "-D", "--defined-only", "-j", path, PATH=os.environ["PATH"]).split()
    assert symbols == ["PyInit__core"]


@each_wheel()
def test_it_runs_on_rhel_9_and_ubuntu_22_04(wheel: Path) -> None:
    assert wheel.name.endswith("-manylinux_2_34_x86_64.whl")


@each_wheel()
def test_it_has_a_licence_for_each_library(wheel: Path) -> None:
    files = files_of(wheel)
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in files if name.endswith(".dist-info/METADATA"))
        declared = message_from_bytes(archive.read(metadata)).get_all("License-File", [])
    folder = metadata.rpartition("/")[0] + "/licenses/"
    assert {folder + name for name in declared} == {name for name in files if folder in name}
    bundled = {name.removeprefix("bundled/") for name in declared}
    assert {"LICENSE", "curl", "libgit2", "openssl", "yaml-cpp", "xxhash", "pybind11",
            "nlohmann-json3"} <= bundled  # fmt: skip


def files_of(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if not name.endswith("/")]


def stem(library: str) -> str:
    """`libcurl` of `libcurl.so.4` and of what auditwheel makes of that name."""
    return re.split(r"[-.]", library)[0]


def version_of(wheel: Path) -> str:
    return wheel.name.split("-")[1]
