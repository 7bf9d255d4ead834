"""How results lie on their branch, and what damage there does."""

from __future__ import annotations

import json

import pytest
from hub_revisions import ConfigError
from hub_revisions.results.store import (
    Pending,
    content_name,
    pending_file,
    read_records,
    result_file,
    stored_text,
)
from hub_revisions.results.types import Metric, Result

from .documents import COMMIT

RESULT = Result(
    key="ev-0123456789ab-bench-100",
    commit=COMMIT,
    revision="step-100",
    step=100,
    suite="bench",
    outcome="succeeded",
    attempt=2,
    format="lm-eval",
    engine="slurm",
    job="17",
    url="https://example.org/17",
    started=10,
    finished=20,
    metrics=(
        Metric("gsm8k@5/em", 0.5, 0.01, 1319, True, "max", "abc"),
        Metric("broken", None, problem="is NaN"),
    ),
)
FAILED = Result("ev-f", COMMIT, "step-100", None, "bench", "failed", reason="exit code 7 \x1b[2J")
PENDING = Pending("ev-p", COMMIT, "step-100", 100, "bench", "local", "1", 10.5, 20.0)


def test_what_is_written_is_read() -> None:
    records = dict([result_file(RESULT), result_file(FAILED), pending_file(PENDING)])
    stored = read_records(records)
    assert set(stored.results) == {RESULT, FAILED}
    assert stored.pending == (PENDING,)
    assert stored.problems == ()


def test_a_results_name_is_its_content() -> None:
    path, text = result_file(RESULT)
    assert path == f"results/{RESULT.key}/{content_name(text)}.json"
    assert text.endswith("}\n")
    assert json.loads(text)["schema"] == "hub-revisions-result/1"
    assert result_file(Result.from_json(json.loads(text))) == (path, text)
    assert pending_file(PENDING)[0] == "pending/ev-p.json"


def test_other_files_are_left_alone() -> None:
    records = {"README.md": "# Results", "decisions/1-x.json": "{", ".gitattributes": ""}
    assert read_records(records).problems == ()


def damaged(change: dict[str, object], record: Result | Pending) -> dict[str, str]:
    """A record that was made so, under the name of its content."""
    item = record.to_json() | change
    text = stored_text(item)
    if isinstance(record, Pending):
        return {f"pending/{record.key}.json": text}
    return {f"results/{record.key}/{content_name(text)}.json": text}


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ({"results/ev-x/0.json": ""}, "is no valid JSON: it is empty"),
        ({"results/ev-x/0.json": "{"}, "is no valid JSON"),
        ({"results/ev-x/0.json": "[1]"}, "is no result"),
        ({"results/ev-x/0.json": "[" * 100_000}, "nested too deeply"),
        ({"results/other/0.json": result_file(RESULT)[1]}, "its name is not its content's"),
        (damaged({"schema": "hub-revisions-result/2"}, RESULT), "is no result"),
        (damaged({"commit": "abc"}, RESULT), "wrong type"),
        (damaged({"step": "100"}, RESULT), "wrong type"),
        (damaged({"outcome": "fine"}, RESULT), "wrong type"),
        (damaged({"outcome": ["failed"]}, RESULT), "wrong type"),
        (damaged({"engine": 5}, RESULT), "wrong type"),
        (damaged({"suite": "../../bench"}, RESULT), "no suite is called '../../bench'"),
        (damaged({"metrics": 5}, RESULT), "is a damaged result"),
        (damaged({"metrics": ["acc"]}, RESULT), "is a damaged result"),
        (damaged({"metrics": [{"key": "acc", "value": "0.5"}]}, RESULT), "wrong type"),
        (damaged({"metrics": [{"key": "acc", "value": 10**400}]}, RESULT), "wrong type"),
        (damaged({"metrics": [{"key": "acc"}]}, RESULT), "is a damaged result"),
        (damaged({"key": "ev-other"}, RESULT), "its name is not its content's"),
        (damaged({"schema": "x"}, PENDING), "is no pending evaluation"),
        (damaged({"key": "ev-other"}, PENDING), "is about another evaluation"),
        (damaged({"deadline": "soon"}, PENDING), "wrong type"),
        (damaged({"deadline": -1}, PENDING), "wrong type"),
        ({"pending/ev-p.json": '{"schema": "hub-revisions-pending/1"}'}, "it has no 'key'"),
    ],
)
def test_damage_is_a_sentence_and_the_others_count(records: dict[str, str], words: str) -> None:
    stored = read_records(records | dict([result_file(RESULT), pending_file(PENDING)]) | records)
    (problem,) = stored.problems
    (path,) = records
    assert problem.startswith(path)
    assert words in problem
    assert RESULT in stored.results


def test_numbers_that_json_lacks_are_not_stored() -> None:
    with pytest.raises(ValueError, match="JSON"):
        stored_text({"value": float("nan")})
    text = stored_text(RESULT.to_json()).replace("0.5", "NaN")
    with pytest.raises(ConfigError, match="wrong type"):
        Result.from_json(json.loads(text))
