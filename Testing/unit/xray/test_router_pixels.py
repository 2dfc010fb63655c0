"""X-rays from DICOM, PNG and JPEG: the same picture, upright, bones bright, whatever the file's dialect."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from dicom_fixtures import PATIENT, dicom_image, save
from xray_fixtures import COLUMNS, ROWS, lut, recompress, scene, transfer_syntax, write_bytes_xray, write_xray

from BodyPartRouterLib.reading.frame_size import codestream_size
from BodyPartRouterLib.reading.xray_file import read_xray
from LesionKitLib.run.errors import UnusableInput


def alike(pixels: np.ndarray, wanted: np.ndarray | None = None) -> float:
    """Correlation with the scene: 1 for the same picture, -1 for its negative."""
    wanted = scene() if wanted is None else wanted
    assert pixels.dtype == np.float32 and pixels.shape == wanted.shape
    assert pixels.min() >= 0 and pixels.max() <= 1
    return float(np.corrcoef(pixels.ravel(), wanted.ravel())[0, 1])


@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
def test_any_number_of_bits_gives_the_same_picture(tmp_path, bits):
    xray = read_xray(write_xray(tmp_path / "x.dcm", bits=bits))
    assert alike(xray.pixels) > 0.999
    assert xray.pixels.max() > 0.95 and xray.frames == 1 and xray.notes == ()


def test_monochrome1_is_turned_so_that_bones_are_bright(tmp_path):
    stored = 4095 - np.rint(scene() * 4095)
    xray = read_xray(write_xray(tmp_path / "x.dcm", stored, PhotometricInterpretation="MONOCHROME1"))
    assert alike(xray.pixels) > 0.999


def test_signed_pixels_and_rescale_give_the_same_picture(tmp_path):
    stored = np.rint(scene() * 4000 - 2000).astype(np.int16)
    path = write_xray(tmp_path / "x.dcm", stored.view(np.uint16), 16, PixelRepresentation=1, RescaleSlope=2)
    data_intercept = write_xray(
        tmp_path / "y.dcm", stored.view(np.uint16), 16, PixelRepresentation=1, RescaleSlope=2, RescaleIntercept=50
    )
    assert alike(read_xray(path).pixels) > 0.999
    assert alike(read_xray(data_intercept).pixels) > 0.999


def test_a_window_cuts_off_what_lies_outside(tmp_path):
    path = write_xray(tmp_path / "x.dcm", WindowCenter=1024, WindowWidth=1024)
    pixels = read_xray(path).pixels
    expected = np.clip((np.rint(scene() * 4095) - (1024 - 0.5) + 0) / 1023 + 0.5, 0, 1)
    assert np.abs(pixels - expected).max() < 0.01


def test_a_window_on_rescaled_values_is_applied_after_the_rescale(tmp_path):
    path = write_xray(tmp_path / "x.dcm", WindowCenter=1048, WindowWidth=2048, RescaleSlope=0.5, RescaleIntercept=24)
    expected = np.clip((np.rint(scene() * 4095) * 0.5 + 24 - 1047.5) / 2047 + 0.5, 0, 1)
    assert np.abs(read_xray(path).pixels - expected).max() < 0.01


def test_of_several_windows_the_first_counts(tmp_path):
    one = write_xray(tmp_path / "1.dcm", WindowCenter=1000, WindowWidth=1500)
    many = write_xray(tmp_path / "2.dcm", WindowCenter=[1000, 3000], WindowWidth=[1500, 10])
    assert np.array_equal(read_xray(one).pixels, read_xray(many).pixels)


def test_a_window_that_shows_nothing_is_named_and_not_used(tmp_path):
    xray = read_xray(write_xray(tmp_path / "x.dcm", WindowCenter=60000, WindowWidth=10))
    assert alike(xray.pixels) > 0.999
    assert "window" in xray.notes[0]


@pytest.mark.parametrize("width", [0, -5])
def test_a_window_of_no_width_is_not_used(tmp_path, width):
    assert alike(read_xray(write_xray(tmp_path / "x.dcm", WindowCenter=100, WindowWidth=width)).pixels) > 0.999


def test_a_voi_lut_goes_before_a_window(tmp_path):
    table = np.rint(65535 * np.linspace(0, 1, 4096) ** 2)
    path = write_xray(tmp_path / "x.dcm", VOILUTSequence=lut(0, table), WindowCenter=60000, WindowWidth=10)
    assert np.abs(read_xray(path).pixels - scene() ** 2).max() < 0.01


def test_a_modality_lut_is_applied(tmp_path):
    table = np.rint(65535 * np.sqrt(np.linspace(0, 1, 4096)))
    pixels = read_xray(write_xray(tmp_path / "x.dcm", ModalityLUTSequence=lut(0, table))).pixels
    assert alike(pixels, np.sqrt(scene())) > 0.9999
    assert alike(pixels) < 0.9995


def test_padding_is_black_and_does_not_set_the_contrast(tmp_path):
    stored = np.rint(scene() * 1000 + 500)
    stored[:, :20] = 4095
    xray = read_xray(write_xray(tmp_path / "x.dcm", stored, PixelPaddingValue=4095))
    assert (xray.pixels[:, :20] == 0).all()
    assert alike(xray.pixels[:, 20:], scene()[:, 20:]) > 0.999
    assert xray.pixels[:, 20:].max() > 0.95


def test_padding_of_a_negative_is_black_too(tmp_path):
    stored = 2000 - np.rint(scene() * 1000)
    stored[:20] = 0
    xray = read_xray(
        write_xray(
            tmp_path / "x.dcm",
            stored,
            PhotometricInterpretation="MONOCHROME1",
            PixelPaddingValue=0,
            PixelPaddingRangeLimit=5,
        )
    )
    assert (xray.pixels[:20] == 0).all()
    assert alike(xray.pixels[20:], scene()[20:]) > 0.999


def test_bits_of_an_old_embedded_overlay_are_left_out(tmp_path):
    stored = np.rint(scene() * 4095).astype(np.uint16)
    stored[40:44] |= 1 << 12  # a line in the thirteenth bit
    xray = read_xray(write_xray(tmp_path / "x.dcm", stored))
    assert alike(xray.pixels) > 0.999


def test_an_overlay_group_is_named_and_not_drawn(tmp_path):
    plain = read_xray(write_xray(tmp_path / "a.dcm"))
    path = tmp_path / "b.dcm"
    data = dicom_image(np.rint(scene() * 4095), "1.2.840.10008.5.1.4.1.1.1.1", "DX", BitsStored=12, HighBit=11)
    data.add_new(0x60000010, "US", ROWS)
    data.add_new(0x60000011, "US", COLUMNS)
    data.add_new(0x60000040, "CS", "G")
    data.add_new(0x60003000, "OW", bytes(ROWS * COLUMNS // 8))
    xray = read_xray(save(data, path))
    assert np.array_equal(xray.pixels, plain.pixels)
    assert "overlay" in xray.notes[0]


def test_gray_stored_as_rgb_is_gray_and_color_is_named(tmp_path):
    gray = np.rint(scene() * 255).astype(np.uint8)
    xray = read_xray(write_bytes_xray(tmp_path / "g.dcm", np.stack([gray] * 3, -1)))
    assert alike(xray.pixels) > 0.999 and xray.notes == ()
    colored = np.stack([gray, gray // 2, 255 - gray], -1)
    assert "color" in read_xray(write_bytes_xray(tmp_path / "c.dcm", colored)).notes[0]


def test_a_picture_in_color_is_told_from_a_tinted_or_marked_one(tmp_path):
    """Blue film bases and yellow photographs of films are one tint; a mark in color is a small part."""
    from PIL import Image

    def colored(picture: np.ndarray) -> float:
        Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(tmp_path / "x.png")
        return read_xray(tmp_path / "x.png").colored

    gray = np.repeat(255 * scene()[..., None], 3, axis=2)
    assert colored(gray) == 0 and colored(gray[..., 0]) == 0
    assert colored(gray * [0.7, 0.8, 1.0] + [0, 10, 0]) == 0
    marked = gray.copy()
    marked[4:10, 4:14] = (255, 0, 0)
    assert 0 < colored(marked) < 0.05
    marked[:40] = (20, 200, 90)
    assert colored(marked) > 0.2
    data = write_bytes_xray(tmp_path / "color.dcm", np.rint(marked).astype(np.uint8))
    assert read_xray(data).colored > 0.2


def test_pixels_that_are_not_square_are_stated(tmp_path):
    assert read_xray(write_xray(tmp_path / "a.dcm", PixelAspectRatio=[2, 1])).aspect == 2
    xray = read_xray(write_xray(tmp_path / "b.dcm", ImagerPixelSpacing=[0.2, 0.1]))
    assert (xray.spacing, xray.aspect) == ((0.2, 0.1), 2)
    assert read_xray(write_xray(tmp_path / "c.dcm", PixelSpacing=[0, 0.1])).aspect == 1


def test_of_several_frames_the_first_is_taken_and_this_is_said(tmp_path):
    first = np.rint(scene() * 4095)
    xray = read_xray(write_xray(tmp_path / "x.dcm", np.stack([first, 4095 - first, first * 0])))
    assert alike(xray.pixels) > 0.999
    assert xray.frames == 3 and "3 frames" in xray.notes[0]


@pytest.mark.parametrize(
    "syntax",
    [
        "JPEGLosslessProcess14",
        "JPEGLosslessProcess14_1",
        "JPEGLSLossless",
        "JPEG2000Lossless",
        "JPEG2000",
        "RLELossless",
    ],
)
def test_a_compressed_file_gives_the_picture_of_the_plain_one(tmp_path, syntax):
    plain = write_xray(tmp_path / "plain.dcm")
    path = recompress(plain, tmp_path / "packed.dcm", syntax)
    packed = read_xray(path)
    assert np.abs(packed.pixels - read_xray(plain).pixels).max() < (0.1 if syntax == "JPEG2000" else 1e-6)
    assert transfer_syntax(path) != transfer_syntax(plain)


def test_jpeg_baseline_gives_nearly_the_picture_of_the_plain_one(tmp_path):
    plain = write_bytes_xray(tmp_path / "plain.dcm", np.rint(scene() * 255).astype(np.uint8))
    packed = read_xray(recompress(plain, tmp_path / "packed.dcm", "JPEGBaselineProcess1"))
    assert alike(packed.pixels) > 0.98


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_pictures_are_read(tmp_path, ending):
    from PIL import Image

    Image.fromarray(np.rint(scene() * 255).astype(np.uint8)).save(tmp_path / f"x{ending}", quality=95)
    xray = read_xray(tmp_path / f"x{ending}")
    assert alike(xray.pixels) > 0.99 and xray.header.modality == ""


def test_a_picture_of_16_bits_keeps_its_contrast(tmp_path):
    from PIL import Image

    Image.fromarray(np.rint(scene() * 4095).astype(np.uint16)).save(tmp_path / "x.png")
    xray = read_xray(tmp_path / "x.png")
    assert alike(xray.pixels) > 0.999 and xray.pixels.max() > 0.95


def test_pictures_with_palette_or_transparency_are_read(tmp_path):
    from PIL import Image

    gray = Image.fromarray(np.rint(scene() * 255).astype(np.uint8))
    gray.convert("P").save(tmp_path / "p.png")
    gray.convert("LA").save(tmp_path / "la.png")
    gray.convert("RGBA").save(tmp_path / "rgba.png")
    for name in ("p", "la", "rgba"):
        assert alike(read_xray(tmp_path / f"{name}.png").pixels) > 0.98, name


def test_the_header_is_read_without_the_person(tmp_path):
    path = write_xray(
        tmp_path / "x.dcm",
        BodyPartExamined="CHEST",
        StudyDescription="Thorax\r\nPA",
        ViewPosition="PA",
        PatientAge="018M",
        PatientBirthDate="19700101",
        BurnedInAnnotation="YES",
    )
    xray = read_xray(path)
    header = xray.header
    assert (header.body_part, header.study_description, header.view) == ("CHEST", "Thorax PA", "PA")
    assert header.age_years == pytest.approx(1.5)
    assert PATIENT not in repr(xray.header) and "12345" not in repr(xray.header)


@pytest.mark.parametrize(
    "elements, years",
    [
        ({"PatientAge": "062Y"}, 62),
        ({"PatientAge": "abc"}, None),
        ({"PatientBirthDate": "19400701", "StudyDate": "20040701"}, 64),
        ({"PatientBirthDate": "1940", "StudyDate": "20040701"}, 64),
        ({"PatientBirthDate": "20400101", "StudyDate": "20040701"}, None),
        ({}, None),
    ],
)
def test_the_age_comes_from_the_age_or_the_dates(tmp_path, elements, years):
    import pydicom

    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    try:
        found = read_xray(write_xray(tmp_path / "x.dcm", **elements)).header.age_years
    finally:
        pydicom.config.settings.reading_validation_mode = pydicom.config.WARN
    assert found == (None if years is None else pytest.approx(years, abs=0.1))


# --- files that cannot be used


def refusal(path) -> str:
    with pytest.raises(UnusableInput) as caught:
        read_xray(path)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and PATIENT not in sentence
    return sentence


def test_missing_empty_and_foreign_files_are_refused(tmp_path):
    assert "not exist" in refusal(tmp_path / "none.dcm")
    (tmp_path / "empty.dcm").touch()
    assert "empty" in refusal(tmp_path / "empty.dcm")
    (tmp_path / "text.dcm").write_text("hello " * 100)
    assert "no DICOM, PNG or JPEG" in refusal(tmp_path / "text.dcm")
    assert "no file" in refusal(tmp_path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.95, 0.999])
def test_a_truncated_file_is_refused(tmp_path, part):
    whole = write_xray(tmp_path / "x.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[: int(len(whole) * part)])
    refusal(tmp_path / "cut.dcm")


def test_a_truncated_compressed_file_is_refused(tmp_path):
    whole = recompress(write_xray(tmp_path / "x.dcm"), tmp_path / "p.dcm", "JPEGLSLossless").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[: len(whole) * 3 // 4])
    assert "truncated" in refusal(tmp_path / "cut.dcm")


def test_a_truncated_picture_is_refused(tmp_path):
    from PIL import Image

    Image.fromarray((scene(300, 300) * 255).astype(np.uint8)).save(tmp_path / "x.png")
    whole = (tmp_path / "x.png").read_bytes()
    (tmp_path / "x.png").write_bytes(whole[: len(whole) // 2])
    assert "truncated" in refusal(tmp_path / "x.png")


def test_a_file_without_pixels_and_an_encrypted_one_are_refused(tmp_path):
    data = dicom_image(np.rint(scene() * 4095), "1.2.840.10008.5.1.4.1.1.1.1", "DX")
    del data.PixelData
    assert "without pixel data" in refusal(save(data, tmp_path / "bare.dcm"))
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    data.EncryptedAttributesSequence = Sequence([Dataset()])
    assert "encrypted" in refusal(save(data, tmp_path / "locked.dcm"))


def test_a_report_is_no_image(tmp_path):
    from dicom_fixtures import STRUCTURED_REPORT

    data = dicom_image(np.zeros((20, 20)), STRUCTURED_REPORT, "SR")
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(data, keyword)
    assert "SR" in refusal(save(data, tmp_path / "sr.dcm"))


def test_tiny_and_huge_images_are_refused(tmp_path):
    assert "too small" in refusal(write_xray(tmp_path / "tiny.dcm", np.ones((1, 1))))
    data = dicom_image(np.zeros((20, 20)), "1.2.840.10008.5.1.4.1.1.1.1", "DX")
    data.Rows = data.Columns = 20000
    assert "too large" in refusal(save(data, tmp_path / "huge.dcm"))
    data.Rows = data.Columns = 20
    data.NumberOfFrames = 10**9
    assert "frames" in refusal(save(data, tmp_path / "frames.dcm"))


def test_a_huge_picture_is_refused_before_it_is_unpacked(tmp_path):
    """A PNG of 20000 x 20000 in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 20000, 20000, 8, 0, 0, 0, 0)
    packed = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    )
    (tmp_path / "bomb.png").write_bytes(packed)
    assert "too large" in refusal(tmp_path / "bomb.png")


