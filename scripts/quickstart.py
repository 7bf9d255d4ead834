"""The smallest round trip: a checkpoint folder, its revision, `main` made equal to it, a report.

    python scripts/quickstart.py WORKDIR

The hub and the token are those of HF_ENDPOINT and HF_TOKEN, as `hub-revisions hub` prints them.
Needs nothing but hub-revisions.
"""

import json
import struct
import sys
from pathlib import Path

from hub_revisions import Repository, RevisionPusher, promote
from hub_revisions.report import build_report, render_page

REPO_ID = "local-user/quickstart"


def write_checkpoint(folder: Path) -> None:
    """A model of one tensor, with a stale EOS and no key-value cache."""
    folder.mkdir(parents=True)
    header = json.dumps(
        {"weight": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    ).encode()
    weights = struct.pack("<Q", len(header)) + header + struct.pack("<4f", 1, 2, 3, 4)
    (folder / "model.safetensors").write_bytes(weights)
    config = {"architectures": ["LlamaForCausalLM"], "eos_token_id": 0, "use_cache": False}
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def main() -> int:
    work = Path(sys.argv[1])
    write_checkpoint(work / "checkpoint-10")
    with RevisionPusher(work, repo_id=REPO_ID) as pusher:
        pusher.submit(work / "checkpoint-10", "first", metrics={"eval_loss": 1.5})
        pusher.wait()
        print({record.revision: record.state for record in pusher.status()})
    promote(REPO_ID, "first")
    contents = Repository(REPO_ID).read()
    revisions = {revision.revision: revision for revision in contents.revisions}
    print({name: dict(revision.metrics) for name, revision in revisions.items()})
    page = render_page(build_report(contents.repo_id, contents.revisions, contents.records))
    (work / "report.html").write_text(page)
    weights = {
        name: [file for file in revision.files if file.lfs] for name, revision in revisions.items()
    }
    return 0 if weights["first"] == weights["main"] and "<svg" in page else 1


if __name__ == "__main__":
    sys.exit(main())
