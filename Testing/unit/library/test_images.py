"""Image files to Volume and label maps back to files."""

from __future__ import annotations

import gzip
import hashlib
import os
import tracemalloc

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_fixtures import write_series
from image_file_fixtures import nifti

from LesionKitLib.imaging.volume import Volume, affine, to_sitk
from LesionKitLib.io import images
from LesionKitLib.io.images import read_volume, read_volume_and_header, write_labelmap
from LesionKitLib.run.errors import UnusableInput

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
# a turned grid: i to anterior, j to superior, k to the patient's left, and a little oblique
TURNED = np.array([[0.0, 0.0, -1.0], [0.96, -0.28, 0.0], [0.28, 0.96, 0.0]])


def volume_of(dtype=np.int16, shape=(9, 10, 11)) -> Volume:
    values = np.random.default_rng(3).integers(-1000, 1000, shape)
    return Volume(values.astype(dtype), affine((0.7, 0.8, 2.5), TURNED, (11.0, -22.0, 33.0)))


def save(volume: Volume, path, compress=True):
    sitk.WriteImage(to_sitk(volume), str(path), compress)
    return path


def sentence(path, series=None) -> str:
    with pytest.raises(UnusableInput) as caught:
        read_volume(path, series)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and str(path) not in text
    return text


# --- reading


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_format_keeps_values_and_geometry(tmp_path, suffix):
    original = volume_of()
    volume, header = read_volume_and_header(save(original, tmp_path / f"case{suffix}"))
    np.testing.assert_array_equal(volume.array, original.array)
    np.testing.assert_allclose(volume.ijk_to_ras, original.ijk_to_ras, atol=1e-4)
    assert (volume.name, volume.notes, volume.array.dtype, header.modality) == ("case", (), np.int16, "")


def test_names_outside_ascii_are_read(tmp_path):
    assert read_volume(save(volume_of(), tmp_path / "Größe 肺.nii.gz")).name == "Größe 肺"


def test_capital_endings_are_read(tmp_path):
    save(volume_of(), tmp_path / "case.nii").rename(tmp_path / "CASE.NII")
    assert read_volume(tmp_path / "CASE.NII").array.shape == (9, 10, 11)


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (np.float32, np.int16),
        (np.float64, np.int16),
        (np.int32, np.int16),
        (np.int64, np.int16),
        (np.int8, np.int16),
        (np.uint8, np.uint8),
    ],
)
def test_whole_numbers_come_in_the_smallest_type_that_holds_them(tmp_path, stored, read):
    original = volume_of()
    original = original.with_array((np.abs(original.array) % 100).astype(stored))
    array = read_volume(save(original, tmp_path / "a.nrrd")).array
    assert array.dtype == read
    np.testing.assert_array_equal(array, original.array)


def test_fractions_stay_float32_and_large_numbers_int32(tmp_path):
    original = volume_of(np.float64)
    original.array[4, 5, 6] = 0.25
    array = read_volume(save(original, tmp_path / "a.nii.gz")).array
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, original.array)

    original = volume_of(np.int32)
    original.array[0, 0, 0] = 100_000
    array = read_volume(save(original, tmp_path / "b.nii.gz")).array
    assert array.dtype == np.int32
    np.testing.assert_array_equal(array, original.array)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("stored", [np.float32, np.float64])
def test_nan_and_infinity_survive_reading_for_the_check_to_find(tmp_path, suffix, stored):
    original = volume_of(stored)
    original.array[1, 2, 3], original.array[4, 5, 6], original.array[7, 8, 9] = np.nan, np.inf, -np.inf
    array = read_volume(save(original, tmp_path / f"a{suffix}")).array
    np.testing.assert_array_equal(array, original.array)


def test_the_scaling_in_a_nifti_header_is_applied(tmp_path):
    import nibabel

    stored = np.arange(9 * 10 * 11, dtype=np.int16).reshape(11, 10, 9)
    image = nibabel.Nifti1Image(stored, np.diag([1, 1, 2, 1]))
    image.header.set_slope_inter(2, -1024)
    nibabel.save(image, tmp_path / "a.nii.gz")
    array = read_volume(tmp_path / "a.nii.gz").array
    np.testing.assert_array_equal(array, nibabel.load(tmp_path / "a.nii.gz").get_fdata().T)
    assert array.dtype == np.int16 and array.min() < 0


