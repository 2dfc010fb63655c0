"""The worklist: cases, each reader's state, time and edits of each, in one SQLite file that a crash leaves whole.

A worklist is a folder: worklist.sqlite, and readings/<reader>/<case>.seg.nrrd, so that ``lesionkit agreement`` takes
the readers' folders as they are.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from LesionKitLib.io.atomic import atomic_file, refuse_unwritable
from LesionKitLib.run.errors import UnusableInput

DATABASE, READINGS = "worklist.sqlite", "readings"
OPEN, IN_PROGRESS, REVIEWED, SECOND = "open", "in progress", "reviewed", "needs a second reader"
STATES = (OPEN, IN_PROGRESS, REVIEWED, SECOND)
VERSION = 1
_TABLES = """
CREATE TABLE cases(id TEXT PRIMARY KEY, position INTEGER NOT NULL, image TEXT NOT NULL, patient TEXT NOT NULL,
  prediction TEXT NOT NULL, doubt REAL);
CREATE TABLE readings(case_id TEXT NOT NULL REFERENCES cases(id), reader TEXT NOT NULL, state TEXT NOT NULL,
  seconds REAL NOT NULL DEFAULT 0, edits INTEGER NOT NULL DEFAULT 0, file TEXT NOT NULL DEFAULT '',
  changed TEXT NOT NULL, skipped TEXT NOT NULL DEFAULT '', PRIMARY KEY(case_id, reader));
CREATE TABLE visits(case_id TEXT NOT NULL, reader TEXT NOT NULL, begun TEXT NOT NULL, seen TEXT NOT NULL,
  PRIMARY KEY(reader));
