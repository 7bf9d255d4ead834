"""How each system publishes a checkpoint folder as a revision: tasks for `process.measure`.

Nothing heavy is imported before the task runs: the process has to be the system's own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .process import Cost, Meter
from .servers import Target

if TYPE_CHECKING:
    from hub_revisions import RevisionPusher


WITHOUT_XET = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
"""huggingface_hub's environment, where it has to speak LFS. Without the bars it is faster."""


@dataclass(frozen=True)
class Published:
    """What one revision of a row cost, and what arrived at the storage."""

    cost: Cost
    bytes_sent: int


def publish_with_hub_revisions(
    meter: Meter, target: Target, checkpoint: Path, revision: str
) -> None:
    """A pusher with its defaults: made, submitted to, waited for. Closing it is not counted."""
    from hub_revisions import RevisionPusher

    with meter:
        pusher = RevisionPusher(checkpoint.parent, **asdict(target))
        pusher.submit(checkpoint, revision)
        pusher.wait()
    _close(pusher)


def publish_row_with_hub_revisions(
    meter: Meter,
    target: Target,
    checkpoints: Sequence[Path],
    sent: Callable[[], int],
    frozen_parameters: Sequence[str] | None = None,
) -> list[Published]:
    """Each checkpoint as a revision of its folder's name, one after the other; `sent` tells how
    many bytes have arrived at the storage. The callback reads `frozen_parameters` off the model."""
    from hub_revisions import RevisionPusher

    pusher = RevisionPusher(
        checkpoints[0].parent, frozen_parameters=frozen_parameters, **asdict(target)
    )

    def publish(checkpoint: Path) -> None:
        pusher.submit(checkpoint, checkpoint.name)
        pusher.wait()

    published = _publish_each(meter, checkpoints, sent, publish)
    _close(pusher)
    return published


def publish_with_huggingface_hub(
    meter: Meter, target: Target, checkpoint: Path, revision: str
) -> None:
    """`create_branch` and `upload_folder`, with its default of 5 upload threads."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=target.endpoint, token=target.token)
    with meter:
        api.create_branch(target.repo_id, branch=revision)
        api.upload_folder(repo_id=target.repo_id, folder_path=checkpoint, revision=revision)


def publish_row_with_huggingface_hub(
    meter: Meter, target: Target, checkpoints: Sequence[Path], sent: Callable[[], int]
) -> list[Published]:
    """As `publish_row_with_hub_revisions`."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=target.endpoint, token=target.token)

    def publish(checkpoint: Path) -> None:
        revision = checkpoint.name
        api.create_branch(target.repo_id, branch=revision)
        api.upload_folder(repo_id=target.repo_id, folder_path=checkpoint, revision=revision)

    return _publish_each(meter, checkpoints, sent, publish)


def _publish_each(
    meter: Meter,
    checkpoints: Sequence[Path],
    sent: Callable[[], int],
    publish: Callable[[Path], None],
) -> list[Published]:
    published = []
    for checkpoint in checkpoints:
        before = sent()
        with meter:
            publish(checkpoint)
        published.append(Published(meter.cost, sent() - before))
    return published


def _close(pusher: RevisionPusher) -> None:
    """Close a pusher and remove its spool. Raises `RuntimeError` if a push has failed."""
    records = pusher.status()
    pusher.close()
    shutil.rmtree(pusher.spool)
    for record in records:
        if record.state != "done":
            raise RuntimeError(
                f"the push of {record.revision} ended {record.state}: {record.error}"
            )