def test_a_nifti_that_does_not_say_how_the_patient_lies_gets_a_note(tmp_path):
    import nibabel

    nibabel.save(nibabel.Nifti1Image(np.ones((9, 9, 9), np.int16), None), tmp_path / "a.nii")
    assert "left-right may be wrong" in read_volume(tmp_path / "a.nii").notes[0]


def test_a_fourth_axis_of_length_one_is_dropped(tmp_path):
    array = np.arange(1 * 4 * 5 * 6, dtype=np.int16).reshape(1, 4, 5, 6)
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=False), str(tmp_path / "a.nii.gz"))
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii.gz").array, array[0])


def test_reading_takes_at_most_about_one_copy_in_numpy(tmp_path):
    original = volume_of(np.float32, (60, 128, 128))
    path = save(original, tmp_path / "a.nrrd", compress=False)
    tracemalloc.start()
    array = read_volume(path).array
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert array.dtype == np.int16
    assert peak < 1.3 * array.nbytes + 2**20


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_volume_says_which_file_it_is(tmp_path, suffix):
    volume = read_volume(save(volume_of(), tmp_path / f"case{suffix}", compress=False))
    source = volume.source
    assert (source.file, source.slices) == (f"case{suffix}", 9)
    np.testing.assert_allclose(source.spacing, (0.7, 0.8, 2.5), rtol=1e-6)
    files = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in tmp_path.iterdir())
    assert source.sha256 == (files[0] if len(files) == 1 else hashlib.sha256("".join(files).encode()).hexdigest())
    assert len(files) == (2 if suffix == ".mhd" else 1)


def test_the_voxels_of_a_detached_header_count_in_the_digest(tmp_path):
    one = read_volume(save(volume_of(), tmp_path / "a.mhd", compress=False)).source.sha256
    content = bytearray((tmp_path / "a.raw").read_bytes())
    content[0] ^= 1
    (tmp_path / "a.raw").write_bytes(content)
    assert read_volume(tmp_path / "a.mhd").source.sha256 != one


# --- folders


def test_the_one_image_file_of_a_folder_is_read(tmp_path):
    save(volume_of(), tmp_path / "ct.nii.gz")
    (tmp_path / "notes.txt").write_text("about it")
    assert read_volume(tmp_path).source.file == "ct.nii.gz"


def test_a_folder_of_several_image_files_is_refused_with_their_names(tmp_path):
    for name in ("case1_ct.nii.gz", "case2_ct.nii.gz", "case2_mask.nii.gz"):
        save(volume_of(), tmp_path / name)
    text = sentence(tmp_path)
    assert "3 NIfTI files: case1_ct.nii.gz, case2_ct.nii.gz, case2_mask.nii.gz" in text
    save(volume_of(), tmp_path / "d.nrrd")
    assert "4 image files" in sentence(tmp_path)
    for n in range(5):
        save(volume_of(), tmp_path / f"e{n}.nrrd")
    assert "and 4 more" in sentence(tmp_path)


def test_image_files_deep_in_a_folder_are_found(tmp_path):
    """As data sets are stored: a folder for each patient."""
    for patient in ("sub-01", "sub-02"):
        (tmp_path / patient / "anat").mkdir(parents=True)
        save(volume_of(), tmp_path / patient / "anat" / "t1.nii.gz")
    assert "2 NIfTI files: sub-01/anat/t1.nii.gz, sub-02/anat/t1.nii.gz" in sentence(tmp_path)
    assert read_volume(tmp_path / "sub-01").source.file == "t1.nii.gz"
    save(volume_of(), tmp_path / "sub-01" / ".hidden.nii.gz")
    assert read_volume(tmp_path / "sub-01").source.file == "t1.nii.gz"


def test_the_two_files_of_a_pair_are_one_image_of_a_folder(tmp_path):
    nifti(tmp_path / "a.hdr", pair=True)
    assert read_volume(tmp_path).source.file == "a.hdr"


