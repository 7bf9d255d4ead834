"""The smallest round trip: a local hub, a checkpoint folder, its revision. Needs no torch."""

import json
import struct
import sys
from pathlib import Path

from hub_revisions import RevisionPusher, list_revisions, promote
from hub_revisions.local_hub import LocalHub


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
    with LocalHub(work / "hub") as hub:
        where = {"endpoint": hub.endpoint, "token": hub.token}
        with RevisionPusher(work, repo_id="local-user/quickstart", **where) as pusher:
            pusher.submit(work / "checkpoint-10", "first", metrics={"eval_loss": 1.5})
            pusher.wait()
            print({record.revision: record.state for record in pusher.status()})
        promote("local-user/quickstart", "first", **where)
        revisions = {r.revision: r for r in list_revisions("local-user/quickstart", **where)}
        print({name: dict(revision.metrics) for name, revision in revisions.items()})
        return 0 if revisions["first"].files == revisions["main"].files else 1


if __name__ == "__main__":
    sys.exit(main())
