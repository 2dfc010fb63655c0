"""Database: many cases as files, with the choices of the section Synthesize."""

from __future__ import annotations

from slicer.i18n import tr as _

from LesionKitPanel.apply import ApplySection
from LesionKitPanel.slots import slot

from .synthesize import volume_range


class DatabaseSection:
    """on_changed(): a run has begun or ended."""

    def __init__(self, ui, logic, on_changed):
        self.ui, self.logic = ui, logic
        self._on_changed = on_changed
        self._parameters = None
        self.apply = ApplySection(
            ui.databaseButton, ui.databaseProgressBar, ui.databaseProgressLabel, ui.databaseStatusLabel,
            _("Make database"), on_changed, {"making cases": _("Making cases")},
        )  # fmt: skip
        ui.databaseFolderPathLineEdit.connect("currentPathChanged(QString)", self._on_path)
        ui.databaseButton.connect("clicked(bool)", self._on_apply)

    def check(self, parameters) -> None:
        """Enable the button, or say in its tool tip why it cannot run."""
        self._parameters = parameters
        if parameters is None:
            reason = _("There is no scene.")
        elif not self._folder():
            reason = _("Choose a folder.")
        elif parameters.maximumMl < volume_range(parameters)[0]:
            reason = _("The largest volume is below the smallest.")
        else:
            reason = ""
        self.apply.check(reason, _("Make the cases that the folder lacks. Cancel leaves whole cases only."))

    def stop(self) -> None:
        self.apply.stop()

    def close(self) -> None:
        self.apply.close()

    def _folder(self) -> str:
        return self.ui.databaseFolderPathLineEdit.currentPath.strip()

    def _on_path(self, _path=None) -> None:
        self.check(self._parameters)

    @slot
    def _on_apply(self, _checked=False) -> None:
        from LesionKitLib.run.requirements import PACKAGES

        if not self.apply.mayStart(PACKAGES):
            return
        chosen, folder = self._parameters, self._folder()
        work = self.logic.prepareDatabase(
            folder, chosen.cases, chosen.translator, chosen.seed, volume_range(chosen), chosen.side, chosen.device
        )
        self.ui.databaseFolderPathLineEdit.addCurrentPathToHistory()
        self.apply.start(work, self._deliver, _("Cancelled; whole cases stay in the folder, and a new run goes on."))

    def _deliver(self, rows) -> str:
        if len(rows) == 1:
            return _("1 case is in the folder; participants.tsv lists it.")
        return _("{count} cases are in the folder; participants.tsv lists them.").format(count=len(rows))
