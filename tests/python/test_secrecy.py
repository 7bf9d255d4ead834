"""The token is in memory and in headers to its endpoint, and nowhere else, whatever servers do."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import re
import stat
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from child_process import Child, published_steps
from holding_proxy import Answer, HoldingProxy, Request
from hub_revisions import (
    ConfigError,
    HubRevisionCallback,
    HubRevisionError,
    RevisionPusher,
    best_revision,
    list_revisions,
    promote,
)
from hub_revisions.local_hub import LocalHub
from marked_token import (
    BASIC,
    TOKEN,
    assert_clean,
    assert_clean_repository,
    assert_clean_tree,
)
from tiny_training import make_trainer, write_checkpoint
from transformers.utils import logging as transformers_logging

MIB = 1 << 20


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A hub whose write token is the marked one."""
    root = tmp_path_factory.mktemp("hub")
    (root / "tokens.json").write_text(json.dumps({"write": TOKEN, "read": "hf_reader"}))
    with LocalHub(root) as running:
        yield running


@pytest.fixture
def proxy(hub: LocalHub) -> Iterator[HoldingProxy]:
    """A way to the hub whose pre-signed URLs are on another host."""
    with HoldingProxy(hub, storage_host="localhost") as running:
        yield running


@pytest.fixture
def where(proxy: HoldingProxy, repo_id: str) -> dict[str, Any]:
    return {
        "endpoint": proxy.endpoint,
        "token": TOKEN,
        "repo_id": repo_id,
        "max_retries": 1,
        "retry_max_delay": 0.05,
    }