def test_a_folder_of_segmentations_alone_holds_no_image(tmp_path):
    like = volume_of()
    record = images.SegmentRecord("a", "a", 0, 1, (1, 2, 3))
    images.write_seg_nrrd(tmp_path / "a.seg.nrrd", [np.ones(like.array.shape)], [record], like)
    assert "segmentations, no image: a.seg.nrrd" in sentence(tmp_path)


def test_an_image_file_beside_a_dicom_series_does_not_hide_it(tmp_path):
    write_series(tmp_path / "ct")
    save(volume_of(), tmp_path / "mask.nii.gz")
    assert read_volume_and_header(tmp_path)[1].modality == "CT"


# --- unusable files


def test_a_missing_input_is_refused(tmp_path):
    assert sentence(tmp_path / "nothing.nii") == "The input does not exist."


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are files on POSIX systems only")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.nii")
    assert "neither a file nor a folder" in sentence(tmp_path / "a.nii")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.mhd", "a.dcm", "a"])
def test_an_empty_file_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    assert sentence(tmp_path / name)


@pytest.mark.parametrize("name", ["a.png", "a.dcm", "a.zip", "a"])
def test_an_unknown_format_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing that is known" * 50)
    assert "unknown format" in sentence(tmp_path / name)


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.01])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("compress", [True, False])
def test_a_file_cut_short_is_refused(tmp_path, suffix, keep, compress):
    path = save(volume_of(shape=(20, 30, 40)), tmp_path / f"a{suffix}", compress)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    assert "cut short" in sentence(path)


@pytest.mark.parametrize(
    ("suffix", "voxels"), [(".nii.gz", ".nii.gz"), (".nrrd", ".nrrd"), (".mha", ".mha"), (".mhd", ".zraw")]
)
def test_a_damaged_compressed_file_is_refused(tmp_path, suffix, voxels):
    header = save(volume_of(shape=(20, 30, 40)), tmp_path / f"a{suffix}")
    path = tmp_path / f"a{voxels}"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    assert "damaged" in sentence(header)


def test_a_gzip_file_that_unpacks_to_too_little_is_refused(tmp_path):
    path = save(volume_of(), tmp_path / "a.nii", compress=False)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(path.read_bytes()[:-100]))
    assert "cut short" in sentence(tmp_path / "a.nii.gz")


def test_a_metaimage_without_its_voxel_file_is_refused(tmp_path):
    path = save(volume_of(), tmp_path / "a.mhd", compress=False)
    (tmp_path / "a.raw").unlink()
    assert sentence(path)


def test_text_with_an_image_ending_is_refused(tmp_path):
    for suffix in SUFFIXES:
        (tmp_path / f"a{suffix}").write_text("hello" * 200)
        assert sentence(tmp_path / f"a{suffix}")


def test_a_color_image_is_refused(tmp_path):
    image = sitk.GetImageFromArray(np.zeros((9, 10, 11, 3), np.uint8), isVector=True)
    for suffix in (".nii.gz", ".nrrd", ".mha"):
        sitk.WriteImage(image, str(tmp_path / f"a{suffix}"))
        assert "several values per voxel" in sentence(tmp_path / f"a{suffix}")


def test_a_complex_image_is_refused(tmp_path):
    image = sitk.Cast(to_sitk(volume_of(np.float32)), sitk.sitkComplexFloat32)
    sitk.WriteImage(image, str(tmp_path / "a.nii.gz"))
    assert sentence(tmp_path / "a.nii.gz")


def test_a_two_dimensional_image_is_refused(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((40, 50), np.int16)), str(tmp_path / "a.nii.gz"))
    assert "single 2-D slice" in sentence(tmp_path / "a.nii.gz")


def test_a_four_dimensional_image_is_refused(tmp_path):
    array = np.zeros((5, 9, 10, 11), np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=False), str(tmp_path / "a.nii.gz"))
    assert "4 dimensions (5 volumes)" in sentence(tmp_path / "a.nii.gz")


def test_a_sheared_image_is_refused(tmp_path):
    import nibabel

    matrix = np.diag([1.0, 1, 2, 1])
    matrix[1, 2] = 0.5
    image = nibabel.Nifti1Image(np.zeros((9, 9, 9), np.int16), None)
    image.set_sform(matrix, 1)
    nibabel.save(image, tmp_path / "a.nii.gz")
    assert "sheared" in sentence(tmp_path / "a.nii.gz")


