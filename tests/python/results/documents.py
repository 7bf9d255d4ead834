"""Files as evaluators write them, of real shape and small."""

from __future__ import annotations

from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REVISION = "step-000000100"
REPO = "me/model"


def lighteval(**general: Any) -> dict[str, Any]:
    """lighteval 0.13, two tasks of a group and one alone."""
    return {
        "config_general": {
            "lighteval_sha": "?",
            "num_fewshot_seeds": 1,
            "max_samples": None,
            "job_id": 0,
            "start_time": 1.5,
            "end_time": 9.5,
            "total_evaluation_time_secondes": "8.0",
            "model_config": {
                "model_name": REPO,
                "revision": COMMIT,
                "generation_parameters": {"temperature": 0.6, "max_new_tokens": 32768},
            },
            "model_name": REPO,
        }
        | general,
        "results": {
            "gsm8k|5": {"extractive_match": 0.7, "extractive_match_stderr": 0.0126},
            "mmlu:law|0": {"acc": 0.4, "acc_stderr": 0.05},
            "mmlu:art|0": {"acc": 0.6, "acc_stderr": 0.05, "pass@k:k=1": 0.5},
            "mmlu:_average|0": {"acc": 0.5, "acc_stderr": 0.05},
            "all": {"acc": 0.5, "acc_stderr": 0.05, "extractive_match": 0.7},
        },
        "versions": {"gsm8k|5": 0, "mmlu:law|0": 0, "mmlu:art|0": 0},
        "config_tasks": {
            "gsm8k|5": {
                "name": "gsm8k",
                "metrics": [
                    {"metric_name": "extractive_match", "higher_is_better": True},
                ],
                "original_num_docs": 1319,
                "effective_num_docs": 1319,
            },
            "mmlu:art|0": {
                "metrics": [
                    {
                        "metric_name": ["acc", "ppl"],
                        "higher_is_better": {"acc": True, "ppl": False},
                    }
                ],
                "original_num_docs": -1,
                "effective_num_docs": -1,
            },
        },
        "summary_tasks": {"gsm8k|5": {"hashes": {}}},
        "summary_general": {"hashes": {}},
    }


def old_lighteval() -> dict[str, Any]:
    """lighteval before 0.10: suites in the tasks' names, the commit in the file."""
    return {
        "config_general": {"lighteval_sha": "2030", "model_name": REPO, "model_sha": COMMIT},
        "results": {
            "lighteval|gsm8k|0": {"em": 0.42, "em_stderr": 0.02},
            "leaderboard|gsm8k|0": {"em": 0.5},
            "leaderboard|arc:challenge|25": {"acc_norm": 0.3},
        },
        "versions": {"lighteval|gsm8k|0": 0},
        "config_tasks": {
            "lighteval|gsm8k": {"metric": [{"metric_name": "em", "higher_is_better": True}]}
        },
    }


def lm_eval(**changes: Any) -> dict[str, Any]:
    """lm-evaluation-harness 0.4 with its `hf` backend: a task, and a group of groups."""
    document: dict[str, Any] = {
        "results": {
            "gsm8k": {
                "alias": "gsm8k",
                "exact_match,strict-match": 0.51,
                "exact_match_stderr,strict-match": 0.0138,
                "exact_match,flexible-extract": 0.53,
                "exact_match_stderr,flexible-extract": "N/A",
            },
            "wikitext": {
                "alias": "wikitext",
                "word_perplexity,none": 12.5,
                "word_perplexity_stderr,none": "N/A",
            },
            "mmlu": {"acc,none": 0.5, "acc_stderr,none": 0.01, "alias": "mmlu"},
            "mmlu_law": {"acc,none": 0.4, "acc_stderr,none": 0.02, "alias": "  - law"},
            "mmlu_art": {"acc,none": 0.6, "acc_stderr,none": 0.02, "alias": "  - art"},
        },
        "groups": {"mmlu": {"acc,none": 0.5, "acc_stderr,none": 0.01, "alias": "mmlu"}},
        "group_subtasks": {
            "gsm8k": [],
            "mmlu": ["mmlu_humanities"],
            "mmlu_humanities": ["mmlu_law", "mmlu_art"],
        },
        "configs": {"gsm8k": {"task": "gsm8k", "generation_kwargs": {"temperature": 0.0}}},
        "versions": {"gsm8k": 3.0, "wikitext": 2.0, "mmlu": 2, "mmlu_law": 1.0, "mmlu_art": 1.0},
        "n-shot": {"gsm8k": 5, "wikitext": 0, "mmlu_law": 0, "mmlu_art": 0},
        "higher_is_better": {
            "gsm8k": {"exact_match": True},
            "wikitext": {"word_perplexity": False},
            "mmlu": {"acc": True},
            "mmlu_law": {"acc": None},
        },
        "n-samples": {
            "gsm8k": {"original": 1319, "effective": 1319},
            "wikitext": {"original": 62, "effective": 62},
            "mmlu_law": {"original": 100, "effective": 100},
            "mmlu_art": {"original": 50, "effective": 50},
        },
        "config": {
            "model": "hf",
            "model_args": f"pretrained={REPO},revision={COMMIT},dtype=bfloat16",
            "model_revision": COMMIT,
            "model_sha": COMMIT,
            "limit": None,
            "gen_kwargs": None,
        },
        "git_hash": "abc",
        "date": 1750000000.0,
        "lm_eval_version": "0.4.13",
        "transformers_version": "5.0.0",
        "task_hashes": {},
        "model_name": REPO,
        "chat_template_sha": None,
        "system_instruction_sha": None,
        "fewshot_as_multiturn": None,
    }
    return document | changes


def vllm(arguments: Any) -> dict[str, Any]:
    """The same of a backend that does not write the commit."""
    return lm_eval(config={"model": "vllm", "model_args": arguments, "limit": None})


def trainer_state() -> dict[str, Any]:
    """`trainer_state.json` at step 100."""
    return {
        "global_step": 100,
        "best_metric": 2.0,
        "log_history": [
            {"epoch": 0.5, "eval_loss": 3.0, "step": 50},
            {"epoch": 1.0, "grad_norm": 1.0, "learning_rate": 1e-4, "loss": 2.5, "step": 100},
            {
                "epoch": 1.0,
                "eval_code_loss": 2.25,
                "eval_code_runtime": 0.1,
                "eval_code_samples_per_second": 80.0,
                "step": 100,
            },
            {"epoch": 1.0, "eval_loss": 2.0, "eval_runtime": 0.1, "step": 100},
        ],
    }
