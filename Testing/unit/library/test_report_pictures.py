"""Pictures of slices: hung as radiologists do, in true proportions, numbered along the image's own grid."""

from __future__ import annotations

import numpy as np
import pytest

from LesionKitLib.imaging.segment_class import SegmentClass
from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.report.pictures import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    Outline,
    Slices,
    Window,
    choose_slices,
    lettered,
    montage,
    outlined,
)

ORGAN = SegmentClass("organ", 1, "Organ", (0, 255, 0), ("SCT", "1", "a"), ("SCT", "2", "b"))
LESION = SegmentClass("lesion", 2, "Lesion", (255, 0, 0), ("SCT", "1", "a"), ("SCT", "2", "b"))
WINDOW = Window("Test window", -600.0, 1500.0, "HU")


def case() -> tuple[Volume, np.ndarray]:
    """A box of organ; its lesion lies right, anterior and superior."""
    labels = np.zeros((24, 40, 60), np.uint8)
    labels[2:22, 6:34, 6:54] = 1
    labels[16:21, 8:14, 8:16] = 2
    return Volume(np.full(labels.shape, -600, np.int16), affine((5, 5, 10))), labels


def slices(volume: Volume, labels: np.ndarray) -> Slices:
    return Slices.of(volume, [Outline(ORGAN, labels, False), Outline(LESION, labels, True)], labels > 0, 10.0)


def places(picture: np.ndarray, color) -> tuple[float, float]:
    """Mean (row, column) of a color's pixels as a share of the picture."""
    rows, columns = np.nonzero(np.all(picture == np.array(color), axis=2))
    return rows.mean() / picture.shape[0], columns.mean() / picture.shape[1]


@pytest.mark.parametrize(("axis", "index"), [(AXIAL, 18), (CORONAL, 10)])
def test_the_patients_right_is_at_the_left_and_anterior_and_superior_are_up(axis, index):
    row, column = places(slices(*case()).picture(axis, index, WINDOW, 360), LESION.color)
    assert row < 0.5 and column < 0.5


def test_a_sagittal_slice_looks_to_the_left_with_the_face():
    row, column = places(slices(*case()).picture(SAGITTAL, 10, WINDOW, 360), LESION.color)
    assert row < 0.5 and column < 0.5


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_layout_of_the_voxels_makes_no_difference_to_the_picture(axis):
    volume, labels = case()
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, 2 - axis] * (labels.shape[axis] - 1)
    matrix[:3, 2 - axis] *= -1
    flipped = slices(Volume(np.flip(volume.array, axis), matrix), np.flip(labels, axis))
    own = slices(volume, labels)
    assert np.array_equal(flipped.outlines[1].labels, own.outlines[1].labels)
    assert flipped.position(AXIAL, 18) == own.position(AXIAL, 18)


def test_slices_are_numbered_from_one_along_the_images_own_grid():
    volume, labels = case()
    assert slices(volume, labels).number(AXIAL, 18) == (19, 24)
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, 2] * 23
    matrix[:3, 2] *= -1  # head first
    assert slices(Volume(volume.array[::-1], matrix), labels[::-1]).number(AXIAL, 18) == (6, 24)


def test_a_caption_names_plane_number_position_and_window():
    text = slices(*case()).caption(AXIAL, 18, WINDOW)
    assert text == "Axial slice 19 of 24 · S 180 mm · Test window \u2212600\u00a0/\u00a01500\u00a0HU"


def test_millimeters_come_out_square_whatever_the_voxels():
    hung = slices(*case())
    for axis, down, across in ((AXIAL, 5, 5), (CORONAL, 10, 5), (SAGITTAL, 10, 5)):
        picture = hung.picture(axis, 10, WINDOW, 300)
        rows, columns = [s.stop - s.start for n, s in enumerate(hung.box) if n != axis]
        assert picture.shape[0] / picture.shape[1] == pytest.approx(rows * down / (columns * across), rel=0.01)


def test_outlines_leave_the_lesions_inside_to_be_seen():
    mask = np.pad(np.ones((20, 20), bool), 10)
    rgb = outlined(np.full((40, 40), -600.0), [(LESION.color, True, mask)], WINDOW, (400, 400))
    assert np.all(rgb == np.array(LESION.color), axis=2).any()
    assert tuple(rgb[200, 200]) == (127, 127, 127)
    colored = np.ptp(rgb.astype(int), axis=2) > 0
    assert colored[100:300, 100:300].mean() < 0.1 and not colored[:90].any()


def test_the_scale_bar_is_as_long_as_it_says():
    plain = np.zeros((300, 400, 3), np.uint8)
    bright = lettered(plain, ("", "", "", ""), "", 1.0)[291, :, 0] > 200  # 1 pixel is 1 mm: the bar of 100 mm fits
    assert np.flatnonzero(bright).max() - np.flatnonzero(bright).min() == pytest.approx(100, abs=3)


def test_slices_are_spread_over_the_organ_and_prefer_the_lesion():
    organ, lesion = np.zeros(100), np.zeros(100)
    organ[10:90] = 50
    assert choose_slices(organ, lesion, 4) == [20, 40, 60, 80]
    lesion[33], lesion[45] = 5, 3
    chosen = choose_slices(organ, lesion, 4)
    assert 33 in chosen and chosen == sorted(chosen)
    assert min(np.diff(chosen)) >= 10
    assert choose_slices(np.ones(3), np.zeros(3), 8) == [0, 1, 2]


def test_a_montage_holds_its_panels_in_rows_and_a_legend():
    panels = [np.full((20, 300, 3), value, np.uint8) for value in (50, 100, 150)]
    picture = montage(panels, 2, [(LESION, True)], "note")
    assert picture.shape[1] == 606 and picture.shape[0] > 40 + 30
    assert picture[10, 100, 0] == 50 and picture[10, 500, 0] == 100 and picture[36, 100, 0] == 150
