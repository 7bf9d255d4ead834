"""What the worker costs. Run it through scripts/bench.

Prints, and with --json FILE also writes:
  on_save   milliseconds that the Trainer's hook takes for 20 files, 4 of them 4 GiB (sparse)
  memory    growth of this process's peak resident memory while 8 GiB are pushed to a local hub
  gil       share of its speed that a Python thread on one core loses while a push runs on the other

--short does the same with fewer rounds and an eighth of the bytes.
"""

import argparse
import json
import os
import shutil
import statistics
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console
from rich.table import Table

GIB = 1 << 30
TARGETS = {
    "on_save median": 2.0,  # ms
    "on_save p99": 10.0,  # ms
    "memory growth": 64.0,  # MiB
    "gil loss": 5.0,  # %
}


def write_sparse_safetensors(path: Path, size: int) -> None:
    """A valid file of `size` bytes whose data are holes; distinct names give distinct files."""
    tensors = {}
    step = GIB // 4
    begin = 0
    header = b""
    data = size - 4096
    while begin < data:
        end = min(begin + step, data)
        tensors[f"{path.stem}.{begin // step}"] = {
            "dtype": "U8",
            "shape": [end - begin],
            "data_offsets": [begin, end],
        }
        begin = end
    header = json.dumps(tensors).encode().ljust(4088)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(size)


def write_checkpoint(folder: Path, weights: dict[str, int], small_files: int) -> None:
    folder.mkdir(parents=True)
    for name, size in weights.items():
        write_sparse_safetensors(folder / name, size)
    (folder / "config.json").write_text('{\n  "eos_token_id": 2,\n  "use_cache": false\n}\n')
    for number in range(small_files - 1):
        (folder / f"file-{number}.json").write_text('{"x": 1}' * 1000)


def measure_on_save(work: Path, rounds: int) -> dict[str, float]:
    """The real hook on a real folder, without a network: what training waits for."""
    from hub_revisions import HubRevisionCallback
    from transformers import TrainerControl, TrainerState, TrainingArguments

    output = work / "stall"
    weights = {f"model-0000{n}-of-00004.safetensors": 4 * GIB for n in range(1, 5)}
    template = output / "template"
    write_checkpoint(template, weights, 16)
    args = TrainingArguments(output_dir=str(output), report_to=[], use_cpu=True, disable_tqdm=True)
    callback = HubRevisionCallback(repo_id="bench/stall", offline=True, on_error="raise")
    state, control = TrainerState(is_world_process_zero=True), TrainerControl()
    tokenizer = SimpleNamespace(eos_token_id=2)
    callback.on_train_begin(args, state, control, processing_class=tokenizer)
    times = []
    for step in range(1, rounds + 1):
        folder = output / f"checkpoint-{step}"
        template.rename(folder)
        state.global_step = step
        started = time.perf_counter()
        callback.on_save(args, state, control, processing_class=tokenizer)
        times.append((time.perf_counter() - started) * 1000)
        folder.rename(template)
        # What the Trainer does between saves, at least: other memory, other file names.
        time.sleep(0.005)
    jobs = len(callback.records())
    if jobs != rounds:
        raise RuntimeError(f"{jobs} of {rounds} checkpoints were frozen")
    callback.finish(progress_bar=False)
    shutil.rmtree(output)
    times.sort()
    return {
        "on_save median": statistics.median(times),
        "on_save p99": times[min(len(times) - 1, int(len(times) * 0.99))],
    }


