"""The journal: which image is where on its way, in SQLite, so that a crash at any moment loses and doubles nothing.

An image goes inbox -> classified -> delivering -> delivered (or held, when a person must look at it), or to failed when
a delivery was given up. Each step is one transaction that is on the disk before the next begins; each delivery can be
made twice with the effect of once.

Waiting times are those of a monotonic clock, so that setting the computer's clock delays nothing; they mean nothing to
another process, so whoever starts to deliver calls make_all_due() first.
"""

from __future__ import annotations

from .connection import DeliveryTask, Image
from .deliveries import JournalDeliveries
from .images import JournalImages
from .overview import JournalOverview
from .tables import CLASSIFIED, DELIVERED, DELIVERING, FAILED, HELD, INBOX, STATES

__all__ = [
    "CLASSIFIED", "DELIVERED", "DELIVERING", "FAILED", "HELD", "INBOX", "STATES", "DeliveryTask", "Image", "Journal",
]  # fmt: skip


class Journal(JournalImages, JournalDeliveries, JournalOverview):
    """path: a file, or ":memory:". May be used from several threads and processes.

    clock: seconds since 1970; monotonic: seconds of the clock that waiting goes by.
    """
