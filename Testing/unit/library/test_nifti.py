"""NIfTI and Analyze files: their values, the place that they state once or twice, what is not whole or not right."""

from __future__ import annotations

import bz2
import gzip
import lzma

import nibabel
import numpy as np
import pytest
from image_file_fixtures import LPS, SPACING, STRUCTURED, nifti

from LesionKitLib.io.images import read_volume, write_volume
from LesionKitLib.run.errors import UnusableInput

PLAIN = LPS @ np.diag([*SPACING, 1.0])


def refusal(path) -> str:
    with pytest.raises(UnusableInput) as caught:
        read_volume(path)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and str(path) not in text
    return text


def moved(*mm) -> np.ndarray:
    matrix = PLAIN.copy()
    matrix[:3, 3] += mm
    return matrix


# --- values


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("intercept", [0.0, -1024.0, 7.5])
@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_slope_zero_or_nan_means_that_the_stored_values_are_not_scaled(tmp_path, slope, intercept, version):
    path = nifti(tmp_path / "a.nii", version=version, scl_slope=slope, scl_inter=intercept)
    np.testing.assert_array_equal(read_volume(path).array, STRUCTURED)


@pytest.mark.parametrize(
    ("slope", "intercept", "dtype"),
    [(1, -1024, np.int16), (-2, 10, np.int16), (0.5, 0, np.float32), (500, 0, np.float32)],
)
def test_other_scaling_is_applied_and_kept_exactly(tmp_path, slope, intercept, dtype):
    array = read_volume(nifti(tmp_path / "a.nii.gz", scl_slope=slope, scl_inter=intercept)).array
    np.testing.assert_array_equal(array, STRUCTURED.astype(float) * slope + intercept)
    assert array.dtype == dtype


def test_scaling_that_is_no_number_is_named(tmp_path):
    assert "scl_inter" in refusal(nifti(tmp_path / "a.nii", scl_slope=2, scl_inter=np.nan))


def test_big_endian_voxels_are_read(tmp_path):
    image = nibabel.Nifti1Image(STRUCTURED.T, PLAIN, nibabel.Nifti1Header(endianness=">"))
    nibabel.save(image, tmp_path / "a.nii")
    array = read_volume(tmp_path / "a.nii").array
    np.testing.assert_array_equal(array, STRUCTURED)
    assert array.dtype == np.dtype("=i2")


def test_a_type_of_voxels_that_is_not_read_is_named(tmp_path):
    assert "datatype 1)" in refusal(nifti(tmp_path / "a.nii", datatype=1))
    assert "datatype 4444)" in refusal(nifti(tmp_path / "a.nii", datatype=4444))


# --- the kind of file differs from what the name says


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_is_read_by_its_content_whatever_its_name_says(tmp_path, version):
    raw = nifti(tmp_path / "ok.nii", version=version).read_bytes()
    packed = gzip.compress(raw)
    contents = {
        "not_gzipped.nii.gz": raw,
        "trailing.nii.gz": packed + b"junk",
        "zeros_behind.nii.gz": packed + bytes(512),
        "two_streams.nii.gz": gzip.compress(raw[:600]) + gzip.compress(raw[600:]),
        "gzipped.nii": packed,
        "bzip2.nii.gz": bz2.compress(raw),
        "xz.nii.gz": lzma.compress(raw),
        "longer.nii": raw + b"something behind the voxels",
        "no_ending": raw,
        "nifti.nrrd": raw,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        volume = read_volume(tmp_path / name)
        np.testing.assert_array_equal(volume.array, STRUCTURED, err_msg=name)
        np.testing.assert_allclose(volume.ijk_to_ras, PLAIN, atol=1e-6, err_msg=name)
        assert volume.notes == ()


@pytest.mark.parametrize("packed", [False, True])
def test_both_files_of_a_pair_are_read_by_either_name(tmp_path, packed):
    nifti(tmp_path / "a.hdr", pair=True)
    if packed:
        for file in (tmp_path / "a.hdr", tmp_path / "a.img"):
            (tmp_path / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    volumes = [read_volume(file) for file in sorted(tmp_path.iterdir())]
    for volume in volumes:
        np.testing.assert_array_equal(volume.array, STRUCTURED)
        np.testing.assert_allclose(volume.ijk_to_ras, PLAIN, atol=1e-6)
        assert volume.name == "a"
    assert volumes[0].source.sha256 == volumes[1].source.sha256


def test_the_missing_half_of_a_pair_is_named(tmp_path):
    nifti(tmp_path / "a.hdr", pair=True)
    (tmp_path / "a.img").rename(tmp_path / "b.img")
    assert "a.img that belongs to the header is missing" in refusal(tmp_path / "a.hdr")
    assert "b.hdr that belongs to the file is missing" in refusal(tmp_path / "b.img")
    nifti(tmp_path / "c.nii", magic=b"ni1")
    assert "c.img that belongs to the header is missing" in refusal(tmp_path / "c.nii")


def test_an_analyze_pair_is_read_with_a_note_that_left_and_right_are_unknown(tmp_path):
    header = nibabel.AnalyzeHeader()
    header.set_data_dtype(np.int16)
    header.set_data_shape(STRUCTURED.shape[::-1])
    header["pixdim"][1:4] = (-2, 3, 4)  # SPM's mark for mirrored images
    (tmp_path / "a.hdr").write_bytes(header.binaryblock)
    (tmp_path / "a.img").write_bytes(STRUCTURED.tobytes())
    volume = read_volume(tmp_path / "a.img")
    np.testing.assert_array_equal(volume.array, STRUCTURED)
    np.testing.assert_allclose(volume.spacing, SPACING)
    assert volume.notes == ("The file does not say how the patient lies; left-right may be wrong.",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04 and more", "a ZIP archive"),
        (b"<!DOCTYPE html><html>please sign in</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a pointer of Git LFS"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"\x28\xb5\x2f\xfd" + bytes(50), "Zstandard"),
        (b"ct.nii" + bytes(251) + b"ustar" + bytes(250), "a tar archive"),
        (bytes(2000), "only zeros"),
        (b"hello" * 200, "no NIfTI image"),
        (b"", "empty"),
    ],
)
def test_what_is_no_image_is_called_what_it_is(tmp_path, content, said):
    for name, bytes_ in (("a.nii", content), ("b.nii.gz", gzip.compress(content) if content else b"")):
        (tmp_path / name).write_bytes(bytes_)
        text = refusal(tmp_path / name)
        assert said in text and "damaged" not in text and "cut short" not in text


def test_a_file_that_was_compressed_twice_is_said_to_be(tmp_path):
    raw = nifti(tmp_path / "ok.nii").read_bytes()
    (tmp_path / "twice.nii.gz").write_bytes(gzip.compress(gzip.compress(raw)))
    assert "compressed twice" in refusal(tmp_path / "twice.nii.gz")


# --- what is not whole


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.99])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.img"])
def test_files_cut_short_are_said_to_be(tmp_path, name, keep):
    big = np.random.default_rng(0).integers(0, 999, (20, 30, 40)).astype(np.int16)
    path = nifti(tmp_path / ("a.hdr" if name == "a.img" else "a.nii"), big, pair=name == "a.img")
    content = path.read_bytes() if name != "a.img" else (tmp_path / name).read_bytes()
    content = gzip.compress(content) if name.endswith(".gz") else content
    (tmp_path / name).write_bytes(content[: int(len(content) * keep)])
    assert "cut short" in refusal(tmp_path / name)


