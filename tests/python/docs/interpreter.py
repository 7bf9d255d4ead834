"""One interpreter for a page's Python blocks: a JSON line each on stdin, its error on stdout.

Their own output goes to stderr. A page that trains has a model and data, as its reader does.
"""

import json
import os
import sys
import traceback
from pathlib import Path

HELPERS = Path(__file__).resolve().parent.parent


def what_a_reader_has() -> dict[str, object]:
    sys.path.insert(0, str(HELPERS))
    from tiny_training import examples, make_model, make_tokenizer

    tokenizer = make_tokenizer()
    return {
        "model": make_model(tokenizer),
        "tokenizer": tokenizer,
        "train_dataset": examples(),
        "eval_dataset": examples(4),
    }


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    names: dict[str, object] = {"__name__": "__main__"}
    for line in sys.stdin:
        block = json.loads(line)
        if "Trainer(" in block["text"] and "model" not in names:
            names |= what_a_reader_has()
        error = ""
        try:
            exec(compile(block["text"], block["where"], "exec"), names)
        except BaseException:
            error = traceback.format_exc()
        answers.write(json.dumps(error) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
