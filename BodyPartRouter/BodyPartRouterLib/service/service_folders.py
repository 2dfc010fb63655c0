"""The folders of the service, and where it puts what is held or meant for a module of 3D Slicer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from BodyPartRouterLib.routing.plan import FOLDER, OPEN, Delivery, Plan

INBOX, HELD, TO_OPEN = "inbox", "held", "open"
JOURNAL, CORRECTIONS = "journal.sqlite", "corrections.csv"
RELOAD = "reload-rules"  # an empty file by which another process asks the service to read its rules again


def in_service(plan: Plan, folder: Path) -> Plan:
    """The plan with folders of the service (in ``folder``), where people find held images and those to open.

    The image leaves the place where it lies.
    """
    held = (Delivery(FOLDER, str(folder / HELD)),)
    deliveries = held if plan.held else tuple(_to_folder(delivery, folder) for delivery in plan.deliveries)
    return replace(plan, deliveries=deliveries, removes_source=True)


def _to_folder(delivery: Delivery, folder: Path) -> Delivery:
    if delivery.kind != OPEN:
        return delivery
    return replace(delivery, kind=FOLDER, target=str(folder / TO_OPEN / delivery.target))
