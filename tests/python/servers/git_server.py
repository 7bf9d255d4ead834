"""A git server of other people's parts, as a group would set one up for itself.

nginx speaks TLS with a certificate of an own authority and asks for name and password; behind it
`git http-backend` (by fcgiwrap) has the repositories, and giftless (by gunicorn) their large files.
All are ordinary processes of the calling user, in one folder, and end with it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

ROOT = Path(__file__).resolve().parents[3]
# An environment of its own, which `need_giftless` of scripts/lib.sh makes.
GIFTLESS = ROOT / "build" / "giftless"
PROGRAMS = ("nginx", "fcgiwrap", "openssl", "git-lfs")
GROUP = "group"  # the namespace of all repositories
USER, PASSWORD = "ann", "a-password-of-ann"
SIGNING_KEY = "what only giftless knows"
PATIENCE = 60.0  # seconds

# Who may PUT and GET the objects themselves: whom the LFS server has given a header for it, or,
# where it gives none, whoever may log in.
Objects = Literal["signed", "gated"]


def what_is_missing() -> str:
    """Why no server can be started here; "" if one can."""
    programs = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if programs:
        return f"not installed: {', '.join(programs)}; scripts/test does it"
    if not (GIFTLESS / "bin" / "gunicorn").exists():
        return f"no giftless in {GIFTLESS}; scripts/test makes it"
    return ""


@dataclass(frozen=True)
class Authority:
    """A certificate authority, and a server's certificate by it."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self) -> None:
        """As an institution does it, by openssl."""
        self.folder.mkdir(parents=True)
        _openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"),
            *("/CN=an authority of its own", "-keyout", str(self.folder / "ca.key")),
            *("-out", str(self.certificate)),
        )
        _openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
            *("-keyout", str(self.folder / "server.key"), "-out", str(self.folder / "server.csr")),
        )
        names = self.folder / "names"
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _openssl(
            *("x509", "-req", "-days", "2", "-in", str(self.folder / "server.csr")),
            *("-CA", str(self.certificate), "-CAkey", str(self.folder / "ca.key")),
            *("-CAcreateserial", "-extfile", str(names)),
            *("-out", str(self.folder / "server.pem")),
        )


class GitServer:
    """The three of them, running between `with` and its end."""

    def __init__(self, folder: Path, objects: Objects) -> None:
        self._folder = folder
        self._objects = objects
        self._repositories = folder / "repositories"
        self._stored = folder / "objects"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._port = _free_port()
        self.authority = Authority(folder / "tls")

    @property
    def endpoint(self) -> str:
        return f"https://localhost:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """What lets clients trust it and log in to it."""
        return {
            "REQUESTS_CA_BUNDLE": str(self.authority.certificate),
            "GIT_SSL_CAINFO": str(self.authority.certificate),
            "GIT_ASKPASS": str(self._folder / "askpass"),
        }

    def make(self, name: str) -> Path:
        """An empty repository `group/name`, as an administrator makes it; its folder."""
        folder = self._repositories / f"{name}.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
        return folder

    def objects(self, name: str) -> dict[str, int]:
        """Sizes of the large files that the LFS server has of a repository, by their digests."""
        return {path.name: path.stat().st_size for path in (self._stored / name).glob("*")}

    def log(self) -> list[dict[str, str]]:
        """The requests so far."""
        lines = (self._folder / "access.log").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def __enter__(self) -> GitServer:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._repositories.mkdir()
        self._stored.mkdir()
        self.authority.issue()
        hashed = _openssl("passwd", "-apr1", PASSWORD).strip()
        (self._folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
        askpass = self._folder / "askpass"
        askpass.write_text(
            f'#!/bin/sh\ncase "$1" in User*) echo {USER};; *) echo {PASSWORD};; esac\n'
        )
        askpass.chmod(0o700)
        (self._folder / "giftless.json").write_text(json.dumps(self._giftless()))
        (self._folder / "nginx.conf").write_text(self._nginx())
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _start(self) -> None:
        self._run("fcgiwrap", "-s", f"unix:{self._socket('fcgi')}")
        self._run(
            *(str(GIFTLESS / "bin" / "gunicorn"), "--workers", "1", "--threads", "4"),
            *("--bind", f"unix:{self._socket('giftless')}", "--timeout", "300"),
            *("giftless.wsgi_entrypoint:app",),
            GIFTLESS_CONFIG_FILE=str(self._folder / "giftless.json"),
            PYTHONWARNINGS="ignore",
        )
        self._wait(lambda: all(self._socket(name).exists() for name in ("fcgi", "giftless")))
        self._run("nginx", "-p", str(self._folder), "-c", str(self._folder / "nginx.conf"))
        self._wait(self._answers)

    def _stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _socket(self, name: str) -> Path:
        return self._folder / f"{name}.sock"

    def _run(self, *command: str, **variables: str) -> None:
        with (self._folder / "server.log").open("ab") as sink:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=_plain_environment() | variables,
            )
        self._processes.append(process)

    def _wait(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            dead = [process for process in self._processes if process.poll() is not None]
            log = (self._folder / "server.log").read_text(errors="replace")
            assert not dead, f"{dead[0].args} ended: {log}"
            assert time.monotonic() < deadline, log
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def _giftless(self) -> Mapping[str, object]:
        signed = self._objects == "signed"
        jwt = {
            "factory": "giftless.auth.jwt:factory",
            "options": {"algorithm": "HS256", "private_key": SIGNING_KEY, "key_id": "giftless"},
        }
        return {
            "LEGACY_ENDPOINTS": False,
            "AUTH_PROVIDERS": [jwt],
            "PRE_AUTHORIZED_ACTION_PROVIDER": jwt if signed else None,
            "TRANSFER_ADAPTERS": {
                "basic": {
                    "factory": "giftless.transfer.basic_streaming:factory",
                    "options": {
                        "storage_class": "giftless.storage.local_storage:LocalStorage",
                        "storage_options": {"path": str(self._stored)},
                        "action_lifetime": 900,
                    },
                }
            },
            "MIDDLEWARE": [
                {
                    "class": "werkzeug.middleware.proxy_fix:ProxyFix",
                    "kwargs": {"x_host": 1, "x_proto": 1, "x_port": 1},
                }
            ],
        }

    def _nginx(self) -> str:
        gate = f'auth_basic "repositories"; auth_basic_user_file {self._folder}/htpasswd;'
        to_giftless = f"""
            proxy_pass http://unix:{self._socket("giftless")};
            proxy_request_buffering off;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Port $server_port;"""
        # For whoever logged in, nginx vouches with a token of its own; where objects are "signed",
        # giftless gives out one for each of them.
        vouched = (
            f'{gate} {to_giftless} proxy_set_header Authorization "Bearer {_service_token()}";'
        )
        storage = to_giftless if self._objects == "signed" else vouched
        user = "user root;" if os.geteuid() == 0 else ""
        return f"""
