"""What was found, in numbers that follow every edit."""

from __future__ import annotations

from slicer.i18n import tr as _

from LesionKitPanel.slots import qtTimer, slot

ROW_PIXELS = 22


class ResultsSection:
    """Shows one segmentation. on_counts(): called whenever the numbers were counted again. on_labels(node): a label
    map of it was made, to synthesize from."""

    def __init__(self, ui, logic, on_counts, on_labels):
        self.ui, self.logic = ui, logic
        self._on_counts, self._on_labels = on_counts, on_labels
        self._segmentation = None
        self._live = None
        for view in (ui.comparisonTableView, ui.piecesTableView):
            view.verticalHeader().setVisible(False)
            view.verticalHeader().setDefaultSectionSize(ROW_PIXELS)
            view.horizontalHeader().setStretchLastSection(True)
        ui.showTissuesCheckBox.connect("toggled(bool)", self._on_tissues)
        ui.useLabelsButton.connect("clicked(bool)", self._on_use_labels)
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
        if segmentation.GetDisplayNode() is not None:  # it may have been hidden for another image
            segmentation.GetDisplayNode().SetVisibility(True)
        self.ui.resultsCollapsibleButton.enabled = True
        volume = self.logic.volumeOf(segmentation)
        if volume is None:
            self._show_reason(_("The image that this segmentation belongs to is not in the scene."))
            return
        from LesionKitLib.mrml.live_measurements import LiveMeasurement

        self._live = LiveMeasurement(self.logic, segmentation, volume, self._show_counts, qtTimer)
        self._show_nodes()

    def close(self) -> None:
        """Let go of the segmentation."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._segmentation = None

    def _show_nothing(self) -> None:
        self._show_reason(_("No result is chosen."))
        self.ui.comparisonTableView.setMRMLTableNode(None)
        self.ui.piecesTableView.setMRMLTableNode(None)
        self.ui.resultsCollapsibleButton.collapsed = True
        self.ui.resultsCollapsibleButton.enabled = False

    def _show_reason(self, sentence: str) -> None:
        self.ui.lesionMlLabel.text = "–"
        self.ui.lesionDetailLabel.text = sentence

    @slot
    def _show_counts(self, counts) -> None:
        """counts: a LiveTable of LesionKitLib.mrml.live_measurements; the logic has put it into the tables."""
        found = counts.measurements
        if found is None:
            self._show_reason(counts.message)
        else:
            self.ui.lesionMlLabel.text = _("Stroke {ml:.1f} ml").format(ml=found["lesion_ml"])
            self.ui.lesionDetailLabel.text = detail(found)
        self._show_nodes()
        self._on_counts()

    def _show_nodes(self) -> None:
        self.ui.comparisonTableView.setMRMLTableNode(self.logic.comparisonFor(self._segmentation))
        self.ui.piecesTableView.setMRMLTableNode(self.logic.tableFor(self._segmentation))
        for view in (self.ui.comparisonTableView, self.ui.piecesTableView):
            view.resizeColumnsToContents()

    @slot
    def _on_use_labels(self, _checked=False) -> None:
        if self._segmentation is not None:
            self._on_labels(self.logic.labelMapOf(self._segmentation))

    @slot
    def _on_tissues(self, checked: bool) -> None:
        from LesionKitLib.mrml.segmentations import segments_of
        from StrokeSynthLib.labels import TISSUES

        display = self._segmentation.GetDisplayNode() if self._segmentation is not None else None
        for tissue in TISSUES if display is not None else ():
            for segment_id in segments_of(self._segmentation, tissue):
                display.SetSegmentVisibility(segment_id, checked)


def detail(found: dict) -> str:
    """Pieces, side and share of the brain of measurements.measure, for people."""
    sides = {"left": _("left side"), "right": _("right side"), "both": _("both sides")}
    pieces = _("1 piece") if found["lesions"] == 1 else _("{count} pieces").format(count=found["lesions"])
    parts = [pieces, sides[found["side"]]] if found["lesions"] else [_("No lesion")]
    if found["lesion_percent"] is not None:
        share = _("{percent:.1f} % of {ml:.0f} ml brain")
        parts.append(share.format(percent=found["lesion_percent"], ml=found["brain_ml"]))
    return ", ".join(parts)