def test_a_series_can_be_asked_for_only_of_dicom(tmp_path):
    path = save(volume_of(), tmp_path / "a.nii.gz")
    assert "only where the input is DICOM" in sentence(path, 2)


def test_a_lack_of_memory_is_one_sentence(tmp_path, monkeypatch):
    def no_memory(*args):
        raise MemoryError

    path = save(volume_of(), tmp_path / "a.nii.gz")
    monkeypatch.setitem(images._READERS, "NIfTI", no_memory)
    assert "memory" in sentence(path)


def test_a_file_that_may_not_be_opened_is_one_sentence(tmp_path, monkeypatch):
    def forbidden(*args):
        raise PermissionError(13, "Permission denied")

    path = save(volume_of(), tmp_path / "a.nii.gz")
    monkeypatch.setitem(images._READERS, "NIfTI", forbidden)
    assert "not permitted" in sentence(path)


# --- writing


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_a_label_map_comes_back_as_it_was_written(tmp_path, suffix):
    like = volume_of()
    labels = (np.abs(like.array) % 4).astype(np.uint8)
    write_labelmap(tmp_path / "new" / f"labels{suffix}", labels, like)
    back = read_volume(tmp_path / "new" / f"labels{suffix}")
    np.testing.assert_array_equal(back.array, labels)
    np.testing.assert_allclose(back.ijk_to_ras, like.ijk_to_ras, atol=1e-4)
    assert back.array.dtype == np.uint8
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"labels{suffix}"]


def test_a_label_map_of_a_dicom_series_lies_on_its_grid(tmp_path):
    write_series(tmp_path / "ct")
    volume = read_volume(tmp_path / "ct")
    write_labelmap(tmp_path / "labels.nii.gz", volume.array > 0, volume)
    back = read_volume(tmp_path / "labels.nii.gz")
    np.testing.assert_allclose(back.ijk_to_ras, volume.ijk_to_ras, atol=1e-4)
    np.testing.assert_array_equal(back.array, volume.array > 0)


def test_a_label_above_255_is_kept(tmp_path):
    like = volume_of()
    labels = np.zeros(like.array.shape, int)
    labels[2, 3, 4] = 300
    write_labelmap(tmp_path / "a.nii.gz", labels, like)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii.gz").array, labels)


@pytest.mark.parametrize("value", [-1, 70_000, 0.5, np.nan])
def test_a_value_that_is_no_label_is_an_error(tmp_path, value):
    like = volume_of()
    with pytest.raises(ValueError, match="labels are whole numbers"):
        write_labelmap(tmp_path / "a.nii.gz", np.full(like.array.shape, value), like)
    assert list(tmp_path.iterdir()) == []


def test_a_label_map_of_another_shape_or_ending_is_an_error(tmp_path):
    like = volume_of()
    with pytest.raises(ValueError, match="does not fit"):
        write_labelmap(tmp_path / "a.nii.gz", np.zeros((2, 3, 4)), like)
    with pytest.raises(ValueError, match="is written as"):
        write_labelmap(tmp_path / "a.png", np.zeros(like.array.shape), like)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_a_label_map_cut_short_by_a_full_disk_is_noticed_and_removed(tmp_path, monkeypatch, suffix):
    write = sitk.WriteImage

    def write_half(image, path, *rest):
        """As ITK does on a full disk: half the file; for NRRD and MetaImage an error, for NIfTI silence."""
        write(image, path, *rest)
        with open(path, "r+b") as stream:
            stream.truncate(len(stream.read()) // 2)
        if suffix in (".nrrd", ".mha"):
            raise RuntimeError("No space left on device")

    monkeypatch.setattr(sitk, "WriteImage", write_half)
    like = volume_of()
    with pytest.raises(UnusableInput, match="disk may be full"):
        write_labelmap(tmp_path / "new" / f"a{suffix}", np.abs(like.array) % 4, like)
    assert list(tmp_path.iterdir()) == []


def test_a_label_map_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    like = volume_of()
    with pytest.raises(UnusableInput, match="cannot be written"):
        write_labelmap(tmp_path / "file" / "a.nii.gz", np.zeros(like.array.shape), like)
