"""The command line; see scripts/bench."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console

from . import cores, machine, plots
from .effort import Effort
from .table import measurement_tables, verdict_table
from .targets import judge

MEASUREMENTS = ("stall", "push", "latency", "interference", "second_checkpoint", "scale",
                "startup")  # fmt: skip
_USERS_OWN = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT",
              "HF_HUB_OFFLINE", "no_proxy")  # fmt: skip
_DESCRIPTION = """Measure what hub-revisions costs, beside huggingface_hub, open-r1's order of
calls, the Trainer's own push and git-lfs. Writes DIR/bench.json and a plot
after each measurement. Without an option it takes under 10 minutes on 2 cores. A missed target is
marked, and is no failure."""


def main(arguments: list[str] | None = None) -> int:
    """Run the measurements asked for, in a fixed order; the exit status."""
    options = _parse(arguments)
    if options.client_cores:
        cores.divide(options.client_cores)
    _leave_the_user_out()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    console = Console()
    progress = Console(stderr=True)
    results: dict[str, Any] = {
        "machine": machine.describe(out),
        "effort": options.effort.value,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    } | {name: [] for name in MEASUREMENTS}
    with tempfile.TemporaryDirectory(dir=options.workdir or out, prefix="bench-") as folder:
        for name in options.only:
            module = importlib.import_module(f".{name}", __package__)
            work = Path(folder) / name
            work.mkdir()
            started = time.monotonic()
            results[name] = module.run(
                options.effort, work, lambda line, name=name: progress.print(f"{name}: {line}")
            )
            shutil.rmtree(work)
            progress.print(f"{name}: took {time.monotonic() - started:.0f} s")
            (out / "bench.json").write_text(json.dumps(results, indent=2) + "\n")
            plots.draw(name, results[name], out)
            console.print(*measurement_tables(name, results[name], console.width))
    console.print(verdict_table(judge(results)))
    console.print(f"\nwritten: {out / 'bench.json'}")
    return 0


def _leave_the_user_out() -> None:
    """Nobody's token, hub, cache or proxy takes part: all servers are on this machine."""
    for name in _USERS_OWN:
        os.environ.pop(name, None)
    os.environ |= {"NO_PROXY": "127.0.0.1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=_DESCRIPTION)
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", dest="effort", action="store_const", const=Effort.QUICK,
                        default=Effort.DEFAULT, help="under 2 minutes")  # fmt: skip
    effort.add_argument("--full", dest="effort", action="store_const", const=Effort.FULL,
                        help="with the large sizes; needs 40 GiB of disk")  # fmt: skip
    parser.add_argument("--only", type=_names, default=MEASUREMENTS, metavar="NAME,...",
                        help=", ".join(MEASUREMENTS))  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the results")
    parser.add_argument("--workdir", type=Path, metavar="DIR",
                        help="for what is pushed (default: --out); deleted at the end")  # fmt: skip
    parser.add_argument("--client-cores", type=int, metavar="N",
                        help="give clients N cores, and servers the others")  # fmt: skip
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    """The measurements of a list with commas, in the fixed order."""
    named = text.split(",")
    for name in named:
        if name not in MEASUREMENTS:
            raise argparse.ArgumentTypeError(f"no measurement is called {name!r}")
    return [name for name in MEASUREMENTS if name in named]


if __name__ == "__main__":
    sys.exit(main())
