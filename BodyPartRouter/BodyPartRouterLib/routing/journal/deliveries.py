"""The journal's deliveries: which are due, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .connection import DeliveryTask, JournalConnection, delivery_of, image_of
from .tables import CLASSIFIED, DELIVERING, FAILED


class JournalDeliveries(JournalConnection):
    """Deliveries of images, by image and step."""

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
        return [DeliveryTask(image_of(row), row["step"], delivery_of(row), row["attempts"]) for row in rows]

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
