"""Where results live: the repository's branch `evaluations`, one file for each.

    results/<key>/<12 hex of its SHA-256>.json    one attempt that ended
    pending/<key>.json                            one that was started and has no result yet
    decisions/...                                 what was picked (`selection.decision`)

A result's name is its content, so that adding it twice is adding it once, and writers that know
nothing of each other never collide.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .._core import HubRevisionError
from .._native import config_error
from ..repository import RECORDS_BRANCH, Repository
from .strict_json import parse
from .types import Result

BRANCH = RECORDS_BRANCH
_PENDING_SCHEMA = "hub-revisions-pending/1"


@dataclass(frozen=True)
class Pending:
    """An evaluation that was started and has no result yet. Times are unix seconds.

    After `deadline` nothing is expected of it any more.
    """

    key: str
    commit: str
    revision: str
    step: int | None
    suite: str
    engine: str
    job: str
    submitted: float
    deadline: float

    def to_json(self) -> dict[str, Any]:
        """The stored form."""
        return {"schema": _PENDING_SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, item: Any) -> Pending:
        """Read the stored form. Raises `ConfigError` saying what is wrong with it."""
        if not isinstance(item, Mapping) or item.get("schema") != _PENDING_SCHEMA:
            raise config_error(f"is no pending evaluation: its 'schema' is not '{_PENDING_SCHEMA}'")
        names = cls.__dataclass_fields__
        missing = next((name for name in names if name not in item), "")
        if missing:
            raise config_error(f"is a damaged pending evaluation: it has no '{missing}'")
        pending = cls(**{name: item[name] for name in names})
        texts = ("key", "commit", "revision", "suite", "engine", "job")
        well = (
            all(isinstance(getattr(pending, name), str) for name in texts)
            and (pending.step is None or isinstance(pending.step, int))
            and all(_is_time(time) for time in (pending.submitted, pending.deadline))
        )
        if not well:
            raise config_error("is a damaged pending evaluation: a field has the wrong type")
        return pending


@dataclass(frozen=True)
class Stored:
    """What the branch holds, sorted. `problems`: one sentence for each file that was not read."""

    results: tuple[Result, ...] = ()
    pending: tuple[Pending, ...] = ()
    problems: tuple[str, ...] = ()


def result_file(result: Result) -> tuple[str, str]:
    """Path and text of a result on the branch."""
    text = stored_text(result.to_json())
    return f"results/{result.key}/{content_name(text)}.json", text


def pending_file(pending: Pending) -> tuple[str, str]:
    """Path and text of a pending evaluation on the branch."""
    return f"pending/{pending.key}.json", stored_text(pending.to_json())


def read_records(records: Mapping[str, str]) -> Stored:
    """The results and the pending evaluations among the branch's files (path -> text).

    A file that cannot be read becomes a problem; the others count.
    """
    results, pending, problems = [], [], []
    for path in sorted(records):
        folder = path.partition("/")[0]
        try:
            if folder == "results":
                results.append(_read_result(path, records[path]))
            elif folder == "pending":
                pending.append(_read_pending(path, records[path]))
        except HubRevisionError as error:
            sentence = str(error)
            problems.append(sentence if sentence.startswith(path) else f"{path} {sentence}")
    return Stored(tuple(results), tuple(pending), tuple(problems))


def add(repository: Repository, results: Iterable[Result], done_keys: Iterable[str] = ()) -> None:
    """Store results, and take the pending entries `done_keys` away, in one commit.

    What is there already stays. Raises `HubRevisionError` if the repository takes no commit.
    """
    files: dict[str, str | None] = {f"pending/{key}.json": None for key in done_keys}
    added = list(results)
    files |= dict(result_file(result) for result in added)
    repository.commit_files(BRANCH, files, _message(added))


def stored_text(item: Mapping[str, Any]) -> str:
    """The one spelling of a record, so that equal ones are equal bytes."""
    return json.dumps(item, sort_keys=True, indent=1, allow_nan=False) + "\n"


def content_name(text: str) -> str:
    """The name that a record's text gives its file."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _message(results: list[Result]) -> str:
    if len(results) == 1:
        only = results[0]
        return f"{only.suite} of {only.revision}: {only.outcome}"
    return f"{len(results)} results"


def _read_result(path: str, text: str) -> Result:
    result = Result.from_json(parse(text, path))
    if path != f"results/{result.key}/{content_name(text)}.json":
        raise config_error("was changed after it was written: its name is not its content's")
    return result


def _read_pending(path: str, text: str) -> Pending:
    pending = Pending.from_json(parse(text, path))
    if path != f"pending/{pending.key}.json":
        raise config_error(f"is about another evaluation, {pending.key[:80]}")
    return pending


def _is_time(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value < 2**53  # refuses NaN too
