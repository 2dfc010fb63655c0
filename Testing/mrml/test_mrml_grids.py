"""Segments on other grids than the image: no layer grows on half-voxel ties, and thin ones keep their volume."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from scene_helpers import edit, mask_of

from CovidLungQuantLib.labels import GGO, LESIONS, LUNGS
from LesionKitLib.imaging.volume import affine
from LesionKitLib.mrml.segmentations import Layer, read_labels, segment_mask, write_segmentation

SIZE = 40


def grid(spacing: float, origin: float, name="grid"):
    """A cube of 40 mm with voxels of this size, its first voxel at (origin, origin, origin) mm."""
    count = int(SIZE / spacing)
    matrix = affine([spacing] * 3, np.eye(3), [origin] * 3)
    return slicer.util.addVolumeFromArray(np.zeros([count] * 3, np.int16), matrix, name)


def block(first: int) -> np.ndarray:
    labels = np.zeros([SIZE] * 3, np.uint8)
    labels[first : first + 10, first : first + 10, first : first + 10] = GGO.value
    return labels


@pytest.mark.parametrize("first", [10, 11])
@pytest.mark.parametrize(("spacing", "origin"), [(1, 0.5), (1, -0.5), (2, 0.5), (0.5, -0.25), (1, 0.25), (0.5, 0.0)])
@pytest.mark.parametrize("cropped", [False, True])
def test_a_block_is_read_at_its_volume_on_grids_shifted_by_half_a_voxel(scene, first, spacing, origin, cropped):
    """cropped: as Slicer's editor leaves a segment, without any background around it."""
    segmentation = write_segmentation([Layer(block(first), [GGO])], grid(1, 0, "CT"), "x")
    if cropped:
        segmentation.GetSegmentation().CollapseBinaryLabelmaps()
        image = segmentation.GetSegmentation().GetSegment("ggo").GetRepresentation("Binary labelmap")
        crop_to_label(image)
        assert image.GetDimensions() == (10, 10, 10)
    found = read_labels(segmentation, grid(spacing, origin), [GGO])
    assert found.sum() * spacing**3 == 1000


def crop_to_label(image) -> None:
    extent = [0] * 6
    slicer.vtkOrientedImageDataResample.CalculateEffectiveExtent(image, extent)
    copy = slicer.vtkOrientedImageData()
    copy.DeepCopy(image)
    slicer.vtkOrientedImageDataResample.CopyImage(copy, image, extent)


@pytest.mark.parametrize("first", [10, 11])
def test_slicers_own_export_to_a_shifted_grid_does_not_grow_what_is_written_here(scene, first):
    segmentation = write_segmentation([Layer(block(first), [GGO])], grid(1, 0, "CT"), "x")
    for spacing, origin in ((1, 0.5), (2, 0.5)):
        assert mask_of(segmentation, GGO.name, grid(spacing, origin)).sum() * spacing**3 == 1000


@pytest.fixture
def oversampled(chest, logic):
    """(CT, result, volume of half its voxel size): the result's segments lie in the finer geometry."""
    node = chest.node("CT")
    segmentation = logic.process(node)
    inner = np.array([[0.5, 0, 0, -0.25], [0, 0.5, 0, -0.25], [0, 0, 0.5, -0.25], [0, 0, 0, 1]])
    shape = tuple(2 * n for n in chest.lungs.shape)
    fine = slicer.util.addVolumeFromArray(np.zeros(shape, np.int16), chest.ijk_to_ras @ inner, "fine")
    content = segmentation.GetSegmentation()
    for segment_id in content.GetSegmentIDs():
        array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment_id, node)
        finer = array.repeat(2, 0).repeat(2, 1).repeat(2, 2).astype(np.uint8)
        slicer.util.updateSegmentBinaryLabelmapFromArray(finer, segmentation, segment_id, fine)
    return node, segmentation, fine


def test_segments_repeated_on_a_finer_grid_are_read_as_they_were(chest, oversampled):
    node, segmentation, _ = oversampled
    for classes, labels in ((LUNGS, chest.lungs), (LESIONS, chest.lesions)):
        np.testing.assert_array_equal(read_labels(segmentation, node, classes), labels)


@pytest.mark.parametrize("k", [12, 13])
def test_a_segment_of_half_a_slice_is_measured_at_its_volume_wherever_it_lies(chest, logic, oversampled, k):
    node, segmentation, fine = oversampled
    drawn = np.zeros([2 * n for n in chest.lungs.shape], np.uint8)
    drawn[k, 8:16, 6:14] = 1
    edit(segmentation, GGO.name, drawn, fine)
    voxel_ml = abs(np.linalg.det(chest.ijk_to_ras[:3, :3])) / 1000
    wanted = drawn.sum() * voxel_ml / 8
    assert logic.measure(segmentation, node)["total"]["ggo_ml"] == pytest.approx(wanted, rel=0.05)
    assert segment_mask(segmentation, "ggo", node).sum() * voxel_ml == pytest.approx(wanted, rel=0.05)


def test_a_fine_segment_under_a_rotation_keeps_its_volume(scene):
    ct = grid(2, 0, "CT")
    segmentation = write_segmentation([Layer(np.zeros([20] * 3, np.uint8), [GGO])], ct, "x")
    sheet = np.zeros([2 * SIZE] * 3, np.uint8)
    sheet[40, 20:60, 20:60] = 1  # 0.5 mm of 2 mm
    edit(segmentation, GGO.name, sheet, grid(0.5, -0.75, "fine"))
    transform = slicer.vtkMRMLLinearTransformNode()
    matrix = np.eye(4)
    angle = np.radians(8)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = (4, 0, 0)
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    scene.AddNode(transform)
    segmentation.SetAndObserveTransformNodeID(transform.GetID())
    found = read_labels(segmentation, ct, [GGO])
    assert found.sum() * 8 == pytest.approx(int(sheet.sum()) * 0.125, rel=0.05)
