"""A pool on a Ray cluster: actors that keep the networks warm; their results come back through Ray's object store.

An actor reads one study while it analyzes another and writes a third's results (Ray's concurrency groups), and has at
most two studies at a time. Inputs are read where the actor runs, so addresses or paths must be the same on every node;
results are written by the caller, so nodes need no shared disk for them. Blame and retries are the process pool's:
where an actor dies or takes too long with two studies, each is tried again alone. Studies on a node that is lost are
tried again elsewhere and are not to blame.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from LesionKitLib.io.atomic import atomic_folder
from LesionKitLib.run.errors import MissingResource, UnusableInput
from LesionKitLib.run.progress import Progress

from .pool import STARTS, STEP_S, Limits, Outcome
from .studies import Study
from .tasks import Settings, task_of
from .worker import CRASH, DONE, FAILED, MISSING, READY, TIME, UNUSABLE, explained, fetched, limit_memory

IN_FLIGHT = 2  # studies of an actor: one is analyzed, the next is read
START_S = 300.0  # within which one actor must be ready


@dataclass(frozen=True)
class RayEngine:
    """address: of a cluster ("auto" for the one that this machine belongs to), "" for one of this process's own.

    cpus, gpus: that an actor holds; parts of a GPU are possible.
    """

    address: str = ""
    cpus: float = 1.0
    gpus: float = 0.0

    def pool(self, task: str, settings: Settings, folder: str, workers: int, limits: Limits | None) -> RayPool:
        return RayPool(self, task, settings, folder, workers, limits)


class StudyActor:
    """What runs on a node, in a process of its own. Each method ends with a value, also where the study fails."""

    def __init__(self, task: str, settings: Settings, memory_bytes: int):
        self._task, self._settings, self._memory = task_of(task), settings, memory_bytes
        self._held: dict[str, object] = {}  # study -> its image, then its result; they never leave the actor

    def load(self) -> tuple:
        try:
            self._task.load(self._settings)
        except (MissingResource, ModuleNotFoundError) as error:
            return MISSING, str(error)
        limit_memory(self._memory)
        return READY, _node()

    def read(self, study: Study) -> tuple:
        return self._step(study, "read", {}, lambda: self._keep(study, fetched(study, self._task, self._settings)))

    def analyze(self, study: Study, before: tuple) -> tuple:
        if before[0] == FAILED:
            return before
        image = self._held.pop(study.id)
        return self._step(
            study, "analyze", before[2], lambda: self._keep(study, self._task.analyze(image, self._settings))
        )

    def write(self, study: Study, before: tuple) -> tuple:
        """(DONE, (columns, files' names -> bytes), seconds) or (FAILED, cause, reason)."""
        if before[0] == FAILED:
            return before
        result = self._held.pop(study.id)
        return self._step(study, "write", before[2], lambda: self._written(result))

    def _written(self, result) -> tuple[dict, dict[str, bytes]]:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, "study")
            columns = self._task.write(result, folder, self._settings)
            files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
            return columns, {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}

    def _keep(self, study: Study, value) -> None:
        self._held[study.id] = value

    def _step(self, study: Study, stage: str, seconds: dict[str, float], call: Callable) -> tuple:
        start = time.perf_counter()
        try:
            value = call()
        except Exception as error:
            self._held.pop(study.id, None)
            return (FAILED, *explained(error))
        return DONE, value, {**seconds, stage: time.perf_counter() - start}


def _node() -> str:
    import ray

    return ray.get_runtime_context().get_node_id()


@dataclass(eq=False)
class _Attempt:
    study: Study
    number: int = 1
    alone: bool = False


@dataclass(eq=False)
class _Actor:
    """ready: the reference of its load(), None once it is; node: where it runs; flight: reference -> attempt."""

    handle: object
    ready: object | None
    node: str = ""
    flight: dict = field(default_factory=dict)
    since: float = 0.0  # its last sign of life: a study given to it when it was idle, or one that it ended

    def takes(self, attempt: _Attempt) -> bool:
        if self.ready is not None or any(other.alone for other in self.flight.values()):
            return False
        return len(self.flight) < (1 if attempt.alone else IN_FLIGHT)


class RayPool:
    """run() gives every study to the actors and tells each Outcome once, as Pool does."""

    def __init__(
        self, engine: RayEngine, task: str, settings: Settings, folder: str, workers: int, limits: Limits | None = None
    ):
        self._engine, self._task, self._settings = engine, task, settings
        self._folder, self._count, self._limits = Path(folder), workers, limits or Limits()
        self._actors: list[_Actor] = []
        self._waiting: deque[_Attempt] = deque()
        self._starts, self._begun = 0, 0.0

    def run(self, studies: Sequence[Study], told: Callable[[Outcome], None], progress: Progress) -> None:
        """Raises Cancelled, MissingResource, UnusableInput where the cluster cannot be reached or no actor starts."""
        import ray

        owns = not ray.is_initialized()
        if owns:
            self._connect()
        self._told, count, self._begun = told, len(studies), time.monotonic()
        self._waiting = deque(_Attempt(study) for study in studies)
        try:
            self._actors = [self._started() for _ in range(min(self._count, count))]
            while self._waiting or any(actor.flight for actor in self._actors):
                left = len(self._waiting) + sum(len(actor.flight) for actor in self._actors)
                progress.report(f"{count - left} of {count} studies", (count - left) / count)
                self._hand_out()
                self._listen()
                self._look_after()
        finally:
            for actor in self._actors:
                ray.kill(actor.handle)
            if owns:
                ray.shutdown()

    def _connect(self) -> None:
        import ray

        paths = os.pathsep.join(path for path in sys.path if path)
        options = {"address": self._engine.address} if self._engine.address else {"include_dashboard": False}
        try:
            ray.init(
                **options,
                log_to_driver=False,
                logging_level="ERROR",
                runtime_env={"env_vars": {"PYTHONPATH": paths}},
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UnusableInput("The Ray cluster cannot be reached.") from error

    def _started(self) -> _Actor:
        import ray

        remote = ray.remote(concurrency_groups={"reading": 1, "writing": 1})(_grouped())
        handle = remote.options(num_cpus=self._engine.cpus, num_gpus=self._engine.gpus, max_restarts=0).remote(
            self._task, self._settings, self._limits.memory_bytes
        )
        return _Actor(handle, handle.load.remote())

    def _hand_out(self) -> None:
        for actor in self._actors:
            while self._waiting and actor.takes(self._waiting[0]):
                attempt = self._waiting.popleft()
                if not actor.flight:
                    actor.since = time.monotonic()
                read = actor.handle.read.remote(attempt.study)
                analyzed = actor.handle.analyze.remote(attempt.study, read)
                actor.flight[actor.handle.write.remote(attempt.study, analyzed)] = attempt

    def _listen(self) -> None:
        import ray

        of = {reference: actor for actor in self._actors for reference in actor.flight}
        of |= {actor.ready: actor for actor in self._actors if actor.ready is not None}
        finished, _ = ray.wait(list(of), num_returns=1, timeout=STEP_S)
        for reference in finished:
            actor = of[reference]
            try:
                value = ray.get(reference)
            except ray.exceptions.RayError:
                self._replace(actor, CRASH)
                continue
            actor.since = time.monotonic()
            if reference is actor.ready:
                self._become_ready(actor, value)
            else:
                self._end(actor.flight.pop(reference), value)

    def _become_ready(self, actor: _Actor, value: tuple) -> None:
        if value[0] == MISSING:
            raise MissingResource(value[1])
        actor.ready, actor.node, self._starts = None, value[1], 0

    def _end(self, attempt: _Attempt, value: tuple) -> None:
        if value[0] == FAILED:
            self._blame(attempt, value[1], value[2])
            return
        (columns, files), seconds = value[1], value[2]
        if files:
            self._save(attempt.study, files)
        self._told(Outcome(attempt.study, columns, seconds=seconds, attempts=attempt.number))

    def _save(self, study: Study, files: dict[str, bytes]) -> None:
        with atomic_folder(self._folder / study.file_name) as part:
            for name, content in files.items():
                target = part / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)

    def _look_after(self) -> None:
        now = time.monotonic()
        for actor in list(self._actors):
            if actor.flight and now - actor.since > self._limits.seconds:
                self._replace(actor, TIME)
        if all(actor.ready is not None for actor in self._actors) and now - self._begun > START_S:
            raise UnusableInput("No worker could be started on the Ray cluster; it may lack processors.")
        if any(actor.ready is None for actor in self._actors):
            self._begun = now

    def _replace(self, actor: _Actor, cause: str) -> None:
        """Another actor takes its place; its studies are tried again or blamed."""
        import ray

        if actor not in self._actors:
            return
        if actor.ready is not None:
            self._starts += 1
            if self._starts >= STARTS:
                raise UnusableInput("The workers cannot be started; the nodes may have too little memory.")
        lost = cause == CRASH and not _is_alive(actor.node)
        ray.kill(actor.handle)
        attempts = list(actor.flight.values())
        for attempt in attempts:
            if lost:
                self._waiting.append(attempt)
            elif len(attempts) == 1:
                self._blame(attempt, cause, self._sentence(cause))
            else:
                self._waiting.append(_Attempt(attempt.study, attempt.number, alone=True))
        self._actors[self._actors.index(actor)] = self._started()

    def _sentence(self, cause: str) -> str:
        if cause == TIME:
            return f"The study took more than {self._limits.seconds:g} seconds."
        return "The worker process ended while it had the study."

    def _blame(self, attempt: _Attempt, cause: str, reason: str) -> None:
        if cause == UNUSABLE or attempt.number > self._limits.retries:
            self._told(Outcome(attempt.study, None, cause, reason, attempts=attempt.number))
        else:
            self._waiting.append(_Attempt(attempt.study, attempt.number + 1, alone=True))


def _grouped() -> type:
    """StudyActor with its methods in groups; made here, because importing Ray is slow."""
    import ray

    class Grouped(StudyActor):
        @ray.method(concurrency_group="reading")
        def read(self, study):
            return super().read(study)

        @ray.method(concurrency_group="writing")
        def write(self, study, before):
            return super().write(study, before)

    return Grouped


def _is_alive(node: str) -> bool:
    """Whether the node still is; Ray notices a lost one some seconds after its actors."""
    import ray

    end = time.monotonic() + 10.0
    while time.monotonic() < end:
        if not any(found["NodeID"] == node and found["Alive"] for found in ray.nodes()):
            return False
        time.sleep(0.5)
        if any(found["NodeID"] == node and found["Alive"] for found in ray.nodes()) and _answers(node):
            return True
    return True


def _answers(node: str) -> bool:
    """Whether a small task runs on the node."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(node, soft=False)
    probe = ray.remote(num_cpus=0, max_retries=0)(_node).options(scheduling_strategy=here).remote()
    try:
        return ray.get(probe, timeout=5.0) == node
    except ray.exceptions.RayError:
        return False
