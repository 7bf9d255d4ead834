"""A process that has other copies of the same libraries: Python's ssl, torch, pyarrow, httpx."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .conftest import TlsHub, run

SCRIPT = """
import os, sys, hashlib, ssl, urllib.request
import torch, pyarrow, pandas, safetensors.torch, httpx
from hub_revisions import RevisionPusher, list_revisions

endpoint, output = sys.argv[1:]
trust = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])

url = endpoint + "/api/whoami-v2"
headers = {"Authorization": "Bearer " + os.environ["HF_TOKEN"]}

def others_speak_tls():
    request = urllib.request.Request(url, headers=headers)
    assert urllib.request.urlopen(request, context=trust).status == 200
    assert httpx.get(url, headers=headers, verify=trust).status_code == 200
    assert hashlib.sha256(b"").hexdigest().startswith("e3b0c442")

def in_a_child(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 1)
    assert os.waitpid(child, 0)[1] == 0

def push(name):
    folder = f"{output}/{name}/checkpoint-1"
    os.makedirs(folder)
    safetensors.torch.save_file({"weight": torch.ones(1024)}, folder + "/model.safetensors")
    open(folder + "/config.json", "w").write("{}")
    with RevisionPusher(f"{output}/{name}", repo_id="local-user/neighbours") as pusher:
        pusher.submit(folder, name)
        in_a_child(others_speak_tls)  # while it pushes
        others_speak_tls()
        pusher.wait()
        assert [record.state for record in pusher.status()] == ["done"], pusher.status()

others_speak_tls()
push("first")
in_a_child(lambda: push("second"))
assert pyarrow.table({"a": [1]}).num_rows == 1
assert torch.ones(2, 2).matmul(torch.ones(2, 2)).sum() == 8
revisions = list_revisions("local-user/neighbours", endpoint=endpoint)
print(sorted(revision.revision for revision in revisions))
mapped = {line.split()[-1] for line in open("/proc/self/maps") if "/" in line}
openssl = {file for file in mapped if os.path.basename(file).startswith(("libssl", "libcrypto"))}
assert len({file for file in openssl if "hub_revisions.libs" in file}) == 2, openssl
assert len(openssl) > 2, "no neighbour"
"""


def test_each_uses_its_own(tls_hub: TlsHub, tmp_path: Path) -> None:
    printed = run(
        sys.executable,
        "-c",
        SCRIPT,
        tls_hub.tls_endpoint,
        tmp_path / "out",
        PYTHONPATH=os.environ["PYTHONPATH"],
        SSL_CERT_FILE=str(tls_hub.authority),
        **tls_hub.environment(),
    )
    assert printed.splitlines()[-1] == "['first', 'main', 'second']"
