"""`python -m hub_revisions.local_hub --root DIR`: serve a hub until interrupted."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .faults import PRESETS, InvalidFaultsError
from .settings import Settings

if TYPE_CHECKING:
    from .hub import Hub


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the `hub` command."""
    add = parser.add_argument
    add("--root", type=Path, required=True, help="folder for repositories, tokens and the log")
    add("--host", default=Settings.host, help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=0, help="port of the hub (default: any free one)")
    add("--storage-port", type=int, default=0,
        help="port of the pre-signed URLs (default: any free one)")  # fmt: skip
    add("--storage-url", metavar="URL",
        help="that port's address for clients, where it is another one")  # fmt: skip
    add("--verify-url", metavar="URL",
        help="a server that verifies uploads at URL/NAMESPACE/NAME in the hub's place")  # fmt: skip
    add("--user", default=Settings.user, help="the one user's name (default: %(default)s)")
    add("--url-lifetime", type=int, default=Settings.url_lifetime, metavar="SECONDS",
        help="how long a pre-signed URL is valid (default: %(default)s)")  # fmt: skip
    add("--single-put-limit", type=int, default=Settings.single_put_limit, metavar="BYTES",
        help="larger LFS objects are refused in one PUT (default: %(default)s)")  # fmt: skip
    add("--multipart-threshold", type=int, default=Settings.multipart_threshold, metavar="BYTES",
        help="larger LFS objects go in parts if the client can (default: %(default)s)")  # fmt: skip
    add("--part-size", type=int, default=Settings.part_size, metavar="BYTES",
        help="size of those parts (default: %(default)s)")  # fmt: skip
    add("--multipart-agent", metavar="NAME",
        help="custom transfer by which all objects go in parts if a client has it")  # fmt: skip
    add("--max-object-bytes", type=int, default=Settings.max_object_bytes, metavar="BYTES",
        help="largest file that may be stored (default: %(default)s)")  # fmt: skip
    add("--max-push-bytes", type=int, default=Settings.max_push_bytes, metavar="BYTES",
        help="largest body of a push or commit (default: %(default)s)")  # fmt: skip
    add("--rate-limit", type=int, metavar="N",
        help="answer 429 after N requests in 5 minutes (default: no limit)")  # fmt: skip
    add("--faults", metavar="RULES",
        help="answer some requests wrongly: a file of rules (see the module 'faults'), or one of "
             + ", ".join(PRESETS) + "; the rules can be replaced while it runs")  # fmt: skip
    add("--port-file", type=Path, metavar="FILE",
        help="write the addresses, as JSON, to FILE once the hub is ready")  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Serve a local hub from a folder until interrupted: a Hub on loopback, for tests and sites
    without a network."""
    try:
        from .server import serve
    except ModuleNotFoundError as error:
        remedy = 'pip install "hub-revisions[hub]"'
        sys.stderr.write(f"hub-revisions hub needs: {remedy} (there is no {error.name})\n")
        return 1
    values = vars(options)
    port_file: Path | None = values["port_file"]
    settings = Settings(**{name: values[name] for name in Settings.__dataclass_fields__})
    try:
        serve(settings, lambda hub: _announce(hub, port_file))
    except KeyboardInterrupt:
        return 0  # the way to end it; uvicorn has closed everything by now
    except (OSError, RuntimeError, InvalidFaultsError) as error:
        sys.stderr.write(f"hub: {error}\n")
        return 1
    return 0


def _announce(hub: Hub, port_file: Path | None) -> None:
    settings = hub.settings
    # Who listens everywhere is reached here under the loopback address.
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    endpoint = f"http://{host}:{settings.port}"
    sys.stdout.write(
        f"Local hub for models in {settings.root}\n"
        f"in a browser: {endpoint} (any user name, a token as the password)\n"
        f"read-only token: {hub.tokens.read}\n\n"
        f"export HF_ENDPOINT={endpoint}\n"
        f"export HF_TOKEN={hub.tokens.write}\n"
    )
    sys.stdout.flush()
    if port_file is not None:
        addresses = {
            "endpoint": endpoint,
            "storage_endpoint": f"http://{host}:{settings.storage_port}",
            "user": settings.user,
        }
        # Renamed into place: a reader sees the whole file or none.
        temporary = port_file.with_name(port_file.name + ".tmp")
        temporary.write_text(json.dumps(addresses))
        temporary.replace(port_file)


def main(arguments: list[str] | None = None) -> int:
    """The command line; `arguments` default to those of the process."""
    parser = argparse.ArgumentParser(prog="python -m hub_revisions.local_hub", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
