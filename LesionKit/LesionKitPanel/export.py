"""Files of what the segments hold now, written on a thread while the panel and the views stay usable."""

from __future__ import annotations

from slicer.i18n import tr as _

from .apply import ApplySection
from .slots import slot


class ExportSection:
    """Writes the chosen files into the chosen folder.

    ui: with exportCollapsibleButton, exportFolderPathLineEdit, exportButton, exportProgressBar, exportProgressLabel,
    exportStatusLabel and a check box for each of KINDS.
    """

    KINDS = ("table", "report", "labelmap", "segmentation")

    def __init__(self, ui, logic):
        self.ui, self.logic = ui, logic
        self._segmentation = None
        self._kinds = {kind: getattr(ui, f"export{kind.capitalize()}CheckBox") for kind in self.KINDS}
        stages = {"measuring": _("Measuring"), "writing files": _("Writing files")}
        self.apply = ApplySection(
            ui.exportButton, ui.exportProgressBar, ui.exportProgressLabel, ui.exportStatusLabel, _("Export"),
            self._check_button, stages,
        )  # fmt: skip
        for box in self._kinds.values():
            box.connect("toggled(bool)", self._check)
        ui.exportFolderPathLineEdit.connect("currentPathChanged(QString)", self._check)
        ui.exportButton.connect("clicked(bool)", self._on_export)
        self._check()

    def show(self, segmentation) -> None:
        """What is exported from now on; None: nothing."""
        if segmentation is not self._segmentation:
            self._segmentation = segmentation
            self._check()

    def stop(self) -> None:
        """The scene closes: what is being written ends unseen."""
        self.apply.stop()

    def close(self) -> None:
        """The panel ends."""
        self.apply.close()
        self._segmentation = None

    def _check(self, _value=None) -> None:
        section = self.ui.exportCollapsibleButton
        section.enabled = self._segmentation is not None
        section.collapsed = section.collapsed or self._segmentation is None
        if not self.apply.running:
            self.apply.say("")
        self._check_button()

    def _check_button(self) -> None:
        """Enable Export, or say in its tool tip why it cannot run."""
        if self._segmentation is None:
            reason = _("There is no result to export.")
        elif not self._folder():
            reason = _("Choose a folder.")
        elif not self._chosen():
            reason = _("Choose at least one kind of file.")
        else:
            reason = ""
        self.apply.check(reason, _("Write what the segments hold now, with all corrections."))

    def _folder(self) -> str:
        return self.ui.exportFolderPathLineEdit.currentPath.strip()

    def _chosen(self) -> list[str]:
        return [kind for kind, box in self._kinds.items() if box.checked]

    @slot
    def _on_export(self, _checked=False) -> None:
        if not self.apply.mayStart():
            return
        work = self.logic.prepareExport(self._segmentation, self._folder(), self._chosen())
        self.ui.exportFolderPathLineEdit.addCurrentPathToHistory()
        self.apply.start(work, self._deliver, _("Cancelled; nothing was written."))

    def _deliver(self, names) -> str:
        return _("Written: {names}").format(names=", ".join(names))
