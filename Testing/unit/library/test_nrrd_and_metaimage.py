"""NRRD and MetaImage files: what their headers leave unsaid, and what is missing or not right."""

from __future__ import annotations

import bz2
import gzip
import zlib

import numpy as np
import pytest
from image_file_fixtures import LPS, SPACING, STRUCTURED, metaimage, nrrd

from LesionKitLib.io.images import read_volume
from LesionKitLib.run.errors import UnusableInput

PLAIN = LPS @ np.diag([*SPACING, 1.0])
RAW = STRUCTURED.tobytes()
ORIENTATION_NOTE = "The file does not say how the patient lies; left-right may be wrong."
DIRECTIONS = {"space": "LPS", "space_directions": "(2,0,0) (0,3,0) (0,0,4)", "space_origin": "(0,0,0)"}
DETACHED = {**DIRECTIONS, "attached": False}


def refusal(path) -> str:
    with pytest.raises(UnusableInput) as caught:
        read_volume(path)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and str(path) not in text
    return text


def check(path, matrix=PLAIN, notes=()):
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, STRUCTURED)
    np.testing.assert_allclose(volume.ijk_to_ras, matrix, atol=1e-6)
    assert volume.notes == notes


# --- geometry


def test_no_spacing_is_refused(tmp_path):
    assert "'spacings' is missing" in refusal(nrrd(tmp_path / "a.nrrd"))
    assert "ElementSpacing is missing" in refusal(metaimage(tmp_path / "a.mha"))


def test_a_spacing_without_orientation_gets_a_note(tmp_path):
    check(nrrd(tmp_path / "a.nrrd", spacings="2 3 4"), notes=(ORIENTATION_NOTE,))
    check(nrrd(tmp_path / "b.nrrd", space="LPS", spacings="2 3 4"), notes=(ORIENTATION_NOTE,))
    check(metaimage(tmp_path / "a.mha", ElementSpacing="2 3 4"), notes=(ORIENTATION_NOTE,))
    check(metaimage(tmp_path / "b.mha", ElementSize="2 3 4"), notes=(ORIENTATION_NOTE,))


def test_directions_in_a_space_that_is_not_the_patients_get_a_note(tmp_path):
    for space in ({"space": "scanner-xyz"}, {"space": "3D-right-handed"}, {"space": None, "space_dimension": 3}):
        check(nrrd(tmp_path / "a.nrrd", **{**DIRECTIONS, **space}), notes=(ORIENTATION_NOTE,))


@pytest.mark.parametrize(
    ("space", "signs"), [("LPS", (-1, -1)), ("RAS", (1, 1)), ("LAS", (-1, 1)), ("right-anterior-superior", (1, 1))]
)
def test_anatomical_spaces_are_told_by_long_and_short_names(tmp_path, space, signs):
    path = nrrd(tmp_path / "a.nrrd", **{**DIRECTIONS, "space": space, "space_origin": "(5,6,7)"})
    matrix = np.diag([*signs, 1, 1]) @ np.diag([*SPACING, 1.0])
    matrix[:3, 3] = (5 * signs[0], 6 * signs[1], 7)
    check(path, matrix)


@pytest.mark.parametrize("values", ["0 3 4", "nan 3 4", "-2 3 4", "2 3"])
def test_a_spacing_that_is_none_is_refused_by_its_name(tmp_path, values):
    text = refusal(nrrd(tmp_path / "a.nrrd", spacings=values)) if values != "2 3" else "'spacings'"
    assert "'spacings'" in text
    assert "ElementSpacing" in refusal(metaimage(tmp_path / "a.mha", ElementSpacing=values))


def test_directions_that_are_none_are_refused(tmp_path):
    path = nrrd(tmp_path / "a.nrrd", **{**DIRECTIONS, "space_directions": "(0,0,0) (0,3,0) (0,0,4)"})
    assert "'space directions'" in refusal(path)
    for matrix in ("0 0 0 0 0 0 0 0 0", "1 0 0 1 0 0 0 0 1", "nan 0 0 0 1 0 0 0 1", "1 0 0 1"):
        text = refusal(metaimage(tmp_path / "a.mha", ElementSpacing="2 3 4", TransformMatrix=matrix))
        assert "TransformMatrix of the MetaImage file is no rotation" in text


def test_fields_that_do_not_fit_the_axes_are_named(tmp_path):
    assert "'spacings'" in refusal(nrrd(tmp_path / "a.nrrd", spacings="2 3"))
    for field, value in (("space_directions", "(2,0,0) (0,3,0)"), ("space_origin", "(1,2)")):
        assert field.replace("_", " ") in refusal(nrrd(tmp_path / "a.nrrd", **{**DIRECTIONS, field: value}))
    assert "Offset" in refusal(metaimage(tmp_path / "a.mha", ElementSpacing="2 3 4", Offset="1 2"))


