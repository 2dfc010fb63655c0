"""What counts as a chest CT that can be measured."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_fixtures import DX_STORAGE, dicom_image, save, slice_hu, write_localizer, write_series

from CovidLungQuantLib.segmentation.input_check import check_chest_ct
from LesionKitLib.imaging.volume import Volume, affine, to_sitk
from LesionKitLib.io.dicom.header import Header
from LesionKitLib.io.images import read_volume, read_volume_and_header
from LesionKitLib.run.errors import UnusableInput


def ct(shape=(40, 80, 90), spacing=(1.5, 1.5, 3.0), dtype=np.int16) -> Volume:
    """A block of soft tissue in air with a darker hole."""
    array = np.full(shape, -1000, dtype)
    k, j, i = shape
    array[:, j // 8 : -j // 8, i // 8 : -i // 8] = 40
    array[:, j // 3 : -j // 3, i // 3 : -i // 3] = -850
    return Volume(array, affine(spacing), "ct", ("a note",))


def sentence(volume, header=None) -> str:
    with pytest.raises(UnusableInput) as caught:
        check_chest_ct(volume, header)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text
    return text


def test_a_sound_ct_passes_unchanged():
    volume = ct()
    checked = check_chest_ct(volume, Header(modality="CT", image_type=("ORIGINAL", "PRIMARY", "AXIAL")))
    assert checked.array is volume.array
    assert checked.notes == ("a note",)


def test_a_sound_dicom_series_passes(tmp_path):
    write_series(tmp_path, places=range(25))
    volume = check_chest_ct(*read_volume_and_header(tmp_path))
    assert volume.notes == () and volume.array.shape == (25, 64, 72)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_the_slices_may_lie_along_any_axis(order):
    volume = ct()
    columns = [2 - order[2 - n] for n in range(3)]  # the same order for the geometry's columns i, j, k
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, :3] = matrix[:3, columns]
    turned = Volume(volume.array.transpose(order), matrix)
    assert check_chest_ct(turned).array.shape == turned.array.shape


# --- what kind of image


@pytest.mark.parametrize(
    ("modality", "words"), [("MR", "magnetic resonance"), ("DX", "X-ray"), ("CR", "X-ray"), ("PT", "positron")]
)
def test_another_modality_is_refused(modality, words):
    text = sentence(ct(), Header(modality=modality))
    assert words in text and modality in text


def test_an_mr_series_given_as_ct_is_refused(tmp_path):
    write_series(tmp_path, places=range(25), Modality="MR")
    assert "magnetic resonance" in sentence(*read_volume_and_header(tmp_path))


def test_an_x_ray_given_as_ct_is_refused(tmp_path):
    path = save(dicom_image(slice_hu(0) + 1024, DX_STORAGE, "DX"), tmp_path / "xray")
    assert "X-ray" in sentence(*read_volume_and_header(path))


def test_a_localizer_is_refused(tmp_path):
    write_localizer(tmp_path)
    assert "localizer" in sentence(*read_volume_and_header(tmp_path))


# --- how many slices, how far apart


def test_a_single_ct_slice_is_refused(tmp_path):
    write_series(tmp_path, places=[0])
    assert "single 2-D slice" in sentence(*read_volume_and_header(tmp_path))


def test_three_slices_are_refused(tmp_path):
    write_series(tmp_path, places=range(3), step=20.0)
    assert "only 3 slices" in sentence(*read_volume_and_header(tmp_path))


def test_a_stack_too_short_for_a_lung_is_refused():
    assert "covers only 30 mm" in sentence(ct((20, 80, 90), (1.5, 1.5, 1.5)))


@pytest.mark.parametrize("spacing", [(0.01, 0.01, 1.0), (1.5, 1.5, 40.0), (30.0, 30.0, 30.0)])
def test_impossible_voxel_sizes_are_refused(spacing):
    assert "is impossible" in sentence(ct(spacing=spacing))


def test_slices_too_far_apart_are_refused():
    assert "15.0 mm apart" in sentence(ct(spacing=(1.5, 1.5, 15.0)))


def test_a_tiny_matrix_and_coarse_pixels_are_refused():
    assert "32 x 80 pixels" in sentence(ct((40, 80, 32)))
    assert "too coarse" in sentence(ct(spacing=(6.0, 6.0, 6.5)))


def test_gaps_between_thin_slices_and_thick_slices_get_a_note():
    gaps = check_chest_ct(ct(spacing=(1.5, 1.5, 5.0)), Header(modality="CT", slice_thickness=1.0))
    assert gaps.notes[-1].startswith("The slices are 1 mm thick but lie 5 mm apart")
    thick = check_chest_ct(ct(spacing=(1.5, 1.5, 8.0)))
    assert thick.notes[-1] == "The slices lie 8 mm apart: small lesions may be missed."


# --- values


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_and_counted(tmp_path, bad):
    volume = ct(dtype=np.float32)
    volume.array[3, 4, 5] = volume.array[6, 7, 8] = bad
    sitk.WriteImage(to_sitk(volume), str(tmp_path / "a.nii.gz"))
    assert "2 voxels that are not numbers" in sentence(read_volume(tmp_path / "a.nii.gz"))


def test_a_constant_image_is_refused():
    volume = ct()
    assert "same value (-1000)" in sentence(volume.with_array(np.full_like(volume.array, -1000)))


def test_values_without_any_tissue_are_refused():
    volume = ct()
    assert "not in Hounsfield units" in sentence(volume.with_array(np.minimum(volume.array, -600)))


@pytest.mark.parametrize(
    "change",
    [
        lambda hu: np.clip((hu + 1000) / 8, 1, 255).astype(np.uint8),  # an 8-bit picture
        lambda hu: ((hu + 1000) / 1100).astype(np.float32),  # 0 to 1
        lambda hu: (hu / 1000).astype(np.float32),  # -1 to 1
        lambda hu: hu + 5000,
    ],
)
def test_pictures_and_scaled_values_are_refused(change):
    volume = ct()
    assert "not in Hounsfield units" in sentence(volume.with_array(change(volume.array)))


def test_values_stored_without_rescaling_are_named_so():
    volume = ct()
    raw = np.maximum(volume.array + 1024, 0)
    raw[0, 0, 0] = 2500
    assert "without rescaling" in sentence(volume.with_array(raw.astype(np.uint16)))


def test_values_beyond_the_scale_are_clipped_in_a_copy_with_a_note():
    volume = ct()
    volume.array[:, :3, :3] = -2000
    volume.array[0, 40, 40] = 20000
    checked = check_chest_ct(volume)
    assert (checked.array.min(), checked.array.max(), checked.array.dtype) == (-1024, 3071, np.int16)
    assert checked.notes == ("a note", "Values from -2000 to 20000 HU were limited to -1024 to 3071 HU.")
    assert volume.array.min() == -2000


@pytest.mark.parametrize("padding", [-2000, -1024, -3024, -32768])
def test_values_too_high_by_the_rescale_are_named_so_behind_any_padding(padding):
    volume = ct()
    raw = volume.array + 1024 + np.random.default_rng(0).integers(-60, 60, volume.array.shape, np.int16)
    raw[:, :, :6] = padding
    assert "1024 too high" in sentence(volume.with_array(raw))


def test_values_too_low_by_the_rescale_are_named_so():
    volume = ct()
    raw = volume.array - 1024 + np.random.default_rng(0).integers(-60, 60, volume.array.shape, np.int16)
    raw[20, 30:50, 30:50] = 400
    assert "1024 too low" in sentence(volume.with_array(raw))


def test_padding_alone_does_not_make_values_wrong():
    volume = ct()
    volume.array[:, :, :6] = -2000
    assert check_chest_ct(volume).array.min() == -1024
