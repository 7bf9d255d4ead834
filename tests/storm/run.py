"""The run that a storm kills: `python -m storm.run OUTPUT CHECKPOINTS REPO_ID [PAUSE]`.

Saves each checkpoint, hands it over, prints its revision, and deletes the ones before it, as a
training does, with a pause of so many seconds after each; started again it goes on with those that
are not on record. Ends with 0 once all are published. Endpoint and token come from the environment.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from hub_revisions import RevisionPusher

from .checkpoints import CARD, find_checkpoints, save

# Far longer than it takes; whoever waits that long hangs.
WAIT_SECONDS = 120


def rotate(output: Path, keep: Path) -> None:
    """Delete the other checkpoints, as `save_total_limit=1` does."""
    for path in output.glob("checkpoint-*"):
        if path != keep:
            shutil.rmtree(path)


def main(output: Path, checkpoints: Path, repo_id: str, pause: float) -> int:
    """Run until everything is published; the exit status."""
    output.mkdir(exist_ok=True)
    (output / "README.md").write_text(CARD)
    pusher = RevisionPusher(output, repo_id=repo_id, max_retries=3, retry_max_delay=0.2)
    on_record = {record.revision for record in pusher.status()}
    for checkpoint in find_checkpoints(checkpoints):
        if checkpoint.revision not in on_record:
            folder = save(checkpoint, output)
            pusher.submit(folder)
            print(checkpoint.revision, flush=True)
            rotate(output, folder)
            time.sleep(pause)
    ended = pusher.wait(timeout=WAIT_SECONDS)
    closed = pusher.close(0)
    for record in pusher.status():
        if record.state != "done":
            print(record.revision, record.state, record.error, file=sys.stderr)
            ended = False
    return 0 if ended and closed else 1


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main(Path(given[0]), Path(given[1]), given[2], float("".join(given[3:]) or 0)))