daemon off; {user} pid {self._folder}/nginx.pid; error_log {self._folder}/nginx.log;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    log_format requests escape=json '{{"method": "$request_method", "uri": "$request_uri",'
        ' "status": "$status", "user": "$remote_user", "authorization": "$http_authorization"}}';
    access_log {self._folder}/access.log requests;
    client_body_temp_path {self._folder}/body; proxy_temp_path {self._folder}/proxy;
    fastcgi_temp_path {self._folder}/fastcgi; uwsgi_temp_path {self._folder}/uwsgi;
    scgi_temp_path {self._folder}/scgi;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{self._port} ssl;
        ssl_certificate {self.authority.folder}/server.pem;
        ssl_certificate_key {self.authority.folder}/server.key;
        location ~ ^/.+\\.git/info/lfs/objects/batch$ {{ {vouched} }}
        location ~ ^/.+\\.git/info/lfs/ {{ {storage} }}
        location ~ ^/.+\\.git/ {{
            {gate}
            fastcgi_pass unix:{self._socket("fcgi")};
            fastcgi_param SCRIPT_FILENAME {_http_backend()};
            fastcgi_param PATH_INFO $uri;
            fastcgi_param GIT_PROJECT_ROOT {self._repositories};
            fastcgi_param GIT_HTTP_EXPORT_ALL "";
            fastcgi_param REMOTE_USER $remote_user;
            fastcgi_param REMOTE_ADDR $remote_addr;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
            fastcgi_param HTTP_GIT_PROTOCOL $http_git_protocol;
        }}
    }}
}}
"""


def _service_token() -> str:
    """A token for giftless that allows everything in the group: JSON Web Token, HMAC-SHA-256."""
    now = int(time.time())
    header = {"alg": "HS256", "typ": "JWT", "kid": "giftless"}
    claims = {"sub": "nginx", "iat": now, "exp": now + 86400, "scopes": f"obj:{GROUP}/*"}
    text = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
    signature = hmac.new(SIGNING_KEY.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _plain_environment() -> dict[str, str]:
    """Nothing of this process's Python, and no git configuration of whoever runs the tests."""
    return {"PATH": _path(), "LANG": "C.UTF-8", "HOME": "/nonexistent"}


def _http_backend() -> str:
    where = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True)
    return f"{where.stdout.strip()}/git-http-backend"


def _openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