CREATE TABLE settings(name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""
# Cases that a reader may take: not finished or held by enough others, and not finished by this one.
_CANDIDATES = """
SELECT cases.* FROM cases LEFT JOIN readings AS own ON own.case_id = cases.id AND own.reader = :reader
WHERE COALESCE(own.state, 'open') IN ('open', 'in progress')
  AND (own.state = 'in progress' OR
    (SELECT COUNT(*) FROM readings AS other WHERE other.case_id = cases.id AND other.reader != :reader
       AND other.state != 'open')
    < (SELECT value FROM settings WHERE name = 'readers')
      + (SELECT COUNT(*) > 0 FROM readings AS other WHERE other.case_id = cases.id
           AND other.state = 'needs a second reader'))
ORDER BY COALESCE(own.state, 'open') != 'in progress', COALESCE(own.skipped, ''), cases.position LIMIT 1
"""


@dataclass(frozen=True)
class Case:
    """image: a file, folder or address; patient: the same for all cases of one; prediction: a segmentation to begin
    with, or ""; doubt: how unsure the network is, higher is read earlier, None where it is not known."""

    id: str
    image: str
    patient: str = ""
    prediction: str = ""
    doubt: float | None = None


@dataclass(frozen=True)
class Reading:
    """One reader's work on a case. seconds, edits: of all visits; file: the segmentation as saved last."""

    case_id: str
    reader: str
    state: str
    seconds: float
    edits: int
    file: Path | None
    changed: str


def _now() -> datetime:
    return datetime.now(UTC)


class Worklist:
    """Each call is one transaction on disk when it returns; several processes may use one worklist."""

    def __init__(self, folder: Path, clock: Callable[[], datetime] = _now):
        self.folder, self._clock = Path(folder), clock

    @classmethod
    def create(cls, folder: Path, cases: Sequence[Case], readers: int = 1) -> Worklist:
        """readers: how many read each case. Raises UnusableInput where there is a worklist, or ids are not unique."""
        folder = Path(folder)
        if len({case.id for case in cases}) != len(cases):
            raise UnusableInput("Two cases have the same id.")
        if not cases:
            raise UnusableInput("There are no cases for the worklist.")
        if (folder / DATABASE).exists():
            raise UnusableInput("The folder holds a worklist already.")
        refuse_unwritable(folder)
        with atomic_file(folder / DATABASE) as part:
            connection = sqlite3.connect(part)
            connection.executescript(_TABLES)
            rows = [(c.id, n, c.image, c.patient or c.id, c.prediction, c.doubt) for n, c in enumerate(cases)]
            connection.executemany("INSERT INTO cases VALUES (?, ?, ?, ?, ?, ?)", rows)
            connection.execute("INSERT INTO settings VALUES ('readers', ?), ('version', ?)", (readers, VERSION))
            connection.commit()
            connection.close()
        return cls(folder)

    @classmethod
    def open(cls, folder: Path, clock: Callable[[], datetime] = _now) -> Worklist:
        """Raises UnusableInput where there is none."""
        if not (Path(folder) / DATABASE).is_file():
            raise UnusableInput("The folder holds no worklist; make one by 'lesionkit worklist create'.")
        return cls(folder, clock)

    def cases(self) -> list[Case]:
        """In the order in which they are read."""
        with self._transaction() as base:
            return [_case(row) for row in base.execute("SELECT * FROM cases ORDER BY position")]

    def case(self, case_id: str) -> Case:
        """Raises UnusableInput where there is none of that id."""
        with self._transaction() as base:
            return self._case(base, case_id)

    def readings(self, state: str | None = None) -> list[Reading]:
        """All, or those of a state, by case and reader."""
        with self._transaction() as base:
            rows = base.execute(
                "SELECT readings.* FROM readings JOIN cases ON cases.id = case_id WHERE ? IN ('', state) "
                "ORDER BY position, reader",
                (state or "",),
            )
            return [self._reading(row) for row in rows]

    def next(self, reader: str) -> Case | None:
        """The case that this reader should read now, begun: the one in progress, else the first that is left.

        What was skipped comes last. None where nothing is left.
        """
        with self._transaction() as base:
            row = base.execute(_CANDIDATES, {"reader": reader}).fetchone()
            if row is None:
                self._close_visit(base, reader)
                return None
            self._begin(base, row["id"], reader)
            return _case(row)

    def previous(self, reader: str) -> Case | None:
        """The case before the one of the last visit, among those that this reader has begun; it is begun again."""
        with self._transaction() as base:
            row = base.execute(
                "SELECT cases.* FROM cases JOIN readings ON case_id = id AND reader = :reader WHERE position < "
                "COALESCE((SELECT position FROM cases JOIN visits ON visits.case_id = cases.id AND visits.reader = "
                ":reader), (SELECT COUNT(*) FROM cases)) ORDER BY position DESC LIMIT 1",
                {"reader": reader},
            ).fetchone()
            if row is None:
                return None
            self._begin(base, row["id"], reader)
            return _case(row)

    def begin(self, case_id: str, reader: str) -> Case:
        """Open a case; its time runs. Raises UnusableInput where there is none of that id."""
        with self._transaction() as base:
            case = self._case(base, case_id)
            self._begin(base, case_id, reader)
            return case

    def skip(self, reader: str) -> Case | None:
        """Leave the case in progress for later (what was saved stays), and take the next."""
        with self._transaction() as base:
            now = self._clock().isoformat()
            self._close_visit(base, reader)
            base.execute(
                "UPDATE readings SET state = ?, skipped = ?, changed = ? WHERE reader = ? AND state = ?",
                (OPEN, now, now, reader, IN_PROGRESS),
            )
        return self.next(reader)

    def save(self, case_id: str, reader: str, segmentation: Path | None = None, edits: int = 0) -> None:
        """Autosave: keep the segmentation, count edits since the last save, and note that the reader is still there."""
        with self._transaction() as base:
            self._case(base, case_id)
            visit = base.execute("SELECT case_id FROM visits WHERE reader = ?", (reader,)).fetchone()
            if visit is None or visit["case_id"] != case_id:
                self._begin(base, case_id, reader)
            now = self._clock().isoformat()
            if segmentation is not None:
                kept = self.place_of(case_id, reader)
                with atomic_file(kept) as part:
                    shutil.copyfile(segmentation, part)
                base.execute(
                    "UPDATE readings SET file = ? WHERE case_id = ? AND reader = ?",
                    (kept.relative_to(self.folder).as_posix(), case_id, reader),
                )
            base.execute("UPDATE visits SET seen = ? WHERE reader = ?", (now, reader))
            base.execute(
                "UPDATE readings SET state = ?, edits = edits + ?, changed = ? WHERE case_id = ? AND reader = ?",
                (IN_PROGRESS, edits, now, case_id, reader),
            )

    def finish(self, case_id: str, reader: str, state: str = REVIEWED) -> None:
        """Close the visit and set the state. Raises ValueError for a state that there is not."""
        if state not in STATES:
            raise ValueError(f"no state of a case: {state}")
        with self._transaction() as base:
            self._case(base, case_id)
            visit = base.execute("SELECT case_id FROM visits WHERE reader = ?", (reader,)).fetchone()
            if visit is not None and visit["case_id"] == case_id:
                base.execute("UPDATE visits SET seen = ? WHERE reader = ?", (self._clock().isoformat(), reader))
                self._close_visit(base, reader)
            self._note(base, case_id, reader, state)

    def place_of(self, case_id: str, reader: str) -> Path:
        """Where a reader's segmentation of a case is kept."""
        return self.folder / READINGS / quote(reader, safe=" ") / f"{quote(case_id, safe=' ')}.seg.nrrd"

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.folder / DATABASE, timeout=30, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise UnusableInput("The worklist cannot be read or written; its file may be damaged or locked.") from error
        finally:
            connection.close()  # what was not committed is rolled back

    def _begin(self, base: sqlite3.Connection, case_id: str, reader: str) -> None:
        self._close_visit(base, reader)
        now = self._clock().isoformat()
        base.execute("INSERT INTO visits VALUES (?, ?, ?, ?)", (case_id, reader, now, now))
        found = base.execute(
            "SELECT state FROM readings WHERE case_id = ? AND reader = ?", (case_id, reader)
        ).fetchone()
        if found is None or found["state"] == OPEN:
            self._note(base, case_id, reader, IN_PROGRESS)

    def _close_visit(self, base: sqlite3.Connection, reader: str) -> None:
        """Add the visit's time, up to the last sign of life, to its reading. A crash leaves a visit for this."""
        row = base.execute("SELECT * FROM visits WHERE reader = ?", (reader,)).fetchone()
        if row is None:
            return
        seconds = (datetime.fromisoformat(row["seen"]) - datetime.fromisoformat(row["begun"])).total_seconds()
        base.execute(
            "UPDATE readings SET seconds = seconds + ? WHERE case_id = ? AND reader = ?",
            (max(seconds, 0.0), row["case_id"], reader),
        )
        base.execute("DELETE FROM visits WHERE reader = ?", (reader,))

    def _note(self, base: sqlite3.Connection, case_id: str, reader: str, state: str) -> None:
        base.execute(
            "INSERT INTO readings(case_id, reader, state, changed) VALUES (?, ?, ?, ?) "
            "ON CONFLICT(case_id, reader) DO UPDATE SET state = excluded.state, changed = excluded.changed",
            (case_id, reader, state, self._clock().isoformat()),
        )

    def _case(self, base: sqlite3.Connection, case_id: str) -> Case:
        row = base.execute("SELECT * FROM cases WHERE id = ?", (case_id,)).fetchone()
        if row is None:
            raise UnusableInput(f"The worklist has no case '{case_id}'.")
        return _case(row)

    def _reading(self, row: sqlite3.Row) -> Reading:
        file = self.folder / row["file"] if row["file"] else None
        return Reading(row["case_id"], row["reader"], row["state"], row["seconds"], row["edits"], file, row["changed"])


def _case(row: sqlite3.Row) -> Case:
    return Case(row["id"], row["image"], row["patient"], row["prediction"], row["doubt"])
