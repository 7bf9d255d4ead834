"""The engine of Hugging Face Jobs with the real client, against a server whose jobs really run."""

from __future__ import annotations

import base64
import io
import json
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from child_process import until
from hub_revisions.evaluation.config import load_config
from hub_revisions.evaluation.contract import State, SubmitError, UnreachableError
from hub_revisions.evaluation.engines import Surroundings, make_engine
from hub_revisions.evaluation.engines.hf_jobs import HfJobsEngine
from hub_revisions.evaluation.engines.parcel import unpack
from hub_revisions.evaluation.verdict import read_done
from marked_token import TOKEN, assert_clean

from .conftest import Requests
from .jobs_hub import JobsHub

WRITES = (
    "import json, os, sys; os.mkdir('deep'); "
    "json.dump({'acc': 0.5}, open('deep/results.json', 'w')); "
    "print('an evaluator says this', os.environ.get('JUDGE'), os.environ.get('A')); "
    "sys.exit(int(sys.argv[1]))"
)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[JobsHub]:
    with JobsHub(tmp_path, TOKEN) as running:
        yield running


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client waits half a minute before it believes that nobody answers."""
    quick = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
    monkeypatch.setattr("huggingface_hub.utils._http.time", quick)


@pytest.fixture
def make(hub: JobsHub, make_request: Requests) -> Any:
    """Makes engines with some options."""

    def make(secrets: dict[str, str] | None = None, **options: Any) -> HfJobsEngine:
        config = load_config(
            {
                "engine": "hf-jobs",
                "options": {"image": "python:3.12", **options},
                "suites": [{"name": "s", "command": ["x"]}],
            }
        )
        surroundings = Surroundings(make_request.jobs, {}, hub.url, TOKEN, secrets or {})
        made = make_engine("hf-jobs", config.options, surroundings)
        assert isinstance(made, HfJobsEngine)
        return made

    return make


@pytest.mark.parametrize(("exit_code", "state"), [(0, State.SUCCEEDED), (7, State.FAILED)])
def test_a_job_runs_and_its_files_come_home(
    make: Any, hub: JobsHub, make_request: Requests, exit_code: int, state: State
) -> None:
    engine = make({"JUDGE": "j"})
    assert engine.probe() is None
    request = make_request(sys.executable, "-c", WRITES, str(exit_code), env={"A": "b c"})
    job = engine.submit(request)
    assert engine.poll([job])[job.id].state is State.QUEUED
    hub.run(job.id)
    said = engine.poll([job])[job.id]
    assert said.state is state
    assert said.url == f"{hub.url}/jobs/me/{job.id}"
    engine.collect(job)
    done = read_done(job.out_dir)
    assert done is not None
    assert (done.exit_code, done.host) == (exit_code, "hf-jobs")
    assert json.loads((job.out_dir / "deep" / "results.json").read_text()) == {"acc": 0.5}
    assert "an evaluator says this j b c" in hub.jobs[job.id].log


def test_what_is_asked_for(make: Any, hub: JobsHub, make_request: Requests) -> None:
    engine = make({"HF_TOKEN": TOKEN}, flavor="a10g-small", mount="/model")
    request = make_request("eval", "a b", "$(id)", time_limit=77, env={"A": "1"})
    job = engine.submit(request)
    spec = hub.jobs[job.id].spec
    assert spec["dockerImage"] == "python:3.12"
    assert spec["flavor"] == "a10g-small"
    assert spec["timeoutSeconds"] == 77
    assert spec["environment"] == {"HF_ENDPOINT": hub.url, "A": "1"}
    assert spec["secrets"] == {"HF_TOKEN": TOKEN}
    assert spec["command"][-3:] == ["eval", "a b", "$(id)"]
    assert spec["labels"] == {
        "name": request.key,
        "hub-revisions-repo": "me.model",
        "hub-revisions-key": request.key,
        "hub-revisions-attempt": "1",
    }
    assert spec["volumes"] == [
        {
            "type": "model",
            "source": "me/model",
            "revision": request.commit,
            "mountPath": "/model",
        }
    ]
    del spec["secrets"]
    assert_clean(json.dumps(spec), "the job's public part")
    for path in request.out_dir.iterdir():
        assert_clean(path.read_bytes(), str(path))


def test_many_are_asked_about_in_one_question(
    make: Any, hub: JobsHub, make_request: Requests
) -> None:
    engine = make()
    jobs = [engine.submit(make_request("true", key=f"ev-{number}")) for number in range(3)]
    hub.jobs["job1"].stage = "ERROR"
    hub.jobs["job1"].message = "Job timeout"
    hub.jobs["job2"].stage = "BREWING"
    hub.calls.clear()
    said = engine.poll(jobs)
    assert len(hub.calls) == 1
    assert [said[job.id].state for job in jobs] == [State.QUEUED, State.FAILED, State.RUNNING]
    assert said["job1"].reason == "Job timeout"
    del hub.jobs["job0"]
    assert set(engine.poll(jobs)) == {"job1", "job2"}


def test_a_running_job_is_cancelled(make: Any, hub: JobsHub, make_request: Requests) -> None:
    engine = make()
    job = engine.submit(make_request("sleep", "600"))
    thread = hub.start(job.id)
    until(lambda: engine.poll([job])[job.id].state is State.RUNNING, "it never ran")
    until(lambda: hub.jobs[job.id].process is not None, "it never ran")
    engine.cancel(job)
    assert engine.poll([job])[job.id].state is State.CANCELLED
    thread.join(60)
    del hub.jobs[job.id]
    engine.cancel(job)  # of one that is unknown: nothing


def test_it_is_found_again_by_its_labels(make: Any, hub: JobsHub, make_request: Requests) -> None:
    engine = make()
    request = make_request("true", attempt=2)
    job = engine.submit(request)
    found = engine.find(request.key, 2)
    assert found is not None
    assert (found.id, found.out_dir, found.extra) == (job.id, job.out_dir, job.extra)
    assert engine.find(request.key, 1) is None


@pytest.mark.parametrize(("status", "retryable"), [(402, False), (403, False), (503, True)])
def test_a_refusal(
    make: Any, hub: JobsHub, make_request: Requests, status: int, retryable: bool
) -> None:
    engine = make(namespace="me")
    job = engine.submit(make_request("true"))
    hub.refusal = status
    with pytest.raises(SubmitError, match=f"answered {status}") as caught:
        engine.submit(make_request("true", key="ev-2"))
    assert caught.value.retryable is retryable
    assert_clean(str(caught.value), "an error")
    with pytest.raises(UnreachableError, match=f"answered {status}"):
        engine.poll([job])
    with pytest.raises(UnreachableError):
        engine.find(job.key, 1)


def test_nobody_listens(make: Any, hub: JobsHub, make_request: Requests) -> None:
    engine = make(namespace="me")
    job = engine.submit(make_request("true"))
    hub.close()
    for ask in (
        lambda: engine.poll([job]),
        lambda: engine.cancel(job),
        lambda: engine.find(job.key, 1),
    ):
        with pytest.raises(UnreachableError, match="cannot be reached"):
            ask()
    with pytest.raises(SubmitError, match="cannot be reached") as caught:
        engine.submit(make_request("true", key="ev-2"))
    assert caught.value.retryable


def test_without_a_last_word_nothing_is_made_up(
    make: Any, hub: JobsHub, make_request: Requests
) -> None:
    engine = make()
    job = engine.submit(make_request("true"))
    hub.jobs[job.id].log = ["something", "hub-revisions-parcel ev-other.1 end 0 1"]
    hub.jobs[job.id].stage = "ERROR"
    engine.collect(job)
    assert read_done(job.out_dir) is None


def _packed(**files: str) -> list[str]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("link.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    text = base64.b64encode(buffer.getvalue()).decode()
    return [f"data {text[at : at + 100]}" for at in range(0, len(text), 100)]


def test_a_hostile_archive_stays_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    names = ["ok.json", "../up.json", "a/../../up.json", "/tmp/absolute.json", "done.json"]
    unpack([*_packed(**dict.fromkeys(names, "{}")), "end 0 5"], folder, host="h")
    found = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert found == {"job/ok.json", "job/done.json"}
    assert read_done(folder) is not None


@pytest.mark.parametrize("data", [[], ["data !!!"], ["data AAAA"], _packed(a="{}")[:1]])
def test_a_torn_archive_is_missing_but_the_last_word_counts(
    tmp_path: Path, data: list[str]
) -> None:
    unpack([*data, "end 3 5"], tmp_path, host="h")
    done = read_done(tmp_path)
    assert done is not None
    assert (done.exit_code, done.ended) == (3, 5)


@pytest.mark.parametrize("last", [[], ["end x 5"], ["end 0"], ["end 0 5 6"]])
def test_a_torn_last_word_is_none(tmp_path: Path, last: list[str]) -> None:
    unpack([*_packed(a="{}"), *last], tmp_path, host="h")
    assert list(tmp_path.iterdir()) == []
