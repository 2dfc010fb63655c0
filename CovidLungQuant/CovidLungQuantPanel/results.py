"""Burden, tables, chart, and how the lesions are shown. The numbers follow every edit."""

from __future__ import annotations

import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from LesionKitPanel.plot_view import plot_view

from .common import qtTimer, slot

PLOT_VIEW_TAG = "CovidLungQuant.Chart"
ROW_PIXELS = 22


class ResultsSection(VTKObservationMixin):
    """Shows one segmentation. on_counts(live table): called whenever the numbers were counted again."""

    def __init__(self, ui, logic, on_counts):
        super().__init__()
        self.ui, self.logic = ui, logic
        self._on_counts = on_counts
        self._segmentation = None
        self._live = None
        self._is_showing = False  # while controls follow the display node
        self._checks = {
            "ggo": ui.showGgoCheckBox,
            "consolidation": ui.showConsolidationCheckBox,
            "effusion": ui.showEffusionCheckBox,
        }
        for box in (*self._checks.values(), ui.showLungsCheckBox, ui.outlineOnlyCheckBox):
            box.connect("toggled(bool)", self._on_display_changed_by_user)
        ui.opacitySlider.connect("valueChanged(double)", self._on_display_changed_by_user)
        ui.heatmapCheckBox.connect("toggled(bool)", self._on_heatmap)
        for view in (ui.comparisonTableView, ui.regionTableView):
            view.verticalHeader().setVisible(False)
            view.verticalHeader().setDefaultSectionSize(ROW_PIXELS)
        ui.comparisonTableView.horizontalHeader().setStretchLastSection(True)
        self._show_nothing()

    def show(self, segmentation) -> None:
        """Follow this segmentation from now on; None shows nothing."""
        if segmentation is self._segmentation:
            return
        self.close()
        self._segmentation = segmentation
        if segmentation is None:
            self._show_nothing()
            return
        self.ui.resultsCollapsibleButton.enabled = True
        self.ui.resultsCollapsibleButton.toolTip = _("What was found, and how it is shown.")
        if segmentation.GetDisplayNode() is not None:
            self.addObserver(segmentation.GetDisplayNode(), vtk.vtkCommand.ModifiedEvent, self._follow_display)
        self._follow_display()
        self._follow_edits()
        self._show_nodes()

    def close(self) -> None:
        """Let go of the segmentation."""
        self.removeObservers()
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._segmentation = None

    def _show_nothing(self) -> None:
        self.ui.burdenLabel.text = "–"
        self.ui.burdenDetailLabel.text = _("No result is chosen.")
        self.ui.comparisonTableView.setMRMLTableNode(None)
        self.ui.regionTableView.setMRMLTableNode(None)
        self.ui.burdenPlotWidget.setMRMLPlotViewNode(None)
        self.ui.resultsCollapsibleButton.collapsed = True
        self.ui.resultsCollapsibleButton.enabled = False
        self.ui.resultsCollapsibleButton.toolTip = _("Press Apply first, or choose a result under Inputs, Advanced.")

    # numbers ----------------------------------------------------------------------------------------------------------

    def _follow_edits(self) -> None:
        from LesionKitLib.mrml.live_measurements import LiveMeasurement

        volume = self.logic.volumeOf(self._segmentation)
        if volume is None:
            self._show_reason(_("The CT that this segmentation belongs to is not in the scene."))
            return
        self._live = LiveMeasurement(self.logic, self._segmentation, volume, self._show_counts, qtTimer)

    def _show_reason(self, sentence: str) -> None:
        self.ui.burdenLabel.text = "–"
        self.ui.burdenDetailLabel.text = sentence

    @slot
    def _show_counts(self, counts) -> None:
        """counts: a LiveTable of LesionKitLib.mrml.live_measurements; the logic has put it into tables and chart."""
        if counts.measurements is None:
            self._show_reason(counts.message)
        else:
            self._show_burden(counts.measurements)
        self._show_nodes()
        self._on_counts(counts)

    def _show_burden(self, measurements: dict) -> None:
        from CovidLungQuantLib.measurement.severity import score_text

        total = measurements["total"]
        self.ui.burdenLabel.text = _("Burden {percent} %").format(percent=_number(total["burden_percent"]))
        self.ui.burdenDetailLabel.text = _(
            "GGO {ggo} %, high opacity {high} % of {lung} ml lung; severity score {score}"
        ).format(
            ggo=_number(total["ggo_percent"]),
            high=_number(total["high_opacity_percent"]),
            lung=_number(total["lung_ml"], 0),
            score=score_text(measurements["severity"]),
        )

    def _show_nodes(self) -> None:
        """Tables and chart of the segmentation, as they are in the scene."""
        self.ui.comparisonTableView.setMRMLTableNode(self.logic.comparisonFor(self._segmentation))
        self.ui.regionTableView.setMRMLTableNode(self.logic.tableFor(self._segmentation))
        self.ui.comparisonTableView.resizeColumnsToContents()
        chart = self.logic.chartFor(self._segmentation)
        view = plot_view(self._segmentation.GetScene(), self.logic.getParameterNode(), PLOT_VIEW_TAG)
        view.SetPlotChartNodeID(chart.GetID() if chart is not None else None)
        self.ui.burdenPlotWidget.setMRMLPlotViewNode(view)
        self._show_heatmap_state()

    # display ----------------------------------------------------------------------------------------------------------

    def _segments(self, keys=None) -> list[str]:
        """IDs of the segments of these classes; of all lesions without keys."""
        from CovidLungQuantLib.labels import LESIONS
        from LesionKitLib.mrml.segmentations import segments_of

        wanted = [label for label in LESIONS if keys is None or label.key in keys]
        return [segment_id for label in wanted for segment_id in segments_of(self._segmentation, label)]

    def _lungs(self) -> list[str]:
        from CovidLungQuantLib.labels import LUNGS
        from LesionKitLib.mrml.segmentations import segments_of

        return [segment_id for label in LUNGS for segment_id in segments_of(self._segmentation, label)]

    def _follow_display(self, _caller=None, _event=None) -> None:
        """Check boxes and slider as the display node has it, which may be changed elsewhere in Slicer."""
        display = self._segmentation.GetDisplayNode() if self._segmentation is not None else None
        if display is None or self._is_showing:
            return
        self._is_showing = True
        try:
            for key, box in self._checks.items():
                _check(box, self._segments([key]), display.GetSegmentVisibility)
            _check(self.ui.showLungsCheckBox, self._lungs(), display.GetSegmentVisibility)
            lesions = self._segments()
            filled = [segment_id for segment_id in lesions if display.GetSegmentVisibility2DFill(segment_id)]
            self.ui.outlineOnlyCheckBox.checked = bool(lesions) and not filled
            if lesions:
                self.ui.opacitySlider.value = 100 * display.GetSegmentOpacity2DFill(lesions[0])
            self._show_heatmap_state()
        finally:
            self._is_showing = False

    @slot
    def _on_display_changed_by_user(self, _value=None) -> None:
        display = self._segmentation.GetDisplayNode() if self._segmentation is not None else None
        if display is None or self._is_showing:
            return
        self._is_showing = True
        modifying = display.StartModify()
        try:
            for key, box in self._checks.items():
                for segment_id in self._segments([key]):
                    display.SetSegmentVisibility(segment_id, box.checked)
            for segment_id in self._lungs():
                display.SetSegmentVisibility(segment_id, self.ui.showLungsCheckBox.checked)
            for segment_id in self._segments():
                display.SetSegmentVisibility2DFill(segment_id, not self.ui.outlineOnlyCheckBox.checked)
                display.SetSegmentOpacity2DFill(segment_id, self.ui.opacitySlider.value / 100)
        finally:
            display.EndModify(modifying)
            self._is_showing = False

    def _show_heatmap_state(self) -> None:
        heatmap = self.logic.heatmapFor(self._segmentation)
        self.ui.heatmapCheckBox.enabled = heatmap is not None
        self.ui.heatmapCheckBox.toolTip = (
            _("The network of this result gives no heat map.")
            if heatmap is None
            else _("Lay over the image how much each place spoke for the network's decision.")
        )

    @slot
    def _on_heatmap(self, checked: bool) -> None:
        from LesionKitLib.mrml.views import lay_over

        if self._segmentation is not None and not self._is_showing:
            heatmap = self.logic.heatmapFor(self._segmentation)
            lay_over(self._segmentation.GetScene(), heatmap if checked else None, opacity=0.4)


def _check(box, segment_ids, is_shown) -> None:
    """The box is on when any of the segments is shown, and off limits when there is none."""
    box.enabled = bool(segment_ids)
    box.checked = any(is_shown(segment_id) for segment_id in segment_ids)


def _number(value: float | None, decimals: int = 1) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