@pytest.mark.parametrize("syntax", ["JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEG2000Lossless"])
def test_a_codestream_larger_than_its_header_says_is_refused(tmp_path, syntax):
    import pydicom

    big = write_xray(tmp_path / "big.dcm", np.zeros((600, 600)))
    data = pydicom.dcmread(recompress(big, tmp_path / "packed.dcm", syntax))
    data.Rows = data.Columns = 32
    data.save_as(tmp_path / "lie.dcm")
    assert "another size" in refusal(tmp_path / "lie.dcm")


def test_an_rle_frame_longer_than_its_pixels_can_be_is_refused(tmp_path):
    import pydicom
    from pydicom.encaps import encapsulate

    data = pydicom.dcmread(recompress(write_xray(tmp_path / "x.dcm"), tmp_path / "rle.dcm", "RLELossless"))
    runs = b"\x81\x00" * 100_000  # each unfolds to 128 bytes
    head = struct.pack("<16L", 2, 64, 64 + len(runs), *[0] * 13)
    data.PixelData = encapsulate([head + runs * 2])
    data["PixelData"].is_undefined_length = True
    data.save_as(tmp_path / "bomb.dcm")
    assert "another size" in refusal(tmp_path / "bomb.dcm")


def test_a_deflated_file_is_read_and_one_that_unfolds_without_end_is_refused(tmp_path, monkeypatch):
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    from LesionKitLib.io.dicom import file

    data = dicom_image(np.rint(scene() * 4095), "1.2.840.10008.5.1.4.1.1.1.1", "DX", BitsStored=12, HighBit=11)
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = save(data, tmp_path / "x.dcm")
    assert alike(read_xray(path).pixels) > 0.999
    monkeypatch.setattr(file, "MAX_INFLATED", 4000)
    assert "unfolds" in refusal(path)


def test_random_bytes_in_the_pixel_data_are_refused_or_read_but_never_crash(tmp_path):
    packed = recompress(write_xray(tmp_path / "x.dcm"), tmp_path / "p.dcm", "JPEGLSLossless").read_bytes()
    rng = np.random.default_rng(0)
    for n in range(12):
        broken = bytearray(packed)
        for place in rng.integers(400, len(packed), 20):
            broken[place] = rng.integers(256)
        (tmp_path / "b.dcm").write_bytes(bytes(broken))
        try:
            assert read_xray(tmp_path / "b.dcm").pixels.shape == (ROWS, COLUMNS), n
        except UnusableInput as error:
            assert str(error).endswith(".")


def test_the_size_of_a_codestream_is_found_without_decoding():
    from io import BytesIO

    from PIL import Image

    for kind in ("JPEG", "JPEG2000"):
        file = BytesIO()
        Image.new("L", (57, 33)).save(file, kind, **({"no_jp2": True} if kind == "JPEG2000" else {}))
        assert codestream_size(file.getvalue()) == (33, 57), kind
    assert codestream_size(b"nothing") is None
    assert codestream_size(b"\xff\xd8\xff") is None
