"""scripts/slurm: a cluster of one node for tests and the demo."""

from __future__ import annotations

from pathlib import Path

from child_process import until

from .cluster import DAEMONS, Cluster, require_slurm


def test_two_clusters_at_once_and_nothing_left(tmp_path: Path) -> None:
    require_slurm()
    with Cluster(tmp_path / "one") as one, Cluster(tmp_path / "two", "CPUS=64") as two:
        assert one.tool("sinfo", "-h", "-o", "%t %c").split()[0] == "idle"
        assert two.tool("sinfo", "-h", "-o", "%t %c").split() == ["idle", "64"]
        began, log = tmp_path / "began", tmp_path / "log"
        job = one.tool(
            *("sbatch", "--parsable", f"--output={log}"),
            f"--wrap=trap 'echo asked; exit' TERM; touch {began}; while true; do sleep 0.1; done",
        )
        until(began.exists, "the job does not begin")
        assert one.state_of(job) == "RUNNING"
        pids = [(cluster, cluster.pid(name)) for cluster in (one, two) for name in DAEMONS]
        assert all(cluster.is_running(pid) for cluster, pid in pids)
    assert not any(cluster.is_running(pid) for cluster, pid in pids)
    # Its job ended with it.
    assert "asked" in log.read_text().splitlines()
    two.stop()


def test_starting_again(tmp_path: Path) -> None:
    require_slurm()
    with Cluster(tmp_path / "slurm", "MinJobAge=77") as cluster:
        pids = [cluster.pid(name) for name in DAEMONS]
        assert cluster.start() == f"export SLURM_CONF={cluster.configuration}\n"
        assert [cluster.pid(name) for name in DAEMONS] == pids
        assert "= 77 sec" in cluster.tool("scontrol", "show", "config")
        cluster.stop_controller()
        cluster.start()
        assert cluster.pid("slurmd") == pids[1]
        first = cluster.tool("sbatch", "--parsable", "--output=/dev/null", "--wrap=true")
        cluster.stop()
        cluster.start()
        again = cluster.tool("sbatch", "--parsable", "--output=/dev/null", "--wrap=true")
        assert int(again) > int(first)
