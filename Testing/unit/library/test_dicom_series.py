"""DICOM series: the volume, the choice of the series, gaps and duplicates, and every kind of unusable input."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_fixtures import (
    AXIAL,
    DX_STORAGE,
    MR_STORAGE,
    PATIENT,
    SECONDARY_CAPTURE,
    STRUCTURED_REPORT,
    dicom_image,
    save,
    slice_hu,
    write_enhanced_ct,
    write_localizer,
    write_series,
)
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from LesionKitLib.io.dicom.contrast import kernel_class
from LesionKitLib.io.dicom.header import Header
from LesionKitLib.io.dicom.listing import list_series
from LesionKitLib.io.images import read_volume, read_volume_and_header
from LesionKitLib.run.errors import UnusableInput


def assert_slices(volume, places=range(12), rows=64, columns=72):
    expected = np.stack([slice_hu(place, rows, columns) for place in places])
    np.testing.assert_array_equal(volume.array, expected)


def sentence(path, series=None) -> str:
    """The message with which reading is refused; always one sentence without a trace of the patient."""
    with pytest.raises(UnusableInput) as caught:
        read_volume(path, series)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and "Doe" not in text and "12345" not in text
    return text


def truncate(path, keep=0.7):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


# --- the volume


def test_a_shuffled_folder_becomes_a_volume_in_hu_with_its_geometry(tmp_path):
    write_series(tmp_path, places=(5, 0, 3, 1, 4, 2))
    volume, header = read_volume_and_header(tmp_path)
    assert_slices(volume, range(6))
    assert volume.array.dtype == np.int16
    np.testing.assert_allclose(volume.spacing, [0.7, 0.8, 2.0])
    np.testing.assert_allclose(volume.ijk_to_ras @ [0, 0, 0, 1], [100, 90, -300, 1])
    np.testing.assert_allclose(volume.ijk_to_ras @ [1, 1, 1, 1], [99.3, 89.2, -298, 1])
    assert (header.modality, header.kind, header.kernel, header.series_number) == ("CT", "original", "B30f", 3)
    assert (header.slice_thickness, header.body_part) == (2.0, "CHEST")


def test_name_and_notes_hold_nothing_of_the_patient(tmp_path):
    write_series(tmp_path, places=(0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11))
    write_localizer(tmp_path)
    volume, header = read_volume_and_header(tmp_path)
    assert volume.name == "CT series 3"
    assert volume.notes
    assert not any(word in f"{volume.name} {volume.notes} {header}" for word in (PATIENT, "Doe", "12345"))


def test_files_in_subfolders_are_found(tmp_path):
    paths = write_series(tmp_path / "deep")
    paths[0].rename(tmp_path / "top")
    (tmp_path / "notes.txt").write_text("not an image")
    assert_slices(read_volume(tmp_path))


def test_one_file_stands_for_its_whole_series(tmp_path):
    first = write_series(tmp_path, number=3)
    write_series(tmp_path, places=range(20), number=4)
    assert_slices(read_volume(first[5]))


def test_a_coronal_series_keeps_its_directions(tmp_path):
    write_series(tmp_path, orientation=(1, 0, 0, 0, 0, -1), origin=(-50, 40, 300))
    volume = read_volume(tmp_path)
    assert_slices(volume)
    np.testing.assert_allclose(volume.directions, [[-1, 0, 0], [0, 0, -1], [0, -1, 0]], atol=1e-9)
    np.testing.assert_allclose(volume.ijk_to_ras[:3, 3], [50, -40, 300])


def test_each_slice_has_its_own_rescale(tmp_path):
    def change(data, n):
        if n % 2:
            data.RescaleIntercept = -2000
            data.PixelData = (slice_hu(n) + 2000).astype(np.uint16).tobytes()

    write_series(tmp_path, change=change)
    assert_slices(read_volume(tmp_path))


def test_a_fractional_slope_gives_float32(tmp_path):
    write_series(tmp_path, RescaleSlope="0.3")
    volume = read_volume(tmp_path)
    assert volume.array.dtype == np.float32
    np.testing.assert_allclose(volume.array[3], (slice_hu(3) + 1024) * 0.3 - 1024, atol=1e-3)


def test_values_beyond_int16_are_kept_exactly(tmp_path):
    def change(data, n):
        if n == 7:
            stored = (slice_hu(n) + 1024).astype(np.uint16)
            stored[0, 0] = 60000
            data.PixelData = stored.tobytes()

    write_series(tmp_path, change=change)
    array = read_volume(tmp_path).array
    assert array[7, 0, 0] == 60000 - 1024
    np.testing.assert_array_equal(array[6], slice_hu(6))


def test_compressed_slices_read_like_plain_ones(tmp_path):
    write_series(tmp_path, change=lambda data, n: data.compress(RLELossless))
    assert_slices(read_volume(tmp_path))


def test_ct_padding_becomes_air(tmp_path):
    def change(data, n):
        stored = (slice_hu(n) + 1024).astype(np.uint16)
        stored[:4, :4] = 65000
        data.PixelData = stored.tobytes()
        data.PixelPaddingValue = 65000

    write_series(tmp_path, change=change)
    array = read_volume(tmp_path).array
    assert array.dtype == np.int16
    assert (array[:, :4, :4] == -1024).all()
    np.testing.assert_array_equal(array[2, 4:], slice_hu(2)[4:])


def test_a_padding_value_that_is_tissue_does_not_erase_it(tmp_path):
    write_series(tmp_path, PixelPaddingValue=1024)  # 0 HU, which the pictures hold inside but not in the corner
    volume = read_volume(tmp_path)
    assert (slice_hu(0) == 0).any()
    assert_slices(volume)


def test_an_enhanced_multiframe_ct_is_sorted_by_its_frame_positions(tmp_path):
    write_enhanced_ct(tmp_path / "file", places=(3, 1, 2, 0, 4, 5, 7, 6))
    volume, header = read_volume_and_header(tmp_path / "file")
    assert_slices(volume, range(8))
    np.testing.assert_allclose(volume.spacing, [0.7, 0.8, 2.0])
    assert header.slice_thickness == 2.0


def test_an_x_ray_without_position_is_one_slice_with_its_modality(tmp_path):
    data = dicom_image(slice_hu(0) + 1024, DX_STORAGE, "DX", ImagerPixelSpacing=[0.2, 0.1])
    volume, header = read_volume_and_header(save(data, tmp_path / "xray"))
    assert volume.array.shape == (1, 64, 72) and header.modality == "DX"
    np.testing.assert_allclose(volume.spacing[:2], [0.1, 0.2])


def test_an_x_ray_is_read_alone_although_others_of_its_series_lie_beside_it(tmp_path):
    for name in ("one", "two"):
        stored = slice_hu(len(name)) + 1024
        save(dicom_image(stored, DX_STORAGE, "DX", SeriesInstanceUID="1.2.3"), tmp_path / name)
    assert read_volume(tmp_path / "two").array.shape == (1, 64, 72)
    assert sentence(tmp_path) == "The DX images do not say where they lie in the patient, so they form no volume."


# --- which series


def test_the_largest_axial_ct_is_taken_and_named_in_a_note(tmp_path):
    write_localizer(tmp_path, number=1)
    write_series(tmp_path, places=range(30), number=2, ImageType=["DERIVED", "SECONDARY", "MIP"])
    write_series(tmp_path, places=range(10), number=3)
    write_series(tmp_path, places=range(14), number=4)
    write_series(tmp_path, places=range(25), number=5, orientation=(1, 0, 0, 0, 0, -1))
    write_series(tmp_path, places=range(40), number=6, Modality="MR")
    volume = read_volume(tmp_path)
    assert volume.name == "CT series 4"
    assert volume.notes == (
        "Of 6 series in the folder, CT series 4 (14 images, 2 mm thick, kernel B30f) was chosen (most slices); "
        "--series takes another.",
    )
    assert [info.number for info in list_series(tmp_path) if info.chosen] == [4]


def test_images_at_one_place_do_not_make_a_series_large(tmp_path):
    write_series(tmp_path, places=[3] * 30, number=1)  # contrast bolus tracking
    write_series(tmp_path, places=range(10), number=2)
    assert read_volume(tmp_path).name == "CT series 2"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"SliceThickness": 5, "ConvolutionKernel": "B30f"}, {"SliceThickness": 1, "ConvolutionKernel": "B70f"}),
        ({"ConvolutionKernel": "STANDARD"}, {"ConvolutionKernel": "LUNG"}),
        ({"ConvolutionKernel": ["I31f", "3"]}, {"ConvolutionKernel": ["I70f", "3"]}),
        ({"ConvolutionKernel": "BONE"}, {"ConvolutionKernel": "STANDARD"}),
        ({"SliceThickness": 3}, {"SliceThickness": 2}),
        ({"SeriesDescription": "Thorax EXP"}, {"SeriesDescription": "Thorax INSP"}),
    ],
)
def test_of_equally_long_series_inspiration_then_the_lung_kernel_then_thin_slices_are_taken(tmp_path, one, other):
    write_series(tmp_path, number=1, **one)
    write_series(tmp_path, number=2, **other)
    assert read_volume(tmp_path).name == "CT series 2"


def test_kernels_of_the_makers_are_told_apart():
    kernels = {
        "soft": ["B30f", "D40s", "Br40d", "FC08", "STANDARD", "SOFT", "B"],
        "lung": ["B70f", "Bl57", "FC51", "LUNG", "YC", "L", "I70f 3"],
        "sharp": ["BONEPLUS", "FC81", "FC30", "U90u", "D"],
        "": ["", "something new"],
    }
    for name, those in kernels.items():
        assert {kernel_class(Header(kernel=kernel)) for kernel in those} == {name}
    assert kernel_class(Header(description="Thorax 1.0 Lunge")) == "lung"


def test_a_series_can_be_asked_for_by_uid_number_or_index(tmp_path):
    write_series(tmp_path, places=range(12), number=30)
    write_series(tmp_path, places=range(9), number=20)
    small = next(info for info in list_series(tmp_path) if info.number == 20)
    assert small.index == 1 and small.images == small.places == 9 and small.orientation == "axial" and small.usable
    for series in (small.uid, 20, "20", 1, "1"):
        volume = read_volume(tmp_path, series)
        assert volume.array.shape[0] == 9
        assert "was asked for" in volume.notes[0]


def test_an_unknown_series_is_refused_with_what_there_is(tmp_path):
    write_series(tmp_path, number=7)
    text = sentence(tmp_path, 9)
    assert "no such series" in text and "CT series 7 (12 images" in text


def test_a_number_that_two_series_share_is_refused(tmp_path):
    write_series(tmp_path / "a", number=7)
    write_series(tmp_path / "b", number=7)
    assert "2 series have the number 7" in sentence(tmp_path, 7)


def test_a_repeated_acquisition_in_one_series_is_left_out(tmp_path):
    places = [*range(12), *np.arange(0.4, 8)]

    def change(data, n):
        data.AcquisitionNumber = 1 if n < 12 else 2

    write_series(tmp_path, places=places, change=change)
    volume = read_volume(tmp_path)
    assert_slices(volume)
    assert volume.notes == (
        "Of 2 groups of images in the CT series 3, acquisition 1 was taken (most slices); left out: acquisition 2 "
        "(8 images); --group takes another.",
    )


def test_acquisitions_that_follow_each_other_are_one_volume(tmp_path):
    write_series(tmp_path, change=lambda data, n: setattr(data, "AcquisitionNumber", 1 + n // 6))
    volume = read_volume(tmp_path)
    assert_slices(volume)
    assert volume.notes == ()


def test_a_localizer_inside_the_series_is_left_out_with_a_note(tmp_path):
    def change(data, n):
        if n == 4:
            data.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
            data.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    write_series(tmp_path, places=[0, 1, 2, 3, 0.5, 4, 5, 6], change=change)
    volume, header = read_volume_and_header(tmp_path)
    assert_slices(volume, range(7))
    assert header.kind == "original"
    assert volume.notes == ("Left out of the CT series 3: 1 x localizer image.",)


# --- duplicates, gaps, tilt


def test_duplicated_slices_are_dropped_and_named(tmp_path):
    write_series(tmp_path, places=(0, 1, 2, 2, 3, 4, 5, 6, 7))
    volume = read_volume(tmp_path)
    assert_slices(volume, range(8))
    assert volume.notes == ("1 duplicated slice was left out (equal pixels, at slice position -296.0 mm).",)


def test_a_missing_slice_is_interpolated_and_named(tmp_path):
    write_series(tmp_path, places=[place for place in range(20) if place != 8])
    volume = read_volume(tmp_path)
    assert_slices(volume, range(20))
    assert volume.array.dtype == np.int16
    assert volume.notes == ("1 missing slice was filled in between neighboring slices (at slice position -284.0 mm).",)


def test_two_gaps_of_two_slices_are_filled_at_the_right_places(tmp_path):
    write_series(tmp_path, places=[place for place in range(50) if place not in (10, 11, 30, 31)])
    volume = read_volume(tmp_path)
    assert_slices(volume, range(50))
    assert "4 missing slices were filled in" in volume.notes[0]


@pytest.mark.parametrize("missing", [(10, 11, 12, 13), tuple(range(3, 40, 4))])
def test_too_many_missing_slices_are_refused(tmp_path, missing):
    write_series(tmp_path, places=[place for place in range(60) if place not in missing], rows=16, columns=16)
    assert f"{len(missing)} slices are missing" in sentence(tmp_path)


def test_uneven_distances_are_resampled_to_a_regular_grid(tmp_path):
    write_series(tmp_path, places=[0, 1, 2, 3, 4, 5.3, 6.6, 7.9, 9])
    volume = read_volume(tmp_path)
    assert "were resampled to every 2.00 mm" in volume.notes[0]
    assert volume.array.shape[0] == 10
    assert np.abs(volume.array - np.stack([slice_hu(place) for place in range(10)])).max() <= 1


def test_positions_rounded_in_the_header_count_as_regular(tmp_path):
    def change(data, n):
        data.ImagePositionPatient = [-100, -90, round(-300 + n * 0.625, 1)]

    write_series(tmp_path, places=range(40), change=change, rows=16, columns=16)
    volume = read_volume(tmp_path)
    assert volume.notes == () and volume.array.shape[0] == 40
    assert volume.spacing[2] == pytest.approx(0.625, abs=0.003)


def write_tilted_ball(folder, degrees, center, radius, missing=()):
    """A ball of 100 HU in air: slices 2.5 mm apart along the table, of a gantry tilted about the left-right axis."""
    angle = np.radians(degrees)
    column = np.array([0, np.cos(angle), np.sin(angle)])
    first = np.array([-30.0, -40.0, -50.0])
    j, i = np.indices((100, 90))

    def change(data, n):
        corner = first + (0, 0, 2.5 * n)
        points = corner + 0.7 * i[..., None] * np.array([1.0, 0, 0]) + 0.8 * j[..., None] * column
        inside = ((points - center) ** 2).sum(-1) < radius**2
        data.ImagePositionPatient = [float(x) for x in corner]
        data.PixelData = np.where(inside, 1124, 24).astype(np.uint16).tobytes()

    orientation = (1, 0, 0, *(float(x) for x in column))
    paths = write_series(folder, range(44), 2.5, rows=100, columns=90, orientation=orientation, change=change)
    for n in missing:
        paths[n].unlink()


@pytest.mark.parametrize("degrees", [12.0, -24.0])
@pytest.mark.parametrize("missing", [(), (20,)], ids=["whole", "a slice missing"])
def test_slices_of_a_tilted_gantry_are_straightened_so_that_places_and_volumes_are_right(tmp_path, degrees, missing):
    center, radius = np.array([1.0, -4.0, 3.0]), 20.0
    write_tilted_ball(tmp_path, degrees, center, radius, missing)
    volume = read_volume(tmp_path)
    assert any(f"tilted by {abs(degrees):.1f} degrees" in note for note in volume.notes)
    inside = volume.array > -450
    assert inside.sum() * volume.voxel_ml == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.02)
    middle = np.append(np.argwhere(inside).mean(0)[::-1], 1) @ volume.ijk_to_ras.T
    np.testing.assert_allclose(middle[:3] * (-1, -1, 1), center, atol=0.5 if missing else 0.3)


def test_slices_sheared_more_than_a_gantry_tilts_are_refused_with_their_angle(tmp_path):
    write_tilted_ball(tmp_path, 41.0, np.zeros(3), 20.0)
    assert "41.0 degrees" in sentence(tmp_path)


def test_an_oblique_series_stacked_along_its_normal_is_no_tilt(tmp_path):
    angle = np.radians(12)
    write_series(tmp_path, orientation=(1, 0, 0, 0, float(np.cos(angle)), float(np.sin(angle))))
    assert_slices(read_volume(tmp_path))


def test_slices_lying_beside_each_other_are_refused(tmp_path):
    def change(data, n):
        data.ImagePositionPatient = [-100 + 30 * (n % 2), -90, -300 + 2.0 * n]

    write_series(tmp_path, places=range(13), change=change)
    assert "straight above each other" in sentence(tmp_path)


# --- unusable input


def test_an_empty_folder_is_refused(tmp_path):
    assert "no DICOM images" in sentence(tmp_path)


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "letter.pdf").write_bytes(b"%PDF-1.4 and so on" * 50)
    (tmp_path / "empty").write_bytes(b"")
    assert "no DICOM images" in sentence(tmp_path)


def test_a_slice_cut_short_in_its_pixels_is_refused(tmp_path):
    paths = write_series(tmp_path)
    truncate(paths[3])
    assert sentence(tmp_path) == (
        "1 of 12 images of the CT series 3 (instance number 4) is cut short (truncated); copy the series again."
    )


def test_damage_in_the_main_series_is_not_hidden_by_taking_another(tmp_path):
    paths = write_series(tmp_path, number=3)
    write_series(tmp_path, places=range(9), number=4)
    write_localizer(tmp_path)
    truncate(paths[3])
    assert "cut short" in sentence(tmp_path)
    assert_slices(read_volume(tmp_path, 4), range(9))


def test_a_compressed_slice_cut_short_is_refused(tmp_path):
    paths = write_series(tmp_path, change=lambda data, n: data.compress(RLELossless))
    truncate(paths[3])
    assert "cut short" in sentence(tmp_path)


def test_a_file_cut_short_in_its_header_is_refused(tmp_path):
    path = write_series(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:300])
    for other in tmp_path.iterdir():
        if other != path:
            other.unlink()
    assert "cut short" in sentence(path)
    assert "cut short" in sentence(tmp_path)


def test_a_stray_damaged_file_beside_a_whole_series_is_noted(tmp_path):
    write_series(tmp_path)
    (stray,) = write_series(tmp_path / "other", places=[0], number=9)
    stray.write_bytes(stray.read_bytes()[:300])
    volume = read_volume(tmp_path)
    assert_slices(volume)
    assert volume.notes == ("1 file ends before its image begins (cut short, truncated, or never an image); left out.",)


def test_images_without_pixel_data_are_refused(tmp_path):
    write_series(tmp_path, change=lambda data, n: delattr(data, "PixelData"))
    assert sentence(tmp_path) == "All images of the CT series 3 are without pixel data."


def test_encrypted_images_are_refused(tmp_path):
    def change(data, n):
        del data.PixelData
        item = Dataset()
        item.EncryptedContentTransferSyntaxUID = "1.2.840.10008.1.2.1"
        item.EncryptedContent = b"secretsecret"
        data.EncryptedAttributesSequence = [item]
        for keyword in ("Rows", "Columns"):
            delattr(data, keyword)

    write_series(tmp_path, change=change)
    assert "encrypted" in sentence(tmp_path)


def test_pixel_data_that_no_decoder_understands_are_refused(tmp_path):
    def change(data, n):
        data.compress(RLELossless)
        data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.70"  # says JPEG, holds RLE

    write_series(tmp_path, change=change)
    assert "cannot be decoded" in sentence(tmp_path)


def test_color_images_are_refused(tmp_path):
    def change(data, n):
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
        data.BitsAllocated = data.BitsStored = 8
        data.HighBit = 7
        data.PixelData = bytes(64 * 72 * 3)

    write_series(tmp_path, change=change, Modality="OT")
    assert "in color" in sentence(tmp_path)


def test_dicom_without_images_is_refused_with_its_kind(tmp_path):
    data = dicom_image(np.zeros((4, 4)), STRUCTURED_REPORT, "SR")
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(data, keyword)
    path = save(data, tmp_path / "report")
    assert sentence(path) == sentence(tmp_path) == "The DICOM files hold no images (only: SR)."


def test_images_that_do_not_say_where_they_lie_are_refused(tmp_path):
    write_series(tmp_path, change=lambda data, n: delattr(data, "ImagePositionPatient"))
    assert "do not say where they lie" in sentence(tmp_path)


def test_images_without_pixel_size_are_refused(tmp_path):
    write_series(tmp_path, change=lambda data, n: delattr(data, "PixelSpacing"))
    assert "pixel size" in sentence(tmp_path)


def test_an_impossible_orientation_is_refused(tmp_path):
    write_series(tmp_path, change=lambda data, n: setattr(data, "ImageOrientationPatient", [1, 0, 0, 1, 0, 0]))
    assert "impossible orientation" in sentence(tmp_path)


def test_of_evenly_mixed_orientations_the_axial_images_are_taken(tmp_path):
    def change(data, n):
        data.ImageOrientationPatient = [*AXIAL] if n % 2 else [1, 0, 0, 0, 0, -1]

    write_series(tmp_path, change=change)
    volume = read_volume(tmp_path)
    assert_slices(volume, range(1, 12, 2))
    assert volume.notes == ("Left out of the CT series 3: 6 x image of another orientation (coronal).",)


def test_multiframe_pictures_without_positions_are_refused(tmp_path):
    data = dicom_image(np.zeros((5, 64, 64)), SECONDARY_CAPTURE, "OT")
    assert "do not say where they lie" in sentence(save(data, tmp_path / "film"))


def test_an_mr_series_is_read_and_says_so(tmp_path):
    write_series(tmp_path, Modality="MR", SOPClassUID=MR_STORAGE)
    volume, header = read_volume_and_header(tmp_path)
    assert header.modality == "MR" and volume.name == "MR series 3"


@pytest.mark.parametrize("cosine", [1e-4, 5e-4, 3e-3])
def test_axes_off_by_the_rounding_of_headers_are_straightened_not_refused(tmp_path, cosine):
    write_series(tmp_path, change=lambda data, n: setattr(data, "ImageOrientationPatient", [1, 0, 0, cosine, 1, 0]))
    volume = read_volume(tmp_path)
    assert_slices(volume)
    np.testing.assert_allclose(volume.directions.T @ volume.directions, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(volume.directions, np.diag([-1, -1, 1]), atol=0.6 * cosine)
    np.testing.assert_allclose(volume.spacing, [0.7, 0.8, 2.0])


def test_two_slice_distances_are_resampled_and_named_and_nothing_is_called_missing(tmp_path):
    write_series(tmp_path, places=[*range(0, 16, 2), *range(16, 30)])
    volume = read_volume(tmp_path)
    assert_slices(volume, range(30))
    assert volume.notes == (
        "The series has parts of different slice distances (2 and 4 mm); they were resampled to every 2 mm, and what "
        "lies between the slices is interpolated.",
    )


def test_two_slice_distances_too_far_apart_are_refused_with_both(tmp_path):
    write_series(tmp_path, places=[*range(0, 60, 10), *range(60, 80)], rows=16, columns=16)
    text = sentence(tmp_path)
    assert "parts of different slice distances (2 and 20 mm)" in text and "missing" not in text


def test_a_file_without_an_extension_is_read_like_any_other(tmp_path):
    first = write_series(tmp_path)[0]
    assert first.suffix == ""
    assert_slices(read_volume(first))
