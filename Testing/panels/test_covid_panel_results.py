"""CovidLungQuant's panel: burden, tables, chart, display, and how they follow edits."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from scene_tables import read_table

pytest_plugins = "covid_panel"


def test_the_headline_is_there_before_the_voxels_are_counted_for_edits(panel, monkeypatch):
    panel.add_ct()
    section = panel.widget.resultsSection
    monkeypatch.setattr(section, "_follow_edits", lambda: None)
    panel.ui.applyButton.click()
    panel.finish()
    assert section._live is None
    assert panel.ui.headlineLabel.text.startswith("Burden ") and "–" not in panel.ui.headlineLabel.text


def test_before_a_result_the_sections_are_closed_and_say_why(panel):
    for section in (
        panel.ui.resultsCollapsibleButton,
        panel.ui.editCollapsibleButton,
        panel.ui.exportCollapsibleButton,
    ):
        assert section.collapsed and not section.enabled
    assert "Apply" in panel.ui.resultsCollapsibleButton.toolTip


def test_the_result_appears_with_burden_tables_and_chart(panel, chest):
    _hu, lungs, lesions, _matrix = chest
    segmentation = panel.apply()
    assert not panel.ui.resultsCollapsibleButton.collapsed
    burden = 100 * (lesions > 0).sum() / (lungs > 0).sum()
    assert panel.ui.headlineLabel.text == f"Burden {burden:.1f} %"
    assert "severity score" in panel.ui.detailLabel.text
    ml = (lesions == 2).sum() * 0.12
    row = panel.table()["Consolidation"]
    assert (row["AI [ml]"], row["Now [ml]"], row["± [ml]"], row["Dice"]) == (f"{ml:.1f}", f"{ml:.1f}", "0.0", "1.000")
    assert panel.ui.regionTableView.mrmlTableNode() is panel.widget.logic.tableFor(segmentation)
    view = panel.ui.burdenPlotWidget.mrmlPlotViewNode()
    assert view.GetPlotChartNode() is panel.widget.logic.chartFor(segmentation)
    assert view.GetParentLayoutNode() is not None  # else Slicer's layout would open a view for it


def test_the_chart_s_bars_are_the_shares_of_the_lung_thirds(panel):
    segmentation = panel.apply()
    regions = read_table(panel.widget.logic.tableFor(segmentation))
    chart = panel.widget.logic.chartFor(segmentation)
    bars = read_table(chart.GetNthPlotSeriesNode(0).GetTableNode())
    thirds = [row for row in regions if row["Lung"] != "both" and row["Third"] != "all"]
    assert [bar["Label"] for bar in bars][:2] == ["R up", "R mid"]
    np.testing.assert_allclose([bar["GGO"] for bar in bars], [row["GGO (% of lung)"] for row in thirds], atol=0.005)
    assert max(bar["High opacity"] for bar in bars) > 0


def test_the_numbers_follow_an_edit(panel):
    panel.apply()
    before = panel.ui.headlineLabel.text
    panel.edit("consolidation", lambda mask: mask.fill(0))
    assert panel.ui.headlineLabel.text != before
    row = panel.table()["Consolidation"]
    assert (row["Now [ml]"], row["± [ml]"], row["Dice"]) == ("0.0", "-3.6", "0.000")
    assert panel.table()["GGO"]["± [ml]"] == "0.0"
    regions = read_table(panel.ui.regionTableView.mrmlTableNode())
    assert regions[0]["Consolidation (ml)"] == 0


def test_the_numbers_follow_edits_made_in_another_module(panel):
    panel.apply()
    panel.host.leave()
    panel.edit("ggo", lambda mask: mask.fill(0))
    assert panel.table()["GGO"]["Now [ml]"] == "0.0"


def test_without_lungs_the_panel_says_why_there_is_no_burden(panel):
    panel.apply()
    panel.edit("right_lung", lambda mask: mask.fill(0))
    panel.edit("left_lung", lambda mask: mask.fill(0))
    for lesion in ("ggo", "consolidation", "effusion"):
        panel.edit(lesion, lambda mask: mask.fill(0))
    assert panel.ui.headlineLabel.text == "–"
    assert "no lung" in panel.ui.detailLabel.text
    assert panel.host.messages.shown == []


@pytest.mark.parametrize(
    ("box", "segment_ids"),
    [
        ("showGgoCheckBox", ["ggo"]),
        ("showConsolidationCheckBox", ["consolidation"]),
        ("showEffusionCheckBox", ["effusion"]),
        ("showLungsCheckBox", ["right_lung", "left_lung"]),
    ],
)
def test_a_class_is_hidden_and_shown(panel, box, segment_ids):
    display = panel.apply().GetDisplayNode()
    box = getattr(panel.ui, box)
    assert box.checked and box.enabled
    box.click()
    hidden = [i for i in panel.segmentation.GetSegmentation().GetSegmentIDs() if not display.GetSegmentVisibility(i)]
    assert hidden == segment_ids
    box.click()
    assert all(display.GetSegmentVisibility(i) for i in segment_ids)


def test_opacity_and_outline_act_on_lesions_only(panel):
    display = panel.apply().GetDisplayNode()
    panel.ui.displayGroupBox.collapsed = False
    assert panel.ui.opacitySlider.value == pytest.approx(100 * display.GetSegmentOpacity2DFill("ggo"))
    panel.ui.opacitySlider.value = 70
    panel.ui.outlineOnlyCheckBox.click()
    assert display.GetSegmentOpacity2DFill("effusion") == pytest.approx(0.7)
    assert not display.GetSegmentVisibility2DFill("ggo") and display.GetSegmentVisibility2DOutline("ggo")
    panel.ui.outlineOnlyCheckBox.click()
    assert display.GetSegmentVisibility2DFill("ggo")
    assert not display.GetSegmentVisibility2DFill("right_lung")


def test_the_controls_follow_what_is_shown_elsewhere(panel):
    display = panel.apply().GetDisplayNode()
    display.SetSegmentVisibility("ggo", False)
    display.SetSegmentOpacity2DFill("ggo", 0.5)
    assert not panel.ui.showGgoCheckBox.checked
    assert panel.ui.opacitySlider.value == pytest.approx(50)


def test_the_heat_map_is_offered_only_when_the_network_gives_one(panel, chest):
    panel.apply()
    assert not panel.ui.heatmapCheckBox.enabled
    assert "no heat map" in panel.ui.heatmapCheckBox.toolTip
    panel.pipeline.heatmap = np.linspace(0, 100, chest[1].size).astype(np.uint8).reshape(chest[1].shape)
    segmentation = panel.apply()
    heatmap = panel.widget.logic.heatmapFor(segmentation)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(heatmap), panel.pipeline.heatmap)
    panel.ui.displayGroupBox.collapsed = False
    composite = panel.scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    panel.ui.heatmapCheckBox.click()
    assert composite.GetForegroundVolumeID() == heatmap.GetID()
    panel.ui.heatmapCheckBox.click()
    assert composite.GetForegroundVolumeID() is None
    panel.scene.RemoveNode(composite)


def test_a_second_run_renews_the_result_where_nobody_edited_it(panel):
    first = panel.apply()
    panel.pipeline.lesions = np.where(panel.pipeline.lesions == 3, 0, panel.pipeline.lesions).astype(np.uint8)
    assert panel.apply() is first
    assert panel.table()["Effusion"]["AI [ml]"] == "0.0"


def test_a_second_run_leaves_an_edited_result_alone(panel):
    first = panel.apply()
    panel.edit("ggo", lambda mask: mask.fill(0))
    second = panel.apply()
    assert second is not first and panel.segmentation is second
    assert panel.table()["GGO"]["± [ml]"] == "0.0"
    panel.parameters.outputSegmentation = first
    panel.settle()
    assert panel.table()["GGO"]["Now [ml]"] == "0.0"


def test_the_result_of_another_ct_is_left_alone(panel):
    first = panel.apply("first")
    panel.add_ct("second")
    second = panel.apply()
    assert second is not first
    assert panel.widget.logic.volumeOf(first).GetName() == "first"
    assert "AI 2" not in second.GetName()


def test_a_deleted_result_leaves_an_empty_panel(panel):
    panel.scene.RemoveNode(panel.apply())
    panel.settle()
    assert panel.ui.headlineLabel.text == "–"
    assert panel.ui.comparisonTableView.mrmlTableNode() is None
    assert not panel.ui.editCollapsibleButton.enabled


def test_the_numbers_stay_when_the_ct_is_deleted(panel):
    segmentation = panel.apply()
    burden = panel.ui.headlineLabel.text
    panel.scene.RemoveNode(panel.widget.logic.volumeOf(segmentation))
    panel.settle()
    assert panel.ui.headlineLabel.text == burden
    assert not panel.ui.applyButton.enabled


def drawn(plot_widget) -> list[str]:
    """Names of the series that the plot view draws."""
    return [series.GetName() for series, _points, _labels in plot_widget.plotView()._drawn]


def test_the_chart_is_drawn_when_its_group_is_opened(panel):
    """A plot view in a collapsed group box is disabled, and overlooks what happens."""
    panel.apply()
    assert drawn(panel.ui.burdenPlotWidget) == []
    panel.ui.regionsGroupBox.collapsed = False
    assert drawn(panel.ui.burdenPlotWidget) == ["GGO", "High opacity"]
    panel.edit("consolidation", lambda mask: mask.fill(0))
    panel.ui.regionsGroupBox.collapsed = True
    panel.edit("effusion", lambda mask: mask.fill(0))
    panel.ui.regionsGroupBox.collapsed = False
    _series, points, _labels = panel.ui.burdenPlotWidget.plotView()._drawn[1]
    assert all(y == 0 for _x, y in points)


def test_a_result_carries_the_name_of_its_image_and_is_shown_alone(panel):
    first = panel.apply("first")
    assert panel.ui.imageLabel.text == "first"
    panel.add_ct("second")
    assert panel.ui.imageLabel.text == "first" and panel.ui.statusLabel.text == "", "the sentence was about the first"
    second = panel.apply()
    assert panel.ui.imageLabel.text == "second" and panel.ui.statusLabel.text.startswith("second: done")
    assert [bool(node.GetDisplayNode().GetVisibility()) for node in (first, second)] == [False, True]
    panel.parameters.outputSegmentation = first
    assert [bool(node.GetDisplayNode().GetVisibility()) for node in (first, second)] == [True, False]
    assert panel.ui.imageLabel.text == "first"


def test_tables_are_as_high_as_their_rows_and_absent_before_a_result(panel):
    import qt

    assert not panel.ui.comparisonTableView.isVisibleTo(panel.ui.resultsCollapsibleButton)
    panel.apply()
    table = panel.ui.comparisonTableView
    assert table.isVisibleTo(panel.ui.resultsCollapsibleButton)
    assert table.minimumHeight == table.maximumHeight > 22 * table.mrmlTableNode().GetNumberOfRows()
    header = [table.model().headerData(column, qt.Qt.Horizontal) for column in range(7)]
    assert header == ["Class", "Now [ml]", "Now [%]", "± [ml]", "Dice", "AI [ml]", "AI [%]"]


def test_lung_and_soft_tissue_windows(panel):
    display = panel.apply() and panel.parameters.inputVolume.GetDisplayNode()
    panel.ui.softTissueWindowButton.click()
    assert (display.GetWindow(), display.GetLevel()) == (400, 40)
    panel.ui.lungWindowButton.click()
    assert (display.GetWindow(), display.GetLevel()) == (1500, -600)


def test_surfaces_are_made_on_demand_and_gone_when_hidden(panel):
    segmentation = panel.apply()
    content = segmentation.GetSegmentation()
    assert not content.ContainsRepresentation("Closed surface")
    panel.ui.show3DButton.click()
    assert content.ContainsRepresentation("Closed surface") and segmentation.GetDisplayNode().GetVisibility3D()
    panel.ui.show3DButton.click()
    assert not content.ContainsRepresentation("Closed surface")
