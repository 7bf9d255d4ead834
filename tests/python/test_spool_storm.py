"""A spooling training and its follower, killed at random: every checkpoint arrives, once."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

from child_process import Child, published_steps, snapshots_left, until
from hub_revisions.local_hub import LocalHub
from spooling import command_child, records
from tiny_training import download

KILLS = 20
STEPS = 40
LONGEST_LIFE = 2.5  # seconds, of which starting takes one

# Saves what is not in the spool yet, and keeps two checkpoints, as a resumed Trainer does.
TRAINING = """
import json, shutil, sys, time
from pathlib import Path
from hub_revisions import RevisionPusher
from tiny_training import write_checkpoint
output, settings, steps = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
with RevisionPusher(output, mode="spool", **settings) as pusher:
    saved = {record.step for record in pusher.status()}
    for step in range(1, steps + 1):
        if step in saved:
            continue
        folder = output / f"checkpoint-{step}"
        shutil.rmtree(folder, ignore_errors=True)
        pusher.submit(write_checkpoint(folder, step=step, size=2 << 20))
        shutil.rmtree(output / f"checkpoint-{step - 2}", ignore_errors=True)
        time.sleep(0.1)
print("trained", flush=True)
"""


def states(output: Path) -> Counter[str]:
    """How many jobs are in each state."""
    return Counter(record.state for record in records(output))


def test_killed_at_random_nothing_is_lost_and_nothing_comes_twice(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    output = tmp_path / "out"
    settings = json.dumps(where | {"max_pushes_per_hour": None})

    def training() -> Child:
        return Child(tmp_path, TRAINING, output, settings, STEPS)

    def follower() -> Child:
        return command_child(tmp_path, "sync", output, "--follow", HF_TOKEN=hub.token)

    makers = [training, follower]
    living = [make() for make in makers]
    try:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0, LONGEST_LIFE))
            victim = chance.randrange(2)
            living[victim].process.kill()
            living[victim].process.wait()
            living[victim] = makers[victim]()
        living[0].says("trained")
        for count in range(STEPS):
            until(lambda count=count: states(output)["done"] > count, f"seed {seed}: it stands")
        living[1].send(signal.SIGTERM)
        assert living[1].ends() == 0, living[1].output
    finally:
        for child in living:
            child.process.kill()
            child.process.wait()
    steps = list(range(1, STEPS + 1))
    assert sorted(record.step or 0 for record in records(output)) == steps, f"seed {seed}"
    assert published_steps(hub, where["repo_id"]) == steps, f"seed {seed}"
    assert snapshots_left(output) == [], f"seed {seed}"
    for step in chance.sample(steps, 5):
        got = download(hub, where["repo_id"], f"step-{step:09d}", tmp_path / str(step))
        assert (got / "model.safetensors").stat().st_size > 2 << 20, f"seed {seed}"
