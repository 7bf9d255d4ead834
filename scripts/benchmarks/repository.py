"""A repository with many revisions that took no push: written into the hub's folder by git itself.

Each is as the worker leaves it: one commit with the trailers that `list` and `pick` read, the small
files beside the weights, and a pointer in place of these. The branch `evaluations` has a result for
each.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hub_revisions.results.store import BRANCH, result_file
from hub_revisions.results.types import Metric, Result

SUITE = "heldout"


def revision_name(step: int) -> str:
    """The branch of a step, as the default template names it."""
    return f"step-{step:09d}"


def loss(step: int, count: int) -> float:
    """What is recorded of a step: falls until the middle of the training and rises again."""
    return 1 + abs(step - count // 2) / count


def write_revisions(folder: Path, count: int) -> None:
    """Give the bare repository in `folder` the revisions of steps 1 to `count`, and results."""
    steps = range(1, count + 1)
    _import(
        folder, "".join(_commit(revision_name(s), _message(s, count), _files(s)) for s in steps)
    )
    commits = dict(
        line.split()
        for line in _git(folder, "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)")
        .decode()
        .splitlines()
    )
    results = dict(
        result_file(_result(s, commits[revision_name(s)], loss(s, count))) for s in steps
    )
    _import(folder, _commit(BRANCH, f"{count} results\n", results))


def results_commit(folder: Path) -> str:
    """The commit that the branch of results has."""
    return _git(folder, "rev-parse", f"refs/heads/{BRANCH}").decode().strip()


def reset_results(folder: Path, commit: str) -> None:
    """Take back what was decided since."""
    _git(folder, "update-ref", f"refs/heads/{BRANCH}", commit)


def _message(step: int, count: int) -> str:
    name = revision_name(step)
    return (
        f"Checkpoint {name}\n\nHub-Revision: {name}\nStep: {step}\nEpoch: {step / count!r}\n"
        f"Metric: eval_loss={loss(step, count)!r}\nMetric: eval_runtime=1.5\n"
    )


def _files(step: int) -> dict[str, str]:
    oid = hashlib.sha256(str(step).encode()).hexdigest()
    return {
        ".gitattributes": "*.safetensors filter=lfs diff=lfs merge=lfs -text\n",
        "README.md": f"---\nlibrary_name: transformers\n---\n# Step {step}\n",
        "config.json": '{"model_type": "llama"}\n',
        "generation_config.json": '{"eos_token_id": 2}\n',
        "tokenizer_config.json": '{"eos_token": "</s>"}\n',
        "model.safetensors": (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 1000000000\n"
        ),
    }


def _result(step: int, commit: str, value: float) -> Result:
    return Result(
        key=hashlib.sha256(commit.encode()).hexdigest()[:16],
        commit=commit,
        revision=revision_name(step),
        step=step,
        suite=SUITE,
        outcome="succeeded",
        format="plain",
        engine="local",
        started=1_700_000_000,
        finished=1_700_000_060,
        metrics=(Metric(f"{SUITE}/loss", value, stderr=0.001, n=1000, mode="min"),),
    )


def _commit(branch: str, message: str, files: Mapping[str, str]) -> str:
    out = [f"commit refs/heads/{branch}\ncommitter A <a@example.org> 1700000000 +0000\n"]
    out.append(_data(message))
    for path, text in files.items():
        out.append(f"M 100644 inline {path}\n{_data(text)}")
    return "".join(out) + "\n"


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"


def _import(folder: Path, stream: str) -> None:
    _git(folder, "fast-import", "--quiet", stdin=stream.encode())


def _git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, input=stdin, check=True, stdout=subprocess.PIPE).stdout
