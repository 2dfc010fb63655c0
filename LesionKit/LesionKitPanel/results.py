"""One result: its headline with the image's name, tables, chart, lesions, and how it is shown. Numbers follow edits."""

from __future__ import annotations

import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from .lesions import LesionTable
from .slots import qtTimer, slot
from .texts import prepare_table, show_table, show_text


class ResultsSection(VTKObservationMixin):
    """Shows one segmentation. on_counts(): called whenever the numbers were counted again.

    ui: with resultsCollapsibleButton, imageLabel, headlineLabel, detailLabel, comparisonTableView, opacitySlider,
    outlineOnlyCheckBox, show3DButton, lesionsTable and updateLesionsButton. checks: check box -> classes that it shows.
    findings: classes that opacity and outline act on. headline(measurements): the number that matters most, and a
    sentence with what comes next.
    """

    def __init__(self, ui, logic, on_counts, headline, checks: dict, findings):
        super().__init__()
        self.ui, self.logic = ui, logic
        self._on_counts, self._headline = on_counts, headline
        self._checks, self._findings = checks, findings
        self._segmentation = None
        self._live = None
        self._is_showing = False  # while controls follow the display node
        for box in (*checks, ui.outlineOnlyCheckBox):
            box.connect("toggled(bool)", self._on_display_changed_by_user)
        ui.opacitySlider.connect("valueChanged(double)", self._on_display_changed_by_user)
        ui.show3DButton.connect("toggled(bool)", self._on_3d)
        ui.updateLesionsButton.connect("clicked(bool)", self._on_update_lesions)
        prepare_table(ui.comparisonTableView)
        self.lesions = LesionTable(ui.lesionsTable)
        self._show_nothing()

    def show(self, segmentation) -> None:
        """Follow this segmentation from now on, and show no other result in the views; None shows nothing."""
        if segmentation is self._segmentation:
            return
        self.close()
        self._segmentation = segmentation
        if segmentation is None:
            self._show_nothing()
            return
        self.logic.showOnly(segmentation)
        self.ui.resultsCollapsibleButton.enabled = True
        self.ui.resultsCollapsibleButton.toolTip = _("What was found, and how it is shown.")
        if segmentation.GetDisplayNode() is not None:
            self.addObserver(segmentation.GetDisplayNode(), vtk.vtkCommand.ModifiedEvent, self._follow_display)
        self.addObserver(segmentation, vtk.vtkCommand.ModifiedEvent, self._on_renewed)
        self._follow_display()
        self._follow_edits()
        self._show_nodes()
        self._on_renewed()

    def close(self) -> None:
        """Let go of the segmentation."""
        self.removeObservers()
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._segmentation = None

    def _show_nothing(self) -> None:
        self._show_headline("–", _("No result is chosen."))
        self.ui.imageLabel.text = ""
        show_table(self.ui.comparisonTableView, None)
        self.lesions.fill(self.logic.LESION_HEADER, [])
        self.ui.show3DButton.checked = False
        self.ui.resultsCollapsibleButton.collapsed = True
        self.ui.resultsCollapsibleButton.enabled = False
        self.ui.resultsCollapsibleButton.toolTip = _("Press Apply first, or choose a result under Image, Advanced.")

    # numbers ----------------------------------------------------------------------------------------------------------

    def _follow_edits(self) -> None:
        from LesionKitLib.mrml.live_measurements import LiveMeasurement

        volume = self.logic.volumeOf(self._segmentation)
        if volume is None:
            self._show_headline("–", _("The image that this segmentation belongs to is not in the scene."))
            return
        self._live = LiveMeasurement(self.logic, self._segmentation, volume, self._show_counts, qtTimer)

    def _show_headline(self, headline: str, detail: str) -> None:
        self.ui.headlineLabel.text = headline
        show_text(self.ui.detailLabel, detail)

    def showMeasured(self, measurements: dict) -> None:
        """The headline of a run at its end. Preparing to count after edits takes longer than a reader shall wait."""
        self._show_headline(*self._headline(measurements))

    @slot
    def _show_counts(self, counts) -> None:
        """counts: a LiveTable of LesionKitLib.mrml.live_measurements; the logic has put it into the tables."""
        if counts.measurements is None:
            self._show_headline("–", counts.message)
        else:
            self._show_headline(*self._headline(counts.measurements))
        self._show_nodes()
        self._on_counts()

    def _show_nodes(self) -> None:
        """Tables of the segmentation, as they are in the scene."""
        self.ui.imageLabel.text = self.logic.imageName(self._segmentation)
        show_table(self.ui.comparisonTableView, self.logic.comparisonFor(self._segmentation))

    def _on_renewed(self, _caller=None, _event=None) -> None:
        """Another run, or another list of lesions, was written to the segmentation."""
        header, rows = self.logic.LESION_HEADER, self.logic.lesionRows(self._segmentation)
        numbers = self.logic.sliceNumbers(self._segmentation, [place for _cells, place in rows])
        column = header.index("Volume (ml)") + 1
        rows = [
            ((*cells[:column], number, *cells[column:]), place)
            for (cells, place), number in zip(rows, numbers, strict=True)
        ]
        self.lesions.fill((*header[:column], _("Slice"), *header[column:]), rows, self._segmentation)

    @slot
    def _on_update_lesions(self, _checked=False) -> None:
        if self._segmentation is not None:
            self.logic.updateLesions(self._segmentation)
            self._on_renewed()

    # display ----------------------------------------------------------------------------------------------------------

    def _segments(self, classes) -> list[str]:
        from LesionKitLib.mrml.segmentations import segments_of

        return [segment_id for label in classes for segment_id in segments_of(self._segmentation, label)]

    def _display(self):
        """The display node of the result, unless the controls are just following it."""
        return None if self._segmentation is None or self._is_showing else self._segmentation.GetDisplayNode()

    def _follow_display(self, _caller=None, _event=None) -> None:
        """Check boxes and slider as the display node has it, which may be changed elsewhere in Slicer."""
        display = self._display()
        if display is None:
            return
        self._is_showing = True
        try:
            for box, classes in self._checks.items():
                segment_ids = self._segments(classes)
                box.enabled = bool(segment_ids)
                box.checked = any(display.GetSegmentVisibility(segment_id) for segment_id in segment_ids)
            findings = self._segments(self._findings)
            filled = [segment_id for segment_id in findings if display.GetSegmentVisibility2DFill(segment_id)]
            self.ui.outlineOnlyCheckBox.checked = bool(findings) and not filled
            if findings:
                self.ui.opacitySlider.value = 100 * display.GetSegmentOpacity2DFill(findings[0])
            self.ui.show3DButton.checked = self.logic.isShownIn3D(self._segmentation)
        finally:
            self._is_showing = False

    @slot
    def _on_display_changed_by_user(self, _value=None) -> None:
        display = self._display()
        if display is None:
            return
        self._is_showing = True
        modifying = display.StartModify()
        try:
            for box, classes in self._checks.items():
                for segment_id in self._segments(classes):
                    display.SetSegmentVisibility(segment_id, box.checked)
            for segment_id in self._segments(self._findings):
                display.SetSegmentVisibility2DFill(segment_id, not self.ui.outlineOnlyCheckBox.checked)
                display.SetSegmentOpacity2DFill(segment_id, self.ui.opacitySlider.value / 100)
        finally:
            display.EndModify(modifying)
            self._is_showing = False

    @slot
    def _on_3d(self, shown: bool) -> None:
        if self._display() is not None:
            self.logic.showIn3D(self._segmentation, shown)
