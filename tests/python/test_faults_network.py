"""Broken connections, certificates that do not fit, and proxies that refuse."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fault_proxy import Authority, FaultProxy, Trouble
from fault_rehearsal import STALL, Rehearsal
from hub_revisions import RevisionPusher
from hub_revisions.local_hub import LocalHub

_PROXY_VARIABLES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                    "no_proxy", "NO_PROXY")  # fmt: skip
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture(scope="module")
def storage_proxy() -> Iterator[FaultProxy]:
    """What stands between clients and the storage of `hub`."""
    with FaultProxy() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def hub(storage_proxy: FaultProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    options = ("--faults", "none", "--storage-url", storage_proxy.url)
    with LocalHub(tmp_path_factory.mktemp("hub"), *options) as running:
        storage_proxy.target = running.storage_endpoint
        yield running


@pytest.fixture
def proxy(hub: LocalHub) -> Iterator[FaultProxy]:
    """What stands between the worker and `hub`."""
    with FaultProxy(hub.endpoint) as running:
        yield running


@pytest.fixture
def rehearsal(
    hub: LocalHub,
    proxy: FaultProxy,
    storage_proxy: FaultProxy,
    repo_id: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Rehearsal]:
    """A checkpoint that goes to the hub through the proxies."""
    for name in (*_PROXY_VARIABLES, *_CA_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    storage_proxy.troubles.clear()
    storage_proxy.connections.clear()
    prepared = Rehearsal.prepare(hub, repo_id, tmp_path)
    prepared.endpoint = proxy.url
    yield prepared
    storage_proxy.troubles.clear()


# ---- connections -------------------------------------------------------------------------------


def test_a_refused_connection_is_tried_again(rehearsal: Rehearsal, proxy: FaultProxy) -> None:
    proxy.refused = True
    log = rehearsal.folder / "_hub_revisions" / "worker.log"
    opener = threading.Thread(target=_open_after_retries, args=(proxy, log))
    opener.start()
    record = rehearsal.push(max_retries=100)
    opener.join()
    rehearsal.assert_published(record)


def _open_after_retries(proxy: FaultProxy, log: Path) -> None:
    deadline = time.monotonic() + 30
    while not log.exists() or log.read_text().count("trying again") < 3:
        if time.monotonic() > deadline:
            return  # the port stays closed, and the push fails
        time.sleep(0.01)
    proxy.refused = False


def test_a_hub_that_stays_away_is_named(rehearsal: Rehearsal, proxy: FaultProxy) -> None:
    proxy.refused = True
    record = rehearsal.push(max_retries=2)
    rehearsal.assert_kept(
        record, "network", f"cannot reach {proxy.url}", "gave up after 3 attempts", "HF_ENDPOINT"
    )
    proxy.refused = False
    rehearsal.assert_published(rehearsal.resume())


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble("reset", "up", 0),
        Trouble("reset", "up", 50),
        Trouble("reset", "up", 500),
        Trouble("reset", "down", 0),
        Trouble("reset", "down", 50),
        Trouble("reset", "down", 300),
        Trouble("close", "up", 50),
        Trouble("close", "down", 50),
        Trouble("stall", "up", 0),
        Trouble("stall", "up", 1000),
        Trouble("stall", "down", 50),
    ],
    ids=lambda trouble: f"{trouble.do}-{trouble.direction}-{trouble.after}",
)
def test_a_broken_connection_is_replaced(
    rehearsal: Rehearsal, proxy: FaultProxy, trouble: Trouble
) -> None:
    times = 1 if trouble.do == "stall" else 3
    proxy.troubles += [trouble] * times
    record = rehearsal.push(stall_timeout=STALL)
    assert proxy.hits == times
    # One for the files, and one each for what is asked meanwhile.
    assert times < len(proxy.connections) <= times + 3
    for connection in proxy.connections[:times]:
        assert len(getattr(connection, trouble.direction)) == trouble.after
    rehearsal.assert_published(record)


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble("reset", "up", 0),
        Trouble("reset", "up", 500_000),
        Trouble("reset", "down", 0),
        Trouble("reset", "down", 30),
        Trouble("close", "up", 500_000),
        Trouble("stall", "up", 500_000),
    ],
    ids=lambda trouble: f"{trouble.do}-{trouble.direction}-{trouble.after}",
)
def test_a_broken_upload_is_repeated(
    rehearsal: Rehearsal, storage_proxy: FaultProxy, trouble: Trouble
) -> None:
    times = 1 if trouble.do == "stall" else 2
    storage_proxy.troubles += [trouble] * times
    record = rehearsal.push(stall_timeout=STALL)
    assert storage_proxy.hits == times
    assert record.bytes_sent >= record.bytes_total - 100_000 > 0
    assert b"Authorization" not in b"".join(bytes(c.up) for c in storage_proxy.connections)
    rehearsal.assert_published(record)


# ---- TLS ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("ca") / "authority")


@pytest.mark.parametrize(
    ("name", "days", "trusted", "words"),
    [
        ("IP:127.0.0.1", 1, False, "certificate"),
        ("DNS:other.example", 1, True, "127.0.0.1"),
        ("IP:127.0.0.1", -1, True, "expired"),
    ],
    ids=["unknown-ca", "wrong-host", "expired"],
)
def test_a_certificate_that_does_not_fit_is_final(
    rehearsal: Rehearsal,
    proxy: FaultProxy,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    days: int,
    trusted: bool,
    words: str,
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    plain = rehearsal.hub.endpoint
    with (
        FaultProxy(plain, tls=authority.context(name, days=days)) as inner,
        FaultProxy(inner.url) as outer,  # sees each attempt, encrypted
    ):
        rehearsal.endpoint = outer.url.replace("http:", "https:")
        record = rehearsal.push()
        assert len(outer.connections) == 1
        assert not any(connection.up for connection in inner.connections)
    rehearsal.assert_kept(record, "rejected", words, "SSL_CERT_FILE")
    rehearsal.endpoint = plain
    rehearsal.assert_published(rehearsal.resume())


def test_a_certificate_that_fits_is_accepted(
    rehearsal: Rehearsal, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    plain = rehearsal.hub.endpoint
    with (
        FaultProxy(plain, tls=authority.context("IP:127.0.0.1")) as tls,
        rehearsal.pusher(endpoint=tls.url) as pusher,
    ):
        assert _preflight(pusher) == ""
        assert rehearsal.hub.token.encode() in b"".join(bytes(c.up) for c in tls.connections)


def _preflight(pusher: RevisionPusher) -> str:
    pusher.preflight()
    deadline = time.monotonic() + 30
    while (result := pusher.preflight_result()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return result


# ---- a proxy that refuses ----------------------------------------------------------------------

_REFUSALS = {
    403: b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 16\r\n"
         b"Connection: close\r\n\r\nnot from inside\n",
    407: b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Type: text/plain\r\n"
         b"Proxy-Authenticate: Basic realm=\"proxy\"\r\nContent-Length: 16\r\n"
         b"Connection: close\r\n\r\nnot from inside\n",
}  # fmt: skip


@pytest.fixture(params=_REFUSALS, ids=str)
def refusing(request: pytest.FixtureRequest) -> Iterator[tuple[int, FaultProxy]]:
    """A status, and a proxy that answers it to everybody."""
    with FaultProxy(answer=_REFUSALS[request.param]) as running:
        yield request.param, running


def test_a_forward_proxy_that_refuses_is_final(
    rehearsal: Rehearsal, refusing: tuple[int, FaultProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, refuser = refusing
    monkeypatch.setenv("http_proxy", refuser.url)
    record = rehearsal.push()
    assert len(refuser.connections) == 1
    assert refuser.connections[0].up.startswith(f"GET {rehearsal.endpoint}/api/whoami".encode())
    rehearsal.assert_kept(record, "rejected", f"answered {status}", "not from inside")
    monkeypatch.delenv("http_proxy")
    rehearsal.assert_published(rehearsal.resume())


def test_a_tunnel_that_a_proxy_refuses_is_final(
    rehearsal: Rehearsal, refusing: tuple[int, FaultProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, refuser = refusing
    monkeypatch.setenv("https_proxy", refuser.url)
    plain, rehearsal.endpoint = rehearsal.endpoint, "https://hub.invalid"
    record = rehearsal.push()
    assert len(refuser.connections) == 1
    head = bytes(refuser.connections[0].up)
    assert head.startswith(b"CONNECT hub.invalid:443 ")
    assert b"\r\nAuthorization" not in head
    rehearsal.assert_kept(record, "rejected", str(status), "proxy", "hub.invalid")
    rehearsal.endpoint = plain
    rehearsal.assert_published(rehearsal.resume())


# ---- what a training sees ----------------------------------------------------------------------


@pytest.mark.parametrize("break_it", [Trouble("reset"), Trouble("stall")], ids=lambda t: t.do)
def test_nothing_is_lost_when_a_run_ends_in_the_middle(
    rehearsal: Rehearsal, proxy: FaultProxy, break_it: Trouble
) -> None:
    proxy.troubles += [break_it] * 1000
    with rehearsal.pusher(max_retries=100) as pusher:
        pusher.submit(rehearsal.folder / "checkpoint-7")
        _wait_until(lambda: proxy.hits > 0)
        pusher.close(timeout=0)
    (record,) = pusher.status()
    assert record.state == "queued"
    proxy.troubles.clear()
    rehearsal.assert_published(rehearsal.resume())


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
