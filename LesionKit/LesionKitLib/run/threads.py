"""The one policy on threads, for Slicer, the command line, the page and cohorts.

Parts of the work (slices, pictures) run side by side, each on one thread from beginning to end; no single convolution
or matrix product is divided among threads. So nothing waits in a busy loop for a thread that the desktop has put
aside, two libraries never fight for the same processors, and the result is the same, bit by bit, on any number of
threads. Works also where PyTorch and NumPy were imported before by the host; what is changed there is put back.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

COUNT = "OMP_NUM_THREADS"  # how many threads a user allows, as for most numerical programs
MAX_WORKERS = 8  # of a larger machine: more gain little and take memory


def worker_count() -> int:
    """How many threads compute: OMP_NUM_THREADS where it is set, else the processors that this process may use.

    Of more than two processors one is left to the desktop.
    """
    with suppress(ValueError):
        wanted = int(os.environ.get(COUNT, "").split(",")[0])
        if wanted > 0:
            return min(wanted, MAX_WORKERS)
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        available = os.cpu_count() or 1
    return max(1, min(available if available < 3 else available - 1, MAX_WORKERS))


def prepare_libraries() -> None:
    """Settings that numerical libraries read when they are loaded, unless the user has made them.

    Threads that have nothing to do sleep instead of spinning; a matrix product runs on one thread.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@contextmanager
def one_thread_per_operation() -> Iterator[None]:
    """While it lasts every operation of PyTorch and of NumPy's BLAS runs on the thread that called it.

    BLAS is told through threadpoolctl where that is installed.
    """
    import torch

    before = torch.get_num_threads()
    with _blas_on_one_thread():
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def _blas_on_one_thread() -> AbstractContextManager:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(1, user_api="blas")


class Workers:
    """Threads that compute parts of one job. A context manager; with a count of 1 the calling thread computes.

    context: makes the context that each part is computed in (what is set for one thread only, as PyTorch's modes are).
    """

    def __init__(self, count: int = 1, context: Callable[[], AbstractContextManager] = nullcontext):
        self.count = count
        self._context = context
        self._pool = ThreadPoolExecutor(count, "LesionKit") if count > 1 else None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, work: Callable[[Any], Any], items: Iterable) -> Iterator:
        """work(item) of each item, in their order.

        Items are taken by the calling thread and only when needed: at most one more than there are threads are under
        way, so that memory stays bounded. What work raises is raised here.
        """
        if self._pool is None:
            for item in items:
                yield self._compute(work, item)
            return
        waiting: deque[Future] = deque()
        try:
            for item in items:
                waiting.append(self._pool.submit(self._compute, work, item))
                del item
                if len(waiting) > self.count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _compute(self, work: Callable[[Any], Any], item):
        with self._context():
            return work(item)


SERIAL = Workers()
