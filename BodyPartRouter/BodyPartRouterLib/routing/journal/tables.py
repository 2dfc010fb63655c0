"""The tables of the journal (SQLite), and how a journal of an earlier version is brought up to date."""

from __future__ import annotations

import sqlite3

VERSION = 2
INBOX, CLASSIFIED, DELIVERING = "inbox", "classified", "delivering"
DELIVERED, HELD, FAILED = "delivered", "held", "failed"
STATES = (INBOX, CLASSIFIED, DELIVERING, DELIVERED, HELD, FAILED)
_IMAGES = """
CREATE TABLE IF NOT EXISTS images (
  id TEXT PRIMARY KEY, uid TEXT NOT NULL, digest TEXT NOT NULL, path NOT NULL, received REAL NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('inbox', 'classified', 'delivering', 'delivered', 'held', 'failed')),
  changed REAL NOT NULL, label TEXT, probability REAL, rule TEXT, held INTEGER NOT NULL DEFAULT 0, reason TEXT,
  removes_source INTEGER NOT NULL DEFAULT 0, starts INTEGER NOT NULL DEFAULT 0,
  calling_ae TEXT NOT NULL DEFAULT '', called_ae TEXT NOT NULL DEFAULT '', address TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS images_state ON images (state);
CREATE INDEX IF NOT EXISTS images_uid ON images (uid);
"""
_DELIVERIES = """
CREATE TABLE IF NOT EXISTS deliveries (
  image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE, step INTEGER NOT NULL, kind TEXT NOT NULL,
  target TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
  attempts INTEGER NOT NULL DEFAULT 0, next_try REAL NOT NULL DEFAULT 0, note TEXT,
  change TEXT NOT NULL DEFAULT '', group_key TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (image, step)
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, kind, target, next_try);
"""
_DESTINATIONS = """
CREATE TABLE IF NOT EXISTS destinations (
  name TEXT PRIMARY KEY, outage TEXT NOT NULL DEFAULT '', since REAL, tries INTEGER NOT NULL DEFAULT 0
);
"""
_OLD_IMAGE_COLUMNS = (
    "id, uid, digest, path, received, state, changed, label, probability, rule, held, reason, removes_source"
)
_OLD_DELIVERY_COLUMNS = "image, step, kind, target, state, attempts, next_try, note"


def prepare_tables(base: sqlite3.Connection) -> None:
    """Make the tables, or bring those of version 1 up to date in one transaction. Raises sqlite3.Error.

    A journal of a later version is refused with sqlite3.DatabaseError.
    """
    version = base.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise sqlite3.DatabaseError("it was written by a later version of the program")
    if version == VERSION:
        return
    has_old = base.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'images'").fetchone()
    before = _set_old_tables_aside() if has_old else ""
    after = _copy_old_tables() if has_old else ""
    base.execute("PRAGMA foreign_keys = OFF")
    tables = f"{_IMAGES}{_DELIVERIES}{_DESTINATIONS}"
    base.executescript(f"BEGIN IMMEDIATE; {before}{tables}{after}PRAGMA user_version = {VERSION}; COMMIT;")


def _set_old_tables_aside() -> str:
    indexes = "".join(f"DROP INDEX IF EXISTS {name}; " for name in ("images_state", "images_uid", "deliveries_due"))
    return f"{indexes}ALTER TABLE images RENAME TO old_images; ALTER TABLE deliveries RENAME TO old_deliveries; "


def _copy_old_tables() -> str:
    """Held images were "delivered" in version 1: they lie in the folder of held images."""
    return (
        f"INSERT INTO images ({_OLD_IMAGE_COLUMNS}) SELECT {_OLD_IMAGE_COLUMNS} FROM old_images ORDER BY rowid; "
        "UPDATE images SET state = 'held' WHERE held AND state = 'delivered'; "
        f"INSERT INTO deliveries ({_OLD_DELIVERY_COLUMNS}) SELECT {_OLD_DELIVERY_COLUMNS} FROM old_deliveries; "
        "DROP TABLE old_deliveries; DROP TABLE old_images; "
    )
