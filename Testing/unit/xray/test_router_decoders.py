"""Compressed X-rays of rare transfer syntaxes, and headers whose Image Pixel Module is incomplete or odd."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from dicom_fixtures import DX_STORAGE, dicom_image, save
from pydicom.encaps import encapsulate
from xray_fixtures import COLUMNS, ROWS, recompress, scene, write_bytes_xray, write_xray

from BodyPartRouterLib.reading import codecs
from BodyPartRouterLib.reading.frame_size import codestream_size
from BodyPartRouterLib.reading.xray_file import read_xray
from LesionKitLib.run.errors import UnusableInput

EXTENDED, HTJ2K, JPEG_XL = (f"1.2.840.10008.1.2.4.{n}" for n in ("51", "201", "110"))


def refusal(path) -> str:
    with pytest.raises(UnusableInput) as caught:
        read_xray(path)
    return str(caught.value)


def stored() -> np.ndarray:
    return np.rint(scene() * 4095).astype(np.uint16)


def with_frame(path, frame: bytes, syntax: str, **elements):
    """A DX image of 12 bits that holds this codestream."""
    data = dicom_image(stored(), DX_STORAGE, "DX", BitsStored=12, HighBit=11)
    data.PixelData = encapsulate([frame])
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = HTJ2K if syntax == JPEG_XL else syntax
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    save(data, path)
    if syntax == JPEG_XL:  # pydicom writes no syntax that it does not know
        path.write_bytes(path.read_bytes().replace(HTJ2K.encode(), JPEG_XL.encode(), 1))
    return path


def extended(values: np.ndarray) -> bytes:
    import imagecodecs

    return imagecodecs.jpeg8_encode(values, level=98, bitspersample=12)


def xl(values: np.ndarray) -> bytes:
    import imagecodecs

    return imagecodecs.jpegxl_encode(values, lossless=True)


@pytest.mark.parametrize(
    ("encode", "syntax", "tolerance"), [(extended, EXTENDED, 0.02), (xl, JPEG_XL, 1e-6)], ids=["extended", "xl"]
)
def test_jpeg_extended_of_12_bits_and_jpeg_xl_give_the_picture_of_the_plain_file(tmp_path, encode, syntax, tolerance):
    plain = read_xray(write_xray(tmp_path / "plain.dcm"))
    packed = read_xray(with_frame(tmp_path / "packed.dcm", encode(stored()), syntax))
    assert np.abs(packed.pixels - plain.pixels).max() < tolerance


def test_high_throughput_jpeg_2000_is_decoded_as_jpeg_2000_is(tmp_path):
    """imagecodecs encodes no HTJ2K; its decoder is the same for both, so a plain codestream shows the way through."""
    import imagecodecs

    frame = imagecodecs.jpeg2k_encode(stored(), codecformat="j2k", reversible=True, level=0)
    packed = read_xray(with_frame(tmp_path / "packed.dcm", frame, HTJ2K))
    assert np.abs(packed.pixels - read_xray(write_xray(tmp_path / "plain.dcm")).pixels).max() < 1e-6


@pytest.mark.parametrize(
    ("syntax", "name"),
    [(EXTENDED, "JPEG Extended with 12 bits"), (HTJ2K, "High-Throughput JPEG 2000"), (JPEG_XL, "JPEG XL")],
)
def test_without_imagecodecs_the_sentence_names_the_compression_and_the_package(tmp_path, monkeypatch, syntax, name):
    path = with_frame(tmp_path / "packed.dcm", extended(stored()) if syntax == EXTENDED else xl(stored()), syntax)
    monkeypatch.setattr(codecs, "installed", lambda: False)
    assert name in refusal(path) and "imagecodecs" in refusal(path)


def test_jpeg_lossless_is_the_same_with_and_without_imagecodecs(tmp_path, monkeypatch):
    plain = write_xray(tmp_path / "plain.dcm")
    packed = recompress(plain, tmp_path / "packed.dcm", "JPEGLosslessProcess14_1")
    fast = read_xray(packed).pixels
    monkeypatch.setattr(codecs, "installed", lambda: False)
    assert np.array_equal(fast, read_xray(packed).pixels)


def test_signed_jpeg_lossless_keeps_its_sign(tmp_path):
    values = np.rint(scene() * 4095 - 2048).astype(np.int16)
    plain = write_xray(tmp_path / "plain.dcm", values, PixelRepresentation=1)
    packed = recompress(plain, tmp_path / "packed.dcm", "JPEGLosslessProcess14_1")
    assert np.abs(read_xray(packed).pixels - read_xray(plain).pixels).max() < 1e-6


@pytest.mark.parametrize(("encode", "syntax"), [(extended, EXTENDED), (xl, JPEG_XL)], ids=["extended", "xl"])
def test_a_damaged_codestream_is_called_damaged(tmp_path, encode, syntax):
    frame = encode(stored())
    assert "damaged" in refusal(with_frame(tmp_path / "cut.dcm", frame[: len(frame) // 3], syntax))


def test_a_codestream_of_other_samples_than_the_header_says_is_refused(tmp_path):
    color = np.repeat(stored()[..., None], 3, axis=2)
    assert "damaged" in refusal(with_frame(tmp_path / "color.dcm", xl(color), JPEG_XL))


@pytest.mark.parametrize("shape", [(96, 80), (64, 128), (1000, 1500), (257, 3001), (40, 40), (900, 1200)])
def test_the_size_of_a_jpeg_xl_codestream_is_found_without_decoding(shape):
    assert codestream_size(xl(np.zeros(shape, np.uint16))) == shape


def test_a_jpeg_xl_codestream_larger_than_its_header_says_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(codecs, "decode", lambda *_: pytest.fail("decoded"))
    path = with_frame(tmp_path / "bomb.dcm", xl(np.zeros((4000, 4000), np.uint16)), JPEG_XL)
    assert "another size" in refusal(path)


# --- headers


def test_values_in_the_upper_bits_give_the_same_picture(tmp_path):
    plain = read_xray(write_xray(tmp_path / "plain.dcm")).pixels
    data = dicom_image(stored() << 4, DX_STORAGE, "DX", BitsStored=12, HighBit=15)
    assert np.abs(read_xray(save(data, tmp_path / "high.dcm")).pixels - plain).max() < 1e-6
    data = dicom_image((stored() >> 4) << 8, DX_STORAGE, "DX", BitsStored=8, HighBit=15)
    assert np.abs(read_xray(save(data, tmp_path / "byte.dcm")).pixels - plain).max() < 0.01
    signed = dicom_image(((stored().astype(np.int16) - 2048) << 4).view(np.uint16), DX_STORAGE, "DX")
    signed.BitsStored, signed.HighBit, signed.PixelRepresentation = 12, 15, 1
    assert np.abs(read_xray(save(signed, tmp_path / "signed.dcm")).pixels - plain).max() < 0.002


def test_a_false_high_bit_of_a_codestream_does_not_shift_its_values(tmp_path):
    path = with_frame(tmp_path / "xl.dcm", xl(stored()), JPEG_XL, HighBit=15)
    assert np.abs(read_xray(path).pixels - read_xray(write_xray(tmp_path / "plain.dcm")).pixels).max() < 1e-6


@pytest.mark.parametrize("implicit", [False, True])
def test_a_data_set_without_meta_information_is_read_like_the_proper_file(tmp_path, implicit):
    proper = write_xray(tmp_path / "proper.dcm")
    data = pydicom.dcmread(proper)
    del data.file_meta
    data.preamble = None
    data.save_as(tmp_path / "bare.dcm", implicit_vr=implicit, little_endian=True)
    assert np.array_equal(read_xray(tmp_path / "bare.dcm").pixels, read_xray(proper).pixels)


def test_ybr_full_422_is_counted_and_read(tmp_path):
    gray = np.rint(scene() * 255).astype(np.uint8)
    packed = np.full((ROWS, COLUMNS // 2, 4), 128, np.uint8)  # Y Y Cb Cr
    packed[..., 0], packed[..., 1] = gray[:, ::2], gray[:, 1::2]
    tags = {"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL_422", "PlanarConfiguration": 0}
    path = write_bytes_xray(tmp_path / "ybr.dcm", gray, **tags, PixelData=packed.tobytes())
    plain = read_xray(write_bytes_xray(tmp_path / "gray.dcm", np.repeat(gray[..., None], 3, axis=2)))
    assert np.abs(read_xray(path).pixels - plain.pixels).max() < 0.01
    short = write_bytes_xray(tmp_path / "short.dcm", gray, **tags, PixelData=packed.tobytes()[:-400])
    assert "cut short" in refusal(short)


@pytest.mark.parametrize("keyword", ["PhotometricInterpretation", "Rows", "Columns"])
def test_an_absent_attribute_is_named(tmp_path, keyword):
    data = dicom_image(stored(), DX_STORAGE, "DX", BitsStored=12, HighBit=11)
    delattr(data, keyword)
    assert f"nothing of its {keyword}" in refusal(save(data, tmp_path / "x.dcm"))


@pytest.mark.parametrize(
    "change",
    [
        {"SamplesPerPixel": None},
        {"PhotometricInterpretation": "monochrome2"},
        {"BitsStored": 0},
        {"BitsStored": None},
        {"HighBit": None},
        {"PixelRepresentation": None},
        {"SOPClassUID": None},
    ],
    ids=str,
)
def test_what_has_only_one_meaning_is_read(tmp_path, change):
    data = dicom_image(stored(), DX_STORAGE, "DX", BitsStored=12, HighBit=11)
    for keyword, value in change.items():
        if value is None:
            delattr(data, keyword)
        else:
            with pytest.warns(UserWarning) if value == "monochrome2" else _nothing():
                setattr(data, keyword, value)
    pixels = read_xray(save(data, tmp_path / "x.dcm")).pixels
    assert np.array_equal(pixels, read_xray(write_xray(tmp_path / "plain.dcm")).pixels)


def _nothing():
    from contextlib import nullcontext

    return nullcontext()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"BitsStored": 0, "HighBit": 40}, "BitsStored of 0"),
        ({"SamplesPerPixel": 2}, "SamplesPerPixel is 2, which contradicts MONOCHROME2"),
        ({"PhotometricInterpretation": "HSV"}, "PhotometricInterpretation is none that is read"),
        ({"BitsAllocated": 12}, "BitsAllocated is 12"),
        ({"PixelRepresentation": 7}, "PixelRepresentation is neither 0 nor 1"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_attribute_that_makes_no_sense_is_named(tmp_path, change, sentence):
    data = dicom_image(stored(), DX_STORAGE, "DX", BitsStored=12, HighBit=11)
    for keyword, value in change.items():
        setattr(data, keyword, value)
    assert sentence in refusal(save(data, tmp_path / "x.dcm"))


def test_a_transfer_syntax_that_contradicts_the_pixel_data_is_named(tmp_path):
    packed = with_frame(tmp_path / "packed.dcm", extended(stored()), EXTENDED)
    plain_name, name = b"1.2.840.10008.1.2.1\0\0\0", EXTENDED.encode()
    packed.write_bytes(packed.read_bytes().replace(name, plain_name, 1))
    assert "compressed, but its header does not say how" in refusal(packed)
    plain = write_xray(tmp_path / "plain.dcm")
    data = pydicom.dcmread(plain)
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    whole = plain.read_bytes()
    start = whole.index(b"1.2.840.10008.1.2.1\0")
    # the element becomes two bytes longer, and so does the group
    longer = whole[: start - 2] + b"\x16\0" + name + whole[start + 20 :]
    at = longer.index(b"\x02\0\0\0UL\x04\0") + 8
    group = int.from_bytes(longer[at : at + 4], "little") + 2
    plain.write_bytes(longer[:at] + group.to_bytes(4, "little") + longer[at + 4 :])
    assert "says that it is compressed, but it is not" in refusal(plain)


def test_a_palette_that_is_absent_is_named(tmp_path):
    data = dicom_image(np.rint(scene() * 255), DX_STORAGE, "DX", PhotometricInterpretation="PALETTE COLOR")
    assert "palette is absent or malformed" in refusal(save(data, tmp_path / "x.dcm"))
