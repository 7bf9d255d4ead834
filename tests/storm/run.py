"""The run that a storm kills: `python -m storm.run OUTPUT CHECKPOINTS REPO_ID`.

Saves each checkpoint, hands it over, and deletes the ones before it, as a training does; started
again it goes on with those that are not on record. Ends with 0 once all are published. Endpoint and
token come from the environment.
"""

from __future__ import annotations

import shutil
import sys
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


def main(output: Path, checkpoints: Path, repo_id: str) -> int:
    """Run until everything is published; the exit status."""
    output.mkdir(exist_ok=True)
    (output / "README.md").write_text(CARD)
    pusher = RevisionPusher(output, repo_id=repo_id, max_retries=3, retry_max_delay=0.2)
    on_record = {record.revision for record in pusher.status()}
    for checkpoint in find_checkpoints(checkpoints):
        if checkpoint.revision not in on_record:
            folder = save(checkpoint, output)
            pusher.submit(folder)
            rotate(output, folder)
    ended = pusher.wait(timeout=WAIT_SECONDS)
    closed = pusher.close(0)
    for record in pusher.status():
        if record.state != "done":
            print(record.revision, record.state, record.error, file=sys.stderr)
            ended = False
    return 0 if ended and closed else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