@pytest.fixture(autouse=True)
def everything_told_is_clean(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[None]:
    """Whatever a test here logs at any level, prints, or leaves on disk."""
    with caplog.at_level(logging.DEBUG):
        yield
    for record in caplog.get_records("call"):
        assert_clean(f"{record.getMessage()} {record.__dict__!r}", "the log")
    printed = capfd.readouterr()
    assert_clean(printed.out, "stdout")
    assert_clean(printed.err, "stderr")
    assert_clean_tree(tmp_path)


def assert_clean_error(error: BaseException) -> None:
    """Its words, its attributes, and those of what it came from."""
    assert_clean("".join(traceback.format_exception(error)), "a traceback")
    seen: BaseException | None = error
    while seen is not None:
        assert_clean(repr((seen, seen.args, vars(seen))), "an exception")
        seen = seen.__cause__ or seen.__context__


def assert_clean_pusher(pusher: RevisionPusher) -> None:
    """All that it shows."""
    shown = (pusher, pusher.token, str(pusher.token), pusher.settings, pusher.settings.to_json())
    assert_clean(repr(shown), "a pusher")
    assert_clean(repr((pusher.status(), pusher.records(), pusher.resume_command)), "its records")
    with pytest.raises((AttributeError, TypeError)) as raised:
        pickle.dumps(pusher)  # a worker cannot be
    assert_clean_error(raised.value)


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    for leak in (TOKEN, BASIC, f"x{TOKEN[6:16]}", BASIC[30:44], f"Bearer {TOKEN}\n"):
        with pytest.raises(AssertionError, match="the token is in"):
            assert_clean(leak, "here")
    assert_clean("hf_another token, hf_user:, aGZfdXNlcjpoZl8=", "there")


def test_a_push_that_succeeds(
    hub: LocalHub, proxy: HoldingProxy, where: dict[str, Any], repo_id: str, tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1, size=2 * MIB, loss=1.0)
    (tmp_path / "README.md").write_text("# The trainer's card\n")
    hold = proxy.hold("/git-receive-pack$")
    with RevisionPusher(tmp_path, **where) as pusher:
        pusher.preflight()
        pusher.submit(folder)
        hold.wait()
        assert assert_clean_tree(tmp_path) > 10  # the commit, its objects and all
        assert_clean_pusher(pusher)
        hold.release()
        assert pusher.wait(timeout=60)
        assert_clean_pusher(pusher)
    assert pusher.status()[0].state == "done"
    assert_clean_pusher(pusher)
    found = list_revisions(repo_id, endpoint=proxy.endpoint, token=TOKEN)
    best = best_revision(repo_id, metric="loss", endpoint=proxy.endpoint, token=TOKEN)
    promoted = promote(repo_id, "step-000000001", endpoint=proxy.endpoint, token=TOKEN)
    assert_clean(repr((found, best, promoted)), "a revision")

    repositories = [path.parent for path in hub.root.rglob("HEAD")]
    assert sum(assert_clean_repository(path) for path in repositories) > 1000
    assert assert_clean_tree(hub.root, "tokens.json") > 3  # LFS objects and its log, too
    assert any(request.line.startswith("PUT ") for request in proxy.stored)
    for request in proxy.stored:  # what the other host was told
        assert request.headers.get("Authorization") is None
        assert_clean(f"{request.line}\n{request.headers}".encode() + request.body, "its traffic")


# ---- servers that give back what they were sent -------------------------------------------------


def authorization(request: Request) -> str:
    return str(request.headers.get("Authorization", "nothing"))


def json_error(status: int) -> Callable[[Request], Answer]:
    def respond(request: Request) -> Answer:
        told = authorization(request)
        body = {"error": f"who is {told}?", "message": told, "errors": [{"message": told}]}
        return Answer(status, {"Content-Type": "application/json"}, json.dumps(body).encode())

    return respond


def text_error(status: int, padding: int) -> Callable[[Request], Answer]:
    def respond(request: Request) -> Answer:
        text = "x" * padding + authorization(request)
        return Answer(status, {"Content-Type": "text/plain"}, text.encode())

    return respond


def header_error(status: int) -> Callable[[Request], Answer]:
    def respond(request: Request) -> Answer:
        told = authorization(request)
        names = ("X-Error-Message", "X-Error-Code", "X-Request-Id", "WWW-Authenticate", "RateLimit")
        return Answer(status, dict.fromkeys(names, told))

    return respond


def html_error(request: Request) -> Answer:
    text = f"<html><body>{authorization(request)}</body></html>"
    return Answer(200, {"Content-Type": authorization(request)}, text.encode())


def redirection(request: Request) -> Answer:
    told = authorization(request).replace(" ", "%20")
    return Answer(307, {"Location": f"http://localhost:1/{told}?token={told}#{told}"})


ECHOES: dict[str, Callable[[Request], Answer]] = {
    "json, 403": json_error(403),
    "json, 503": json_error(503),
    "headers, 403": header_error(403),
    "headers, 429": header_error(400),
    "text, 403": text_error(403, padding=0),
    # A message is cut off somewhere, maybe in the middle of the token.
    **{f"text, cut at {n}": text_error(403, padding=500 - len("Bearer ") - n) for n in (12, 24)},
    "text, Basic, cut": text_error(403, padding=500 - len("Basic ") - 40),
    "html, 200": html_error,
    "redirection": redirection,
}
STAGES = (
    "/api/whoami-v2",
    "/api/repos/create",
    "/auth-check/write",
    "/api/validate-yaml",
    "/objects/batch",
    "^PUT ",
    "/objects/verify",
    "/info/refs",
    "/git-receive-pack$",
    "/revision/",
)


@pytest.mark.parametrize("echo", ECHOES)
def test_a_push_that_fails(
    proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path, echo: str
) -> None:
    for number, stage in enumerate(STAGES):
        # Files of its own, or nothing would be uploaded where an earlier one got that far.
        folder = write_checkpoint(tmp_path / f"checkpoint-{number}", step=number, size=16 + number)
        proxy.answers.clear()
        proxy.answer(stage, ECHOES[echo])
        before = proxy.count()
        with RevisionPusher(tmp_path / str(number), **where) as pusher:
            pusher.preflight()
            pusher.submit(folder)
            assert pusher.wait(timeout=60)
            while pusher.preflight_result() is None:
                pass
            assert_clean(str(pusher.preflight_result()), f"the preflight's result at {stage}")
            assert_clean_pusher(pusher)
        assert any(re.search(stage, line) for line in proxy.requests[before:]), f"not at {stage}"
        records = (tmp_path / str(number)).glob("_hub_revisions/*/job.json")
        assert_clean("".join(record.read_text() for record in records), f"the record at {stage}")
        if echo == "redirection" and "validate" not in stage:  # a card costs no push
            (record,) = pusher.status()
            assert record.state == "failed", stage
            assert "another host" in str(record.error), stage


@pytest.mark.parametrize("echo", [e for e in ECHOES if "503" not in e])  # no minutes of retries
def test_a_command_that_fails(
    proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path, echo: str
) -> None:
    for stage in ("/api/whoami-v2", "/api/", "/info/refs", "/git-upload-pack$"):
        proxy.answers.clear()
        proxy.answer(stage, ECHOES[echo])
        for ask in (
            lambda: list_revisions(where["repo_id"], endpoint=proxy.endpoint, token=TOKEN),
            lambda: promote(where["repo_id"], "x", endpoint=proxy.endpoint, token=TOKEN),
        ):
            try:
                ask()
            except HubRevisionError as error:
                assert_clean_error(error)


@pytest.mark.parametrize("echo", ["json, 403", "headers, 403", "text, 403", "redirection"])
def test_a_check_that_fails(
    proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path, echo: str
) -> None:
    proxy.answer("/api/", ECHOES[echo])
    script = """
    import logging, sys
    logging.basicConfig(level=logging.DEBUG)
    from hub_revisions.cli import main
    sys.exit(main(["doctor", "--repo", sys.argv[2], "--endpoint", sys.argv[1]]))
    """
    with Child(tmp_path, script, proxy.endpoint, where["repo_id"], HF_TOKEN=TOKEN) as child:
        assert child.ends() == 1, child.output
        assert "token" in child.output  # what it has written is searched like all files


def git_packet(text: str) -> bytes:
    return f"{len(text) + 4:04x}{text}".encode()


def test_a_refusal_by_git(proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path) -> None:
    def refused(request: Request) -> Answer:
        told = authorization(request)
        report = (
            git_packet("unpack ok\n").decode()
            + git_packet(f"ng refs/heads/step-000000001 {told}\n").decode()
            + "0000"
        )
        body = git_packet(f"\x02remote: {told}\n") + git_packet("\x01" + report) + b"0000"
        return Answer(200, {"Content-Type": "application/x-git-receive-pack-result"}, body)

    proxy.answer("/git-receive-pack$", refused)
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    with RevisionPusher(tmp_path, **where) as pusher:
        pusher.submit(folder)
        assert pusher.wait(timeout=60)
        assert_clean_pusher(pusher)
    (record,) = pusher.status()
    assert record.state == "failed"
    assert "***" in str(record.error)  # the words came through, without it


def test_a_refusal_of_one_object(
    proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path
) -> None:
    """In an answer that is a success, whose headers for the next request hold the token rightly."""

    def refused(request: Request) -> Answer:
        objects = [
            wanted | {"error": {"code": 403, "message": f"who is {authorization(request)}?"}}
            for wanted in json.loads(request.body)["objects"]
        ]
        body = json.dumps({"transfer": "basic", "objects": objects}).encode()
        return Answer(200, {"Content-Type": "application/vnd.git-lfs+json"}, body)

    proxy.answer("/objects/batch", refused)
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    with RevisionPusher(tmp_path, **where) as pusher:
        pusher.submit(folder)
        assert pusher.wait(timeout=60)
        assert_clean_pusher(pusher)
    (record,) = pusher.status()
    assert record.state == "failed"
    assert "who is Bearer ***?" in str(record.error)


def test_an_upload_offer_that_names_another_host(
    hub: LocalHub, proxy: HoldingProxy, where: dict[str, Any], repo_id: str, tmp_path: Path
) -> None:
    """Objects are verified where the server says, which need not be where the token belongs."""

    def offers(request: Request) -> Answer:
        objects = [
            {
                "oid": wanted["oid"],
                "size": wanted["size"],
                "actions": {
                    name: {"href": f"{proxy.storage_endpoint}/foreign-{name}"}
                    for name in ("upload", "verify")
                },
            }
            for wanted in json.loads(request.body)["objects"]
        ]
        body = json.dumps({"transfer": "basic", "objects": objects}).encode()
        return Answer(200, {"Content-Type": "application/vnd.git-lfs+json"}, body)

    proxy.answer("/objects/batch", offers)
    proxy.answer("/foreign-", lambda _: Answer(200))
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    with RevisionPusher(tmp_path, **where) as pusher:
        pusher.submit(folder)
        assert pusher.wait(timeout=60)
    assert {request.line.split("/")[-1] for request in proxy.stored} == {
        "foreign-upload",
        "foreign-verify",
    }
    for request in proxy.stored:
        assert_clean(f"{request.line}\n{request.headers}".encode() + request.body, "its traffic")
    assert published_steps(hub, repo_id) == []  # it has none of the objects


# ---- at home ------------------------------------------------------------------------------------


@pytest.fixture
def transformers_verbosity() -> Iterator[None]:
    """Ends what the argument `log_level` of a training sets for the whole process."""
    before = transformers_logging.get_verbosity()
    yield
    transformers_logging.set_verbosity(before)


@pytest.mark.usefixtures("transformers_verbosity")
def test_a_training(
    hub: LocalHub, proxy: HoldingProxy, repo_id: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # training_args.bin, which the Trainer writes, holds it; it is neither frozen nor pushed.
    output = tmp_path_factory.mktemp("output")
    callback = HubRevisionCallback(endpoint=proxy.endpoint, contents="full")
    hold = proxy.hold("/objects/batch")
    trainer = make_trainer(
        output, callback, max_steps=1, hub_token=TOKEN, hub_model_id=repo_id, log_level="debug"
    )
    seen: list[int] = []
    trainer.callback_handler.callbacks[0].on_train_end = lambda *_, **__: (
        hold.wait(),
        seen.append(assert_clean_tree(output / "_hub_revisions")),
        hold.release(),
    )
    trainer.train()
    assert seen[0] > 3
    assert TOKEN.encode() in (output / "checkpoint-1" / "training_args.bin").read_bytes()
    assert_clean_tree(output, "training_args.bin")
    assert published_steps(hub, repo_id) == [1]
    assert_clean_tree(hub.root, "tokens.json")
    for shown in (callback, callback.records(), callback.summary(), copy.deepcopy(callback)):
        assert_clean(repr(shown), "the callback")
    assert_clean(pickle.dumps(callback), "a pickle")


def test_copies_and_pickles_of_a_callback() -> None:
    callback = HubRevisionCallback(token=TOKEN, mode="spool", repo_id="me/model")
    again = copy.deepcopy(callback)
    for one in (callback, again, copy.copy(callback)):
        assert_clean(repr(one), "a callback")
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert_clean(pickle.dumps(one, protocol), "a pickle")


@pytest.mark.parametrize(
    "make", [HubRevisionCallback, lambda config: RevisionPusher("nowhere", config)]
)
@pytest.mark.parametrize("key", ["token", "hub_token"])
def test_a_token_given_as_a_setting(make: Callable[..., Any], key: str) -> None:
    with pytest.raises(ConfigError, match=key) as raised:
        make({key: TOKEN})
    # The line that calls is this test's own; what was made of it must not repeat it.
    assert_clean_error(raised.value)


def test_other_processes_do_not_see_it(
    proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1, size=2 * MIB)
    home = tmp_path.parent / f"{tmp_path.name}-home"
    home.mkdir()
    (home / "token").write_text(TOKEN)
    hold = proxy.hold("/objects/batch")
    script = """
    import sys
    from hub_revisions import RevisionPusher
    output, folder, endpoint, repo_id = sys.argv[1:]
    with RevisionPusher(output, endpoint=endpoint, repo_id=repo_id) as pusher:
        pusher.submit(folder)
        pusher.wait()
    print(pusher.status()[0].state)
    """
    with Child(
        tmp_path, script, tmp_path, folder, proxy.endpoint, where["repo_id"], HF_HOME=str(home)
    ) as child:
        hold.wait()
        process = psutil.Process(child.process.pid)
        processes = [process, *process.children(recursive=True)]
        assert len(processes) == 1  # all of it is threads
        for name in ("cmdline", "environ", "comm"):
            assert_clean(Path(f"/proc/{process.pid}/{name}").read_bytes(), name)
        hold.release()
        assert child.ends() == 0, child.output
        assert "done" in child.output


@pytest.fixture
def permissive() -> Iterator[None]:
    """A umask that forbids nobody anything."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("permissive")
@pytest.mark.parametrize("spool_is", ["new", "open to all", "readable by all"])
def test_the_spool_is_ones_own(
    proxy: HoldingProxy, where: dict[str, Any], tmp_path: Path, spool_is: str
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1, size=2 * MIB)
    nested = write_checkpoint(folder / "adapter", size=2 * MIB)
    for weights in (folder, nested):
        (weights / "model.safetensors").chmod(0o600)
    (tmp_path / "README.md").write_text("# The trainer's card\n")
    spool = tmp_path / "spool"
    if spool_is != "new":
        spool.mkdir(mode=0o777 if spool_is == "open to all" else 0o755)
    hold = proxy.hold("/git-receive-pack$")
    with RevisionPusher(tmp_path, **where, spool_dir=str(spool)) as pusher:
        pusher.submit(folder)
        hold.wait()
        modes = {path: path.stat().st_mode for path in [spool, *spool.rglob("*")]}
        assert any(path.name == "git" for path in modes)
        hold.release()
    wrong = {
        str(path.relative_to(tmp_path)): oct(stat.S_IMODE(mode))
        for path, mode in modes.items()
        if stat.S_IMODE(mode) & 0o077
        # What libgit2 makes is behind the job's folder.
        if "git" not in path.relative_to(spool).parts
    }
    assert wrong == {}


# ---- what is in a checkpoint --------------------------------------------------------------------

SECRET = "a secret outside of the checkpoint"


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


HOSTILE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a link out, relative": ("notes.txt", link_to("../secret/file")),
    "a link out, absolute": ("notes.txt", lambda path: path.symlink_to(
        path.parent.parent.absolute() / "secret" / "file")),
    "a link to a folder outside": ("notes", link_to("../secret")),
    "a link to the folder above": ("notes", link_to("..")),
    "a link through the checkpoint and out": (
        "notes.txt", link_to("../checkpoint-1/../secret/file")),
    "a link to /proc": ("notes.txt", link_to("/proc/self/environ")),
    "a link to a device": ("notes.txt", link_to("/dev/zero")),
    "a pipe": ("notes.txt", os.mkfifo),
    "a pipe as weights": ("model-00001-of-00001.safetensors", os.mkfifo),
    "a device": ("notes.txt", lambda path: os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))),
    "a pipe as the trainer's state": ("trainer_state.json", os.mkfifo),
    "a device as the trainer's state": ("trainer_state.json", link_to("/dev/zero")),
    "the trainer's state outside": ("trainer_state.json", link_to("../secret/state.json")),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_outside_a_checkpoint_is_read(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path, what: str
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text(SECRET)
    state = {"global_step": 666, "epoch": 1.0, "log_history": []}
    (tmp_path / "secret" / "state.json").write_text(json.dumps(state))
    name, make = HOSTILE[what]
    try:
        make(folder / name)
    except PermissionError:
        pytest.skip("needs root: a device file")
    script = """
    import resource, sys
    from hub_revisions import InvalidCheckpointError, RevisionPusher
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    output, folder, endpoint, repo_id = sys.argv[1:]
    with RevisionPusher(output, endpoint=endpoint, repo_id=repo_id) as pusher:
        try:
            pusher.submit(folder, "hostile")
        except InvalidCheckpointError as error:
            print("refused:", error)
        print([(record.state, record.step) for record in pusher.status()])
    """
    arguments = (tmp_path / "out", folder, where["endpoint"], where["repo_id"])
    with Child(tmp_path, script, *arguments, HF_TOKEN=TOKEN) as child:
        assert child.ends(within=20) == 0, child.output
        assert "refused:" in child.output
        assert name in child.output
        assert "[('failed', None)]" in child.output
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    with pytest.raises(HubRevisionError):  # nothing was sent, not even for a repository
        list_revisions(where["repo_id"], endpoint=hub.endpoint, token=TOKEN)


@pytest.mark.parametrize("what", ["a pipe", "a device", "a link to a device"])
def test_a_card_that_is_no_file_is_passed_over(
    where: dict[str, Any], tmp_path: Path, what: str
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    try:
        HOSTILE[what][1](tmp_path / "README.md")
    except PermissionError:
        pytest.skip("needs root: a device file")
    script = """
    import sys
    from hub_revisions import RevisionPusher
    output, folder, endpoint, repo_id = sys.argv[1:]
    with RevisionPusher(output, endpoint=endpoint, repo_id=repo_id) as pusher:
        pusher.submit(folder)
        pusher.wait()
    print(pusher.status()[0].state)
    """
    arguments = (tmp_path, folder, where["endpoint"], where["repo_id"])
    with Child(tmp_path, script, *arguments, HF_TOKEN=TOKEN) as child:
        assert child.ends(within=20) == 0, child.output
        assert child.output.endswith("done\n"), child.output
