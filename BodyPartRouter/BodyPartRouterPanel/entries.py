"""The images that the panel shows: what the network said, what a person said, and where each goes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Entry:
    """raw: an Examined of the network. label: the class that a person gave, or None. routed: its plan or outcome."""

    raw: object
    label: str | None = None
    routed: object = None

    def examined(self, threshold: float):
        """With the person's class, or held below the panel's threshold."""
        from BodyPartRouterLib.routing.corrections import corrected
        from BodyPartRouterLib.routing.examination import with_threshold

        return corrected(self.raw, self.label) if self.label else with_threshold(self.raw, threshold)


class Entries:
    """What all sections work on. on_changed(): called after every change, to show it."""

    def __init__(self, on_changed):
        self.all: list[Entry] = []
        self.threshold = 0.0
        self._on_changed = on_changed

    def replace(self, found) -> None:
        """The Examined of a new run; those that need a person come first."""
        self.all = sorted((Entry(one) for one in found), key=lambda entry: self._order(entry.raw))
        self._on_changed()

    def clear(self) -> None:
        self.replace([])

    def set_threshold(self, threshold: float) -> None:
        if threshold != self.threshold:
            self.threshold = threshold
            self.forget_plans()

    def correct(self, rows, label: str) -> None:
        for row in rows:
            self.all[row].label = label
            self.all[row].routed = None
        self._on_changed()

    def examined(self, row: int):
        return self.all[row].examined(self.threshold)

    def all_examined(self) -> list:
        return [entry.examined(self.threshold) for entry in self.all]

    def set_routed(self, routed) -> None:
        """Plans or outcomes, in the order of the entries."""
        for entry, one in zip(self.all, routed, strict=True):
            entry.routed = one
        self._on_changed()

    def forget_plans(self) -> None:
        for entry in self.all:
            entry.routed = None
        self._on_changed()

    def _order(self, raw) -> int:
        if raw.reason:
            return 0
        return 1 if raw.agreement is not None and raw.agreement.agrees is False else 2
