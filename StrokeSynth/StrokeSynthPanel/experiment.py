"""Experiment: table and chart of a finished ``lesionkit stroke experiment``."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from LesionKitPanel.plot_view import plot_view
from LesionKitPanel.slots import slot

from .results import ROW_PIXELS

PLOT_VIEW_TAG = "StrokeSynth.Chart"


class ExperimentSection:
    """Reads a folder; nothing is computed."""

    def __init__(self, ui, logic):
        self.ui, self.logic = ui, logic
        ui.experimentTableView.verticalHeader().setVisible(False)
        ui.experimentTableView.verticalHeader().setDefaultSectionSize(ROW_PIXELS)
        ui.experimentFolderPathLineEdit.connect("currentPathChanged(QString)", self._check)
        ui.experimentButton.connect("clicked(bool)", self._on_show)
        self._check()

    def close(self) -> None:
        """Nothing is held."""

    def _check(self, _path=None) -> None:
        there = bool(self.ui.experimentFolderPathLineEdit.currentPath.strip())
        self.ui.experimentButton.enabled = there
        self.ui.experimentButton.toolTip = _("Read the table.") if there else _("Choose a folder.")

    @slot
    def _on_show(self, _checked=False) -> None:
        table, chart = self.logic.showExperiment(self.ui.experimentFolderPathLineEdit.currentPath.strip())
        self.ui.experimentFolderPathLineEdit.addCurrentPathToHistory()
        self.ui.experimentTableView.setMRMLTableNode(table)
        self.ui.experimentTableView.resizeColumnsToContents()
        view = plot_view(slicer.mrmlScene, self.logic.getParameterNode(), PLOT_VIEW_TAG)
        view.SetPlotChartNodeID(chart.GetID())
        self.ui.experimentPlotWidget.setMRMLPlotViewNode(view)
        self.ui.experimentStatusLabel.text = _("{count} rows.").format(count=table.GetNumberOfRows())
