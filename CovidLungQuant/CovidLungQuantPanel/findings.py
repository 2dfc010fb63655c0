"""The decision with its probability, the lesions one by one, and truth against prediction for learners."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from .common import slot

ROW_PIXELS = 22


class FindingsSection:
    """Shows what one segmentation's run decided and found."""

    def __init__(self, ui, logic):
        self.ui, self.logic = ui, logic
        self._segmentation = None
        self._places = []  # RAS of each row
        self._is_filling = False
        ui.findingsTable.verticalHeader().setVisible(False)
        ui.findingsTable.verticalHeader().setDefaultSectionSize(ROW_PIXELS)
        ui.findingsTable.horizontalHeader().setStretchLastSection(True)
        ui.findingsTable.connect("cellClicked(int,int)", self._on_row)
        ui.findingsTable.connect("currentCellChanged(int,int,int,int)", self._on_row)
        ui.refreshFindingsButton.connect("clicked(bool)", self._on_refresh)
        ui.truthSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._check_compare)
        ui.compareButton.connect("clicked(bool)", self._on_compare)
        self._show_nothing()

    def show(self, segmentation) -> None:
        """Follow this segmentation from now on; None shows nothing."""
        self._segmentation = segmentation
        if segmentation is None:
            self._show_nothing()
            return
        self._show_decision()
        self._fill(self.logic.findingsFor(segmentation))
        self._check_compare()

    def close(self) -> None:
        """Let go of the segmentation."""
        self._segmentation = None
        self._places = []

    def _show_nothing(self) -> None:
        self.ui.decisionLabel.text = ""
        self.ui.decisionLabel.setVisible(False)
        self.ui.teachingLabel.text = ""
        self._fill([])
        self._check_compare()

    def _show_decision(self) -> None:
        decision = self.logic.decisionFor(self._segmentation)
        self.ui.decisionLabel.setVisible(decision is not None)
        if decision is None:
            self.ui.decisionLabel.text = ""
            return
        word = _("positive") if decision["positive"] else _("negative")
        self.ui.decisionLabel.text = _(
            "COVID-19 pneumonia: probability {percent} %, {word}; not a diagnosis. {rule}"
        ).format(percent=round(100 * decision["covid_probability"]), word=word, rule=decision.get("rule", ""))

    # lesions ----------------------------------------------------------------------------------------------------------

    def _fill(self, findings: list[dict]) -> None:
        from CovidLungQuantLib.measurement.findings import HEADER, finding_rows_of_dicts

        table = self.ui.findingsTable
        self._is_filling = True
        try:
            table.clearContents()
            table.setColumnCount(len(HEADER))
            table.setHorizontalHeaderLabels(list(HEADER))
            table.setRowCount(len(findings))
            for row, cells in enumerate(finding_rows_of_dicts(findings)):
                for column, value in enumerate(cells):
                    table.setItem(row, column, qt.QTableWidgetItem(str(value)))
            table.resizeColumnsToContents()
            table.setCurrentCell(-1, -1)
        finally:
            self._is_filling = False
        self._places = [finding["ras"] for finding in findings]

    @slot
    def _on_row(self, row=-1, *_others) -> None:
        from LesionKitLib.mrml.views import jump_to

        if not self._is_filling and self._segmentation is not None and 0 <= row < len(self._places):
            jump_to(self._segmentation.GetScene(), self._places[row])

    @slot
    def _on_refresh(self, _checked=False) -> None:
        if self._segmentation is not None:
            self._fill(self.logic.findFindings(self._segmentation))

    # teaching ---------------------------------------------------------------------------------------------------------

    @slot
    def _check_compare(self, _node=None) -> None:
        """Enable Compare, or say in its tool tip why it cannot run."""
        truth = self.ui.truthSelector.currentNode()
        reason = ""
        if self._segmentation is None:
            reason = _("There is no result to compare.")
        elif truth is None:
            reason = _("Choose the segmentation that holds the truth.")
        elif truth is self._segmentation:
            reason = _("This is the result itself; choose the segmentation that holds the truth.")
        self.ui.compareButton.enabled = not reason
        self.ui.compareButton.toolTip = reason or _(
            "Make a segmentation of what was found, what was missed and what was marked in vain."
        )

    @slot
    def _on_compare(self, _checked=False) -> None:
        outcome = self.logic.compareWithTruth(self._segmentation, self.ui.truthSelector.currentNode())
        dice = "–" if outcome["dice"] is None else f"{outcome['dice']:.2f}"
        self.ui.teachingLabel.text = _(
            "Found {found:.1f} ml, missed {missed:.1f} ml, marked in vain {vain:.1f} ml; Dice {dice}"
        ).format(found=outcome["found_ml"], missed=outcome["missed_ml"], vain=outcome["in_vain_ml"], dice=dice)
        slicer.app.processEvents()
