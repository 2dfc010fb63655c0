"""Batches on Ray: the same rows as the process pool's, whatever studies and nodes do."""

from __future__ import annotations

import threading
import time

import pytest
from test_batch import BAD, TASK, rows_of, write_studies

from LesionKitCohort.batch import ROWS, STUDIES, run_batch
from LesionKitCohort.pool import Limits
from LesionKitCohort.ray_pool import RayEngine
from LesionKitCohort.tasks import Settings

ray = pytest.importorskip("ray")
cluster_utils = pytest.importorskip("ray.cluster_utils")
QUICK = Limits(seconds=4.0, memory_bytes=2 << 30, retries=1)


@pytest.fixture(scope="module")
def cluster():
    """Two nodes on this machine; the second may be taken away."""
    found = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        yield found
    finally:
        ray.shutdown()
        found.shutdown()


def mixed_words(count: int) -> dict[str, str]:
    words = {f"case {n:02}": "slow" + "x" * n for n in range(count)}
    return words | {f"case {n:02} {bad}": bad for n, bad in enumerate(BAD)}


@pytest.fixture(scope="module")
def batches(cluster, tmp_path_factory):
    """The same studies by the process pool, and by Ray with a node that is killed while it has studies."""
    folder = tmp_path_factory.mktemp("ray")
    studies = write_studies(folder / "in", mixed_words(16))
    run_batch(TASK, studies, folder / "processes", Settings(), 2, QUICK)
    second = cluster.add_node(num_cpus=1)
    rows = folder / "nodes" / ROWS

    def kill() -> None:
        while not rows.is_dir() or len(list(rows.iterdir())) < 4:
            time.sleep(0.05)
        cluster.remove_node(second, allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    run_batch(TASK, studies, folder / "nodes", Settings(), 2, QUICK, engine=RayEngine(cluster.address))
    killer.join(timeout=1)
    assert not killer.is_alive()
    return folder


def test_a_batch_that_loses_a_node_has_the_rows_of_the_process_pool(batches):
    expected = rows_of(batches / "processes")
    assert rows_of(batches / "nodes") == expected
    failed = {row["study"].split()[-1]: row["cause"] for row in expected if row["status"] == "failed"}
    assert failed == {
        "truncated": "unusable", "huge": "memory", "poisoned": "crash", "endless": "time", "fault": "error",
    }  # fmt: skip


def test_results_come_through_the_object_store_into_the_caller_s_folder(batches):
    for row in rows_of(batches / "nodes"):
        file = batches / "nodes" / STUDIES / row["study"] / "value.txt"
        assert file.is_file() == (row["status"] == "ok")


def test_a_batch_on_ray_goes_on_where_it_was(cluster, tmp_path):
    studies = write_studies(tmp_path / "in", {f"case {n}": "x" * n for n in range(1, 5)})
    first = run_batch(TASK, studies[:2], tmp_path / "out", Settings(), 1, QUICK, engine=RayEngine(cluster.address))
    whole = run_batch(TASK, studies, tmp_path / "out", Settings(), 1, QUICK, True, engine=RayEngine(cluster.address))
    assert (first.analyzed, whole.analyzed, len(rows_of(tmp_path / "out"))) == (2, 2, 4)
