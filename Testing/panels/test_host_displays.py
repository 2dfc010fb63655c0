"""The stand-ins that show or edit nodes: table, chart, segments, Segment Editor."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from slicer_host.headless import start

start()


@pytest.fixture
def volume(host, scene):
    return slicer.util.addVolumeFromArray(np.zeros((6, 8, 10), np.int16), np.diag([2.0, 2.0, 3.0, 1.0]), "CT")


@pytest.fixture
def segmentation(scene, volume):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Result")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for name in ("GGO", "Consolidation"):
        node.GetSegmentation().AddEmptySegment(name, name)
    return node


@pytest.fixture
def editor(scene, segmentation, volume):
    widget = slicer.qMRMLSegmentEditorWidget()
    widget.setMRMLScene(scene)
    widget.setMRMLSegmentEditorNode(scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode"))
    widget.setSegmentationNode(segmentation)
    widget.setSourceVolumeNode(volume)
    return widget


@pytest.fixture
def table(scene):
    node = scene.AddNewNodeByClass("vtkMRMLTableNode", "Measurements")
    for name, values in (("third", ["upper", "lower"]), ("ggo", [3.0, 5.5])):
        column = vtk.vtkStringArray() if isinstance(values[0], str) else vtk.vtkDoubleArray()
        column.SetName(name)
        for value in values:
            column.InsertNextValue(value)
        node.AddColumn(column)
    node.SetUseColumnTitleAsColumnHeader(True)
    return node


def ggo(segmentation, volume) -> int:
    return int(slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "GGO", volume).sum())


def box(*slices) -> np.ndarray:
    mask = np.zeros((6, 8, 10), bool)
    mask[slices] = True
    return mask


def test_a_table_is_shown_and_followed(table):
    view = slicer.qMRMLTableView()
    view.setMRMLTableNode(table)
    model = view.model()
    assert [model.horizontalHeaderItem(0).text(), model.item(1, 1).text()] == ["third", "5.5"]
    table.SetCellText(1, 1, "7")
    assert view.model().item(1, 1).text() == "7"
    assert view.mrmlTableNode() is table


def test_a_table_without_titles_shows_letters(table):
    table.SetUseColumnTitleAsColumnHeader(False)
    view = slicer.qMRMLTableView()
    view.setMRMLTableNode(table)
    assert view.model().horizontalHeaderItem(0).text() == "A"


@pytest.mark.parametrize("kind", ["PlotTypeBar", "PlotTypeLine"])
def test_a_chart_is_drawn_in_its_series_colors(host, scene, table, tmp_path, kind):
    from PIL import Image

    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "GGO")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetYColumnName("ggo")
    series.SetLabelColumnName("third")
    series.SetPlotType(getattr(series, kind))
    series.SetColor(1.0, 0.5, 0.0)
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", "Burden")
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    view = scene.AddNewNodeByClass("vtkMRMLPlotViewNode")
    view.SetPlotChartNodeID(chart.GetID())
    widget = slicer.qMRMLPlotWidget()
    widget.setMRMLPlotViewNode(view)

    host.screenshot(widget, tmp_path / "chart.png", 300, 200)

    with Image.open(tmp_path / "chart.png") as image:
        colors = {color for _count, color in image.convert("RGB").getcolors(maxcolors=100000)}
    assert any(abs(red - 255) < 8 and abs(green - 128) < 8 and blue < 8 for red, green, blue in colors)


def test_the_editor_takes_its_choices_from_its_node(editor, segmentation, volume):
    node = editor.mrmlSegmentEditorNode()
    assert node.GetSegmentationNode() is segmentation and node.GetSourceVolumeNode() is volume
    assert editor.currentSegmentID() == node.GetSelectedSegmentID() == "GGO"
    editor.selectNextSegment()
    assert editor.currentSegmentID() == "Consolidation"
    editor.setActiveEffectByName("Paint")
    assert node.GetActiveEffectName() == "Paint" and editor.activeEffect().name == "Paint"
    editor.setActiveEffectByName("")
    assert editor.activeEffect() is None


def test_the_editor_wants_node_and_segmentation_first(host, scene, volume, segmentation):
    widget = slicer.qMRMLSegmentEditorWidget()
    with pytest.raises(ValueError, match="editor node first"):
        widget.setSegmentationNode(segmentation)
    widget.setMRMLSegmentEditorNode(scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode"))
    with pytest.raises(ValueError, match="before the source volume"):
        widget.setSourceVolumeNode(volume)
    with pytest.raises(ValueError, match="no effect"):
        widget.setActiveEffectByName("Magic")


def test_a_stroke_adds_and_erases_and_can_be_undone(editor, segmentation, volume):
    from slicer_host.editing import stroke

    stroke(editor, box(slice(1, 3), slice(2, 6), slice(2, 6)))
    assert ggo(segmentation, volume) == 2 * 4 * 4
    stroke(editor, box(slice(1, 2)), erase=True)
    assert ggo(segmentation, volume) == 4 * 4
    editor.undo()
    assert ggo(segmentation, volume) == 2 * 4 * 4
    editor.redo()
    assert ggo(segmentation, volume) == 4 * 4


def test_a_stroke_stays_in_the_editable_area(editor, segmentation, volume):
    from slicer_host.editing import stroke

    editor.setCurrentSegmentID("Consolidation")
    stroke(editor, box(slice(1, 3), slice(2, 6), slice(2, 6)))
    editor.setCurrentSegmentID("GGO")
    editor.mrmlSegmentEditorNode().SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideAllSegments)
    stroke(editor, box(slice(1, 2)))
    assert ggo(segmentation, volume) == 4 * 4


def test_the_segments_table_lists_and_selects(segmentation):
    view = slicer.qMRMLSegmentsTableView()
    view.setSegmentationNode(segmentation)
    assert view.segmentCount == 2
    view.setSelectedSegmentIDs(["Consolidation"])
    segmentation.GetSegmentation().AddEmptySegment("Lung", "Lung")
    assert (view.segmentCount, view.selectedSegmentIDs()) == (3, ("Consolidation",))


def test_a_collapsed_section_is_only_its_header(host):
    import ctk
    import qt

    top = qt.QWidget()
    section = ctk.ctkCollapsibleButton("Results")
    label = qt.QLabel("\n" * 10)
    qt.QVBoxLayout(top).addWidget(section)
    qt.QVBoxLayout(section).addWidget(label)
    top.show()
    host.process_events()
    told, high = [], section.height
    section.connect("contentsCollapsed(bool)", told.append)
    section.collapsed = True
    host.process_events()
    assert section.height < 40 < high and told == [True] and not section.checked
    top.hide()


def test_sample_data_is_registered_where_slicer_keeps_it(host):
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Testing", sampleName="CT", uris="file:///ct.nrrd", fileNames="ct.nrrd", nodeNames="CT"
    )
    (source,) = slicer.modules.sampleDataSources.pop("Testing")
    assert (source.sampleName, source.fileNames) == ("CT", ["ct.nrrd"])
    with pytest.raises(ValueError, match="unequal numbers"):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(uris=["a", "b"], fileNames="a")
