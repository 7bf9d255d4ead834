"""The benchmarks themselves: that they measure what they say. Nothing here is timed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from benchmarks import Report, Row, clients
from benchmarks.__main__ import MEASUREMENTS, main
from benchmarks.checkpoints import SMALL_FILES, Tensor, write_checkpoint, write_weights
from benchmarks.effort import Effort
from benchmarks.plots import draw
from benchmarks.process import measure
from benchmarks.servers import Servers
from benchmarks.table import measurement_tables, verdict_table
from benchmarks.targets import judge
from rich.console import Console
from safetensors import safe_open

PUSH: list[Row] = [
    {"system": "hub-revisions", "shape": "1 x 1 GiB", "files": 1, "bytes": 1 << 30, "wall_s": 1.0,
     "rss_growth_mib": 9.5, "wall_ratio_to_floor": 1.5, "wall_ratio_to_ours": 1.0},
    {"system": "git-lfs", "shape": "1 x 1 GiB", "files": 1, "bytes": 1 << 30, "wall_s": 4.0,
     "rss_growth_mib": 99.0, "wall_ratio_to_floor": 6.0, "wall_ratio_to_ours": 4.0},
]  # fmt: skip


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], list[Row]]], None]:
    """Puts a function in place of one measurement."""

    def replace(name: str, rows: Callable[[], list[Row]]) -> None:
        def run(effort: Effort, work: Path, report: Report) -> list[Row]:
            assert effort is Effort.QUICK
            assert not any(work.iterdir())
            report("running")
            return rows()

        monkeypatch.setitem(sys.modules, f"benchmarks.{name}", SimpleNamespace(run=run))

    return replace


def test_a_run_writes_rows_plots_and_verdicts(
    tmp_path: Path,
    measured: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    measured("push", lambda: PUSH)
    assert main(["--quick", "--only", "push", "--out", str(tmp_path)]) == 0
    written = json.loads((tmp_path / "bench.json").read_text())
    assert list(written) == ["machine", "effort", "date", *MEASUREMENTS]
    assert written["push"] == PUSH
    assert written["effort"] == "quick"
    assert written["machine"]["cores"] > 0
    assert written["startup"] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench.json", "push.svg"]
    assert "missed" in capsys.readouterr().out


def test_a_broken_run_keeps_what_it_has(tmp_path: Path, measured: Callable[..., None]) -> None:
    def fail() -> list[Row]:
        raise RuntimeError("no such luck")

    measured("push", lambda: PUSH)
    measured("scale", fail)
    with pytest.raises(RuntimeError, match="no such luck"):
        main(["--quick", "--only", "scale,push", "--out", str(tmp_path)])
    assert json.loads((tmp_path / "bench.json").read_text())["push"] == PUSH


def test_an_unknown_measurement_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "push,pull", "--out", str(tmp_path)])
    assert "no measurement is called 'pull'" in capsys.readouterr().err


def test_the_figure_farthest_from_its_target_is_judged() -> None:
    stall: list[Row] = [
        {"system": "hub-revisions", "bytes": 1, "files": 20, "rtt_ms": 50, "median_ms": 0.5},
        {"system": "hub-revisions", "bytes": 1, "files": 20, "rtt_ms": 200, "median_ms": 2.0},
        {"system": "hub-revisions", "bytes": 1, "files": 1000, "rtt_ms": 0, "median_ms": 9.0},
        {"system": "open-r1-order", "bytes": 1, "files": 20, "rtt_ms": 50, "median_ms": 300.0},
    ]
    verdicts = {verdict.target.text: verdict for verdict in judge({"stall": stall, "push": PUSH})}
    assert verdicts["stall, median"].value == 2.0
    assert not verdicts["stall, median"].met
    assert verdicts["stall, times less than open-r1's order at 50 ms"].value == 600
    assert verdicts["push, wall time of others to ours"].met
    assert not verdicts["push, wall time to the floor's"].met
    assert verdicts["memory above baseline, MiB"].row["system"] == "hub-revisions"
    assert "stall, 99th percentile" not in verdicts  # not measured


@pytest.mark.parametrize("width", [80, 200])
def test_a_table_has_every_figure_at_any_width(width: int) -> None:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(*measurement_tables("push", PUSH, width))
        console.print(verdict_table(judge({"push": PUSH})))
    shown = capture.get()
    assert all(figure in shown for figure in ("9.5", "99", "1.5 !", "6", "shape 1 x 1 GiB"))
    assert "…" not in shown


def test_a_row_that_was_skipped_says_why() -> None:
    reason = "it would copy all of it for each save, which is more than there is room for here"
    skipped: Row = {"system": "trainer", "shape": "1 x 1 GiB", "skipped": reason}
    console = Console(width=200)
    with console.capture() as capture:
        console.print(*measurement_tables("push", [*PUSH, skipped], console.width))
    assert any("trainer" in line and reason in line for line in capture.get().splitlines())


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_nothing_measured_draws_nothing(name: str, tmp_path: Path) -> None:
    assert draw(name, [], tmp_path) is None
    assert not any(tmp_path.iterdir())


def test_a_checkpoint_is_valid_and_its_own(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2), ("holes", None)):
        write_checkpoint(tmp_path / name, [3 << 20, 1 << 10], seed)
    weights = "model-00001-of-00002.safetensors"
    with safe_open(tmp_path / "one" / weights, "numpy") as file:
        assert sum(file.get_tensor(key).nbytes for key in file.keys()) == 3 << 20  # noqa: SIM118
    data = {
        name: (tmp_path / name / weights).read_bytes()
        for name in ("one", "again", "other", "holes")
    }
    assert data["one"] == data["again"]
    assert len({len(content) for content in data.values()}) == 1
    assert len(set(data.values())) == 3
    assert data["holes"].count(0) > 3 << 20
    assert set(SMALL_FILES) < {path.name for path in (tmp_path / "one").iterdir()}


def test_a_tensor_of_one_seed_is_the_same_anywhere(tmp_path: Path) -> None:
    write_weights(tmp_path / "a", [Tensor("x", 64, 1), Tensor("y", 64, 2)])
    write_weights(tmp_path / "b", [Tensor("y", 64, 3), Tensor("x", 64, 1)])
    with safe_open(tmp_path / "a", "numpy") as a, safe_open(tmp_path / "b", "numpy") as b:
        assert (a.get_tensor("x") == b.get_tensor("x")).all()
        assert (a.get_tensor("y") != b.get_tensor("y")).any()


@pytest.mark.parametrize(
    "publish",
    [
        clients.publish_with_hub_revisions,
        clients.publish_with_huggingface_hub,
        clients.publish_with_git_lfs,
    ],
)
def test_each_system_publishes_through_the_sink(
    publish: Callable[..., object], tmp_path: Path
) -> None:
    checkpoint = tmp_path / "run" / "checkpoint-1"
    write_checkpoint(checkpoint, [3 << 20, 1 << 16], seed=1)
    sizes = {path.name: path.stat().st_size for path in checkpoint.glob("*.safetensors")}
    with Servers(tmp_path / "servers") as servers:
        target = servers.new_target()
        cost, _ = measure(publish, target, checkpoint, "step-1", environment=clients.WITHOUT_XET)
        files = servers.files(target.repo_id, "step-1")
        received = servers.received()
    assert sizes.items() <= files.items()
    assert received.objects == len(sizes)
    assert received.bytes == sum(sizes.values())
    assert cost.wall_s > 0
    assert cost.cpu_s > 0
    assert not (tmp_path / "servers").exists()


def test_a_system_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"No such file or directory: .*nothing-here"):
        measure(clients.publish_with_git_lfs, None, tmp_path / "nothing-here", "step-1")
