"""Trains a tiny model; every checkpoint is published and evaluated, and the best becomes main.

Run it through scripts/demo, which sets up what it needs.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAVE_STEPS = 20
MAX_STEPS = 160


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--workdir", type=Path, default=Path("demo"), help="default: ./demo")
    parser.add_argument("--endpoint", help="a Hub to push to (default: a local one)")
    parser.add_argument("--repo", default="local-user/tiny-demo", help="namespace/name")
    parser.add_argument("--engine", choices=("local", "slurm"), default="local",
                        help="where revisions are evaluated (default: local); with slurm, half of "
                        "the evaluations fail, each in another way")  # fmt: skip
    return parser.parse_args()


def sentences() -> list[str]:
    """Sentences short enough to be learnt in a few seconds."""
    animals = ["otter", "heron", "badger", "lynx", "marten", "plover"]
    deeds = ["swims across", "looks over", "sleeps beside", "walks around"]
    places = ["the quiet lake", "the old bridge", "the mill", "the reed bed", "the hill"]
    return [f"The {a} {d} {p}." for a in animals for d in deeds for p in places]


def make_tokenizer():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>", "<s>", "</s>", "<pad>"])
    texts = [(ROOT / name).read_text() for name in ("README.md", "ARCHITECTURE.md")]
    tokenizer.train_from_iterator(texts + sentences() * 20, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
    )


def make_model(tokenizer):
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    stale_eos = tokenizer.unk_token_id  # what a base model's files would hold
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=64,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=stale_eos,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=stale_eos,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model


def encode(tokenizer, texts: list[str]) -> list[dict[str, list[int]]]:
    rows = []
    for text in texts:
        ids = [tokenizer.bos_token_id, *tokenizer(text)["input_ids"], tokenizer.eos_token_id]
        rows.append({"input_ids": ids, "labels": list(ids)})
    return rows


def pad(tokenizer):
    import torch

    def collate(rows):
        width = max(len(row["input_ids"]) for row in rows)
        fill = {"input_ids": tokenizer.pad_token_id, "labels": -100}
        batch = {
            key: torch.tensor([row[key] + [value] * (width - len(row[key])) for row in rows])
            for key, value in fill.items()
        }
        batch["attention_mask"] = (batch["input_ids"] != tokenizer.pad_token_id).long()
        return batch

    return collate


def evaluation(engine: str, heldout: Path) -> dict:
    """What evaluates each revision: its loss on sentences that training has not seen."""
    evaluator = ["-m", "hub_revisions.evaluation.loss"]
    if engine == "slurm":
        evaluator = [str(ROOT / "scripts" / "demo_evaluator.py"), "{step}"]
    suite = {
        "name": "heldout",
        "command": ["{python}", *evaluator, "--repo", "{repo_id}", "--revision", "{commit}",
                    "--text", str(heldout), "--by-line", "--threads", "1"],
        "required": ["heldout/loss"],
        "time_limit": 300,
    }  # fmt: skip
    options = {"max_parallel": 2} if engine == "local" else {}
    # The local hub answers nobody without a token.
    return {"engine": engine, "options": options, "suites": [suite], "pass_token": True}


def train(output_dir: Path, endpoint: str, token: str | None, repo: str, engine: str):
    from hub_revisions import HubRevisionCallback
    from transformers import Trainer, TrainingArguments

    tokenizer = make_tokenizer()
    lines = sentences()
    random.Random(0).shuffle(lines)
    split = len(lines) * 4 // 5
    heldout = output_dir.parent / "heldout.txt"
    heldout.write_text("\n".join(lines[split:]) + "\n")
    callback = HubRevisionCallback(
        endpoint=endpoint,
        repo_id=repo,
        token=token,
        tags=["demo"],
        evaluate=evaluation(engine, heldout),
        pick="heldout/loss:min",
        promote="main",
        pointers=["latest", "best"],
    )
    trainer = Trainer(
        model=make_model(tokenizer),
        args=TrainingArguments(
            output_dir=str(output_dir),
            max_steps=MAX_STEPS,
            per_device_train_batch_size=16,
            learning_rate=5e-3,
            eval_strategy="steps",
            eval_steps=SAVE_STEPS,
            save_steps=SAVE_STEPS,
            save_total_limit=2,
            logging_steps=SAVE_STEPS,
            gradient_checkpointing=True,
            report_to=[],
            seed=1,
            use_cpu=True,
            disable_tqdm=not sys.stderr.isatty(),
        ),
        train_dataset=encode(tokenizer, lines[:split]),
        eval_dataset=encode(tokenizer, lines[split:]),
        processing_class=tokenizer,
        data_collator=pad(tokenizer),
        callbacks=[callback],
    )
    trainer.train()
    return callback


def generate(repo: str, revision: str, token: str | None) -> tuple[str, bool]:
    """Loads the revision as a stranger would; the text and whether it ended at EOS."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(repo, revision=revision, token=token)
    model = AutoModelForCausalLM.from_pretrained(repo, revision=revision, token=token)
    prompt = tokenizer("<s>The otter", return_tensors="pt", add_special_tokens=False)
    output = model.generate(
        prompt["input_ids"],
        attention_mask=prompt["attention_mask"],
        max_new_tokens=40,
        do_sample=False,
    )[0]
    return tokenizer.decode(output), output[-1].item() == tokenizer.eos_token_id


@contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """A Slurm of one node, which evaluations find by SLURM_CONF."""
    script = str(ROOT / "scripts" / "slurm")
    started = subprocess.run([script, "start", str(folder)], check=True, stdout=subprocess.PIPE)
    os.environ["SLURM_CONF"] = started.stdout.decode().strip().rpartition("=")[2]
    try:
        yield
    finally:
        subprocess.run([script, "stop", str(folder)], check=True)


def show_choice(repository) -> str | None:
    """What the repository knows about its evaluations; the revision that main is made from."""
    from hub_revisions.selection.decision import read_decisions
    from hub_revisions.text_table import Column, render_table

    contents = repository.read()
    decisions = read_decisions(contents.records).decisions
    if not decisions or decisions[-1].winner is None:
        print("no revision was chosen")
        return None
    decision = decisions[-1]
    rows = [(one.revision, f"{one.score:.4f} ± {one.stderr or 0:.4f}") for one in decision.scored]
    rows += [(one.revision, one.reason) for one in decision.excluded]
    columns = [Column("revision"), Column(decision.criteria[0].key)]
    print(render_table(columns, rows, title=decision.rule), end="")
    main_branch = next(r for r in contents.revisions if r.revision == "main")
    print(f"best: {decision.winner.revision} ({decision.why})")
    print(f"main is now at {main_branch.commit[:12]}, made from {main_branch.promoted}")
    promoted = main_branch.promoted == decision.winner.revision
    return decision.winner.revision if promoted else None


def main() -> int:
    options = parse_arguments()
    workdir = options.workdir.resolve()
    workdir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        endpoint, token = options.endpoint, None
        if endpoint is None:
            from hub_revisions.local_hub import LocalHub

            # What an earlier run left there is of a training that is forgotten below.
            shutil.rmtree(workdir / "hub", ignore_errors=True)
            hub = stack.enter_context(LocalHub(workdir / "hub"))
            endpoint, token = hub.endpoint, hub.token
            print(f"local hub at {endpoint}, repositories in {hub.root}")
        # transformers reads these when it is imported, which is why that happens below.
        os.environ["HF_ENDPOINT"] = endpoint
        os.environ["HF_HOME"] = str(workdir / "cache")
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

        from hub_revisions.repository import Repository
        from transformers.utils import logging

        if not sys.stderr.isatty():
            logging.disable_progress_bar()
        output_dir = workdir / "output"
        shutil.rmtree(output_dir, ignore_errors=True)
        if options.engine == "slurm":
            stack.enter_context(slurm(workdir / "slurm"))
        callback = train(output_dir, endpoint, token, options.repo, options.engine)
        shutil.copy(output_dir / "_hub_revisions" / "worker.log", workdir / "worker.log")
        failed = [record for record in callback.records() if record.state != "done"]
        for record in failed:
            print(f"{record.revision}: {record.state}: {record.error}")
        if failed or not callback.records():
            print("not every checkpoint became a revision")
            return 1

        best = show_choice(Repository(options.repo, endpoint=endpoint, token=token))
        if best is None:
            return 1
        command = ["report", options.repo, "-o", str(workdir / "report.html"),
                   "--output-dir", str(output_dir)]  # fmt: skip
        os.environ["HF_TOKEN"] = token or os.environ.get("HF_TOKEN", "")
        subprocess.run([sys.executable, "-m", "hub_revisions", *command], check=True)
        text, ended = generate(options.repo, "main", token)
        print(f"generated from main: {text!r}")
        print(f"stopped at EOS: {'yes' if ended else 'NO'}")
        print(f"worker's log: {workdir / 'worker.log'}")
        return 0 if ended else 1


if __name__ == "__main__":
    sys.exit(main())
