"""How the server's parts are configured, and where each has what in the server's folder."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Literal

GROUP = "group"  # the namespace of all repositories
SIGNING_KEY = "what only giftless knows"

# Who may PUT and GET the objects themselves: whom the LFS server has given a header for it, or,
# where it gives none, whoever may log in.
Objects = Literal["signed", "gated"]


def repositories(folder: Path) -> Path:
    return folder / "repositories"


def stored_objects(folder: Path) -> Path:
    return folder / "objects"


def socket_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.sock"


def giftless(folder: Path, objects: Objects) -> dict[str, object]:
    """Of the LFS server."""
    signed = objects == "signed"
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
                    "storage_options": {"path": str(stored_objects(folder))},
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


def nginx(folder: Path, objects: Objects, port: int) -> str:
    """Of the server in front."""
    gate = f'auth_basic "repositories"; auth_basic_user_file {folder}/htpasswd;'
    to_giftless = f"""
        proxy_pass http://unix:{socket_of(folder, "giftless")};
        proxy_request_buffering off;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Port $server_port;"""
    # For whoever logged in, nginx vouches with a token of its own; where objects are "signed",
    # giftless gives out one for each of them.
    vouched = f'{gate} {to_giftless} proxy_set_header Authorization "Bearer {_service_token()}";'
    storage = to_giftless if objects == "signed" else vouched
    user = "user root;" if os.geteuid() == 0 else ""
    return f"""
daemon off; {user} pid {folder}/nginx.pid; error_log {folder}/nginx.log;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    log_format requests escape=json '{{"method": "$request_method", "uri": "$request_uri",'
        ' "status": "$status", "user": "$remote_user", "authorization": "$http_authorization"}}';
    access_log {folder}/access.log requests;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/tls/server.pem;
        ssl_certificate_key {folder}/tls/server.key;
        location ~ ^/.+\\.git/info/lfs/objects/batch$ {{ {vouched} }}
        location ~ ^/.+\\.git/info/lfs/ {{ {storage} }}
        location ~ ^/.+\\.git/ {{
            {gate}
            fastcgi_pass unix:{socket_of(folder, "fcgi")};
            fastcgi_param SCRIPT_FILENAME {_http_backend()};
            fastcgi_param PATH_INFO $uri;
            fastcgi_param GIT_PROJECT_ROOT {repositories(folder)};
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


def _http_backend() -> str:
    where = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True)
    return f"{where.stdout.strip()}/git-http-backend"
