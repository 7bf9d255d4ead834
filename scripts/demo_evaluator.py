"""The demo's evaluator on Slurm: fails in four ways, by the step of what it is to evaluate.

Its first argument is the step, the others are those of hub_revisions.evaluation.loss, which it
becomes where it does not fail.
"""

import json
import os
import signal
import sys
from pathlib import Path


def main() -> None:
    step, arguments = int(sys.argv[1]), sys.argv[2:]
    if step == 40:
        sys.exit("this evaluator has crashed")
    if step == 80:
        os.kill(os.getpid(), signal.SIGKILL)
    if step == 120:
        return  # and says that all is well
    if step == 160:
        # A leftover of another run: it would be the best number of all.
        stale = {"schema": "ckpt-metrics/1", "sha": "0" * 40, "metrics": {"loss": 0.0}}
        Path("results.json").write_text(json.dumps(stale))
        return
    os.execv(sys.executable, [sys.executable, "-m", "hub_revisions.evaluation.loss", *arguments])


if __name__ == "__main__":
    main()
