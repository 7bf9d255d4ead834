"""What grows with the number of checkpoints, files and revisions.

`submit` a training that saves very often, without a hub: what its thread waits for.
`queue`  as many checkpoints waiting at once, pushed to a hub nearby.
`files`  one checkpoint of very many files; one in ten goes to the storage of large files.
`status`, `list`, `pick`  the command line over as many jobs and revisions, a process each; `work_s`
         is without the start of Python and the imports. `pick` writes its decision down.

The hub's check of pushed content is left out of `queue`: it starts a Python for each push, and is
not what is measured. `first_tenth` (after the last submit) and `last_tenth` are means per job, of
the time until the next one is done, and of CPU time; git's part of the servers' grows by itself
with the number of branches, which it tells in every push. `last_to_first_tenth` is of our CPU time
(`queue`) or the time that training waited (`submit`).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import Report, Row
from .checkpoints import Tensor, write_checkpoint, write_small_files, write_weights
from .commands import time_command
from .delay_proxy import FarServers
from .effort import Effort
from .process import Cost, Meter, measure
from .repository import SUITE, reset_results, results_commit, revision_name, write_revisions
from .servers import cpu_seconds

NAME = "scale"

_JOBS = {Effort.QUICK: 40, Effort.DEFAULT: 300, Effort.FULL: 1000}
_FILES = {Effort.QUICK: 1000, Effort.DEFAULT: 10_000, Effort.FULL: 10_000}
_REVISIONS = {Effort.QUICK: 100, Effort.DEFAULT: 1000, Effort.FULL: 1000}
_REPEATS = {Effort.QUICK: 1, Effort.DEFAULT: 3, Effort.FULL: 5}
_RTT_MS = (0, 50)
_SMALL = 64 << 10  # bytes of weights in a checkpoint of which there are many


def run(effort: Effort, work: Path, report: Report) -> list[Row]:
    """Measure all of them; a job or command that fails is an error."""
    count = _REVISIONS[effort]
    report(f"{count} submits")
    spool = work / "submit"
    rows = [_submit(spool, count)]
    report(f"status of {count} jobs")
    rows.append(time_command(("status", str(spool)), _REPEATS[effort], count) | {"jobs": count})
    with FarServers(work / "near", 0) as servers:
        report(f"{_JOBS[effort]} queued checkpoints")
        rows.append(_queue(servers, work / "queue", _JOBS[effort]))
        report(f"{_FILES[effort]} files")
        rows.append(_files(servers, work / "files", _FILES[effort]))
    for rtt_ms in _RTT_MS:
        with FarServers(work / f"far-{rtt_ms}", rtt_ms) as servers:
            report(f"{count} revisions, {rtt_ms} ms away")
            rows += _revisions(servers, rtt_ms, count, _REPEATS[effort])
    return rows


def _submit(folder: Path, count: int) -> Row:
    cost, figures = measure(_submit_task, folder, count)
    return _row("submit", cost, figures, jobs=count)


def _submit_task(meter: Meter, folder: Path, count: int) -> Mapping[str, float]:
    from hub_revisions import RevisionPusher

    template = folder / "template"
    write_checkpoint(template, [_SMALL], seed=1)
    times = []
    with RevisionPusher(folder, repo_id="local-user/submit", mode="spool") as pusher, meter:
        for step in range(1, count + 1):
            checkpoint = folder / f"checkpoint-{step}"
            template.rename(checkpoint)
            started = time.perf_counter()
            pusher.submit(checkpoint, step=step, epoch=1.0, metrics={"eval_loss": 1 / step})
            times.append((time.perf_counter() - started) * 1000)
            checkpoint.rename(template)
            time.sleep(0.002)  # what the worker does behind a save is not the next one's
    tenth = count // 10
    first, last = statistics.median(times[:tenth]), statistics.median(times[-tenth:])
    return {
        "median_ms": statistics.median(times),
        "p99_ms": sorted(times)[int(count * 0.99)],
        "first_tenth_ms": first,
        "last_tenth_ms": last,
        "last_to_first_tenth": last / first,
    }


def _queue(servers: FarServers, folder: Path, jobs: int) -> Row:
    repo_id = servers.create_repository("queue")
    (servers.folder_of(repo_id) / "hooks" / "pre-receive").unlink()
    cost, figures = measure(
        _queue_task, folder, servers.endpoint, servers.token, repo_id, jobs, servers.pids
    )
    pushed = servers.api(f"/api/models/{repo_id}/refs")["branches"]
    if len({branch["name"] for branch in pushed} & set(map(revision_name, range(jobs + 1)))) < jobs:
        raise RuntimeError(f"of {jobs} revisions the hub has {len(pushed)} branches")
    return _row("queue", cost, figures, jobs=jobs)


def _queue_task(
    meter: Meter,
    folder: Path,
    endpoint: str,
    token: str,
    repo_id: str,
    jobs: int,
    servers: Sequence[int],
) -> Mapping[str, float]:
    from hub_revisions import RevisionPusher

    for step in range(1, jobs + 1):
        write_checkpoint(folder / f"checkpoint-{step}", [_SMALL], seed=step)
    done: list[tuple[float, float, float]] = []

    def note(_: object) -> None:
        done.append((time.perf_counter(), time.process_time(), cpu_seconds(servers)))

    with RevisionPusher(
        folder,
        endpoint=endpoint,
        token=token,
        repo_id=repo_id,
        max_pushes_per_hour=None,
        on_outcome=note,
    ) as pusher:
        with meter:
            started = time.perf_counter()
            for step in range(1, jobs + 1):
                pusher.submit(folder / f"checkpoint-{step}", step=step)
            submit_s = time.perf_counter() - started
            begun = len(done)
            pusher.wait()
        states = {record.state for record in pusher.status()}
    # By now each job has been told of, since closing waits for that.
    if states != {"done"}:
        raise RuntimeError(f"jobs ended {', '.join(states)}")
    figures = {"submit_ms": submit_s / jobs * 1000}
    tenth = jobs // 10
    for name, begin, end in (
        ("first_tenth", done[begun], done[begun + tenth]),
        ("last_tenth", done[-1 - tenth], done[-1]),
    ):
        for unit, before, after in zip(("", "_cpu", "_server_cpu"), begin, end, strict=True):
            figures[f"{name}{unit}_ms"] = (after - before) / tenth * 1000
    growth = figures["last_tenth_cpu_ms"] / figures["first_tenth_cpu_ms"]
    return figures | {"last_to_first_tenth": growth}


def _files(servers: FarServers, folder: Path, count: int) -> Row:
    repo_id = servers.create_repository("files")
    checkpoint = folder / "checkpoint-1"
    write_small_files(checkpoint)
    for number in range(count):
        # In folders, of which the Hub allows none to have more than 10,000 entries.
        part = checkpoint / f"part-{number // 1000}"
        part.mkdir(exist_ok=True)
        if number % 10:
            (part / f"{number:05}.json").write_text(f'{{"number": {number}}}\n' * 50)
        else:
            write_weights(part / f"{number:05}.safetensors", [Tensor("weight", 4096, number)])
    cost, figures = measure(
        _files_task, folder, checkpoint, servers.endpoint, servers.token, repo_id
    )
    stored = len(servers.files(repo_id, "many"))
    if stored < count:
        raise RuntimeError(f"of {count} files the revision has {stored}")
    return _row("files", cost, figures, files=count)


def _files_task(
    meter: Meter, folder: Path, checkpoint: Path, endpoint: str, token: str, repo_id: str
) -> Mapping[str, float]:
    from hub_revisions import RevisionPusher

    with RevisionPusher(folder, endpoint=endpoint, token=token, repo_id=repo_id) as pusher:
        with meter:
            started = time.perf_counter()
            job = pusher.submit(checkpoint, "many")
            submit_s = time.perf_counter() - started
            pusher.wait()
        record = next(record for record in pusher.status() if record.id == job)
    if record.state != "done":
        raise RuntimeError(f"the push ended {record.state}: {record.error}")
    return {"submit_ms": submit_s * 1000}


def _revisions(servers: FarServers, rtt_ms: int, count: int, repeats: int) -> list[Row]:
    repo_id = servers.create_repository("revisions")
    folder = servers.folder_of(repo_id)
    write_revisions(folder, count)
    before = results_commit(folder)
    at = (repo_id, "--endpoint", servers.endpoint)
    environment = {"HF_TOKEN": servers.token}
    facts = {"revisions": count, "rtt_ms": rtt_ms}
    rows = [time_command(("list", *at), repeats, count, environment) | facts]
    for metric in ("eval_loss", f"{SUITE}/loss"):
        arguments = ("pick", *at, "--metric", metric)

        def again() -> None:
            reset_results(folder, before)

        row = time_command(arguments, repeats, count, environment, again)
        if results_commit(folder) == before:
            raise RuntimeError("pick recorded no decision")
        rows.append(row | facts | {"metric": metric})
    return rows


def _row(case: str, cost: Cost, figures: Mapping[str, float], **facts: int) -> Row:
    return Row(
        system="hub-revisions",
        case=case,
        **facts,
        wall_s=cost.wall_s,
        cpu_s=cost.cpu_s,
        rss_growth_mib=cost.rss_growth_mib,
        **figures,
    )
