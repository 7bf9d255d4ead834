"""What goes wrong behind training is told, and never stops it unless asked to."""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from hub_revisions import ConfigError, HubRevisionCallback, HubRevisionError, RevisionPusher
from hub_revisions.local_hub import LocalHub
from own_log import own_messages
from tiny_training import branches, make_trainer
from transformers import TrainerCallback

UNREACHABLE = "http://127.0.0.1:1"


def broken(hub: LocalHub, how: str) -> dict[str, Any]:
    return {
        "wrong token": {"token": "hf_wrong"},
        "no token": {"token": None},
        "read-only token": {"token": hub.read_token},
        "unreachable": {"endpoint": UNREACHABLE, "max_retries": 0},
        "repository name": {"repo_id": "not/a/name"},
        "spool": {"spool_dir": "/proc/nowhere"},
    }[how]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("wrong token", "token"),
        ("no token", "token"),
        ("read-only token", "read"),
        ("unreachable", UNREACHABLE.removeprefix("http://")),
        ("repository name", "not/a/name"),
        ("spool", "/proc/nowhere"),
    ],
)
def test_training_goes_on(
    hub: LocalHub,
    where: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    how: str,
    words: str,
) -> None:
    callback = HubRevisionCallback(**where | broken(hub, how))
    trainer = make_trainer(tmp_path, callback)
    trainer.train()
    assert trainer.state.global_step == 2
    told = own_messages(caplog, logging.ERROR)
    assert told
    assert any(words in message for message in told), told
    if how.endswith("token"):
        assert len(told) == 1, told  # not once more for each job
    assert hub.token not in "".join(told)
    assert "hf_wrong" not in "".join(told)
    # Each job's record says why; a worker that did not start has none.
    assert all(row.state == "failed" and row.error for row in callback.summary())
    if callback.summary():
        assert "failed" in capsys.readouterr().err


@pytest.mark.parametrize("how", ["wrong token", "repository name", "spool"])
def test_training_stops_if_asked_to(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path, how: str
) -> None:
    callback = HubRevisionCallback(**where | broken(hub, how), on_error="raise")
    with pytest.raises(HubRevisionError):
        make_trainer(tmp_path, callback, max_steps=2).train()
    callback.finish(progress_bar=False)


def test_a_wrong_keyword_is_told_before_training() -> None:
    with pytest.raises(ConfigError, match=r"'max_retry'.*'max_retries'"):
        HubRevisionCallback(max_retry=3)
    with pytest.raises(ConfigError, match="'max_retry'"):
        HubRevisionCallback({"max_retry": 3})
    with pytest.raises(ConfigError, match=r"'revision_template'.*{nothing}.*known are"):
        HubRevisionCallback(revision_template="{step}-{nothing}")


def test_checkpoints_are_handed_over_once_another_process_leaves_the_spool(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    other = RevisionPusher(out, repo_id="me/other", mode="spool")

    class Leave(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 3:
                other.close()

    callback = HubRevisionCallback(**where)
    trainer = make_trainer(out, callback, max_steps=4, save_steps=1, save_total_limit=None)
    trainer.add_callback(Leave())
    trainer.train()
    found = branches(hub, where["repo_id"])
    assert found >= {f"step-{step:09d}" for step in (1, 2, 3, 4)}


def test_a_wrong_file_does_not_stop_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "run.json"
    file.write_text('{"max_retry": 3}')
    trainer = make_trainer(tmp_path / "out", HubRevisionCallback(file), max_steps=1)
    trainer.train()
    assert trainer.state.global_step == 1
    (told,) = own_messages(caplog, logging.ERROR)
    assert str(file) in told
    assert "'max_retries'" in told
    assert "no checkpoint was published" in caplog.text


def test_what_is_not_pushed_in_time_is_kept(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    away = where | {"endpoint": UNREACHABLE, "max_retries": 100, "retry_max_delay": 60}
    callback = HubRevisionCallback(**away, drain_timeout=0.3)
    make_trainer(tmp_path, callback, max_steps=1).train()
    assert f"hub-revisions sync {tmp_path}" in caplog.text
    assert [row.state for row in callback.summary()] == ["queued"]


def test_the_server_comes_back_for_the_next_training(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    make_trainer(
        tmp_path, HubRevisionCallback(**where | {"token": "hf_wrong"}), max_steps=1
    ).train()
    callback = HubRevisionCallback(**where)
    trainer = make_trainer(tmp_path, callback, max_steps=2)
    trainer.train(resume_from_checkpoint=True)
    assert [row.state for row in callback.summary()] == ["done", "done"]
    assert branches(hub, where["repo_id"]) >= {"step-000000001", "step-000000002"}


class Interrupt(logging.Handler):
    """Presses Ctrl-C when the callback says that it waits."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("waiting for 1 of 1"):
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()


def test_ctrl_c_while_waiting_keeps_the_rest(
    where: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    away = where | {"endpoint": UNREACHABLE, "max_retries": 100, "retry_max_delay": 60}
    callback = HubRevisionCallback(**away)
    trainer = make_trainer(tmp_path, callback, max_steps=1)
    interrupt, logger = Interrupt(), logging.getLogger("hub_revisions")
    logger.addHandler(interrupt)
    try:
        with caplog.at_level(logging.INFO, logger.name):
            trainer.train()
    except KeyboardInterrupt:
        pytest.fail("Ctrl-C ended more than the waiting")
    finally:
        logger.removeHandler(interrupt)
    assert [row.state for row in callback.summary()] == ["queued"]
    assert f"hub-revisions sync {tmp_path}" in caplog.text


def test_signals_are_left_alone(tmp_path: Path) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    callback = HubRevisionCallback(mode="spool")
    make_trainer(tmp_path, callback, max_steps=1).train()
    assert before == {number: signal.getsignal(number) for number in before}
