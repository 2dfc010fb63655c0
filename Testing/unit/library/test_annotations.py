"""Segmentations of others, opened on an image: same voxels, the right classes, and questions where unsure."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from dicom_fixtures import save, sequence_of, write_series
from pydicom.dataset import Dataset
from test_dicom_objects import SEGMENTS, SOURCES, expected, write

from CovidLungQuantLib.labels import CONSOLIDATION, EFFUSION, GGO, LEFT_LUNG, LESIONS, LUNGS, RIGHT_LUNG, SYNONYMS
from LesionKitLib.imaging.segment_class import SegmentClass
from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume, affine
from LesionKitLib.io.annotations.annotation import Annotation
from LesionKitLib.io.annotations.matching import ANSWER, CODE, NAME, OTHER, UNSURE, match
from LesionKitLib.io.annotations.reading import imported, read_annotations
from LesionKitLib.io.annotations.rtstruct import inside_of
from LesionKitLib.io.images import read_volume, write_labelmap
from LesionKitLib.io.seg_nrrd import SegmentRecord, write_seg_nrrd
from LesionKitLib.run.errors import UnusableInput

CLASSES = (*LUNGS, *LESIONS)
IMAGE = Volume(np.zeros((6, 20, 24), np.int16), affine((0.8, 0.7, 2.0)))


def block(low, high, shape=IMAGE.array.shape) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return mask


LESION_MASK = block((1, 4, 5), (4, 9, 12))


def found(name: str, **codes):
    return match(Annotation(name, LESION_MASK, **codes), CLASSES, SYNONYMS)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_a_dicom_segmentation_comes_back_on_its_image_voxel_by_voxel(source, tmp_path):
    volume, findings = write(source(tmp_path / "in"), tmp_path / "out")
    read = read_annotations(tmp_path / "out" / SEGMENTS, volume)
    assert [segment.name for segment in read.segments] == [record.name for record in findings.records]
    for number, segment in enumerate(read.segments):
        assert np.array_equal(segment.mask, expected(findings, number))
    assert [match(segment, CLASSES, SYNONYMS).found for segment in read.segments] == [RIGHT_LUNG, GGO, EFFUSION]
    assert read.segments[0].tags["DICOM.SegmentAlgorithmType"] == "AUTOMATIC"


def test_a_file_of_slicer_comes_back_with_its_classes_and_who_made_them(tmp_path):
    lungs, lesions = LESION_MASK * np.uint8(2), LESION_MASK * np.uint8(3)
    tags = {"DICOM.SegmentAlgorithmType": "MANUAL"}
    records = [SegmentRecord.of(LEFT_LUNG, 0), SegmentRecord.of(EFFUSION, 1, tags)]
    write_seg_nrrd(tmp_path / "a.seg.nrrd", [lungs, lesions], records, IMAGE)
    result = imported(read_annotations(tmp_path / "a.seg.nrrd", IMAGE), [LUNGS, LESIONS], SYNONYMS)
    assert [np.array_equal(a, b) for a, b in zip(result.layers, (lungs, lesions), strict=True)] == [True, True]
    assert [record.id for record in result.records] == ["left_lung", "effusion"]
    assert result.records[1].tags == tags


def test_a_label_map_on_a_cropped_and_flipped_grid_lands_on_the_same_places(tmp_path):
    matrix = IMAGE.ijk_to_ras @ np.array([[-1, 0, 0, 15], [0, 1, 0, 2], [0, 0, 1, 1], [0, 0, 0, 1.0]])
    cropped = LESION_MASK[1:5, 2:12, 15:3:-1].astype(np.uint8)
    write_labelmap(tmp_path / "ggo.nii.gz", cropped, Volume(cropped, matrix))
    (segment,) = read_annotations(tmp_path / "ggo.nii.gz", IMAGE).segments
    assert np.array_equal(segment.mask, LESION_MASK)


def test_a_segmentation_of_another_place_is_refused(tmp_path):
    far = IMAGE.ijk_to_ras.copy()
    far[:3, 3] += 500
    write_labelmap(tmp_path / "a.nii.gz", LESION_MASK.astype(np.uint8), Volume(LESION_MASK, far))
    with pytest.raises(UnusableInput, match="does not lie on this image"):
        read_annotations(tmp_path / "a.nii.gz", IMAGE)


def test_labels_are_named_by_nnu_net_s_file_beside_them(tmp_path):
    write_labelmap(tmp_path / "case.nii.gz", LESION_MASK * np.uint8(2), IMAGE)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "any": [1, 2], "consolidation": 2}}))
    (segment,) = read_annotations(tmp_path / "case.nii.gz", IMAGE).segments
    assert segment.name == "consolidation"


def test_labels_are_named_by_the_metadata_of_a_monai_bundle(tmp_path):
    write_labelmap(tmp_path / "case.nii.gz", LESION_MASK * np.uint8(1), IMAGE)
    outputs = {"pred": {"channel_def": {"0": "background", "1": "pleural effusion"}}}
    (tmp_path / "metadata.json").write_text(json.dumps({"network_data_format": {"outputs": outputs}}))
    (segment,) = read_annotations(tmp_path / "case.nii.gz", IMAGE, tmp_path / "metadata.json").segments
    assert match(segment, CLASSES, SYNONYMS).found == EFFUSION


def test_labels_are_named_by_totalsegmentator_s_table_in_the_header(tmp_path):
    write_labelmap(tmp_path / "plain.nii.gz", LESION_MASK * np.uint8(13), IMAGE)
    image = nibabel.load(tmp_path / "plain.nii.gz")
    table = (
        '<?xml version="1.0" encoding="UTF-8"?><CaretExtension><VolumeInformation Index="0"><LabelTable>'
        '<Label Key="13" Red="0" Green="0" Blue="1" Alpha="1"><![CDATA[lung_lower_lobe_right]]></Label>'
        "</LabelTable></VolumeInformation></CaretExtension>"
    )
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, table.encode()))
    nibabel.save(image, tmp_path / "total.nii.gz")
    (segment,) = read_annotations(tmp_path / "total.nii.gz", IMAGE).segments
    assert segment.name == "lung_lower_lobe_right"


def test_the_lobes_of_a_folder_of_masks_become_one_lung(tmp_path):
    upper, lower = block((0, 2, 2), (3, 9, 9)), block((3, 2, 2), (6, 9, 9))
    empty = np.zeros_like(upper)
    for name, mask in (
        ("lung_upper_lobe_left", upper),
        ("lung_lower_lobe_left", lower),
        ("heart", upper),
        ("x", empty),
    ):
        write_labelmap(tmp_path / f"{name}.nii.gz", mask.astype(np.uint8), IMAGE)
    result = imported(read_annotations(tmp_path, IMAGE), [LUNGS, LESIONS], SYNONYMS)
    assert np.array_equal(result.layers[0] == LEFT_LUNG.value, upper | lower)
    assert {found.name: found.by for found in result.matches}["heart"] == OTHER


def structure_set(folder: Path, volume: Volume, contours: list[np.ndarray], kind: str = "CLOSED_PLANAR") -> Path:
    """contours: (i, j, k) points (n, 3)."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.3", "1.2.3.4"
    data.Modality = "RTSTRUCT"
    data.ensure_file_meta()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.StructureSetROISequence = sequence_of(ROINumber=1, ROIName="GGO")
    items = []
    for points in contours:
        item = Dataset()
        world = (volume.ijk_to_ras @ np.c_[points, np.ones(len(points))].T)[:3].T @ LPS_IN_RAS
        item.ContourGeometricType, item.NumberOfContourPoints = kind, len(points)
        item.ContourData = [f"{number:.4f}" for number in world.ravel()]
        items.append(item)
    data.ROIContourSequence = sequence_of(ReferencedROINumber=1)
    data.ROIContourSequence[0].ContourSequence = pydicom.Sequence(items)
    return save(data, folder / "rtstruct.dcm")


