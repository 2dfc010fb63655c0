"""Experiment: table and chart of a finished ``lesionkit stroke experiment``."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from LesionKitPanel.plot_view import ChartView
from LesionKitPanel.slots import slot
from LesionKitPanel.texts import prepare_table, show_table

PLOT_VIEW_TAG = "StrokeSynth.Chart"


class ExperimentSection:
    """Reads a folder; nothing is computed."""

    def __init__(self, ui, logic):
        self.ui, self.logic = ui, logic
        prepare_table(ui.experimentTableView)
        self._chart = ChartView(ui.experimentPlotWidget, ui.experimentChartGroupBox, PLOT_VIEW_TAG)
        ui.experimentFolderPathLineEdit.connect("currentPathChanged(QString)", self._check)
        ui.experimentButton.connect("clicked(bool)", self._on_show)
        self._check()

    def stop(self) -> None:
        """The scene closes: its table and chart go."""
        show_table(self.ui.experimentTableView, None)
        self._chart.show(None, None, None)
        self.ui.experimentStatusLabel.text = ""

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
        show_table(self.ui.experimentTableView, table)
        self._chart.show(chart, slicer.mrmlScene, self.logic.getParameterNode())
        self.ui.experimentStatusLabel.text = _("{count} rows.").format(count=table.GetNumberOfRows())
