"""Rules, the dry run, and sending the images."""

from __future__ import annotations

from slicer.i18n import tr as _

from LesionKitPanel.apply import ApplySection
from LesionKitPanel.slots import slot


class RouteSection:
    """Plans and routes Entries."""

    def __init__(self, ui, logic, entries):
        self.ui, self.logic, self._entries = ui, logic, entries
        self._is_busy = False
        stages = {"delivering": _("Delivering"), "planning": _("Planning")}
        self.apply = ApplySection(
            ui.routeButton,
            ui.routeProgressBar,
            ui.routeProgressLabel,
            ui.routeStatusLabel,
            _("Route"),
            self.check,
            stages,
        )
        for line in (ui.rulesPathLineEdit, ui.targetPathLineEdit):
            line.connect("currentPathChanged(QString)", self._on_choice)
        ui.moveCheckBox.connect("toggled(bool)", self._on_choice)
        ui.planButton.connect("clicked(bool)", self._on_plan)
        ui.routeButton.connect("clicked(bool)", self._on_route)
        self.check()

    def setBusy(self, busy: bool) -> None:
        """The network is at work: the list will change."""
        self._is_busy = busy
        self.check()

    def check(self) -> None:
        """Enable the buttons, or say in their tool tips why they cannot run."""
        reason = self._reason()
        self.ui.planButton.enabled = not reason and not self.apply.running
        self.ui.planButton.toolTip = reason or _("Show in the table where each image would go. Nothing is changed.")
        self.apply.check(reason, _("Send the images. Show the plan first with Dry run."))

    def stop(self) -> None:
        self.apply.stop()

    def close(self) -> None:
        self.apply.close()

    def _reason(self) -> str:
        if self._is_busy:
            return _("Wait until the images are classified.")
        if not self._entries.all:
            return _("Classify images first.")
        if all(entry.raw.in_memory for entry in self._entries.all):
            return _("This image has no file; save it, and classify the file.")
        if not self._path("rules") and not self._path("target"):
            return _("Choose rules, or a folder to sort into.")
        return ""

    def _path(self, name: str) -> str:
        return getattr(self.ui, f"{name}PathLineEdit").currentPath.strip()

    def _on_choice(self, _value=None) -> None:
        self._entries.forget_plans()
        self.check()

    def _rules(self):
        rules = self.logic.rulesFor(self._path("rules"), self._path("target"), self.ui.moveCheckBox.checked)
        for line in (self.ui.rulesPathLineEdit, self.ui.targetPathLineEdit):
            if line.currentPath.strip():
                line.addCurrentPathToHistory()
        return rules

    @slot
    def _on_plan(self, _checked=False) -> None:
        examined, rules = self._entries.all_examined(), self._rules()
        self.apply.start(
            lambda progress: self.logic.plan(examined, rules, progress),
            self._show_plan,
            _("Cancelled; nothing was changed."),
        )
        self.ui.planButton.enabled = False

    def _show_plan(self, routed) -> str:
        self._entries.set_routed(routed)
        going = sum(bool(entry.routed.destination) for entry in self._entries.all)
        return _("{going} of {count} images would be sent, {held} stay. Nothing was changed.").format(
            going=going, count=len(self._entries.all), held=len(self._entries.all) - going
        )

    @slot
    def _on_route(self, _checked=False) -> None:
        if not self.apply.mayStart():
            return
        work = self.logic.prepareRoute(self._entries.all_examined(), self._rules())
        self.apply.start(work, self._deliver, _("Cancelled; what had arrived stays there, the rest stays here."))
        self.ui.planButton.enabled = False

    def _deliver(self, routed) -> str:
        self._entries.set_routed(routed)
        problems = sum(bool(one.problem) for one in routed)
        sent = sum(bool(one.destination) and not one.problem for one in routed)
        return _("{sent} images are where they belong, {held} stay for a person, {problems} failed.").format(
            sent=sent, held=len(routed) - sent - problems, problems=problems
        )
