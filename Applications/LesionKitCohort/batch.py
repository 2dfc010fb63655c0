"""A batch: exactly one row for each study, kept as it comes, so that a batch that was killed goes on where it was.

A study's row is a small file of its own, written all or nothing, from which the tables are made at the end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from LesionKitLib import __version__
from LesionKitLib.io.atomic import atomic_file, refuse_unwritable
from LesionKitLib.report.files import rows_writer, write_files
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress

from .pool import Limits, Outcome, Pool
from .ray_pool import RayEngine
from .studies import Study
from .summary import FAILED, OK, summary_of
from .tasks import Settings, task_of
from .worker import UNUSABLE

ROWS, STUDIES, PLAN = "rows", "studies", "batch.json"
TABLE, PARQUET, TIMINGS, SUMMARY = "studies.csv", "studies.parquet", "timings.csv", "summary.html"
FIRST = ("study", "status", "cause", "reason")  # columns of every row; all others are the task's
STAGES = ("read", "analyze", "write")
EARLIER = "The folder holds an earlier batch: go on with it by --resume, or name another folder."
OTHER = "The folder holds a batch of another task, network or version of LesionKit; name another folder."


@dataclass(frozen=True)
class Batch:
    """What was done: rows by study, in the order of the studies; counts; seconds and studies of this run."""

    rows: list[dict]
    seconds: float
    analyzed: int

    @property
    def failed(self) -> list[dict]:
        return [row for row in self.rows if row["status"] == FAILED]

    @property
    def per_hour(self) -> float | None:
        """Studies per hour of this run."""
        return 3600 * self.analyzed / self.seconds if self.analyzed and self.seconds else None


def run_batch(
    task: str, studies: Sequence[Study], folder: Path, settings: Settings, workers: int = 1,
    limits: Limits | None = None, resume: bool = False, progress: Progress | None = None,
    engine: RayEngine | None = None,
) -> Batch:  # fmt: skip
    """Analyze all studies and write tables and summary into ``folder``; what is there of each study stays by itself.

    resume: go on with an earlier batch there: rows are kept, but studies that failed for a reason that may pass are
    tried again. engine: where the workers run; processes of this machine by default.
    Raises UnusableInput, MissingResource, Cancelled (then --resume goes on).
    """
    folder = Path(folder)
    refuse_unwritable(folder)
    _open(folder, task, settings, resume)
    kept = {study.id: record for study in studies if (record := _read(folder, study)) and _stands(record)}
    start = time.monotonic()
    todo = [study for study in studies if study.id not in kept]
    if todo:
        make = engine.pool if engine else Pool
        pool = make(task, settings, str(folder / STUDIES), workers, limits)
        pool.run(todo, lambda outcome: _keep(folder, outcome), progress or Progress())
    records = [_read(folder, study) for study in studies]
    batch = Batch([record["row"] for record in records], time.monotonic() - start, len(todo))
    _write_tables(folder, task, batch, records)
    return batch


def _open(folder: Path, task: str, settings: Settings, resume: bool) -> None:
    plan = {"task": task, **asdict(settings), "lesionkit": __version__}
    path = folder / PLAN
    if path.exists():
        if not resume:
            raise UnusableInput(EARLIER)
        if json.loads(path.read_text("utf-8")) != plan:
            raise UnusableInput(OTHER)
        return
    _write_json(path, plan)


def _keep(folder: Path, outcome: Outcome) -> None:
    status = (OK, "", "") if outcome.columns is not None else (FAILED, outcome.cause, outcome.reason)
    row = dict(zip(FIRST, (outcome.study.id, *status), strict=True)) | (outcome.columns or {})
    record = {"row": row, "seconds": outcome.seconds, "attempts": outcome.attempts}
    _write_json(_place(folder, outcome.study), record)


def _place(folder: Path, study: Study) -> Path:
    return folder / ROWS / f"{study.file_name}.json"


def _read(folder: Path, study: Study) -> dict | None:
    try:
        return json.loads(_place(folder, study).read_text("utf-8"))
    except FileNotFoundError:
        return None


def _stands(record: dict) -> bool:
    return record["row"]["status"] == OK or record["row"]["cause"] == UNUSABLE


def _write_json(path: Path, document: dict) -> None:
    with atomic_file(path) as part:
        part.write_text(json.dumps(document, ensure_ascii=False, allow_nan=False), encoding="utf-8")


def _write_tables(folder: Path, task: str, batch: Batch, records: list[dict]) -> None:
    from LesionKitLib.report.files import write_report

    from .parquet import is_parquet_possible, parquet_writer

    columns = list(dict.fromkeys([*FIRST, *(name for row in batch.rows for name in row)]))
    timings = [[r["row"]["study"], r["attempts"], *(r["seconds"].get(stage) for stage in STAGES)] for r in records]
    writers = {
        TABLE: rows_writer(columns, [[row.get(name) for name in columns] for row in batch.rows]),
        TIMINGS: rows_writer(["study", "attempts", *(f"{stage}_s" for stage in STAGES)], timings),
    }
    if is_parquet_possible():
        writers[PARQUET] = parquet_writer(columns, batch.rows)
    write_files(folder, writers)
    write_report(summary_of(records, batch.per_hour, task_of(task).main, folder / STUDIES), folder / SUMMARY)
