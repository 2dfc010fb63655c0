"""The journal's connection: transactions, queries, and what its rows are."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from BodyPartRouterLib.routing.configuration.rules import Sender
from BodyPartRouterLib.routing.plan import Delivery
from LesionKitLib.run.errors import UnusableInput

from .tables import CLASSIFIED, DELIVERED, DELIVERING, HELD, prepare_tables


@dataclass(frozen=True)
class Image:
    """id: of the journal; digest: sha256 of the file; path: where the file lies; received: seconds since 1970.

    starts: how many times the program began to examine it without coming to an end. sender: who sent it.
    """

    id: str
    uid: str
    digest: str
    path: Path
    received: float
    removes_source: bool = False
    held: bool = False
    starts: int = 0
    sender: Sender = field(default_factory=Sender)


@dataclass(frozen=True)
class DeliveryTask:
    """One delivery of one image that is due. attempts: how many have failed."""

    image: Image
    step: int
    delivery: Delivery
    attempts: int


class JournalConnection:
    """path: a file, or ":memory:". May be used from several threads and processes.

    clock: seconds since 1970; monotonic: seconds of the clock that waiting goes by.
    """

    def __init__(self, path: str | os.PathLike = ":memory:", clock=time.time, monotonic=time.monotonic):
        self._clock, self._monotonic = clock, monotonic
        self._lock = threading.RLock()
        self._limited = False
        try:
            self._base = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._base.row_factory = sqlite3.Row
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")
            prepare_tables(self._base)
            self._base.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error as error:
            raise UnusableInput(f"The journal '{path}' cannot be used: {error}.") from None

    def close(self) -> None:
        with self._lock:
            self._base.close()

    def _finish(self, base, image_id: str) -> bool:
        done = base.execute(
            "UPDATE images SET state = iif(held, ?, ?), changed = ? WHERE id = ? AND state IN (?, ?) "
            "AND NOT EXISTS (SELECT 1 FROM deliveries WHERE image = images.id AND state != 'done')",
            (HELD, DELIVERED, self._clock(), image_id, CLASSIFIED, DELIVERING),
        )
        return done.rowcount == 1

    @property
    def _only_chosen(self) -> str:
        return " AND images.id IN (SELECT id FROM chosen)" if self._limited else ""

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on the disk when the block ends."""
        with self._lock:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")

    def _all(self, query: str, *values) -> list[sqlite3.Row]:
        with self._lock:
            return self._base.execute(query, values).fetchall()

    def _one(self, query: str, *values) -> sqlite3.Row | None:
        with self._lock:
            return self._base.execute(query, values).fetchone()


def insert_deliveries(base, image_id: str, deliveries: Sequence[Delivery]) -> None:
    base.executemany(
        "INSERT INTO deliveries (image, step, kind, target, change, group_key) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (image_id, step, one.kind, text_or_bytes(one.target), one.change, one.group_key)
            for step, one in enumerate(deliveries)
        ],
    )


def text_or_bytes(text: str) -> str | bytes:
    """SQLite's text is UTF-8: a name of other bytes, which Python writes with surrogates, is kept as bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text)
    return text


def path_value(path: Path) -> str | bytes:
    return text_or_bytes(str(path))


def delivery_of(row: sqlite3.Row) -> Delivery:
    return Delivery(row["kind"], os.fsdecode(row["target"]), row["change"], row["group_key"])


def image_of(row: sqlite3.Row) -> Image:
    return Image(
        row["id"],
        row["uid"],
        row["digest"],
        Path(os.fsdecode(row["path"])),
        row["received"],
        bool(row["removes_source"]),
        bool(row["held"]),
        row["starts"],
        Sender(row["calling_ae"], row["called_ae"], row["address"]),
    )
