"""Which images are looked at, and the run of the network."""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from LesionKitPanel.apply import ApplySection
from LesionKitPanel.run import name_choices
from LesionKitPanel.slots import slot

LOADED, FOLDER, DATABASE = "loaded", "folder", "database"
SERIES_TYPE = 3  # ctkDICOMModel::SeriesType


class RunSection:
    """on_result(list of Examined): called when a run has ended well. on_changed(): a run has begun or ended."""

    def __init__(self, ui, logic, on_result, on_changed):
        self.ui, self.logic = ui, logic
        self._on_result, self._on_changed = on_result, on_changed
        self._parameters = None
        stages = {"classifying": _("Classifying"), "loading the network": _("Loading the network")}
        self.apply = ApplySection(
            ui.applyButton, ui.progressBar, ui.progressLabel, ui.statusLabel, _("Classify"), self._ended, stages
        )
        ui.folderPathLineEdit.connect("currentPathChanged(QString)", self._check)
        ui.applyButton.connect("clicked(bool)", self._on_apply)

    def nameChoices(self) -> None:
        """Readable names in place of the parameters' values."""
        names = {
            LOADED: _("The loaded image"),
            FOLDER: _("A folder"),
            DATABASE: _("The selection in the DICOM module"),
            "efficientnet-lite0": _("EfficientNet-Lite0"),
            "light": _("Light (faster, less accurate)"),
        }
        name_choices((self.ui.sourceComboBox, self.ui.networkComboBox, self.ui.deviceComboBox), names)

    def show(self, parameters) -> None:
        """These choices from now on; None: nothing."""
        self._parameters = parameters
        source = parameters.source if parameters else LOADED
        for widget in (self.ui.inputVolumeLabel, self.ui.inputVolumeSelector):
            widget.setVisible(source == LOADED)
        for widget in (self.ui.folderLabel, self.ui.folderPathLineEdit):
            widget.setVisible(source == FOLDER)
        self._check()

    def stop(self) -> None:
        self.apply.stop()
        self._enable_choices(True)

    def close(self) -> None:
        self.apply.close()

    def _check(self, _value=None) -> None:
        """Enable Classify, or say in its tool tip why it cannot run."""
        self.apply.check(self._reason(), _("Tell the body part of the images. The views stay usable meanwhile."))

    def _reason(self) -> str:
        if self._parameters is None:
            return _("There is no scene.")
        if self._parameters.source == LOADED:
            volume = self._parameters.inputVolume
            if volume is None:
                return _("Choose an X-ray.")
            return "" if volume.GetImageData() is not None else _("The volume holds no image.")
        if self._parameters.source == FOLDER and not self.ui.folderPathLineEdit.currentPath.strip():
            return _("Choose a folder.")
        return ""

    @slot
    def _on_apply(self, _checked=False) -> None:
        from LesionKitLib.run.requirements import ROUTER_PACKAGES

        if not self.apply.mayStart(ROUTER_PACKAGES):
            return
        parameters = self._parameters
        if parameters.source == LOADED:
            work = self.logic.prepareVolume(parameters.inputVolume, parameters.network, parameters.device)
        else:
            work = self.logic.prepareFiles(self._inputs(), parameters.network, parameters.device)
        self.apply.start(work, self._deliver, _("Cancelled; the list is as it was."))
        self._enable_choices(False)
        self._on_changed()

    def _inputs(self) -> list[Path]:
        if self._parameters.source == FOLDER:
            self.ui.folderPathLineEdit.addCurrentPathToHistory()
            return [Path(self.ui.folderPathLineEdit.currentPath.strip())]
        paths = selected_files()
        if not paths:
            raise ValueError(_("Select one or more series in the DICOM module first."))
        return paths

    def _deliver(self, found) -> str:
        self._on_result(found)
        unusable = sum(one.error is not None for one in found)
        held = sum(bool(one.reason) for one in found) - unusable
        return _("{count} images; {held} need a person, {unusable} could not be read.").format(
            count=len(found), held=held, unusable=unusable
        )

    def _ended(self) -> None:
        self._enable_choices(True)
        self._check()
        self._on_changed()

    def _enable_choices(self, enabled: bool) -> None:
        for name in ("sourceComboBox", "inputVolumeSelector", "folderPathLineEdit", "advancedGroupBox"):
            getattr(self.ui, name).enabled = enabled


def selected_files() -> list[Path]:
    """Files of the series that are selected in the DICOM module's browser; [] where it was not opened."""
    widget = getattr(slicer.modules, "DICOMWidget", None)
    browser = getattr(getattr(widget, "browserWidget", None), "dicomBrowser", None)
    database = getattr(slicer, "dicomDatabase", None)
    if browser is None or database is None:
        return []
    return [Path(path) for series in _selected_series(browser) for path in database.filesForSeries(series)]


def _selected_series(browser) -> list[str]:
    """UIDs of the series that are selected in a ctkDICOMBrowser: CTK has selectedItems since January 2026 only."""
    if hasattr(browser, "selectedItems"):
        return list(browser.selectedItems(SERIES_TYPE))
    return list(browser.dicomTableManager().currentSeriesSelection())