def square(low: float, high: float, k: float) -> np.ndarray:
    return np.array([[low, low, k], [high, low, k], [high, high, k], [low, high, k]], float)


def test_contours_are_filled_in_the_slice_they_lie_in_and_inner_ones_are_holes(tmp_path):
    write_series(tmp_path / "in")
    volume = read_volume(tmp_path / "in")
    path = structure_set(tmp_path, volume, [square(9.5, 30.5, 3), square(14.5, 20.5, 3)])
    (segment,) = read_annotations(path, volume).segments
    truth = np.zeros(volume.array.shape, bool)
    truth[3, 10:31, 10:31] = True
    truth[3, 15:21, 15:21] = False
    assert np.array_equal(segment.mask, truth)
    assert match(segment, CLASSES, SYNONYMS).found == GGO


def test_a_contour_through_the_centers_of_its_outermost_voxels_holds_them(tmp_path):
    """OpenCV draws so, also around holes; rt-utils writes these contours."""
    write_series(tmp_path / "in")
    volume = read_volume(tmp_path / "in")
    path = structure_set(tmp_path, volume, [square(10, 30, 3), square(14, 21, 3)])
    (segment,) = read_annotations(path, volume).segments
    truth = np.zeros(volume.array.shape, bool)
    truth[3, 10:31, 10:31] = True
    truth[3, 15:21, 15:21] = False
    assert np.array_equal(segment.mask, truth)


