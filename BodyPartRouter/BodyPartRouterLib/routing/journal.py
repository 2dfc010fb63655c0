"""The journal: which image is where on its way, in SQLite, so that a crash at any moment loses and doubles nothing.

An image goes inbox -> classified -> delivering -> delivered, or to failed when a delivery was given up. Each step is
one transaction that is on the disk before the next begins; each delivery can be made twice with the effect of once.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from LesionKitLib.run.errors import UnusableInput

from .plan import Delivery

INBOX, CLASSIFIED, DELIVERING, DELIVERED, FAILED = "inbox", "classified", "delivering", "delivered", "failed"
_TABLES = """
CREATE TABLE IF NOT EXISTS images (
  id TEXT PRIMARY KEY, uid TEXT NOT NULL, digest TEXT NOT NULL, path TEXT NOT NULL, received REAL NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('inbox', 'classified', 'delivering', 'delivered', 'failed')),
  changed REAL NOT NULL, label TEXT, probability REAL, rule TEXT, held INTEGER NOT NULL DEFAULT 0, reason TEXT,
  removes_source INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS images_state ON images (state, received);
CREATE INDEX IF NOT EXISTS images_uid ON images (uid);
CREATE TABLE IF NOT EXISTS deliveries (
  image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE, step INTEGER NOT NULL, kind TEXT NOT NULL,
  target TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
  attempts INTEGER NOT NULL DEFAULT 0, next_try REAL NOT NULL DEFAULT 0, note TEXT,
  PRIMARY KEY (image, step)
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, kind, target, next_try);
"""


@dataclass(frozen=True)
class Image:
    """id: of the journal; digest: sha256 of the file; path: where the file lies; received: seconds since 1970."""

    id: str
    uid: str
    digest: str
    path: Path
    received: float
    removes_source: bool = False
    held: bool = False


@dataclass(frozen=True)
class Parcel:
    """One delivery of one image that is due. attempts: how many have failed."""

    image: Image
    step: int
    delivery: Delivery
    attempts: int


class Journal:
    """path: a file, or ":memory:". May be used from several threads. clock: seconds since 1970."""

    def __init__(self, path: str | Path = ":memory:", clock=time.time):
        self._clock = clock
        self._lock = threading.RLock()
        try:
            self._base = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._base.row_factory = sqlite3.Row
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")
            self._base.execute("PRAGMA foreign_keys = ON")
            self._base.executescript(_TABLES)
        except sqlite3.Error as error:
            raise UnusableInput(f"The journal '{path}' cannot be used: {error}.") from None

    def close(self) -> None:
        with self._lock:
            self._base.close()

    def add(self, image: Image) -> bool:
        """Take up an image; False when its id is known already, in whatever state."""
        with self._change() as base:
            done = base.execute(
                "INSERT OR IGNORE INTO images (id, uid, digest, path, received, state, changed) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (image.id, image.uid, image.digest, str(image.path), image.received, INBOX, self._clock()),
            )
            return done.rowcount == 1

    def state(self, image_id: str) -> str | None:
        row = self._one("SELECT state FROM images WHERE id = ?", image_id)
        return row["state"] if row else None

    def earlier_with_uid(self, image: Image) -> bool:
        """Whether an image that was taken up earlier, with other bytes, claims the same SOP Instance UID."""
        query = "SELECT 1 FROM images WHERE uid = ? AND digest != ? AND rowid < (SELECT rowid FROM images WHERE id = ?)"
        return bool(image.uid and self._one(query, image.uid, image.digest, image.id))

    def waiting(self, limit: int) -> list[Image]:
        """Images to classify, the oldest first."""
        rows = self._all("SELECT * FROM images WHERE state = ? ORDER BY received, id LIMIT ?", INBOX, limit)
        return [_image(row) for row in rows]

    def classify(
        self,
        image: Image,
        deliveries: Sequence[Delivery],
        label: str | None,
        probability: float | None,
        rule: str,
        held: bool = False,
        reason: str | None = None,
        removes_source: bool = False,
    ) -> None:
        """Write down what an image is and where it goes."""
        with self._change() as base:
            done = base.execute(
                "UPDATE images SET state = ?, changed = ?, label = ?, probability = ?, rule = ?, held = ?, reason = ?, "
                "removes_source = ? WHERE id = ? AND state = ?",
                (CLASSIFIED, self._clock(), label, probability, rule, held, reason, removes_source, image.id, INBOX),
            )
            if done.rowcount:
                base.executemany(
                    "INSERT INTO deliveries (image, step, kind, target) VALUES (?, ?, ?, ?)",
                    [(image.id, step, delivery.kind, delivery.target) for step, delivery in enumerate(deliveries)],
                )

    def due(self, kind: str, target: str | None, limit: int) -> list[Parcel]:
        """Deliveries to make now, the oldest image first, which are then "delivering". target None: all of the kind."""
        with self._change() as base:
            rows = base.execute(
                "SELECT images.*, step, kind, target, attempts FROM deliveries JOIN images ON id = image "
                "WHERE deliveries.state = 'waiting' AND kind = ? AND (? IS NULL OR target = ?) AND next_try <= ? "
                "ORDER BY received, id, step LIMIT ?",
                (kind, target, target, self._clock(), limit),
            ).fetchall()
            base.executemany(
                "UPDATE images SET state = ?, changed = ? WHERE id = ? AND state = ?",
                [(DELIVERING, self._clock(), row["id"], CLASSIFIED) for row in rows],
            )
        return [Parcel(_image(row), row["step"], Delivery(row["kind"], row["target"]), row["attempts"]) for row in rows]

    def done(self, parcel: Parcel, note: str = "") -> bool:
        """A delivery is made. True when it was the image's last: it is "delivered", and its source may go."""
        with self._change() as base:
            base.execute(
                "UPDATE deliveries SET state = 'done', note = ?, attempts = attempts + 1 WHERE image = ? AND step = ?",
                (note, parcel.image.id, parcel.step),
            )
            return self._finish(base, parcel.image.id)

    def retry(self, parcel: Parcel, note: str, wait_s: float) -> None:
        """A delivery failed and is due again in so many seconds."""
        with self._change() as base:
            base.execute(
                "UPDATE deliveries SET attempts = attempts + 1, next_try = ?, note = ? WHERE image = ? AND step = ?",
                (self._clock() + wait_s, note, parcel.image.id, parcel.step),
            )

    def give_up(self, parcel: Parcel, note: str) -> None:
        """A delivery failed for good; the image's source stays."""
        with self._change() as base:
            base.execute(
                "UPDATE deliveries SET state = 'failed', attempts = attempts + 1, note = ? "
                "WHERE image = ? AND step = ?",
                (note, parcel.image.id, parcel.step),
            )
            base.execute(
                "UPDATE images SET state = ?, changed = ? WHERE id = ?", (FAILED, self._clock(), parcel.image.id)
            )

    def try_failed_again(self) -> int:
        """Deliveries that were given up are due again; how many images."""
        with self._change() as base:
            base.execute("UPDATE deliveries SET state = 'waiting', attempts = 0, next_try = 0 WHERE state = 'failed'")
            return base.execute("UPDATE images SET state = ? WHERE state = ?", (DELIVERING, FAILED)).rowcount

    def finish_complete(self) -> None:
        """Images without a delivery left, such as those of a crash before this was written, are "delivered"."""
        with self._change() as base:
            for row in base.execute("SELECT id FROM images WHERE state IN (?, ?)", (CLASSIFIED, DELIVERING)).fetchall():
                self._finish(base, row["id"])

    def delivered(self) -> list[Image]:
        """Images that are where they belong."""
        return [_image(row) for row in self._all("SELECT * FROM images WHERE state = ?", DELIVERED)]

    def next_try(self, kind: str, target: str | None = None) -> float | None:
        """When the next delivery of this kind is due (seconds since 1970), None when none waits."""
        row = self._one(
            "SELECT min(next_try) AS at FROM deliveries WHERE state = 'waiting' AND kind = ? "
            "AND (? IS NULL OR target = ?)",
            kind,
            target,
            target,
        )
        return row["at"]

    def counts(self) -> dict[str, int]:
        """Images in each state."""
        found = dict.fromkeys((INBOX, CLASSIFIED, DELIVERING, DELIVERED, FAILED), 0)
        found.update({row[0]: row[1] for row in self._all("SELECT state, count(*) FROM images GROUP BY state")})
        return found

    def attention(self) -> list[dict]:
        """Held and failed images: uid, state, label, reason and the deliveries' notes."""
        rows = self._all(
            "SELECT id, uid, state, held, label, reason, (SELECT group_concat(note, '; ') FROM deliveries "
            "WHERE image = id AND deliveries.state = 'failed') AS notes FROM images "
            "WHERE held OR state = ? ORDER BY received",
            FAILED,
        )
        return [dict(row) for row in rows]

    def notes(self, image_id: str) -> list[str]:
        """What the deliveries of an image have come to, in order."""
        return [
            row[0] or "" for row in self._all("SELECT note FROM deliveries WHERE image = ? ORDER BY step", image_id)
        ]

    def forget(self, older_than_s: float) -> int:
        """Drop delivered images of so long ago; how many."""
        with self._change() as base:
            return base.execute(
                "DELETE FROM images WHERE state = ? AND changed < ?", (DELIVERED, self._clock() - older_than_s)
            ).rowcount

    def _finish(self, base, image_id: str) -> bool:
        done = base.execute(
            "UPDATE images SET state = ?, changed = ? WHERE id = ? AND state IN (?, ?) "
            "AND NOT EXISTS (SELECT 1 FROM deliveries WHERE image = images.id AND state != 'done')",
            (DELIVERED, self._clock(), image_id, CLASSIFIED, DELIVERING),
        )
        return done.rowcount == 1

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


def _image(row: sqlite3.Row) -> Image:
    return Image(
        row["id"],
        row["uid"],
        row["digest"],
        Path(row["path"]),
        row["received"],
        bool(row["removes_source"]),
        bool(row["held"]),
    )