def test_damage_within_the_compressed_voxels_is_found(tmp_path):
    big = np.random.default_rng(0).integers(0, 999, (20, 30, 40)).astype(np.int16)
    content = bytearray(gzip.compress(nifti(tmp_path / "a.nii", big).read_bytes()))
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a.nii.gz").write_bytes(content)
    assert "damaged" in refusal(tmp_path / "a.nii.gz")


def test_no_header_of_chance_bytes_does_more_than_be_refused(tmp_path):
    rng = np.random.default_rng(1)
    good = nifti(tmp_path / "good.nii", codes=(1, 1)).read_bytes()
    for _ in range(300):
        content = bytearray(good)
        for place in rng.integers(4, 348, 6):
            content[place] = rng.integers(256)
        (tmp_path / "a.nii").write_bytes(content)
        try:
            assert read_volume(tmp_path / "a.nii").array.ndim == 3
        except UnusableInput as error:
            assert str(error).endswith(".")


# --- geometry


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("cosine", [1e-4, 5e-4, 9e-4])
def test_axes_that_miss_a_right_angle_by_rounding_are_read_with_the_nearest_rotation(tmp_path, cosine, axis):
    sform = PLAIN.copy()
    sform[axis, (axis + 1) % 3] = SPACING[(axis + 1) % 3] * cosine
    volume = read_volume(nifti(tmp_path / "a.nii", sform=sform, codes=(2, 0)))
    np.testing.assert_allclose(volume.directions.T @ volume.directions, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(volume.voxel_ml, 0.024, rtol=1e-3)
    middle = [*(np.array(STRUCTURED.shape[::-1]) - 1) / 2, 1]
    np.testing.assert_allclose(volume.ijk_to_ras @ middle, sform @ middle, atol=1e-5)
    assert volume.notes == ()


def test_a_straightened_image_can_be_written_and_read_again(tmp_path):
    sform = PLAIN.copy()
    sform[0, 1] = 3.0 * 9e-4
    volume = read_volume(nifti(tmp_path / "a.nii", sform=sform, codes=(2, 0)))
    write_volume(tmp_path / "b.nii.gz", volume)
    np.testing.assert_allclose(read_volume(tmp_path / "b.nii.gz").ijk_to_ras, volume.ijk_to_ras, atol=1e-4)


@pytest.mark.parametrize("cosine", [2e-3, 5e-2, 0.5])
def test_sheared_axes_are_refused_with_the_angle(tmp_path, cosine):
    sform = PLAIN.copy()
    sform[0, 1] = 3.0 * cosine
    angle = np.degrees(np.arctan(cosine))
    assert f"sheared by {angle:.1f} degrees" in refusal(nifti(tmp_path / "a.nii", sform=sform, codes=(2, 0)))


CODES = [(1, 1), (2, 1), (1, 2), (4, 1), (3, 2)]


@pytest.mark.parametrize("codes", CODES)
@pytest.mark.parametrize(
    ("qform", "place"),
    [
        (np.diag([-1.0, 1, 1, 1]) @ PLAIN, "axes to RPS"),  # mirrored
        (moved(15, 25, 35), "R 10, A 19, S 41 mm"),
        (moved(0, 0, 2), "S 8 mm"),
        (PLAIN @ np.diag([1.0, 1, 1.25, 1]), "2 x 3 x 5 mm"),
    ],
)
def test_a_place_stated_twice_and_differently_gets_a_note_that_names_both(tmp_path, codes, qform, place):
    volume = read_volume(nifti(tmp_path / "a.nii", qform=qform, codes=codes))
    (note,) = volume.notes
    assert f"sform (code {codes[0]})" in note and f"qform (code {codes[1]})" in note
    assert "L 5, P 6, S 6 mm, axes to LPS, voxels of 2 x 3 x 4 mm" in note and place in note
    taken = "sform" if codes[0] == 1 else "qform"
    assert f"the {taken} was taken" in note
    np.testing.assert_allclose(volume.ijk_to_ras, PLAIN if taken == "sform" else qform, atol=1e-4)


@pytest.mark.parametrize("codes", CODES)
def test_a_place_stated_twice_alike_gets_no_note(tmp_path, codes):
    assert read_volume(nifti(tmp_path / "a.nii", codes=codes)).notes == ()
    turned = np.eye(4)
    turned[:3, :3] = [[0.0, 0.0, -1.0], [0.96, -0.28, 0.0], [0.28, 0.96, 0.0]]
    turned = turned @ np.diag([0.7, 0.8, 2.5, 1])
    assert read_volume(nifti(tmp_path / "b.nii", sform=turned, qform=turned, codes=codes)).notes == ()


def test_a_sheared_sform_gives_way_to_a_straight_qform_with_a_note(tmp_path):
    """As after an affine registration to a template, which keeps the scanner's place in the qform."""
    sform = PLAIN.copy()
    sform[0, 1] = 0.4
    volume = read_volume(nifti(tmp_path / "a.nii", sform=sform, codes=(1, 1)))
    np.testing.assert_allclose(volume.ijk_to_ras, PLAIN, atol=1e-5)
    assert "the qform was taken" in volume.notes[0]


def test_voxel_sizes_stated_twice_and_differently_get_a_note(tmp_path):
    path = nifti(tmp_path / "a.nii", pixdim=[1, 1, 1, 1, 0, 0, 0, 0])
    volume = read_volume(path)
    np.testing.assert_allclose(volume.spacing, SPACING)
    assert "2 x 3 x 4 mm by its sform and 1 x 1 x 1 mm by its pixdim" in volume.notes[0]


def test_a_form_that_is_none_is_left_out_with_a_note(tmp_path):
    volume = read_volume(nifti(tmp_path / "a.nii", sform=np.zeros((4, 4)), codes=(2, 1)))
    np.testing.assert_allclose(volume.ijk_to_ras, PLAIN, atol=1e-5)
    assert "sform of the file (code 2) is invalid" in volume.notes[0]
    path = nifti(tmp_path / "b.nii", codes=(2, 1), quatern_b=3.0)
    assert "qform of the file (code 1) is invalid" in read_volume(path).notes[0]


def test_a_header_without_any_geometry_is_refused_or_noted(tmp_path):
    path = nifti(tmp_path / "a.nii", codes=(0, 0))
    volume = read_volume(path)
    assert volume.notes == ("The file does not say how the patient lies; left-right may be wrong.",)
    np.testing.assert_allclose(volume.spacing, SPACING)
    for size in (0, np.nan):
        text = refusal(nifti(tmp_path / "b.nii", codes=(0, 0), pixdim=[1, size, 2, 2, 0, 0, 0, 0]))
        assert "voxel size (pixdim)" in text and "no size" in text


@pytest.mark.parametrize(("code", "factor", "name"), [(1, 1000, "meters"), (3, 0.001, "micrometers")])
def test_lengths_in_other_units_are_converted_with_a_note(tmp_path, code, factor, name):
    scale = np.diag([1 / factor] * 3 + [1])
    path = nifti(
        tmp_path / "a.nii",
        sform=scale @ moved(10, 20, 30),
        qform=scale @ moved(10, 20, 30),
        codes=(1, 1),
        xyzt_units=code,
    )
    volume = read_volume(path)
    np.testing.assert_allclose(volume.ijk_to_ras, moved(10, 20, 30), rtol=1e-4, atol=1e-3)
    (note,) = volume.notes
    assert name in note


@pytest.mark.parametrize(("code", "name"), [(1, "meters"), (3, "micrometers")])
def test_a_unit_that_makes_a_size_no_patient_has_is_named(tmp_path, code, name):
    sform = PLAIN @ np.diag([0.5, 0.5, 0.5, 1])
    text = refusal(nifti(tmp_path / "a.nii", sform=sform, xyzt_units=code))
    assert f"lengths in {name}" in text and "voxels measure" in text
