"""The check of model card metadata, by table."""

from __future__ import annotations

import pytest
from hub_revisions.local_hub.card import check_card

RESULT = """
model-index:
- name: m
  results:
  - task: {type: text-generation}
    dataset: {type: d, name: D}
    metrics: [{type: loss, value: 0.5}]
"""


@pytest.mark.parametrize(
    "metadata",
    [
        "license: mit",
        "base_model: org/name",
        "base_model: [org/name, gpt2]",
        "tags: [a, b]\nlanguage: en",
        "datasets: [org/d]\nextra: {anything: 1}",
        RESULT,
    ],
)
def test_valid(metadata: str) -> None:
    report = check_card(f"---\n{metadata}\n---\n# Title\n")
    assert report.errors == [] and report.warnings == []


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ("a: [", "Invalid YAML"),
        ("a: &x [*x]", "Invalid YAML"),
        ("- a", "must be a mapping"),
        ("tags: [1]", '"tags" must be'),
        ("library_name: [a]", '"library_name" must be a string'),
        ("license: mit\nlicense: apache-2.0", "duplicated mapping key: license"),
        ("base_model: /home/me/model", "Use a model id"),
        ("base_model: ./out", "Use a model id"),
        ("base_model: org/name/more", "Use a model id"),
        ("model-index: 3", '"model-index" must be an array'),
        ("model-index: [{results: []}]", '"model-index[0].name" is required'),
        ("model-index: [{name: m}]", '"model-index[0].results" is required'),
        (RESULT.replace("value: 0.5", "other: 1"), 'metrics[0].value" is required'),
        (RESULT.replace("dataset: {type: d, name: D}", ""), 'results[0].dataset" is required'),
        (RESULT.replace(", name: D", ""), 'dataset.name" is required'),
    ],
)
def test_invalid(metadata: str, error: str) -> None:
    report = check_card(f"---\n{metadata}\n---\n# Title\n")
    assert any(error in found for found in report.errors), report.errors


@pytest.mark.parametrize("text", ["", "# Title\n", "---\n---\n", "---\nlicense: mit\n"])
def test_missing_metadata_is_a_warning(text: str) -> None:
    report = check_card(text)
    assert report.errors == [] and len(report.warnings) == 1
