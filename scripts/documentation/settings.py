"""The references of settings and of evaluation configurations, from their schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "configs/schema.json"
EVALUATION_SCHEMA = ROOT / "bindings/python/hub_revisions/evaluation/schema.json"

HEAD = """\
# Settings

Made from [schema.json](schema.json) by `scripts/make_reference`; change that instead.

A configuration file is one JSON object of these keys. `HubRevisionCallback(config="FILE")`,
`RevisionPusher(config="FILE")` and every command's `--config FILE` take it; each key is also a
keyword argument. Keyword arguments win over the file, the file over `TrainingArguments`, those over
the environment. An unknown key is an error. `hub-revisions config show` prints what holds and where
it came from, `hub-revisions config check FILE` checks a file.

A token is never a setting: it comes from `TrainingArguments.hub_token`, `HF_TOKEN`, or the file
that `hf auth login` writes.

Examples: [minimal.json](minimal.json), [sft.json](sft.json) for supervised fine-tuning,
[grpo.json](grpo.json) for long reinforcement learning runs.
"""

EVALUATION_HEAD = """\
# Evaluations

Made from [evaluation/schema.json](../bindings/python/hub_revisions/evaluation/schema.json) by
`scripts/make_reference`; change that instead.

An evaluation configuration is one JSON object of these keys; `hub-revisions eval --config FILE` and
`HubRevisionCallback(evaluate="FILE")` take it. An unknown key is an error. Secrets never stand in
it.

Examples: [eval-local.json](eval-local.json) measures the loss on a text that you put beside it as
`heldout.txt`; [eval-lighteval.json](eval-lighteval.json), [eval-lm-eval.json](eval-lm-eval.json)
run the harnesses; [eval-slurm.json](eval-slurm.json) runs one on a cluster;
[eval-command-kubernetes.json](eval-command-kubernetes.json) is a recipe for Kubernetes, with a
volume `/shared` that the training and the pods both see.

An evaluator is any program that writes a results file: of lighteval, of lm-evaluation-harness, an
object of numbers such as `{"acc": 0.51}`, or

    {"schema": "ckpt-metrics/1", "sha": "<commit>", "metrics":
      {"acc": {"value": 0.51, "stderr": 0.01, "n": 1319, "mode": "max"}}}

An evaluation is known by repository, commit, suite name, command, `env` and `results`: if one of
these changes it is another one, and is done again. What a file that the command names holds is not
looked at.
"""

# Of the schema's definitions: what is titled how.
EVALUATION_PARTS = {
    "suite": "A suite",
    "local": "Options of the engine `local`",
    "slurm": "Options of the engine `slurm`",
    "hf-jobs": "Options of the engine `hf-jobs`",
    "command": "Options of the engine `command`",
    "webhook": "Options of the engine `webhook`",
}


def values_of(rule: dict[str, Any]) -> str:
    """The allowed values in words."""
    if "enum" in rule:
        return ", ".join(f"`{json.dumps(value)}`" for value in rule["enum"])
    if "$ref" in rule or rule.get("items", {}).get("$ref"):
        return "list of suites" if "items" in rule else "list of strings"
    if rule.get("items", {}).get("type") == "object":
        return "list of objects"
    names = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    text = " or ".join("list of strings" if name == "array" else name for name in names)
    if "maximum" in rule:
        return f"{text}, {rule['minimum']} to {rule['maximum']}"
    return f"{text}, at least {rule['minimum']}" if "minimum" in rule else text


def entries_of(properties: dict[str, Any], level: str) -> str:
    """A section for each key."""
    return "".join(
        f"\n{level} `{key}`\n\n{values_of(rule)}{default_of(rule)}\n\n"
        f"{plain(rule['description'])}\n"
        for key, rule in properties.items()
    )


def default_of(rule: dict[str, Any]) -> str:
    """The default; what has none must be given."""
    return f"; default `{json.dumps(rule['default'])}`" if "default" in rule else "; required"


def plain(text: str) -> str:
    """Text in which Markdown takes nothing for its own."""
    return text.replace("<", "&lt;").replace("*", "\\*").replace("|", "\\|")


def settings_page() -> str:
    """The reference of all settings."""
    schema = json.loads(SCHEMA.read_text())
    agent = schema["properties"]["transfer_agents"]["items"]["properties"]
    sections = f"\n## A transfer agent\n{entries_of(agent, '###')}"
    return HEAD + entries_of(schema["properties"], "##") + sections


def evaluation_page() -> str:
    """The reference of evaluation configurations."""
    schema = json.loads(EVALUATION_SCHEMA.read_text())
    parts = {"Configuration": schema["properties"]}
    parts |= {
        title: schema["$defs"][name]["properties"] for name, title in EVALUATION_PARTS.items()
    }
    sections = [f"\n## {title}\n{entries_of(keys, '###')}" for title, keys in parts.items()]
    return EVALUATION_HEAD + "".join(sections)
