"""process(): what stands in the scene after an analysis."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import slicer
from scene_helpers import MODULE_FILE, FakeAnalyze, mask_of
from scene_tables import read_table

from CovidLungQuantLib.labels import LESIONS, LUNGS
from CovidLungQuantLib.measurement.measurements import to_rows
from CovidLungQuantLib.phantoms.chest import make_phantom
from LesionKitLib.imaging.volume import LPS_IN_RAS, affine
from LesionKitLib.mrml.segmentations import get_tag, terminology_entry
from LesionKitLib.run.errors import Cancelled, UnusableInput

ROOT = Path(__file__).parents[2]
ANGLE = np.radians(25)
OBLIQUE = LPS_IN_RAS @ np.array([[1, 0, 0], [0, np.cos(ANGLE), -np.sin(ANGLE)], [0, np.sin(ANGLE), np.cos(ANGLE)]])


def segment_named(segmentation, name):
    content = segmentation.GetSegmentation()
    return content.GetSegment(content.GetSegmentIdBySegmentName(name))


def test_loading_the_module_imports_nothing_heavy():
    code = (
        "import sys; from slicer_host.headless import load_module, start; start(); "
        f"load_module({str(MODULE_FILE)!r}).CovidLungQuantLogic(); "
        "print(*sorted({'torch', 'scipy', 'SimpleITK', 'pydicom', 'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    path = [str(ROOT / folder) for folder in ("LesionKit", "CovidLungQuant", "Testing")]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


def test_every_class_becomes_a_segment_with_exactly_its_voxels(chest, logic):
    node = chest.node()
    segmentation = logic.process(node)
    for labels, classes in ((chest.lungs, LUNGS), (chest.lesions, LESIONS)):
        for label in classes:
            np.testing.assert_array_equal(mask_of(segmentation, label.name, node), labels == label.value, label.name)


@pytest.mark.parametrize(
    ("spacing", "directions"),
    [
        ((1, 1, 1), LPS_IN_RAS),
        ((0.6, 0.8, 7.5), LPS_IN_RAS),
        ((2, 3, 4), np.eye(3)),
        ((2, 3, 4), OBLIQUE),
        ((2, 3, 4), np.eye(3)[[1, 2, 0]]),
    ],
    ids=["isotropic", "anisotropic", "flipped", "oblique", "permuted"],
)
def test_segments_hold_the_milliliters_of_the_label_map_in_the_inputs_geometry(chest, logic, spacing, directions):
    chest.ijk_to_ras = affine(spacing, directions, (-50, 60, 70))
    node = chest.node()
    segmentation = logic.process(node)
    total = logic.measure(segmentation, node)["total"]
    voxel_ml = np.prod(spacing) / 1000
    assert total["lung_ml"] == pytest.approx((chest.lungs > 0).sum() * voxel_ml)
    assert total["ggo_ml"] == pytest.approx((chest.lesions == 1).sum() * voxel_ml)
    assert total["high_opacity_ml"] == pytest.approx((chest.lesions > 1).sum() * voxel_ml)
    np.testing.assert_array_equal(mask_of(segmentation, "Right lung", node), chest.lungs == 1)


def test_lungs_and_lesions_are_two_layers_so_that_they_may_overlap(chest, logic):
    segmentation = logic.process(chest.node())
    assert segmentation.GetSegmentation().GetNumberOfLayers() == 2


def test_a_transformed_volume_gets_its_result_under_the_same_transform_in_world_milliliters(
    chest, logic, analyze, scene
):
    node = chest.node()
    parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.diag([1.0, 1.0, 2.0, 1.0])
    matrix[:3, 3] = (100, 0, -40)
    parent.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(parent.GetID())
    segmentation = logic.process(node)
    assert segmentation.GetParentTransformNode() is parent
    np.testing.assert_allclose(analyze.calls[0].volume.ijk_to_ras, matrix @ chest.ijk_to_ras)
    bounds = np.zeros(6)
    segmentation.GetRASBounds(bounds)
    lung_indices = np.argwhere(chest.lungs > 0)[:, ::-1]
    world = (matrix @ chest.ijk_to_ras @ np.c_[lung_indices, np.ones(len(lung_indices))].T)[:3]
    rim = np.array([4, 5, 12]) * 1.5  # half a voxel, and the one background voxel around the label
    np.testing.assert_allclose(bounds[::2], world.min(1) - rim, atol=1e-6)
    np.testing.assert_allclose(bounds[1::2], world.max(1) + rim, atol=1e-6)
    total = logic.measure(segmentation, node)["total"]
    assert total["lung_ml"] == pytest.approx((chest.lungs > 0).sum() * 4 * 5 * 12 / 1000)


def test_segments_are_named_colored_and_coded(chest, logic):
    segmentation = logic.process(chest.node(), network="convlstm")
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 5
    for label in (*LUNGS, *LESIONS):
        segment = segment_named(segmentation, label.name)
        np.testing.assert_allclose(np.array(segment.GetColor()) * 255, label.color, atol=0.5)
        assert get_tag(segment, "TerminologyEntry") == terminology_entry(label)
        assert get_tag(segment, "DICOM.SegmentAlgorithmType") == "AUTOMATIC"
        assert get_tag(segment, "DICOM.SegmentAlgorithmName") == "LesionKit convlstm 1.2"


def test_slicer_reads_the_codes_out_of_the_terminology_entry(chest, logic):
    segmentation = logic.process(chest.node())
    for label in (*LUNGS, *LESIONS):
        entry = slicer.vtkSlicerTerminologyEntry()
        text = get_tag(segment_named(segmentation, label.name), "TerminologyEntry")
        assert slicer.vtkSlicerTerminologiesModuleLogic().DeserializeTerminologyEntry(text, entry)
        for code, expected in (
            (entry.GetCategoryObject(), label.category),
            (entry.GetTypeObject(), label.type),
            (entry.GetTypeModifierObject(), label.modifier),
            (entry.GetRegionObject(), label.region),
        ):
            found = (code.GetCodingSchemeDesignator(), code.GetCodeValue(), code.GetCodeMeaning())
            assert tuple(part or "" for part in found) == (expected or ("", "", ""))


@pytest.mark.parametrize("label", [*LUNGS, *LESIONS], ids=lambda label: label.key)
def test_codes_are_those_of_the_dicom_standard(label):
    from pydicom.sr.codedict import codes

    known = {
        str(code.value): code.meaning
        for code in (
            codes.SCT.MorphologicallyAbnormalStructure,
            codes.SCT.Lung,
            codes.SCT.Pleura,
            codes.SCT.Right,
            codes.SCT.Left,
            codes.DCM.GroundGlassOpacity,
            codes.SCT.PleuralEffusion,
        )
    }
    known |= {"123037004": "Anatomical Structure", "95436008": "Lung consolidation"}  # from elsewhere: see labels.py
    for code in filter(None, (label.category, label.type, label.modifier, label.region)):
        assert known[code[1]] == code[2]


def test_lungs_show_outlines_only_and_findings_a_light_fill(chest, logic):
    segmentation = logic.process(chest.node())
    display = segmentation.GetDisplayNode()
    content = segmentation.GetSegmentation()
    for label in (*LUNGS, *LESIONS):
        segment_id = content.GetSegmentIdBySegmentName(label.name)
        assert display.GetSegmentVisibility2DOutline(segment_id)
        assert display.GetSegmentVisibility2DFill(segment_id) == (label in LESIONS)
        assert 0.15 <= display.GetSegmentOpacity2DFill(segment_id) <= 0.3


def test_a_class_that_was_not_found_is_an_empty_segment_ready_for_painting(chest, analyze, logic):
    analyze.lesions = np.zeros_like(chest.lesions)
    node = chest.node()
    segmentation = logic.process(node)
    assert not mask_of(segmentation, "Consolidation", node).any()
    assert logic.measure(segmentation, node)["total"]["burden_percent"] == 0


def test_the_table_holds_the_measurements_with_types_names_and_units(chest, logic, analyze):
    segmentation = logic.process(chest.node("Chest 1"))
    table = logic.tableFor(segmentation)
    header, rows = to_rows(logic.measure(segmentation, slicer.util.getNode("Chest 1")))
    found = read_table(table)
    assert [list(row) for row in found] == [header] * 12
    for row, expected in zip(found, rows, strict=True):
        for value, wanted in zip(row.values(), expected, strict=True):
            if isinstance(wanted, str):
                assert value == wanted
            else:
                np.testing.assert_allclose(value, np.nan if wanted is None else wanted, rtol=0, atol=0.051)
                assert len(str(value).partition(".")[2]) <= 2, "as many digits as a reader wants"
    assert table.GetLocked()
    column = header[2]
    assert (table.GetColumnTitle(column), table.GetColumnUnitLabel(column)) == ("Lung volume", "ml")


def test_all_that_belongs_to_a_result_stands_under_its_image(chest, logic, scene):
    """Also the chart's series and its table, which Slicer would list at the top."""
    node = chest.node()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    segmentation = logic.process(node)
    chart = logic.chartFor(segmentation)
    series = [chart.GetNthPlotSeriesNode(n) for n in range(chart.GetNumberOfPlotSeriesNodes())]
    for result in (segmentation, logic.tableFor(segmentation), chart, *series, series[0].GetTableNode()):
        parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(result))
        assert hierarchy.GetItemDataNode(parent) is node