def test_no_header_of_chance_characters_does_more_than_be_refused(tmp_path):
    rng = np.random.default_rng(2)
    characters = b"0123456789 -.()%:=\nnaeNzLI\x00\xff"
    place = {"ElementSpacing": "2 3 4", "TransformMatrix": "1 0 0 0 1 0 0 0 1", "Offset": "0 0 0"}
    for path in (nrrd(tmp_path / "a.nrrd", **DIRECTIONS), metaimage(tmp_path / "a.mha", **place)):
        good = path.read_bytes()
        for _ in range(200):
            content = bytearray(good)
            for where in rng.integers(8, len(good) - STRUCTURED.nbytes, 2):
                content[where : where + rng.integers(0, 9)] = bytes([characters[rng.integers(len(characters))]])
            path.write_bytes(content)
            try:
                assert read_volume(path).array.ndim == 3
            except UnusableInput as error:
                assert str(error).endswith(".") and "\n" not in str(error)


def test_axes_nearly_square_are_straightened_and_sheared_ones_refused(tmp_path):
    for cosine in (1e-4, 9e-4):
        directions = f"(2,0,0) ({3 * cosine},3,0) (0,0,4)"
        for path in (
            nrrd(tmp_path / "a.nrrd", **{**DIRECTIONS, "space_directions": directions}),
            metaimage(tmp_path / "a.mha", ElementSpacing="2 3 4", TransformMatrix=f"1 0 0 {cosine} 1 0 0 0 1"),
        ):
            axes = read_volume(path).directions
            np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)
    path = nrrd(tmp_path / "a.nrrd", **{**DIRECTIONS, "space_directions": "(2,0,0) (0.3,3,0) (0,0,4)"})
    assert "sheared by 5.7 degrees" in refusal(path)
    path = metaimage(tmp_path / "a.mha", ElementSpacing="2 3 4", TransformMatrix="1 0 0 0.1 1 0 0 0 1")
    assert "sheared by 5.7 degrees" in refusal(path)


def test_a_turned_metaimage_lies_where_simpleitk_puts_it(tmp_path):
    import SimpleITK as sitk
    from sitk_volumes import from_sitk

    path = metaimage(tmp_path / "a.mha", ElementSpacing="2 3 4", TransformMatrix="0 1 0 0 0 1 1 0 0", Offset="7 8 9")
    check(path, from_sitk(sitk.ReadImage(str(path))).ijk_to_ras)


def test_lengths_in_other_units_are_converted_with_a_note(tmp_path):
    for unit in ("um", "\u00b5m", "\u03bcm", "micrometer"):
        fields = {**DIRECTIONS, "space_directions": "(2000,0,0) (0,3000,0) (0,0,4000)"}
        path = nrrd(tmp_path / "a.nrrd", **fields, space_units=f'"{unit}" "{unit}" "{unit}"')
        np.testing.assert_allclose(read_volume(path).spacing, SPACING)
        assert "micrometers" in read_volume(path).notes[0]
    path = metaimage(
        tmp_path / "a.mha", ElementSpacing="0.2 0.3 0.4", DistanceUnits="cm", TransformMatrix="1 0 0 0 1 0 0 0 1"
    )
    np.testing.assert_allclose(read_volume(path).spacing, SPACING)
    assert "centimeters" in read_volume(path).notes[0]
    path = nrrd(tmp_path / "a.nrrd", **DIRECTIONS, space_units='"in" "in" "in"')
    assert "'in'" in read_volume(path).notes[0]


# --- encodings and data files


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("raw", RAW),
        ("gzip", gzip.compress(RAW)),
        ("gz", gzip.compress(RAW) + b"junk"),
        ("bzip2", bz2.compress(RAW)),
        ("bz2", bz2.compress(RAW)),
        ("hex", RAW.hex().encode()),
        ("txt", " ".join(map(str, STRUCTURED.ravel())).encode()),
        ("ascii", "\n".join(map(str, STRUCTURED.ravel())).encode()),
    ],
)
@pytest.mark.parametrize("attached", [True, False])
def test_every_encoding_of_nrrd_is_read(tmp_path, encoding, data, attached):
    if attached:
        check(nrrd(tmp_path / "a.nrrd", data=data, **DIRECTIONS, encoding=encoding))
        return
    (tmp_path / "voxels.bin").write_bytes(data)
    check(nrrd(tmp_path / "a.nhdr", **DETACHED, encoding=encoding, data_file="voxels.bin"))


def test_big_endian_skips_and_bytes_behind_are_read(tmp_path):
    swapped = STRUCTURED.astype(">i2").tobytes()
    check(nrrd(tmp_path / "a.nrrd", data=swapped + b"junk", **DIRECTIONS, endian="big"))
    (tmp_path / "v.raw").write_bytes(b"one line\nxyz" + RAW)
    check(nrrd(tmp_path / "b.nhdr", **DETACHED, data_file="v.raw", line_skip=1, byte_skip=3))
    check(nrrd(tmp_path / "c.nhdr", **DETACHED, data_file="v.raw", byte_skip=-1))


