"""The built-in evaluator against what torch says, and from the local hub."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from child_process import environment
from hub_revisions.evaluation.loss import Loss, document, main, summarise
from hub_revisions.local_hub import LocalHub
from hub_revisions.results.formats import read_results
from huggingface_hub import HfApi
from tiny_training import make_model, make_tokenizer

TEXT = "the otter swims. the heron sleeps. " * 20
COMMIT = "c" * 40


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model with its tokenizer."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(folder)
    make_model(tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def evaluate(repo: object, text: Path, *more: object, revision: str = COMMIT) -> dict[str, Any]:
    out = text.with_name("results.json")
    arguments = ["--repo", repo, "--revision", revision, "--text", text, "--out", out, *more]
    main([str(argument) for argument in arguments])
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_the_loss_is_the_models_own(model_folder: Path, text_file: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = evaluate(model_folder, text_file, "--max-length", 17)
    assert (found["schema"], found["sha"]) == ("ckpt-metrics/1", COMMIT)
    loss, perplexity = found["metrics"]["loss"], found["metrics"]["perplexity"]

    model = AutoModelForCausalLM.from_pretrained(model_folder).eval()
    ids = AutoTokenizer.from_pretrained(model_folder)(TEXT, return_tensors="pt").input_ids[0]
    parts = [part[None] for part in ids.split(17) if len(part) > 1]
    with torch.no_grad():
        losses = [float(model(input_ids=part, labels=part).loss) for part in parts]
    counts = [part.shape[1] - 1 for part in parts]
    assert len(set(counts)) == 2  # the last sequence is shorter
    expected = sum(x * n for x, n in zip(losses, counts, strict=True)) / sum(counts)
    assert loss["value"] == pytest.approx(expected, rel=1e-5)
    assert (loss["n"], loss["mode"]) == (sum(counts), "min")
    assert perplexity["value"] == pytest.approx(math.exp(expected), rel=1e-4)
    assert 0 < loss["stderr"] < loss["value"]
    assert perplexity["stderr"] == pytest.approx(perplexity["value"] * loss["stderr"])


def test_each_line_may_be_a_text_of_its_own(model_folder: Path, text_file: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    lines = ["the otter swims", "the heron sleeps", "", "the otter sleeps and the heron swims"]
    text_file.write_text("\n".join(lines) + "\n")
    loss = evaluate(model_folder, text_file, "--by-line")["metrics"]["loss"]

    model = AutoModelForCausalLM.from_pretrained(model_folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    texts = [
        [tokenizer.bos_token_id, *tokenizer(line).input_ids, tokenizer.eos_token_id]
        for line in lines
        if line
    ]
    with torch.no_grad():
        losses = [
            float(model(input_ids=torch.tensor([ids]), labels=torch.tensor([ids])).loss)
            for ids in texts
        ]
    counts = [len(ids) - 1 for ids in texts]
    expected = sum(x * n for x, n in zip(losses, counts, strict=True)) / sum(counts)
    assert loss["value"] == pytest.approx(expected, rel=1e-5)
    assert loss["n"] == sum(counts)


def test_its_file_is_read_as_a_result(model_folder: Path, text_file: Path) -> None:
    evaluate(model_folder, text_file)
    form, metrics = read_results(
        text_file.parent,
        "**/results*.json",
        commit=COMMIT,
        revision="step-1",
        repo_id="me/model",
        suite="heldout",
    )
    assert form == "ckpt-metrics/1"
    assert {(m.key, m.mode) for m in metrics} == {
        ("heldout/loss", "min"),
        ("heldout/perplexity", "min"),
    }


def test_only_equal_texts_are_comparable(model_folder: Path, text_file: Path) -> None:
    def fingerprint(*more: object) -> str:
        found = evaluate(model_folder, text_file, *more)
        return str(found["metrics"]["loss"]["fingerprint"])

    first = fingerprint()
    assert fingerprint() == first
    assert fingerprint("--max-length", 16) != first
    assert fingerprint("--by-line") != first
    text_file.write_text(TEXT + "more")
    assert fingerprint() != first


def test_the_standard_error_is_that_of_a_mean_over_sequences() -> None:
    # Equal lengths: the textbook's s / sqrt(k) of the sequences' means.
    values = [1.0, 2.0, 4.0, 5.0]
    loss = summarise([10 * v for v in values], [10] * 4)
    mean = sum(values) / 4
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / 3)
    assert loss == Loss(mean, pytest.approx(deviation / 2), 40)
    assert summarise([3.0], [2]) == Loss(1.5, None, 2)


@pytest.mark.parametrize(("mean", "written"), [(math.nan, "nan"), (math.inf, "inf")])
def test_what_is_no_number_is_valid_json(mean: float, written: str) -> None:
    found = document(Loss(mean, math.nan, 5), COMMIT, "f")
    assert found["metrics"]["loss"]["value"] == written
    json.dumps(found, allow_nan=False)


def test_a_commit_of_the_hub_is_evaluated(
    hub: LocalHub, repo_id: str, model_folder: Path, text_file: Path, tmp_path: Path
) -> None:
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.create_repo(repo_id)
    commit = api.upload_folder(repo_id=repo_id, folder_path=model_folder).oid
    out = tmp_path / "results.json"
    command = [sys.executable, "-m", "hub_revisions.evaluation.loss", "--repo", repo_id]
    command += ["--revision", commit, "--text", str(text_file), "--out", str(out)]
    seen = environment(HF_ENDPOINT=hub.endpoint, HF_TOKEN=hub.token, CUDA_VISIBLE_DEVICES="")
    subprocess.run(command, env=seen, check=True, timeout=120)
    assert json.loads(out.read_text())["sha"] == commit


def test_problems_are_one_sentence(model_folder: Path, text_file: Path, tmp_path: Path) -> None:
    text_file.write_text("")
    with pytest.raises(SystemExit, match="fewer than two tokens"):
        evaluate(model_folder, text_file)
    text_file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(SystemExit, match="cannot be read as UTF-8"):
        evaluate(model_folder, text_file)
    text_file.write_text(TEXT)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match=r"cannot be loaded \(.*pass_token") as caught:
        evaluate(tmp_path / "empty", text_file)
    assert "\n" not in str(caught.value)


def test_it_asks_for_help_without_torch() -> None:
    code = (
        "import sys, hub_revisions.evaluation.loss; "
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"
