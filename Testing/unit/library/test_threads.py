"""One thread for each operation, parts side by side, and the host's settings as they were."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager

import pytest
import torch

from LesionKitLib.models.inference import Runtime
from LesionKitLib.run import threads
from LesionKitLib.run.threads import SERIAL, Workers, one_thread_per_operation, prepare_libraries, worker_count


@pytest.mark.parametrize(("setting", "count"), [("1", 1), ("3", 3), ("4,2", 4), ("500", threads.MAX_WORKERS)])
def test_the_usual_setting_of_numerical_programs_says_how_many_threads_compute(monkeypatch, setting, count):
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    assert worker_count() == count


@pytest.mark.parametrize("setting", ["", "0", "-2", "many"])
@pytest.mark.parametrize(("processors", "count"), [(1, 1), (2, 2), (4, 3), (64, threads.MAX_WORKERS)])
def test_without_a_usable_setting_a_larger_machine_keeps_a_processor_for_the_desktop(
    monkeypatch, setting, processors, count
):
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)), raising=False)
    assert worker_count() == count


def test_a_system_that_does_not_tell_its_processors_by_process_tells_them_all(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert worker_count() == 1


def test_libraries_yet_to_be_loaded_are_told_to_sleep_while_they_wait_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    prepare_libraries()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE" and os.environ["OPENBLAS_NUM_THREADS"] == "2"


def test_the_hosts_number_of_threads_is_put_back_also_after_an_error():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(ValueError, match="broken"), one_thread_per_operation():
            assert torch.get_num_threads() == 1
            raise ValueError("broken")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_workers_start_with_one_thread_for_each_operation():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with one_thread_per_operation(), Workers(3) as workers:
            assert set(workers.map(lambda _: torch.get_num_threads(), range(12))) == {1}
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(count):
    with Workers(count) as workers:
        assert list(workers.map(lambda n: (time.sleep(0.002 * (n % 3)), n)[1], range(20))) == list(range(20))


def test_items_are_taken_only_when_they_are_needed():
    drawn = 0

    def source():
        nonlocal drawn
        for n in range(50):
            drawn += 1
            yield n

    with Workers(2) as workers:
        results = workers.map(lambda n: n, source())
        assert drawn == 0
        assert next(results) == 0 and drawn == 3
        assert next(results) == 1 and drawn == 4


@pytest.mark.parametrize("count", [1, 3])
def test_an_error_reaches_the_caller_and_the_threads_end(count):
    def work(n):
        if n == 4:
            raise ValueError("the fourth")
        return n

    before = threading.active_count()
    with pytest.raises(ValueError, match="the fourth"), Workers(count) as workers:
        list(workers.map(work, range(100)))
    assert threading.active_count() == before


@pytest.mark.parametrize("count", [1, 2])
def test_each_part_is_computed_in_its_own_context(count):
    entered = []

    @contextmanager
    def context():
        entered.append(threading.get_ident())
        yield

    with Workers(count, context) as workers:
        where = list(workers.map(lambda _: threading.get_ident(), range(6)))
    assert sorted(entered) == sorted(where)


def test_a_runtimes_workers_compute_in_its_precision_and_keep_no_gradients(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    layer = torch.nn.Linear(4, 4)
    with Runtime("cpu", "bf16").computing() as workers:
        for result in workers.map(layer, [torch.ones(1, 4)] * 4):
            assert result.dtype == torch.bfloat16 and not result.requires_grad


def test_a_gpu_is_fed_by_one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert Runtime("cuda").workers == 1 and Runtime("cpu").workers == 4


def test_without_workers_the_calling_thread_computes():
    assert list(SERIAL.map(lambda _: threading.get_ident(), range(3))) == [threading.get_ident()] * 3