def peak_memory() -> float:
    """Peak resident memory of this process since the last reset, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM in /proc/self/status")


def reset_peak_memory() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def push(work: Path, name: str, size: int, hub) -> dict[str, float]:
    """Pushes one file of `size` bytes; bytes sent, seconds and memory."""
    from hub_revisions import RevisionPusher

    folder = work / name / "checkpoint-1"
    write_checkpoint(folder, {"model.safetensors": size}, 4)
    where = {"endpoint": hub.endpoint, "token": hub.token, "repo_id": f"local-user/{name}"}
    with RevisionPusher(work / name, **where) as pusher:
        reset_peak_memory()
        baseline = peak_memory()
        started = time.perf_counter()
        pusher.submit(folder, "weights")
        pusher.wait()
        seconds = time.perf_counter() - started
        growth = peak_memory() - baseline
        record = pusher.status()[-1]
    if record.state != "done":
        raise RuntimeError(f"the push ended {record.state}: {record.error}")
    shutil.rmtree(work / name)
    return {"sent": record.bytes_sent, "seconds": seconds, "memory growth": growth}


class Counter(threading.Thread):
    """Counts as fast as Python can, on one core."""

    def __init__(self, core: int) -> None:
        super().__init__(daemon=True)
        self.core = core
        self.count = 0
        self.running = True

    def run(self) -> None:
        os.sched_setaffinity(threading.get_native_id(), {self.core})
        while self.running:
            self.count += 1

    def rate(self, until) -> float:
        """Counts per second while `until()` runs."""
        before, started = self.count, time.perf_counter()
        until()
        return (self.count - before) / (time.perf_counter() - started)


def memory_folder(size: int, otherwise: Path) -> Path:
    """A folder in memory if it has room for `size` bytes twice over, else the given one."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2 * size
    return Path(tempfile.mkdtemp(dir=memory, prefix="hub-revisions-bench-")) if roomy else otherwise


def measure_gil(work: Path, size: int) -> dict[str, float]:
    """The counter's speed without a push, with one, and without again; the loss in percent."""
    from hub_revisions.local_hub import LocalHub

    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise RuntimeError("this measurement needs two cores")
    # The hub stores in memory: the kernel's write-back would run on the counter's core, too.
    os.sync()
    root = memory_folder(size, work / "gil-hub")
    os.sched_setaffinity(0, {cores[1]})  # inherited by the hub and by the worker's threads
    counter = Counter(cores[0])
    counter.start()
    try:
        with LocalHub(root / "hub") as hub:
            # Waiting looks the same to the interpreter in both: a thread asleep, without the GIL.
            before = counter.rate(lambda: time.sleep(5))
            during = counter.rate(lambda: push(work, "gil", size, hub))
            after = counter.rate(lambda: time.sleep(5))
    finally:
        counter.running = False
        counter.join()
        os.sched_setaffinity(0, set(cores))
        shutil.rmtree(root, ignore_errors=True)
    return {"gil loss": (1 - during / statistics.mean([before, after])) * 100}


def report(figures: dict[str, float]) -> None:
    units = {"on_save median": "ms", "on_save p99": "ms", "memory growth": "MiB", "gil loss": "%"}
    table = Table(title="What the worker costs")
    for heading in ("figure", "measured", "target"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for name, unit in units.items():
        table.add_row(name, f"{figures[name]:.2f} {unit}", f"< {TARGETS[name]:g} {unit}")
    Console().print(table)
    sent, seconds = figures["sent"], figures["seconds"]
    print(f"pushed {sent / GIB:.2f} GiB in {seconds:.1f} s, {sent / seconds / 1e6:.0f} MB/s")


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer rounds, fewer bytes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parser.add_argument("--workdir", type=Path, help="where to work (default: a temporary folder)")
    options = parser.parse_args()
    from hub_revisions.local_hub import LocalHub

    scale = 8 if options.short else 1
    with tempfile.TemporaryDirectory(dir=options.workdir, prefix="hub-revisions-bench-") as name:
        work = Path(name)
        figures = measure_on_save(work, 400 // scale)
        with LocalHub(work / "hub") as hub:
            figures |= push(work, "memory", 8 * GIB // scale, hub)
        shutil.rmtree(work / "hub")
        figures |= measure_gil(work, 4 * GIB // scale)
    report(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