def test_notes_about_the_input_become_the_segmentations_description(chest, logic):
    assert logic.process(chest.node()).GetDescription() == "The slices lie 6 mm apart. Small lesions may be missed."


def test_the_pipeline_is_asked_for_the_network_device_and_progress_given(chest, logic, analyze):
    progress = object()
    logic.process(chest.node(), network="jcs", device="cpu", progress=progress)
    call = analyze.calls[0]
    assert (call.network, call.device, call.progress) == ("jcs", "cpu", progress)


@pytest.mark.parametrize("error", [UnusableInput("Not a chest CT."), Cancelled("Cancelled.")], ids=["error", "cancel"])
def test_an_analysis_that_ends_early_leaves_the_scene_as_it_was(chest, module, scene, error):
    def fail(volume, **_):
        raise error

    node = chest.node()
    before = scene.GetNumberOfNodes()
    with pytest.raises(type(error), match=str(error)):
        module.CovidLungQuantLogic(analyze=fail).process(node)
    assert scene.GetNumberOfNodes() == before


def test_no_volume_is_a_value_error_with_a_sentence(logic):
    with pytest.raises(ValueError, match="No volume is chosen"):
        logic.process(None)


def test_a_result_of_another_shape_is_refused(chest, logic, analyze, scene):
    node = chest.node()
    result = analyze(logic.volumeFor(node))
    result = replace(result, lungs=result.lungs[1:])
    with pytest.raises(ValueError, match="does not fit the volume"):
        logic.showResult(result, node)
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_the_modules_self_test_passes_on_a_phantom(module, scene, monkeypatch):
    phantom = make_phantom(seed=1, spacing=(3.0, 3.0, 5.0))
    monkeypatch.setattr(
        "CovidLungQuantLib.phantoms.chest.make_phantom", lambda **_: phantom
    )  # making it again takes seconds
    monkeypatch.setattr(module.CovidLungQuantTest, "analyze", FakeAnalyze(phantom))
    module.CovidLungQuantTest().runTest()
