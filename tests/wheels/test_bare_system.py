"""The wheel on a Debian that has Python and nothing else, laid out like RHEL where it matters."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import certifi
import pytest

from .conftest import ROOT, WHEELS, TlsHub, run

pytestmark = pytest.mark.timeout(900)  # the first one makes the system

SYSTEM = ROOT / "build/bare-debian"
# What a library of ours could be found in by accident.
OURS = re.compile(r"lib(curl|git2|yaml-cpp)")


@pytest.fixture(scope="session")
def system() -> Path:
    """Kept for the next time; about 40 s to make."""
    if os.geteuid() != 0:
        pytest.skip("debootstrap and chroot need root")
    if not (SYSTEM / "complete").exists():
        shutil.rmtree(SYSTEM, ignore_errors=True)
        SYSTEM.parent.mkdir(exist_ok=True)
        packages = "--include=python3,python3-venv"
        subprocess.run(
            ["debootstrap", "--variant=minbase", packages, "bookworm", SYSTEM],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        shutil.rmtree(SYSTEM / "etc/ssl/certs")
        (SYSTEM / "complete").touch()
    return SYSTEM


def install(system: Path) -> Path:
    """A new virtual environment in the system, with the wheel alone; its folder of packages."""
    wheel = next((wheel for wheel in WHEELS if "-cp311-" in wheel.name), None)
    if wheel is None:
        pytest.skip("no wheel for this system's Python: scripts/wheel --python 3.11")
    assert not [path for path in (system / "usr/lib").rglob("*.so*") if OURS.match(path.name)]
    srv = system / "srv"
    shutil.rmtree(srv, ignore_errors=True)
    srv.mkdir()
    shutil.copy(wheel, srv)
    shutil.copy(ROOT / "scripts/quickstart.py", srv)
    inside(system, "python3", "-m", "venv", "/srv/venv")
    inside(system, "/srv/venv/bin/pip", "install", "--no-index", f"/srv/{wheel.name}")
    return srv / "venv/lib/python3.11/site-packages"


def inside(system: Path, *command: str, **variables: str) -> str:
    return run("chroot", system, *command, PATH="/usr/sbin:/usr/bin:/sbin:/bin", **variables)


def publish(system: Path, hub: TlsHub) -> str:
    command = ("/srv/venv/bin/python", "/srv/quickstart.py", "/srv/out")
    return inside(system, *command, **hub.environment())


def test_it_publishes_where_nothing_is_installed(system: Path, tls_hub: TlsHub) -> None:
    install(system)
    # Where RHEL keeps its authorities, and neither curl's nor OpenSSL's own default.
    authorities = system / "etc/pki/tls/certs/ca-bundle.crt"
    authorities.parent.mkdir(parents=True)
    shutil.copy(tls_hub.authority, authorities)
    try:
        assert "{'first': 'done'}" in publish(system, tls_hub)
    finally:
        shutil.rmtree(system / "etc/pki")


def test_it_trusts_certifi_where_the_system_trusts_nobody(system: Path, tls_hub: TlsHub) -> None:
    packages = install(system)
    copy = shutil.copytree(Path(certifi.__file__).parent, packages / "certifi")
    with (copy / "cacert.pem").open("a") as file:
        file.write(tls_hub.authority.read_text())
    assert "{'first': 'done'}" in publish(system, tls_hub)
