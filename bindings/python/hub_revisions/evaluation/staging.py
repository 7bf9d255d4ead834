"""A job's folder: what an engine needs to run one attempt, and where it leaves its word.

The command lies there as it is, its words separated by NUL: no shell ever sees it, so spaces,
quotes, `$(id)` and line breaks in it stay what they are. Start it as `run.sh FOLDER`.
"""

from __future__ import annotations

import json
from pathlib import Path

from .._native import config_error
from .contract import EvalRequest

SCHEMA = "hub-revisions-request/1"
SCRIPT = "run.sh"
# What {out_dir} stands for in a container that shares no folder with us.
REMOTE_FOLDER = "/tmp/hub-revisions"  # noqa: S108 - it is the container's


def job_folder(jobs: Path, key: str, attempt: int) -> Path:
    """The folder of an attempt below `jobs`, the folder of all jobs."""
    return jobs / key / str(attempt)


def make_job_folder(jobs: Path, key: str, attempt: int) -> Path:
    """The same, made if it is missing, and closed to others: logs may hold what is nobody's."""
    folder = job_folder(jobs, key, attempt)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def stage(request: EvalRequest) -> Path:
    """Write `request.json`, `argv0` and `run.sh` into `request.out_dir`; the script's path.

    Raises `ConfigError` for a command that no system could run, `OSError` if it cannot write.
    """
    for word in request.argv:
        if "\0" in word:
            raise config_error(f"suite '{request.suite}': a word of its command holds a NUL byte")
    if not request.argv or not request.argv[0]:
        raise config_error(f"suite '{request.suite}': its command is empty")
    folder = request.out_dir
    fields = {name: getattr(request, name) for name in request.__dataclass_fields__}
    fields |= {"out_dir": str(folder), "env": dict(request.env)}
    write_whole(folder / "request.json", json.dumps({"schema": SCHEMA, **fields}, indent=1) + "\n")
    write_whole(folder / "argv0", "".join(f"{word}\0" for word in request.argv))
    script = folder / SCRIPT
    write_whole(script, Path(__file__).with_name(SCRIPT).read_text(encoding="utf-8"))
    return script  # written last: where it is, the rest is


def read_request(folder: Path) -> EvalRequest | None:
    """What was staged in a folder; None if that was not done to its end."""
    try:
        item = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if item.pop("schema", None) != SCHEMA or not (folder / SCRIPT).exists():
        return None
    return EvalRequest(**{**item, "argv": tuple(item["argv"]), "out_dir": folder})


def write_whole(path: Path, text: str) -> None:
    """Write a file that others see whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    # Arguments may hold what is no UTF-8: file names on Linux are bytes.
    new.write_bytes(text.encode("utf-8", "surrogateescape"))
    new.chmod(0o700 if path.name == SCRIPT else 0o600)
    new.replace(path)
