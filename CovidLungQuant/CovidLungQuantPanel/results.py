"""Burden, decision, tables, chart and heat map of a result."""

from __future__ import annotations

from slicer.i18n import tr as _

from LesionKitPanel import results
from LesionKitPanel.plot_view import ChartView
from LesionKitPanel.slots import slot
from LesionKitPanel.texts import prepare_table, show_table, show_text

PLOT_VIEW_TAG = "CovidLungQuant.Chart"
WINDOWS = {"lungWindowButton": (1500.0, -600.0), "softTissueWindowButton": (400.0, 40.0)}  # width, level in HU


class ResultsSection(results.ResultsSection):
    """See LesionKitPanel.results."""

    def __init__(self, ui, logic, on_counts):
        from CovidLungQuantLib.labels import CONSOLIDATION, EFFUSION, GGO, LESIONS, LUNGS

        checks = {
            ui.showGgoCheckBox: (GGO,),
            ui.showConsolidationCheckBox: (CONSOLIDATION,),
            ui.showEffusionCheckBox: (EFFUSION,),
            ui.showLungsCheckBox: LUNGS,
        }
        self._chart = ChartView(ui.burdenPlotWidget, ui.regionsGroupBox, PLOT_VIEW_TAG)
        prepare_table(ui.regionTableView)
        super().__init__(ui, logic, on_counts, headline, checks, LESIONS)
        ui.heatmapCheckBox.connect("toggled(bool)", self._on_heatmap)
        ui.lungWindowButton.connect("clicked(bool)", lambda _checked=False: self._set_window("lungWindowButton"))
        ui.softTissueWindowButton.connect(
            "clicked(bool)", lambda _checked=False: self._set_window("softTissueWindowButton")
        )

    def _show_nothing(self) -> None:
        super()._show_nothing()
        self._show_decision(None)
        show_table(self.ui.regionTableView, None)
        self._chart.show(None, None, None)

    def _show_nodes(self) -> None:
        super()._show_nodes()
        show_table(self.ui.regionTableView, self.logic.tableFor(self._segmentation))
        chart = self.logic.chartFor(self._segmentation)
        self._chart.show(chart, self._segmentation.GetScene(), self.logic.getParameterNode())
        self._show_heatmap_state()

    def _on_renewed(self, _caller=None, _event=None) -> None:
        super()._on_renewed()
        self._show_decision(self.logic.decisionFor(self._segmentation))

    def _show_decision(self, decision: dict | None) -> None:
        self.ui.decisionLabel.setVisible(decision is not None)
        if decision is None:
            show_text(self.ui.decisionLabel, "")
            return
        if decision["covid_probability"] is None:
            text = _("COVID-19 pneumonia: cannot say. {reason}").format(reason=decision["reason"])
        else:
            text = _("COVID-19 pneumonia: probability {percent} %, {word}; not a diagnosis. {rule}").format(
                percent=round(100 * decision["covid_probability"]),
                word=_("positive") if decision["positive"] else _("negative"),
                rule=decision.get("rule", ""),
            )
        show_text(self.ui.decisionLabel, f"{text} {decision.get('accuracy', '')}".strip())

    @slot
    def _set_window(self, name: str) -> None:
        from LesionKitLib.mrml.views import set_window

        volume = self.logic.volumeOf(self._segmentation) if self._segmentation is not None else None
        if volume is not None:
            set_window(volume, *WINDOWS[name])

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


def headline(measurements: dict) -> tuple[str, str]:
    """The burden, and what it is a part of; the classes stand in the table."""
    from CovidLungQuantLib.measurement.severity import score_text

    total = measurements["total"]
    detail = _("Of {lung} ml lung; severity score {score}")
    return _("Burden {percent} %").format(percent=_number(total["burden_percent"])), detail.format(
        lung=_number(total["lung_ml"], 0),
        score=score_text(measurements["severity"]),
    )


def _number(value: float | None, decimals: int = 1) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
