"""Files of what the segments hold now."""

from __future__ import annotations

from slicer.i18n import tr as _

from .common import slot


class ExportSection:
    """Writes the chosen files into the chosen folder."""

    def __init__(self, ui, logic):
        self.ui, self.logic = ui, logic
        self._segmentation = None
        self._kinds = {  # as CovidLungQuantLib.results.files names them
            "table": ui.exportTableCheckBox,
            "report": ui.exportReportCheckBox,
            "labelmap": ui.exportLabelmapCheckBox,
            "segmentation": ui.exportSegmentationCheckBox,
        }
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

    def close(self) -> None:
        """Let go of the segmentation."""
        self._segmentation = None

    def _check(self, _value=None) -> None:
        """Enable Export, or say in its tool tip why it cannot run."""
        section = self.ui.exportCollapsibleButton
        section.enabled = self._segmentation is not None
        section.collapsed = section.collapsed or self._segmentation is None
        if self._segmentation is None:
            reason = _("There is no result to export.")
        elif not self.ui.exportFolderPathLineEdit.currentPath.strip():
            reason = _("Choose a folder.")
        elif not self._chosen():
            reason = _("Choose at least one kind of file.")
        else:
            reason = ""
        self.ui.exportButton.enabled = not reason
        self.ui.exportButton.toolTip = reason or _("Write what the segments hold now, with all corrections.")
        self.ui.exportStatusLabel.visible = False

    def _chosen(self) -> list[str]:
        return [kind for kind, box in self._kinds.items() if box.checked]

    @slot
    def _on_export(self, _checked=False) -> None:
        folder = self.ui.exportFolderPathLineEdit.currentPath.strip()
        names = self.logic.export(self._segmentation, folder, self._chosen())
        self.ui.exportFolderPathLineEdit.addCurrentPathToHistory()
        self.ui.exportStatusLabel.text = _("Written: {names}").format(names=", ".join(names))
        self.ui.exportStatusLabel.visible = True
