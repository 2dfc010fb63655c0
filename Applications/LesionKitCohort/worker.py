"""A worker process: the networks stay loaded; while one study is analyzed, the next is read and the last is written."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import tempfile
import threading
import time
from pathlib import Path

from LesionKitLib.run.errors import MissingResource, UnusableInput

from .studies import Study
from .tasks import Settings, Task, task_of

# Why a study failed. UNUSABLE is the study's own fault for ever; the others may be the machine's and are tried again.
UNUSABLE, MEMORY, TIME, CRASH, ERROR = "unusable", "memory", "time", "crash", "error"
READY, MISSING, BEGUN, DONE, FAILED = "ready", "missing", "begun", "done", "failed"
TOO_LARGE = "The study needs more memory than a worker may take."


def work(connection, task_name: str, settings: Settings, folder: str, memory_bytes: int) -> None:
    """The life of a worker: takes Study after Study from the connection, until it is closed.

    It sends (READY,), then for each study (BEGUN, id), and (DONE, id, columns, seconds) or (FAILED, id, cause, reason).
    Results go to folder/<the study's file name>. memory_bytes: of address space beside what the loaded networks take.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    task = task_of(task_name)
    try:
        task.load(settings)
    except (MissingResource, ModuleNotFoundError) as error:
        connection.send((MISSING, str(error)))
        return
    limit_memory(memory_bytes)
    connection.send((READY,))
    Stages(connection, task, settings, Path(folder)).run()


def _end_with_parent() -> None:
    """Nobody else ends a worker whose study is endless when the parent was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class Stages:
    """Reading, analyzing and writing side by side, each in a thread of its own, one study each."""

    def __init__(self, connection, task: Task, settings: Settings, folder: Path):
        self._connection, self._task, self._settings, self._folder = connection, task, settings, folder
        self._sending = threading.Lock()
        self._read: queue.Queue = queue.Queue(maxsize=1)  # back-pressure: at most one image waits
        self._analyzed: queue.Queue = queue.Queue(maxsize=1)

    def run(self) -> None:
        threads = [threading.Thread(target=self._reading, daemon=True), threading.Thread(target=self._writing)]
        for thread in threads:
            thread.start()
        while (item := self._read.get()) is not None:
            study, image, seconds = item
            done = self._step(study, "analyze", seconds, self._task.analyze, image)
            if done is not None:
                self._analyzed.put((study, done[0], seconds))
            item = image = done = None
        self._analyzed.put(None)
        threads[1].join()

    def _reading(self) -> None:
        while True:
            try:
                study = self._connection.recv()
            except (EOFError, OSError):
                self._read.put(None)
                return
            self._send((BEGUN, study.id))
            seconds: dict[str, float] = {}
            done = self._step(study, "read", seconds, lambda item, settings: fetched(item, self._task, settings), study)
            if done is not None:
                self._read.put((study, done[0], seconds))
            done = None

    def _writing(self) -> None:
        while (item := self._analyzed.get()) is not None:
            study, result, seconds = item
            done = self._step(study, "write", seconds, self._task.write, result, self._folder / study.file_name)
            if done is not None:
                self._send((DONE, study.id, done[0], seconds))
            item = result = done = None

    def _step(self, study: Study, stage: str, seconds: dict[str, float], call, *of) -> tuple | None:
        """(what call(*of, settings) gives,), or None where it failed and that was told."""
        start = time.perf_counter()
        try:
            return (call(*of, self._settings),)
        except Exception as error:
            self._send((FAILED, study.id, *explained(error)))
            return None
        finally:
            seconds[stage] = time.perf_counter() - start

    def _send(self, message: tuple) -> None:
        try:
            with self._sending:
                self._connection.send(message)
        except OSError:  # the parent is gone, and nobody waits for anything
            os._exit(1)


def fetched(study: Study, task: Task, settings: Settings):
    """What the task reads of a study; what lies at an fsspec address is copied here before."""
    if "://" not in study.path:
        return task.read(study.path, settings)
    import fsspec

    with tempfile.TemporaryDirectory() as place:
        system, path = fsspec.core.url_to_fs(study.path)
        target = Path(place, Path(path).name)
        system.get(path, str(target), recursive=system.isdir(path))
        return task.read(str(target), settings)


def explained(error: Exception) -> tuple[str, str]:
    """Cause and sentence of a failure; never what an image's header says."""
    if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError) or "allocate memory" in str(error):
        return MEMORY, TOO_LARGE
    if isinstance(error, UnusableInput):
        return UNUSABLE, str(error)
    return ERROR, f"LesionKit met an error of its own ({type(error).__name__})."


def limit_memory(memory_bytes: int) -> None:
    """Of the address space, which is what Linux can limit; elsewhere there is no limit."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return
    limit = pages * resource.getpagesize() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
