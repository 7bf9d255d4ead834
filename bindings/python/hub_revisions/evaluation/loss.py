"""The built-in evaluator: how well a causal language model predicts a text.

    python -m hub_revisions.evaluation.loss --repo me/model --revision COMMIT --text heldout.txt

The text is cut into sequences of equal length, or with --by-line at its lines, each read without
the others. Loss is the mean over all predicted tokens, in nats; its standard error is that of a
mean over sequences, whose tokens are not independent. Losses of models with different tokenizers
cannot be compared.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .staging import write_whole

SCHEMA = "ckpt-metrics/1"
_BATCH = 8


@dataclass(frozen=True)
class Loss:
    """Mean loss per token in nats and its standard error, which one sequence does not have."""

    mean: float
    stderr: float | None
    tokens: int


def summarise(sums: Sequence[float], counts: Sequence[int]) -> Loss:
    """From each sequence's summed loss and number of predicted tokens."""
    tokens, sequences = sum(counts), len(counts)
    mean = math.fsum(sums) / tokens
    if sequences < 2:
        return Loss(mean, None, tokens)
    # Of a ratio: sequences need not be equally long.
    squares = math.fsum((s - mean * n) ** 2 for s, n in zip(sums, counts, strict=True))
    variance = squares * sequences / (sequences - 1) / tokens**2
    return Loss(mean, math.sqrt(variance), tokens)


def document(loss: Loss, commit: str, fingerprint: str) -> dict[str, Any]:
    """The results file. Numbers that JSON does not have are written as text."""
    perplexity = math.exp(loss.mean) if loss.mean < 700 else math.inf
    # To first order, the error of exp(x) is exp(x) times that of x.
    stderr = None if loss.stderr is None else perplexity * loss.stderr
    shared = {"n": loss.tokens, "mode": "min", "fingerprint": fingerprint}
    metrics = {
        "loss": {"value": _number(loss.mean), "stderr": _number(loss.stderr), **shared},
        "perplexity": {"value": _number(perplexity), "stderr": _number(stderr), **shared},
    }
    return {"schema": SCHEMA, "sha": commit, "metrics": metrics}


def measure(
    repo: str,
    revision: str,
    text: str,
    cut: Literal["length", "line"],
    max_length: int,
    device: str,
) -> Loss:
    """Evaluate a repository's commit, or a local folder. Raises `SystemExit` with one sentence.

    `cut` says what a sequence is: so many tokens, or a line between the tokenizer's BOS and EOS.
    """
    torch, transformers = _libraries()
    # A folder has no revisions.
    place = {} if Path(repo).is_dir() else {"revision": revision}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(repo, **place)
        model = transformers.AutoModelForCausalLM.from_pretrained(repo, **place).to(device).eval()
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {_loading_problem(repo, revision, error)}") from error
    longest = getattr(model.config.get_text_config(), "max_position_embeddings", max_length)
    length = min(max_length, longest)
    texts = _lines(text, tokenizer) if cut == "line" else [tokenizer(text, verbose=False).input_ids]
    parts = (ids[at : at + length] for ids in texts for at in range(0, len(ids), length))
    sequences = sorted((part for part in parts if len(part) > 1), key=len)
    if not sequences:
        raise SystemExit("error: the text has fewer than two tokens; give a longer one")
    sums: list[float] = []
    with torch.inference_mode():
        for batch in _batches(sequences):
            inputs = torch.tensor(batch).to(device)
            logits = model(input_ids=inputs).logits[:, :-1].float()
            losses = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), inputs[:, 1:].flatten(), reduction="none"
            )
            sums += losses.view(len(batch), -1).double().sum(1).tolist()
    return summarise(sums, [len(part) - 1 for part in sequences])


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Ends with status 1 and one sentence if it cannot evaluate."""
    parser = argparse.ArgumentParser(prog="hub_revisions.evaluation.loss", description=__doc__)
    parser.add_argument("--repo", required=True, help="repository or local folder")
    parser.add_argument("--revision", default="main", help="commit or branch")
    parser.add_argument("--text", required=True, type=Path, help="UTF-8 text to predict")
    parser.add_argument("--out", type=Path, default=Path("results.json"), help="results file")
    parser.add_argument(
        "--by-line", dest="cut", action="store_const", const="line", default="length",
        help="each line is a text of its own, between the tokenizer's BOS and EOS",
    )  # fmt: skip
    parser.add_argument("--max-length", type=int, default=512, help="tokens in a sequence")
    parser.add_argument("--device", default="cpu", help="as torch names it, e.g. 'cuda'")
    parser.add_argument("--threads", type=int, help="CPU threads; default: as torch decides")
    options = parser.parse_args(arguments)
    if options.max_length < 2:
        parser.error("--max-length must be at least 2")
    try:
        text = options.text.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"error: {options.text}: cannot be read as UTF-8 text: {error}") from error
    if options.threads:
        torch, _ = _libraries()
        torch.set_num_threads(options.threads)
    cut, length = options.cut, options.max_length
    loss = measure(options.repo, options.revision, text, cut, length, options.device)
    told = json.dumps([hashlib.sha256(text.encode()).hexdigest(), cut, length])
    fingerprint = f"loss-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
    found = document(loss, options.revision, fingerprint)
    write_whole(options.out, json.dumps(found, indent=1, allow_nan=False) + "\n")


def _libraries() -> tuple[Any, Any]:
    """torch and transformers. Raises `SystemExit`, naming the extra that brings them."""
    try:
        import torch
        import transformers
    except ImportError as error:
        raise SystemExit(
            f'error: {error}; this evaluator needs: pip install "hub-revisions[eval]"'
        ) from error
    return torch, transformers


def _lines(text: str, tokenizer: Any) -> list[list[int]]:
    ends = [[token] if token is not None else [] for token in
            (tokenizer.bos_token_id, tokenizer.eos_token_id)]  # fmt: skip
    encoded = [tokenizer(line, add_special_tokens=False).input_ids for line in text.splitlines()]
    return [[*ends[0], *ids, *ends[1]] for ids in encoded if ids]


def _batches(sequences: Sequence[list[int]]) -> Iterator[list[list[int]]]:
    """A few sequences of one length at a time, in their order, which is by length."""
    for _, equal in itertools.groupby(sequences, len):
        group = list(equal)
        yield from (group[at : at + _BATCH] for at in range(0, len(group), _BATCH))


def _number(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)


def _loading_problem(repo: str, revision: str, error: Exception) -> str:
    hint = "" if os.environ.get("HF_TOKEN") else ' (if it is private, set "pass_token": true)'
    told = " ".join(str(error).split())[:160]
    return f"{repo} at {revision[:12]} cannot be loaded{hint}: {told}"


if __name__ == "__main__":
    main()