def test_contours_across_the_slices_are_refused(tmp_path):
    write_series(tmp_path / "in")
    volume = read_volume(tmp_path / "in")
    path = structure_set(tmp_path, volume, [np.array([[5, 5, 1], [5, 20, 1], [5, 20, 9], [5, 5, 9.0]])])
    with pytest.raises(UnusableInput, match="do not lie in the slices"):
        read_annotations(path, volume)


def test_a_polygon_holds_the_pixels_that_another_library_finds_inside():
    from matplotlib.path import Path as Polygon

    angle = np.linspace(0, 2 * np.pi, 37)[:-1]
    star = np.c_[20.13 + 15 * np.cos(angle) * (1 + 0.4 * np.sin(5 * angle)), 18.27 + 12 * np.sin(angle)]
    j, i = np.mgrid[:40, :44]
    truth = Polygon(star).contains_points(np.c_[i.ravel(), j.ravel()]).reshape(j.shape)
    assert np.array_equal(inside_of(star, j.shape), truth)


def test_a_code_decides_even_under_a_foreign_name():
    assert found("Seg 1", type=("DCM", "112120", "Ground glass opacity")) == match(
        Annotation("Seg 1", LESION_MASK, GGO.type), CLASSES
    )
    assert found("Seg 1", type=GGO.type).by == CODE


def test_an_older_snomed_code_of_the_same_thing_counts():
    assert found("a", type=("SRT", "T-28000", "Lung"), modifier=("SRT", "G-A100", "Right")).found == RIGHT_LUNG


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("lung_upper_lobe_left", LEFT_LUNG), ("Right Lung", RIGHT_LUNG), ("GroundGlass", GGO),
        ("Pleural effusion", EFFUSION), ("consolidation 2", CONSOLIDATION),
    ],
)  # fmt: skip
def test_a_name_decides_where_there_is_no_code(name, item: SegmentClass):
    assert (found(name).by, found(name).found) == (NAME, item)


@pytest.mark.parametrize("name", ["infection", "Lung", "consoldation", "ggo and consolidation"])
def test_what_may_be_several_classes_or_is_misspelled_is_asked(name):
    codes = {"type": RIGHT_LUNG.type} if name == "Lung" else {}
    assert found(name, **codes).by == UNSURE
    assert found(name, **codes).candidates


def test_a_code_and_a_name_that_disagree_are_asked():
    assert found("Consolidation", type=GGO.type).candidates == (GGO, CONSOLIDATION)


def test_an_answer_is_taken_and_none_leaves_the_segment_out():
    segment = Annotation("infection", LESION_MASK)
    assert match(segment, CLASSES, SYNONYMS, {"infection": "ggo"}).by == ANSWER
    assert match(segment, CLASSES, SYNONYMS, {"infection": ""}).by == OTHER
