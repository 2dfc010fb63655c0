"""The journal: which image is where on its way, in SQLite, so that a crash at any moment loses and doubles nothing.

An image goes inbox -> classified -> delivering -> delivered (or held, when a person must look at it), or to failed when
a delivery was given up. Each step is one transaction that is on the disk before the next begins; each delivery can be
made twice with the effect of once.

Waiting times are those of a monotonic clock, so that setting the computer's clock delays nothing; they mean nothing to
another process, so whoever starts to deliver calls make_all_due() first.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from BodyPartRouterLib.labels import UNKNOWN
from LesionKitLib.run.errors import UnusableInput

from .journal_tables import CLASSIFIED, DELIVERED, DELIVERING, FAILED, HELD, INBOX, STATES, prepare_tables
from .plan import Delivery, Plan
from .rules import Sender

__all__ = [
    "CLASSIFIED", "DELIVERED", "DELIVERING", "FAILED", "HELD", "INBOX", "STATES", "DeliveryTask", "Image", "Journal",
]  # fmt: skip


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


class Journal:
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

    # images -----------------------------------------------------------------------------------------------------------

    def add(self, image: Image) -> bool:
        """Take up an image; False when its id is known already, in whatever state."""
        sender = image.sender
        with self._change() as base:
            done = base.execute(
                "INSERT OR IGNORE INTO images (id, uid, digest, path, received, state, changed, calling_ae, called_ae, "
                "address) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (image.id, image.uid, image.digest, _path_value(image.path), image.received, INBOX, self._clock())
                + (sender.calling_ae, sender.called_ae, sender.address),
            )
            return done.rowcount == 1

    def state(self, image_id: str) -> str | None:
        row = self._one("SELECT state FROM images WHERE id = ?", image_id)
        return row["state"] if row else None

    def image(self, image_id: str) -> Image | None:
        row = self._one("SELECT * FROM images WHERE id = ?", image_id)
        return _image(row) if row else None

    def find(self, name: str) -> list[tuple[str, Image, str, float]]:
        """Images whose SOP Instance UID this is, or whose id begins so: (state, image, class, probability)."""
        rows = self._all("SELECT * FROM images WHERE uid = ? OR substr(id, 1, ?) = ?", name, len(name), name)
        return [(row["state"], _image(row), row["label"] or UNKNOWN, row["probability"] or 0.0) for row in rows]

    def earlier_with_uid(self, image: Image) -> bool:
        """Whether an image that was taken up earlier, with other bytes, claims the same SOP Instance UID."""
        query = "SELECT 1 FROM images WHERE uid = ? AND digest != ? AND rowid < (SELECT rowid FROM images WHERE id = ?)"
        return bool(image.uid and self._one(query, image.uid, image.digest, image.id))

    def waiting(self, limit: int) -> list[Image]:
        """Images to examine, in the order of their arrival; alone if the program has ended in the middle of it."""
        rows = self._all("SELECT * FROM images WHERE state = ? ORDER BY rowid LIMIT ?", INBOX, limit)
        images = [_image(row) for row in rows]
        suspects = [image for image in images if image.starts]
        return suspects[:1] or images

    def begin_examination(self, images: Sequence[Image]) -> None:
        """Note that these are about to be read; what is noted and not ended was the program's end."""
        with self._change() as base:
            base.executemany("UPDATE images SET starts = starts + 1 WHERE id = ?", [(image.id,) for image in images])

    def end_examination(self, images: Sequence[Image]) -> None:
        """They were read, or the attempt ended in order: it does not count."""
        with self._change() as base:
            base.executemany(
                "UPDATE images SET starts = max(starts - 1, 0) WHERE id = ?", [(image.id,) for image in images]
            )

    def classify(self, image: Image, plan: Plan, label: str | None, probability: float | None) -> None:
        """Write down what an image is and where it goes."""
        with self._change() as base:
            done = base.execute(
                "UPDATE images SET state = ?, changed = ?, label = ?, probability = ?, rule = ?, held = ?, reason = ?, "
                "removes_source = ?, starts = 0 WHERE id = ? AND state = ?",
                (CLASSIFIED, self._clock(), label, probability, plan.rule, plan.held, plan.reason)
                + (plan.removes_source, image.id, INBOX),
            )
            if done.rowcount:
                _insert_deliveries(base, image.id, plan.deliveries)

    def plan_again(self, image: Image, plan: Plan, label: str | None, path: Path, states: Sequence[str]) -> bool:
        """Other deliveries for an image in one of these states, whose file lies at path. False when it is in none."""
        marks = ", ".join("?" * len(states))
        with self._change() as base:
            done = base.execute(
                "UPDATE images SET state = ?, changed = ?, label = ?, rule = ?, held = ?, reason = ?, path = ?, "
                f"removes_source = 1 WHERE id = ? AND state IN ({marks})",
                (CLASSIFIED, self._clock(), label, plan.rule, plan.held, plan.reason, _path_value(path), image.id)
                + tuple(states),
            )
            if done.rowcount:
                base.execute("DELETE FROM deliveries WHERE image = ?", (image.id,))
                _insert_deliveries(base, image.id, plan.deliveries)
            return done.rowcount == 1

    def start_over(self, image_id: str) -> None:
        """Forget the plan of an image and its deliveries; it waits in the inbox as if it had just come."""
        with self._change() as base:
            base.execute("DELETE FROM deliveries WHERE image = ?", (image_id,))
            base.execute(
                "UPDATE images SET state = ?, changed = ?, held = 0, reason = NULL, starts = 0 WHERE id = ?",
                (INBOX, self._clock(), image_id),
            )

    def drop_other_plans(self, image: Image) -> None:
        """Forget what is not yet delivered of the same file by another plan, of an earlier run with other rules."""
        with self._change() as base:
            base.execute(
                "DELETE FROM images WHERE digest = ? AND path = ? AND id != ? AND state NOT IN (?, ?)",
                (image.digest, _path_value(image.path), image.id, DELIVERED, HELD),
            )

    def delivered(self) -> list[Image]:
        """Images that are where they belong, held ones too."""
        return [_image(row) for row in self._all("SELECT * FROM images WHERE state IN (?, ?)", DELIVERED, HELD)]

    def forget(self, older_than_s: float) -> int:
        """Drop delivered images of so long ago; how many."""
        with self._change() as base:
            return base.execute(
                "DELETE FROM images WHERE state = ? AND changed < ?", (DELIVERED, self._clock() - older_than_s)
            ).rowcount

    # deliveries -------------------------------------------------------------------------------------------------------

    def limit_to(self, image_ids: Iterable[str]) -> None:
        """From now on due(), next_try() and open_images() speak of these images only, to this object's user."""
        with self._change() as base:
            base.execute("CREATE TEMP TABLE IF NOT EXISTS chosen (id TEXT PRIMARY KEY)")
            base.execute("DELETE FROM chosen")
            base.executemany("INSERT OR IGNORE INTO chosen VALUES (?)", [(name,) for name in image_ids])
        self._limited = True

    def due(self, kind: str, target: str | None, limit: int) -> list[DeliveryTask]:
        """Deliveries to make now, which are then "delivering"; those never tried first, in the order of arrival.

        target None: all of the kind.
        """
        with self._change() as base:
            rows = base.execute(
                "SELECT images.*, step, kind, target, change, group_key, attempts FROM deliveries "
                "JOIN images ON id = image WHERE deliveries.state = 'waiting' AND group_key = '' AND kind = ? "
                f"AND (? IS NULL OR target = ?) AND next_try <= ?{self._only_chosen} "
                "ORDER BY next_try, images.rowid, step LIMIT ?",
                (kind, target, target, self._monotonic(), limit),
            ).fetchall()
            base.executemany(
                "UPDATE images SET state = ?, changed = ? WHERE id = ? AND state = ?",
                [(DELIVERING, self._clock(), row["id"], CLASSIFIED) for row in rows],
            )
        return [DeliveryTask(_image(row), row["step"], _delivery(row), row["attempts"]) for row in rows]

    def done(self, task: DeliveryTask, note: str = "") -> bool:
        """A delivery is made. True when it was the image's last: it is "delivered", and its source may go."""
        with self._change() as base:
            base.execute(
                "UPDATE deliveries SET state = 'done', note = ?, attempts = attempts + 1 WHERE image = ? AND step = ?",
                (note, task.image.id, task.step),
            )
            return self._finish(base, task.image.id)

    def retry(self, task: DeliveryTask, note: str, wait_s: float, counts: bool = True) -> None:
        """A delivery was not made and is due again in so many seconds. counts: as a failed attempt of this image."""
        with self._change() as base:
            base.execute(
                "UPDATE deliveries SET attempts = attempts + ?, next_try = ?, note = ? WHERE image = ? AND step = ?",
                (int(counts), self._monotonic() + wait_s, note, task.image.id, task.step),
            )

    def fail(self, task: DeliveryTask, note: str) -> None:
        """A delivery failed for good; the image's source stays."""
        with self._change() as base:
            base.execute(
                "UPDATE deliveries SET state = 'failed', attempts = attempts + 1, note = ? "
                "WHERE image = ? AND step = ?",
                (note, task.image.id, task.step),
            )
            base.execute(
                "UPDATE images SET state = ?, changed = ? WHERE id = ?", (FAILED, self._clock(), task.image.id)
            )

    def waiting_groups(self) -> list[str]:
        """Series and studies whose deliveries wait until they are complete."""
        rows = self._all("SELECT DISTINCT group_key FROM deliveries WHERE state = 'waiting' AND group_key != ''")
        return [row[0] for row in rows]

    def release_groups(self, keys: Sequence[str]) -> None:
        """These are complete: their deliveries are due."""
        with self._change() as base:
            base.executemany("UPDATE deliveries SET group_key = '' WHERE group_key = ?", [(key,) for key in keys])

    def make_all_due(self) -> None:
        """At a start: waiting times were those of another process."""
        with self._change() as base:
            base.execute("UPDATE deliveries SET next_try = 0 WHERE next_try != 0")

    def make_due(self, name: str) -> None:
        """What waits for this destination ("folder" for all folders) is due now."""
        with self._change() as base:
            base.execute("UPDATE deliveries SET next_try = 0 WHERE iif(kind = 'folder', kind, target) = ?", (name,))

    def fail_without_destination(self, names: Iterable[str]) -> int:
        """Deliveries to destinations that are none of these, as rules have none of them any more, fail; how many."""
        known = list(names)
        marks = ", ".join("?" * len(known))
        with self._change() as base:
            lost = base.execute(
                f"SELECT image FROM deliveries WHERE state = 'waiting' AND kind IN ('dicom', 'stow') "
                f"AND target NOT IN ({marks})",
                known,
            ).fetchall()
            base.execute(
                "UPDATE deliveries SET state = 'failed', note = 'the rules have no destination ' || target "
                f"WHERE state = 'waiting' AND kind IN ('dicom', 'stow') AND target NOT IN ({marks})",
                known,
            )
            base.executemany("UPDATE images SET state = ? WHERE id = ?", [(FAILED, row[0]) for row in lost])
            return len(lost)

    def retry_failed(self, image_id: str | None = None) -> int:
        """Deliveries that were given up (of all images, or of one) are due again; how many images."""
        with self._change() as base:
            base.execute(
                "UPDATE deliveries SET state = 'waiting', attempts = 0, next_try = 0 "
                "WHERE state = 'failed' AND (? IS NULL OR image = ?)",
                (image_id, image_id),
            )
            return base.execute(
                "UPDATE images SET state = ? WHERE state = ? AND (? IS NULL OR id = ?)",
                (DELIVERING, FAILED, image_id, image_id),
            ).rowcount

    def finish_complete(self) -> None:
        """Images without a delivery left, such as those of a crash before this was written, are "delivered"."""
        with self._change() as base:
            for row in base.execute("SELECT id FROM images WHERE state IN (?, ?)", (CLASSIFIED, DELIVERING)).fetchall():
                self._finish(base, row["id"])

    def next_try(self, kind: str, target: str | None = None) -> float | None:
        """When the next delivery of this kind is due (monotonic clock), None when none waits."""
        row = self._one(
            "SELECT min(next_try) AS at FROM deliveries JOIN images ON id = image WHERE deliveries.state = 'waiting' "
            f"AND kind = ? AND (? IS NULL OR target = ?){self._only_chosen}",
            kind,
            target,
            target,
        )
        return row["at"]

    def notes(self, image_id: str) -> list[str]:
        """What the deliveries of an image have come to, in order."""
        return [
            row[0] or "" for row in self._all("SELECT note FROM deliveries WHERE image = ? ORDER BY step", image_id)
        ]

    # destinations -----------------------------------------------------------------------------------------------------

    def note_outage(self, name: str, why: str) -> None:
        """A destination takes nothing, and why; since when is kept from the first note."""
        with self._change() as base:
            base.execute(
                "INSERT INTO destinations (name, outage, since, tries) VALUES (?, ?, ?, 1) "
                "ON CONFLICT (name) DO UPDATE SET since = iif(outage = '', excluded.since, since), "
                "tries = iif(outage = '', 1, tries + 1), outage = excluded.outage",
                (name, why, self._clock()),
            )

    def note_recovery(self, name: str) -> None:
        """A destination takes images again."""
        with self._change() as base:
            base.execute("UPDATE destinations SET outage = '', since = NULL, tries = 0 WHERE name = ?", (name,))

    def forget_outages(self) -> None:
        """At a start: nothing is known of the destinations yet."""
        with self._change() as base:
            base.execute("DELETE FROM destinations")

    # overview ---------------------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Images in each state."""
        found = dict.fromkeys(STATES, 0)
        found.update({row[0]: row[1] for row in self._all("SELECT state, count(*) FROM images GROUP BY state")})
        return found

    def throughput(self, seconds: float) -> dict[str, int]:
        """How many images came and left in the last so many seconds, by the computer's clock."""
        since = self._clock() - seconds
        came = self._one("SELECT count(*) FROM images WHERE received >= ?", since)[0]
        left = self._one("SELECT count(*) FROM images WHERE state = ? AND changed >= ?", DELIVERED, since)[0]
        return {"received_last_minute": came, "delivered_last_minute": left}

    def open_images(self) -> int:
        """How many images have deliveries to come."""
        query = f"SELECT count(*) FROM images WHERE state IN (?, ?){self._only_chosen}"
        return self._one(query, CLASSIFIED, DELIVERING)[0]

    def destinations(self) -> list[dict]:
        """Where deliveries wait or an outage is noted: name, waiting, outage, since (seconds since 1970), tries.

        note: what the latest failed attempt of a waiting delivery came to.
        """
        rows = self._all(
            "SELECT names.name, coalesce(waiting, 0) AS waiting, coalesce(outage, '') AS outage, since, "
            "coalesce(tries, 0) AS tries, coalesce(note, '') AS note FROM "
            "(SELECT name FROM destinations WHERE outage != '' UNION SELECT iif(kind = 'folder', 'folder', target) "
            "FROM deliveries WHERE state = 'waiting') AS names LEFT JOIN "
            "(SELECT iif(kind = 'folder', 'folder', target) AS name, count(*) AS waiting, max(note) AS note "
            "FROM deliveries WHERE state = 'waiting' GROUP BY 1) AS queue ON queue.name = names.name "
            "LEFT JOIN destinations ON destinations.name = names.name ORDER BY names.name"
        )
        return [dict(row) for row in rows]

    def needs_person(self) -> list[dict]:
        """Held and failed images: id, uid, state, label, reason and the failed deliveries' notes."""
        rows = self._all(
            "SELECT id, uid, state, held, label, reason, (SELECT group_concat(note, '; ') FROM deliveries "
            "WHERE image = id AND deliveries.state = 'failed') AS notes FROM images "
            "WHERE held OR state = ? ORDER BY rowid",
            FAILED,
        )
        return [dict(row) for row in rows]

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


def _insert_deliveries(base, image_id: str, deliveries: Sequence[Delivery]) -> None:
    base.executemany(
        "INSERT INTO deliveries (image, step, kind, target, change, group_key) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (image_id, step, one.kind, _text_or_bytes(one.target), one.change, one.group_key)
            for step, one in enumerate(deliveries)
        ],
    )


def _text_or_bytes(text: str) -> str | bytes:
    """SQLite's text is UTF-8: a name of other bytes, which Python writes with surrogates, is kept as bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text)
    return text


def _path_value(path: Path) -> str | bytes:
    return _text_or_bytes(str(path))


def _delivery(row: sqlite3.Row) -> Delivery:
    return Delivery(row["kind"], os.fsdecode(row["target"]), row["change"], row["group_key"])


def _image(row: sqlite3.Row) -> Image:
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
