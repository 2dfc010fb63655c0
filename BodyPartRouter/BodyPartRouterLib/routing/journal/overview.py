"""What the journal tells people: counts, throughput, destinations with their outages, images that need a person."""

from __future__ import annotations

from .connection import JournalConnection
from .tables import CLASSIFIED, DELIVERED, DELIVERING, FAILED, STATES


class JournalOverview(JournalConnection):
    """Overviews, and the outages that they show."""

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