def test_voxels_in_several_files_are_read(tmp_path):
    for k, plane in enumerate(STRUCTURED):
        (tmp_path / f"s{k + 1:02d}.raw").write_bytes(plane.tobytes())
    check(nrrd(tmp_path / "a.nhdr", **DETACHED, data_file="s%02d.raw 1 4 1"))
    names = "".join(f"\ns{k + 1:02d}.raw" for k in range(4))
    check(nrrd(tmp_path / "b.nhdr", **DETACHED, data_file="LIST" + names))
    place = {"ElementSpacing": "2 3 4", "TransformMatrix": "1 0 0 0 1 0 0 0 1"}
    check(metaimage(tmp_path / "a.mhd", **place, ElementDataFile="LIST" + names))
    check(metaimage(tmp_path / "b.mhd", **place, ElementDataFile="s%02d.raw 1 4 1"))
    (tmp_path / "s03.raw").unlink()
    for name in ("a.nhdr", "b.nhdr", "a.mhd", "b.mhd"):
        assert "data file s03.raw that the" in refusal(tmp_path / name)


def test_a_missing_data_file_is_named_without_its_path(tmp_path):
    for lost in ("lost.raw", "sub/lost.raw", "C:\\data\\lost.raw", "/data/lost.raw"):
        text = refusal(nrrd(tmp_path / "a.nhdr", **DETACHED, data_file=lost))
        assert text == "The data file lost.raw that the NRRD header names is missing; copy it, too."
        text = refusal(metaimage(tmp_path / "a.mhd", ElementSpacing="2 3 4", ElementDataFile=lost))
        assert text == "The data file lost.raw that the MetaImage header names is missing; copy it, too."


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "hex", "text"])
@pytest.mark.parametrize("attached", [True, False])
def test_voxels_cut_short_are_said_to_be(tmp_path, encoding, attached):
    text = " ".join(map(str, STRUCTURED.ravel())).encode()
    coded = {
        "raw": RAW,
        "gzip": gzip.compress(RAW),
        "bzip2": bz2.compress(RAW),
        "hex": RAW.hex().encode(),
        "text": text,
    }
    data = coded[encoding][: len(coded[encoding]) * 3 // 4]
    (tmp_path / "v.raw").write_bytes(data)
    fields = DIRECTIONS if attached else {**DETACHED, "data_file": "v.raw"}
    assert "cut short" in refusal(nrrd(tmp_path / "a.nhdr", data=data, **fields, encoding=encoding))


def test_detached_voxels_of_a_metaimage_cut_short_are_said_to_be(tmp_path):
    for data, packed in ((RAW[:-2], "False"), (zlib.compress(RAW)[:-8], "True")):
        (tmp_path / "v.raw").write_bytes(data)
        fields = {"CompressedData": packed, "ElementSpacing": "2 3 4", "ElementDataFile": "v.raw"}
        assert "cut short" in refusal(metaimage(tmp_path / "a.mhd", **fields))


def test_headers_that_lack_what_they_need_are_said_to(tmp_path):
    assert "header of the NRRD file is invalid or incomplete" in refusal(nrrd(tmp_path / "a.nrrd", sizes=None))
    assert "order of its bytes" in refusal(nrrd(tmp_path / "a.nrrd", **DIRECTIONS, endian=None))
    assert "encoding 'zstd'" in refusal(nrrd(tmp_path / "a.nrrd", **DIRECTIONS, encoding="zstd"))
    assert "type 'block'" in refusal(nrrd(tmp_path / "a.nrrd", **DIRECTIONS, type="block"))
    (tmp_path / "a.mha").write_text("ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\n")
    assert "names no ElementDataFile" in refusal(tmp_path / "a.mha")


# --- kinds of content


def test_a_file_is_read_by_its_content_whatever_its_name_says(tmp_path):
    check(nrrd(tmp_path / "a.nii.gz", **DIRECTIONS))  # as Slicer writes a segmentation that is named so
    (tmp_path / "b.nrrd").write_bytes(gzip.compress((tmp_path / "a.nii.gz").read_bytes()))
    check(tmp_path / "b.nrrd")
    check(metaimage(tmp_path / "c.nii", ElementSpacing="2 3 4", TransformMatrix="1 0 0 0 1 0 0 0 1"))


def test_a_metaimage_compressed_as_a_whole_is_called_so(tmp_path):
    content = metaimage(tmp_path / "a.mha", ElementSpacing="2 3 4").read_bytes()
    for packed in (gzip.compress(content), bz2.compress(content)):
        (tmp_path / "a.mha").write_bytes(packed)
        assert "MetaImage that was compressed as a whole" in refusal(tmp_path / "a.mha")


def test_color_several_volumes_and_single_slices_are_told_apart(tmp_path):
    none = {"space": "LPS", "space_directions": "none (2,0,0) (0,3,0) (0,0,4)"}
    color = np.zeros((4, 5, 6, 3), np.uint8)
    assert "several values" in refusal(nrrd(tmp_path / "a.nrrd", color, **none, kinds="RGB-color domain domain domain"))
    assert "(3 volumes)" in refusal(nrrd(tmp_path / "a.nrrd", color, **none, kinds="list domain domain domain"))
    assert "single 2-D slice" in refusal(nrrd(tmp_path / "a.nrrd", np.zeros((40, 50), np.uint8), spacings="1 1"))
    one = nrrd(tmp_path / "a.nrrd", STRUCTURED[..., np.newaxis], **none, kinds="list domain domain domain")
    check(one)
