"""What a local hub is told when it starts: folders, addresses and the limits it enforces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
_S3_SINGLE_PUT_LIMIT = 5 * 1024 * MIB


@dataclass(frozen=True)
class Settings:
    """Settings of one hub process; every field but `root` has the command line's default.

    `storage_port` is a second listener: pre-signed URLs live on another origin than the REST API,
    as on the Hub, so that clients drop their Authorization header on the way there. 0 means any
    free port, for either listener. `storage_url` is the address under which clients reach the
    second one, where it is not the hub's host with `storage_port`: behind a proxy, say. Clients ask
    `verify_url`/NAMESPACE/NAME to verify uploads, where that is set, with no token; by default they
    ask the hub.

    `single_put_limit` is the largest body of one PUT, by default S3's; above `multipart_threshold`
    clients that know how are offered to send an object in parts. `multipart_agent` names a custom
    transfer: whoever has an agent of that name is offered parts for every object, whatever its
    size, as the Hub does for git-lfs with `hf lfs-enable-largefiles`.

    `max_object_bytes` is the largest file that may be stored (the Hub's limit is 500 GB),
    `max_push_bytes` the largest body of a push or commit, of which large files are no part.
    """

    root: Path
    host: str = "127.0.0.1"
    port: int = 0
    storage_port: int = 0
    storage_url: str | None = None
    verify_url: str | None = None
    user: str = "local-user"
    url_lifetime: int = 900
    single_put_limit: int = _S3_SINGLE_PUT_LIMIT
    multipart_threshold: int = _S3_SINGLE_PUT_LIMIT
    part_size: int = 64 * MIB
    multipart_agent: str | None = None
    max_object_bytes: int = 500 * 1000**3
    max_push_bytes: int = 1024 * MIB
    rate_limit: int | None = None
    faults: str | None = None

    @property
    def log_path(self) -> Path:
        """The access log; it holds no query strings and no headers, so no secrets."""
        return self.root / "hub.log"
