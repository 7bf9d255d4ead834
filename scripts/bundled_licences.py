"""Puts the licences of everything that a wheel bundles into it.

Bundled are the shared libraries that auditwheel copied in, and what headers compiled into the
module. Which packages they are from is asked of dpkg, whose packages state their licences; what pip
installed states its own.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

# Nothing of these is in the wheel but what their licences let anyone compile in from their headers.
TOOLCHAIN = re.compile(r"gcc-\d+|glibc|linux|python3\.\d+")
COMMON = Path("/usr/share/common-licenses")


def output(*command: str | Path) -> str:
    """What a command prints. (dpkg-query ends with 1 when it does not know all of many files.)"""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def libraries(wheel: Path, build: Path) -> set[Path]:
    """The system's files that are copied in, found by the name that they had before."""
    copied = {re.sub(r"-[0-9a-f]{8}(?=\.)", "", p.name, count=1) for p in wheel.glob("*.libs/*")}
    (module,) = build.glob("bindings/_core*.so")
    linked = [Path(path) for path in re.findall(r"\S+ => (\S+)", output("ldd", module))]
    paths = {path.resolve().name: path for path in linked}
    return {paths[name] for name in copied}


def headers(build: Path) -> set[Path]:
    """Every file that the compiler read."""
    lines = output("ninja", "-C", build, "-t", "deps").splitlines()
    return {Path(build, line.strip()) for line in lines if line.startswith("    ")}


def debian_texts(paths: Iterable[Path]) -> dict[str, Path]:
    """Source package to copyright file, for the system's files among the paths."""
    names: set[str] = set()
    for path in paths:
        if not path.is_relative_to("/usr") and not path.is_relative_to("/lib"):
            continue
        merged = path.resolve()  # /lib is a link to /usr/lib, but dpkg may know a file by either
        names |= {str(path), str(merged), str(merged).removeprefix("/usr")}
    owners = {line.partition(":")[0] for line in output("dpkg-query", "-S", *names).splitlines()}
    found = output("dpkg-query", "-W", "-f", "${source:Package} ${Package}\n", *owners)
    packages = dict(line.split() for line in found.splitlines())
    return {
        source: Path("/usr/share/doc", package, "copyright")
        for source, package in packages.items()
        if not TOOLCHAIN.fullmatch(source)
    }


def pip_texts(paths: Iterable[Path]) -> dict[str, Path]:
    """Package to licence file, for what pip installed among the paths."""
    texts = {}
    for path in paths:
        if "site-packages" in path.parts:
            depth = path.parts.index("site-packages") + 1
            site, name = Path(*path.parts[:depth]), path.parts[depth]
            (texts[name],) = site.glob(f"{name}-*.dist-info/licenses/LICENSE*")
    return texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path, help="as auditwheel left it")
    parser.add_argument("--build", type=Path, required=True, help="the folder that it was built in")
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished wheel")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "wheel", "unpack", "-d", folder, options.wheel], check=True
        )
        (wheel,) = Path(folder).iterdir()
        (info,) = wheel.glob("*.dist-info")
        target = info / "licenses" / "bundled"
        target.mkdir(parents=True)
        read = headers(options.build)
        texts = debian_texts({*libraries(wheel, options.build), *read}) | pip_texts(read)
        for name, text in texts.items():
            shutil.copy(text, target / name)
        referred = {
            name
            for file in target.iterdir()
            for name in re.findall(rf"{COMMON}/([\w.-]*\w)", file.read_text())
        }
        for name in referred:
            shutil.copy(COMMON / name, target / name)
        metadata = info / "METADATA"
        entries = "".join(f"License-File: bundled/{p.name}\n" for p in sorted(target.iterdir()))
        before = "License-File: LICENSE\n"
        metadata.write_text(metadata.read_text().replace(before, before + entries, 1))
        options.out.mkdir(exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "wheel", "pack", "-d", options.out, wheel], check=True
        )


if __name__ == "__main__":
    main()
