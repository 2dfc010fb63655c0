"""The journal's images: taken up, examined, planned, and forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from BodyPartRouterLib.labels import UNKNOWN
from BodyPartRouterLib.routing.plan import Plan

from .connection import Image, JournalConnection, image_of, insert_deliveries, path_value
from .tables import CLASSIFIED, DELIVERED, HELD, INBOX


class JournalImages(JournalConnection):
    """What is known of each image, by its id."""

    def add(self, image: Image) -> bool:
        """Take up an image; False when its id is known already, in whatever state."""
        sender = image.sender
        with self._change() as base:
            done = base.execute(
                "INSERT OR IGNORE INTO images (id, uid, digest, path, received, state, changed, calling_ae, called_ae, "
                "address) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (image.id, image.uid, image.digest, path_value(image.path), image.received, INBOX, self._clock())
                + (sender.calling_ae, sender.called_ae, sender.address),
            )
            return done.rowcount == 1

    def state(self, image_id: str) -> str | None:
        row = self._one("SELECT state FROM images WHERE id = ?", image_id)
        return row["state"] if row else None

    def image(self, image_id: str) -> Image | None:
        row = self._one("SELECT * FROM images WHERE id = ?", image_id)
        return image_of(row) if row else None

    def find(self, name: str) -> list[tuple[str, Image, str, float]]:
        """Images whose SOP Instance UID this is, or whose id begins so: (state, image, class, probability)."""
        rows = self._all("SELECT * FROM images WHERE uid = ? OR substr(id, 1, ?) = ?", name, len(name), name)
        return [(row["state"], image_of(row), row["label"] or UNKNOWN, row["probability"] or 0.0) for row in rows]

    def earlier_with_uid(self, image: Image) -> bool:
        """Whether an image that was taken up earlier, with other bytes, claims the same SOP Instance UID."""
        query = "SELECT 1 FROM images WHERE uid = ? AND digest != ? AND rowid < (SELECT rowid FROM images WHERE id = ?)"
        return bool(image.uid and self._one(query, image.uid, image.digest, image.id))

    def waiting(self, limit: int) -> list[Image]:
        """Images to examine, in the order of their arrival; alone if the program has ended in the middle of it."""
        rows = self._all("SELECT * FROM images WHERE state = ? ORDER BY rowid LIMIT ?", INBOX, limit)
        images = [image_of(row) for row in rows]
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
                insert_deliveries(base, image.id, plan.deliveries)

    def plan_again(self, image: Image, plan: Plan, label: str | None, path: Path, states: Sequence[str]) -> bool:
        """Other deliveries for an image in one of these states, whose file lies at path. False when it is in none."""
        marks = ", ".join("?" * len(states))
        with self._change() as base:
            done = base.execute(
                "UPDATE images SET state = ?, changed = ?, label = ?, rule = ?, held = ?, reason = ?, path = ?, "
                f"removes_source = 1 WHERE id = ? AND state IN ({marks})",
                (CLASSIFIED, self._clock(), label, plan.rule, plan.held, plan.reason, path_value(path), image.id)
                + tuple(states),
            )
            if done.rowcount:
                base.execute("DELETE FROM deliveries WHERE image = ?", (image.id,))
                insert_deliveries(base, image.id, plan.deliveries)
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
                (image.digest, path_value(image.path), image.id, DELIVERED, HELD),
            )

    def delivered(self) -> list[Image]:
        """Images that are where they belong, held ones too."""
        return [image_of(row) for row in self._all("SELECT * FROM images WHERE state IN (?, ?)", DELIVERED, HELD)]

    def forget(self, older_than_s: float) -> int:
        """Drop delivered images of so long ago; how many."""
        with self._change() as base:
            return base.execute(
                "DELETE FROM images WHERE state = ? AND changed < ?", (DELIVERED, self._clock() - older_than_s)
            ).rowcount
