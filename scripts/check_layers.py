#!/usr/bin/env python3
"""Fails when a file of plugin/ or bindings/ includes what its layer may not.

A file includes its own layer and layers of lower rank; layers of equal rank do not know each other.
Each C library is named in one layer only.
"""

import re
import sys
from pathlib import Path

RANKS = {
    "base": 0,
    "types": 1,
    "net": 2,
    "snapshot": 3,
    "fixes": 3,
    "safetensors": 3,
    "lfs": 3,
    "git": 3,
    "hub": 3,
    "spool": 3,
    "pipeline": 4,
    "worker": 5,
}
# header prefix -> the only folders that may include it
LIBRARIES = {
    "curl/": {"net"},
    "git2": {"git"},
    "yaml-cpp/": {"fixes"},
    "openssl/": {"base"},
    "boost/": {"base"},
    "xxh": {"base"},
    "pybind11/": set(),
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def violations(root: Path) -> list[str]:
    found = []
    for path in sorted((root / "plugin").rglob("*")):
        if path.suffix not in {".h", ".cc", ".in"}:
            continue
        layer = path.relative_to(root / "plugin").parts[0]
        name = path.relative_to(root)
        for kind, included in INCLUDE.findall(path.read_text()):
            if kind == '"':
                match = re.fullmatch(r"plugin/([a-z]+)/[a-z0-9_]+\.h", included)
                if not match or match[1] not in RANKS:
                    found.append(
                        f"{name}: includes {included!r}; write it from the repository root"
                    )
                elif match[1] != layer and RANKS[match[1]] >= RANKS[layer]:
                    found.append(
                        f"{name}: {layer} (rank {RANKS[layer]}) may not include {included}"
                    )
            for prefix, allowed in LIBRARIES.items():
                if included.startswith(prefix) and layer not in allowed:
                    found.append(
                        f"{name}: <{included}> belongs into {sorted(allowed) or 'bindings'}"
                    )
    return found


def main() -> int:
    found = violations(Path(__file__).resolve().parent.parent)
    for line in found:
        print(line, file=sys.stderr)
    print(f"layer check: {len(found)} violation(s)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