def publish_with_git_lfs(
    meter: Meter, target: Target, checkpoint: Path, revision: str
) -> dict[str, float]:
    """`git add`, `commit` and `push` as a user would in the folder, with git-lfs's defaults (8
    transfers at once); its copy of each large file is part of what it costs.

    The work tree is a folder of hard links, made before, since the checkpoint stays as it is. Told
    beforehand what it would otherwise ask the server for: that the address wants a token, and that
    there are no locks.
    """
    tree = checkpoint.with_name(f"{checkpoint.name}-git")
    shutil.copytree(checkpoint, tree, copy_function=os.link)
    scheme, _, host = target.endpoint.partition("://")
    url = f"{scheme}://user:{target.token}@{host}/{target.repo_id}"
    lfs_url = f"{target.endpoint}/{target.repo_id}.git/info/lfs"
    settings = {
        "user.name": "bench",
        "user.email": "bench@localhost",
        f"lfs.{lfs_url}.access": "basic",
        f"lfs.{lfs_url}.locksverify": "false",
    }
    steps: dict[str, float] = {}

    def git(*arguments: str) -> None:
        environment = os.environ | {
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
        }
        started = time.perf_counter()
        done = subprocess.run(
            ["git", *arguments], cwd=tree, env=environment, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise RuntimeError(f"git {arguments[0]}: {done.stderr}{done.stdout}")
        steps[f"{arguments[0]}_s"] = time.perf_counter() - started

    with meter:
        git("init", "--quiet", f"--initial-branch={revision}")
        git("lfs", "install", "--local")
        for name, value in settings.items():
            git("config", name, value)
        git("lfs", "track", "*.safetensors")
        git("add", "--all")
        git("commit", "--quiet", "--message", revision)
        git("push", "--quiet", url, f"HEAD:refs/heads/{revision}")
    shutil.rmtree(tree)
    return {name: steps[name] for name in ("add_s", "commit_s", "push_s")}


def hash_all(meter: Meter, files: Sequence[Path]) -> None:
    """`openssl dgst -sha256`, one process for each core."""
    shares = _shares(files)
    with meter:
        _wait(_start_hashing(shares))


def send_all(meter: Meter, files: Sequence[Path], urls: Sequence[str]) -> None:
    """`curl -T`, one process for each core with up to 4 transfers at once: on 2 cores faster than
    one process with 4 or 8."""
    shares = _write_curl_configurations(files, urls)
    with meter:
        _wait(_start_sending(shares))


def hash_and_send_all(meter: Meter, files: Sequence[Path], urls: Sequence[str]) -> None:
    """Both at once, as if it were known beforehand what there is to send."""
    shares, configurations = _shares(files), _write_curl_configurations(files, urls)
    with meter:
        _wait([*_start_hashing(shares), *_start_sending(configurations)])


def hash_send_and_verify_all(
    meter: Meter,
    files: Sequence[Path],
    urls: Sequence[str],
    verify_url: str,
    bodies: Sequence[str],
) -> None:
    """The same, and when all is sent what a server that verifies objects asks for: a request for
    each, with its body."""
    shares, configurations = _shares(files), _write_curl_configurations(files, urls)
    verifications = _write_verifications(files[0].parent, verify_url, bodies)
    with meter:
        _wait([*_start_hashing(shares), *_start_sending(configurations)])
        _wait(_start_sending(verifications))


def _shares(files: Sequence[Path]) -> list[list[Path]]:
    cores = len(os.sched_getaffinity(0))
    return [list(files[core::cores]) for core in range(min(cores, len(files)))]


def _start_hashing(shares: list[list[Path]]) -> list[subprocess.Popen[bytes]]:
    command = ["openssl", "dgst", "-sha256"]
    return [
        subprocess.Popen([*command, *map(str, share)], stdout=subprocess.DEVNULL)
        for share in shares
    ]


def _write_curl_configurations(files: Sequence[Path], urls: Sequence[str]) -> list[Path]:
    url_of = dict(zip(files, urls, strict=True))
    written = []
    for number, share in enumerate(_shares(files)):
        path = files[0].parent / f"curl-{number}.txt"
        path.write_text(
            "".join(f'upload-file = "{file}"\nurl = "{url_of[file]}"\n' for file in share)
        )
        written.append(path)
    return written


def _write_verifications(folder: Path, url: str, bodies: Sequence[str]) -> list[Path]:
    cores = len(os.sched_getaffinity(0))
    written = []
    for number in range(min(cores, len(bodies))):
        path = folder / f"verify-{number}.txt"
        requests = [f"url = {json.dumps(url)}\ndata = {json.dumps(body)}\nfail\n"
                    for body in bodies[number::cores]]  # fmt: skip
        path.write_text("next\n".join(requests))
        written.append(path)
    return written


def _start_sending(configurations: list[Path]) -> list[subprocess.Popen[bytes]]:
    command = ["curl", "--fail", "--silent", "--show-error", "--no-progress-meter", "--parallel",
               "--parallel-immediate", "--parallel-max", "4", "--config"]  # fmt: skip
    return [
        subprocess.Popen([*command, str(path)], stdout=subprocess.DEVNULL)
        for path in configurations
    ]


def _wait(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.wait() != 0:
            raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
