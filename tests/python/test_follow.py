"""`sync --follow`: a daemon that pushes what arrives in a spool."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from child_process import Child, published_steps, snapshots_left, until
from holding_proxy import Answer, HoldingProxy
from hub_revisions.local_hub import LocalHub
from spooling import Spooler, command_child, states, until_states
from tiny_training import write_checkpoint


def outcomes(child: Child) -> list[tuple[str, str]]:
    """The lines of JSON that a follower has written: revision and state."""
    lines = [json.loads(line) for line in child.output.splitlines() if line.startswith("{")]
    return [(line["revision"], line["state"]) for line in lines]


def test_it_pushes_what_arrives_and_tells_each_outcome(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    follow = ("sync", output, "--follow", "--json")
    with command_child(tmp_path, *follow, HF_TOKEN=hub.token) as follower:
        follower.says("following")  # a folder that is not there yet
        with Spooler(output, where) as spooler:
            for step in (1, 2, 3):
                spooler.submit(write_checkpoint(output / f"checkpoint-{step}", step=step))
                until(lambda step=step: len(outcomes(follower)) == step, "it is not pushed")
        follower.send(signal.SIGTERM)
        assert follower.ends() == 0
        assert outcomes(follower) == [(f"step-{step:09d}", "done") for step in (1, 2, 3)]
        assert "Traceback" not in follower.output
    assert published_steps(hub, where["repo_id"]) == [1, 2, 3]
    assert snapshots_left(output) == []


def test_it_outlives_its_server(hub: LocalHub, where: dict[str, Any], tmp_path: Path) -> None:
    with HoldingProxy(hub) as proxy:
        proxy.answer(".*", lambda request: Answer(503))
        away = where | {"endpoint": proxy.endpoint, "max_retries": 0, "retry_max_delay": 0.1}
        with Spooler(tmp_path, away) as spooler:
            spooler.submit(write_checkpoint(tmp_path / "checkpoint-1", step=1))
            with command_child(tmp_path, "sync", tmp_path, "--follow", HF_TOKEN=hub.token):
                until_states(tmp_path, {"step-000000001": "failed"})
                asked = proxy.count()
                until(lambda: proxy.count() > asked, "it does not try again")
                proxy.answers.clear()
                until_states(tmp_path, {"step-000000001": "done"})


def test_a_second_one_is_told_at_once_also_when_all_is_pushed(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    with Spooler(tmp_path, where) as spooler:
        spooler.submit(write_checkpoint(tmp_path / "checkpoint-1", step=1))
    follow = ("sync", tmp_path, "--follow")
    with command_child(tmp_path, *follow, HF_TOKEN=hub.token) as first:
        until_states(tmp_path, {"step-000000001": "done"})
        first.says("pushed")
        with command_child(tmp_path, *follow, HF_TOKEN=hub.token) as second:
            assert second.ends() == 2
            assert f"in use by process {first.process.pid};" in second.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_it_is_pushing_when_it_ends_stays(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path, number: signal.Signals
) -> None:
    with HoldingProxy(hub) as proxy:
        hold = proxy.hold("/objects/batch")
        with Spooler(tmp_path, where | {"endpoint": proxy.endpoint}) as spooler:
            spooler.submit(write_checkpoint(tmp_path / "checkpoint-1", step=1))
        follow = command_child(tmp_path, "sync", tmp_path, "--follow", HF_TOKEN=hub.token)
        with follow as follower:
            hold.wait()
            follower.send(number)
            assert follower.ends() == 3
            assert "1 not pushed yet" in follower.output
            assert "Traceback" not in follower.output
        assert states(tmp_path) == {"step-000000001": "queued"}


def test_its_own_on_outcome_is_told_too(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    with Spooler(tmp_path, where) as spooler:
        spooler.submit(write_checkpoint(tmp_path / "checkpoint-1", step=1))
    with HoldingProxy(hub) as proxy:
        proxy.answer("POST /hook", lambda request: Answer(200))
        hook = f"on_outcome={proxy.endpoint}/hook"
        follow = ("sync", tmp_path, "--follow", "--json", "--set", hook)
        with command_child(tmp_path, *follow, HF_TOKEN=hub.token) as follower:
            until(lambda: proxy.requests == ["POST /hook"], "it is not told")
            assert outcomes(follower) == [("step-000000001", "done")]
