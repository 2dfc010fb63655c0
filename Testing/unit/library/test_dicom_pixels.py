"""Pixel values of DICOM images: what is stored means what the header says, however it is shown or packed."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from dicom_fixtures import (
    dicom_image,
    mr_values,
    save,
    sequence_of,
    slice_hu,
    write_enhanced_ct,
    write_enhanced_mr,
    write_mr_series,
    write_series,
)
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from LesionKitLib.io.images import read_volume
from LesionKitLib.run.errors import MissingResource, UnusableInput

HU = np.stack([slice_hu(n) for n in range(12)])
MR = np.stack([mr_values(n) for n in range(12)])


def test_monochrome1_of_a_ct_and_an_mr_does_not_change_values(tmp_path):
    write_series(tmp_path / "ct", PhotometricInterpretation="MONOCHROME1")
    write_mr_series(tmp_path / "mr", PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_volume(tmp_path / "ct").array, HU)
    np.testing.assert_array_equal(read_volume(tmp_path / "mr").array, MR)


@pytest.mark.parametrize("shown", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("high_nibble", [0x0000, 0xF000, 0x5000])
def test_signed_12_bit_values_are_read_whatever_the_unused_bits_hold(tmp_path, shown, high_nibble):
    def change(data, n):
        stored = slice_hu(n).astype(np.int16).view(np.uint16)
        data.PixelData = ((stored & 0x0FFF) | high_nibble).tobytes()

    write_series(
        tmp_path, change=change, PhotometricInterpretation=shown, BitsStored=12, HighBit=11, PixelRepresentation=1,
        RescaleIntercept=0,
    )  # fmt: skip
    np.testing.assert_array_equal(read_volume(tmp_path).array, HU)


def test_values_that_lie_at_the_top_of_their_word_are_shifted_down(tmp_path):
    def change(data, n):
        data.PixelData = ((slice_hu(n) + 1024).astype(np.uint16) << 4).tobytes()

    write_series(tmp_path, change=change, BitsStored=12, HighBit=15)
    np.testing.assert_array_equal(read_volume(tmp_path).array, HU)


def test_slices_of_different_pixel_types_are_each_read_in_their_own(tmp_path):
    def change(data, n):
        if n % 3 == 1:
            data.PixelRepresentation, data.RescaleIntercept = 1, 0
            data.PixelData = slice_hu(n).astype(np.int16).tobytes()
        if n % 3 == 2:
            data.BitsAllocated = data.BitsStored = 32
            data.HighBit = 31
            data.PixelData = (slice_hu(n) + 1024).astype(np.uint32).tobytes()

    write_series(tmp_path, change=change)
    np.testing.assert_array_equal(read_volume(tmp_path).array, HU)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_every_uncompressed_transfer_syntax_is_read(tmp_path, syntax):
    def change(data, n):
        data.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            data.PixelData = (slice_hu(n) + 1024).astype(">u2").tobytes()
            data["PixelData"].VR = "OW"

    write_series(tmp_path, change=change)
    np.testing.assert_array_equal(read_volume(tmp_path).array, HU)


def test_files_without_preamble_and_meta_information_are_read(tmp_path):
    for path in write_series(tmp_path):
        data = pydicom.dcmread(path)
        del data.file_meta
        data.preamble = None
        data.save_as(path, implicit_vr=True, little_endian=True)
        assert path.read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(read_volume(tmp_path).array, HU)


@pytest.mark.parametrize("name", ["JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEG2000Lossless"])
@pytest.mark.parametrize("signed", [False, True])
def test_losslessly_compressed_slices_read_like_plain_ones(tmp_path, name, signed):
    gdcm = pytest.importorskip("gdcm")

    def change(data, n):
        if signed:
            data.PixelRepresentation, data.RescaleIntercept = 1, 0
            data.PixelData = slice_hu(n).astype(np.int16).tobytes()

    for path in write_series(tmp_path, change=change):
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read()
        coder = gdcm.ImageChangeTransferSyntax()
        coder.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, name)))
        coder.SetInput(reader.GetImage())
        assert coder.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(path))
        writer.SetFile(reader.GetFile())
        writer.SetImage(coder.GetOutput())
        assert writer.Write()
        assert pydicom.dcmread(path).file_meta.TransferSyntaxUID.is_compressed
    np.testing.assert_array_equal(read_volume(tmp_path).array, HU)


def test_a_compression_without_a_decoder_is_named(tmp_path):
    def change(data, n):
        from pydicom.encaps import encapsulate

        data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.201"
        data.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(100)])

    write_series(tmp_path, change=change)
    with pytest.raises((MissingResource, UnusableInput), match="High-Throughput JPEG 2000"):
        read_volume(tmp_path)


# --- rescaling


def test_frames_of_one_file_with_different_rescaling_are_each_read_right(tmp_path):
    path = write_enhanced_ct(tmp_path / "file")
    data = pydicom.dcmread(path)
    stored = data.pixel_array.astype(np.int32)
    for n, frame in enumerate(data.PerFrameFunctionalGroupsSequence):
        frame.PixelValueTransformationSequence = sequence_of(
            RescaleSlope=1 + n % 2, RescaleIntercept=-1024 - n, RescaleType="HU"
        )
    save(data, path)
    expected = np.stack([stored[n] * (1 + n % 2) - 1024 - n for n in range(12)])
    np.testing.assert_array_equal(read_volume(path).array, expected)


def test_interleaved_frames_are_sorted_with_their_own_rescaling(tmp_path):
    order = [*range(0, 12, 2), *range(1, 12, 2)]

    def scaled(slope):
        return lambda group, n: setattr(
            group, "PixelValueTransformationSequence", sequence_of(RescaleSlope=slope, RescaleIntercept=0)
        )

    write_enhanced_mr(tmp_path / "file", [(place, 0, scaled(1 + place)) for place in order])
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, [mr_values(place) * (1 + place) for place in range(12)])
    assert volume.spacing[2] == pytest.approx(2.0)


def world_map(**elements):
    return {"change": lambda data, n: setattr(data, "RealWorldValueMappingSequence", sequence_of(**elements))}


def test_a_real_world_value_map_is_honored_where_it_is_the_only_mapping(tmp_path):
    write_mr_series(tmp_path / "linear", **world_map(RealWorldValueSlope=2.0, RealWorldValueIntercept=-5.0))
    np.testing.assert_array_equal(read_volume(tmp_path / "linear").array, 2 * MR - 5)
    table = [float(3 * value) for value in range(3000)]
    elements = {"RealWorldValueFirstValueMapped": 0, "RealWorldValueLastValueMapped": 2999}
    write_mr_series(tmp_path / "table", **world_map(RealWorldValueLUTData=table, **elements))
    np.testing.assert_array_equal(read_volume(tmp_path / "table").array, 3 * MR)


def test_a_real_world_value_map_beside_a_rescale_is_not_used(tmp_path):
    def change(data, n):
        data.RealWorldValueMappingSequence = sequence_of(RealWorldValueSlope=9.0, RealWorldValueIntercept=0.0)

    write_series(tmp_path, change=change)
    np.testing.assert_array_equal(read_volume(tmp_path).array, HU)


def test_of_several_real_world_value_maps_none_is_used_and_a_note_says_so(tmp_path):
    def change(data, n):
        two = [sequence_of(RealWorldValueSlope=slope, RealWorldValueIntercept=0.0)[0] for slope in (2.0, 3.0)]
        data.RealWorldValueMappingSequence = two

    write_mr_series(tmp_path, change=change)
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, MR)
    assert volume.notes == ("The header maps the stored values in several ways; they were taken as they are stored.",)


def test_a_real_world_value_map_of_an_enhanced_file_is_honored(tmp_path):
    def change(group, n):
        group.RealWorldValueMappingSequence = sequence_of(RealWorldValueSlope=0.5, RealWorldValueIntercept=float(n))

    write_enhanced_mr(tmp_path / "file", [(place, 0, change) for place in range(12)])
    np.testing.assert_allclose(read_volume(tmp_path).array, [mr_values(n) * 0.5 + n for n in range(12)])


def test_a_modality_lut_is_honored(tmp_path):
    def change(data, n):
        del data.RescaleSlope, data.RescaleIntercept
        data.ModalityLUTSequence = sequence_of(LUTDescriptor=[2000, 0, 16], ModalityLUTType="US")
        data.ModalityLUTSequence[0].LUTDescriptor = [2000, 0, 16]
        data.ModalityLUTSequence[0].add_new(0x00283006, "US", [2 * value for value in range(2000)])

    write_series(tmp_path, change=change)
    np.testing.assert_array_equal(read_volume(tmp_path).array, 2 * (HU + 1024))


def test_padding_of_frames_with_their_own_rescaling_becomes_air(tmp_path):
    path = write_enhanced_ct(tmp_path / "file")
    data = pydicom.dcmread(path)
    stored = data.pixel_array.copy()
    stored[:, :4, :4] = 65000
    data.PixelData = stored.tobytes()
    data.add_new("PixelPaddingValue", "US", 65000)
    save(data, path)
    array = read_volume(path).array
    assert (array[:, :4, :4] == -1024).all()
    np.testing.assert_array_equal(array[:, 4:], HU[:, 4:])


def test_a_float_parametric_map_is_read_in_its_values(tmp_path):
    values = np.linspace(0, 2, 64 * 72, dtype=np.float32).reshape(64, 72)
    data = dicom_image(np.zeros((64, 72)), "1.2.840.10008.5.1.4.1.1.30", "MR", PixelSpacing=[1, 1])
    del data.PixelData, data.BitsStored, data.HighBit, data.PixelRepresentation
    data.BitsAllocated = 32
    data.FloatPixelData = values.tobytes()
    np.testing.assert_array_equal(read_volume(save(data, tmp_path / "map")).array[0], values)
