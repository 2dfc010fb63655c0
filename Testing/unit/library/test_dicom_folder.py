"""Finding the image: discs, deep trees, DICOMDIR, several patients, and what lies beside the images."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pydicom
import pytest
from dicom_fixtures import (
    PATIENT,
    SECONDARY_CAPTURE,
    STRUCTURED_REPORT,
    dicom_image,
    save,
    slice_hu,
    write_localizer,
    write_mr_series,
    write_series,
)
from pydicom.fileset import FileSet
from pydicom.uid import generate_uid

from LesionKitLib.io.dicom.choice import BRAIN_MR, CHEST_CT
from LesionKitLib.io.dicom.listing import list_folder
from LesionKitLib.io.images import read_volume, read_volume_and_header
from LesionKitLib.run.errors import UnusableInput

HU = np.stack([slice_hu(n) for n in range(12)])


def sentence(path, task="any", **asked) -> str:
    with pytest.raises(UnusableInput) as caught:
        read_volume_and_header(path, task=task, **asked)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and "Doe" not in text and "12345" not in text
    return text


def write_disc(folder):
    disc = FileSet()
    study = generate_uid()
    for path in write_series(folder.parent / "single"):
        data = pydicom.dcmread(path)
        data.StudyInstanceUID, data.StudyDate, data.StudyTime, data.StudyID = study, "20200101", "120000", "1"
        disc.add(data)
    disc.write(folder)
    shutil.rmtree(folder.parent / "single")
    return folder


# --- discs and trees


@pytest.mark.parametrize("given", ["", "DICOMDIR"])
def test_a_disc_is_read_from_its_folder_and_from_its_dicomdir(tmp_path, given):
    disc = write_disc(tmp_path / "disc")
    assert len([path for path in disc.iterdir() if path.is_file()]) == 1  # the images lie deeper
    volume = read_volume(disc / given)
    np.testing.assert_array_equal(volume.array, HU)
    assert volume.notes == ()


def test_a_disc_without_its_dicomdir_is_read(tmp_path):
    disc = write_disc(tmp_path / "disc")
    (disc / "DICOMDIR").unlink()
    np.testing.assert_array_equal(read_volume(disc).array, HU)


def test_images_that_a_dicomdir_lists_but_the_disc_lacks_are_counted(tmp_path):
    disc = write_disc(tmp_path / "disc")
    lost = sorted(path for path in disc.rglob("*") if path.is_file() and path.name != "DICOMDIR")[-1]
    lost.unlink()
    volume = read_volume(disc)
    assert "1 file is listed in the DICOMDIR, but not there." in volume.notes


def test_a_dicomdir_without_any_of_its_images_is_said_to_be_one(tmp_path):
    disc = write_disc(tmp_path / "disc")
    shutil.copy(disc / "DICOMDIR", tmp_path / "alone")
    (tmp_path / "empty").mkdir()
    shutil.copy(disc / "DICOMDIR", tmp_path / "empty" / "DICOMDIR")
    assert sentence(tmp_path / "empty") == "There is a DICOMDIR, but none of the images that it lists."


def test_slices_in_folders_at_any_depth_are_one_series(tmp_path):
    for n, path in enumerate(write_series(tmp_path / "all")):
        place = tmp_path.joinpath("disc", *("abcdef"[: n % 6]), f"{n}")
        place.mkdir(parents=True)
        path.rename(place / "image")
    np.testing.assert_array_equal(read_volume(tmp_path / "disc").array, HU)


def test_a_link_back_to_the_folder_is_followed_once(tmp_path):
    write_series(tmp_path / "ct")
    (tmp_path / "ct" / "again").symlink_to(tmp_path / "ct", target_is_directory=True)
    volume = read_volume(tmp_path / "ct")
    np.testing.assert_array_equal(volume.array, HU)
    assert volume.notes == ()


# --- what lies beside the images


@pytest.mark.parametrize("color", [True, False])
def test_a_screen_capture_in_the_series_is_left_out_and_named(tmp_path, color):
    same = {"SeriesInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid()}
    write_series(tmp_path, **same)
    picture = dicom_image(np.zeros((48, 48)), SECONDARY_CAPTURE, "CT", ImageType=["DERIVED", "SECONDARY"], **same)
    picture.SeriesNumber = 3
    if color:
        picture.SamplesPerPixel, picture.PhotometricInterpretation, picture.PlanarConfiguration = 3, "RGB", 0
        picture.BitsAllocated = picture.BitsStored = 8
        picture.HighBit, picture.PixelData = 7, bytes(48 * 48 * 3)
    save(picture, tmp_path / "capture")
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, HU)
    what = "color picture" if color else "screen capture or other secondary picture"
    assert volume.notes == (f"Left out of the CT series 3: 1 x {what}.",)


def without_pixels(sop_class, modality, **elements):
    data = dicom_image(np.zeros((4, 4)), sop_class, modality, **elements)
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(data, keyword)
    return data


def test_objects_that_are_no_images_are_left_out_and_counted_by_kind(tmp_path):
    write_series(tmp_path)
    kinds = {"SR": STRUCTURED_REPORT, "PR": "1.2.840.10008.5.1.4.1.1.11.1", "KO": "1.2.840.10008.5.1.4.1.1.88.59"}
    kinds["RTSTRUCT"] = "1.2.840.10008.5.1.4.1.1.481.3"
    for modality, sop_class in kinds.items():
        save(without_pixels(sop_class, modality), tmp_path / f"x{modality}")
    save(without_pixels(kinds["SR"], "SR"), tmp_path / "another")
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, HU)
    assert volume.notes == ("DICOM objects that are no images were left out: 1 KO, 1 PR, 1 RTSTRUCT, 2 SR.",)


def test_raw_data_with_an_image_modality_are_no_damaged_image(tmp_path):
    write_series(tmp_path)
    save(without_pixels("1.2.840.10008.5.1.4.1.1.66", "MR"), tmp_path / "raw")
    assert read_volume(tmp_path).notes == ("DICOM objects that are no images were left out: 1 MR.",)


def test_empty_files_are_named_and_other_files_passed_over(tmp_path):
    write_series(tmp_path)
    (tmp_path / "IM9999").write_bytes(b"")
    (tmp_path / "viewer.exe").write_bytes(b"MZ" + bytes(500))
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, HU)
    assert volume.notes == ("1 file is empty (0 bytes); left out.",)


def test_a_folder_of_empty_files_is_said_to_be_one(tmp_path):
    (tmp_path / "IM1").write_bytes(b"")
    assert sentence(tmp_path) == "The files in the folder are all empty (0 bytes)."


def test_image_files_deeper_in_a_folder_without_dicom_are_named(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a.nii.gz", "b.nrrd"):
        (tmp_path / "sub" / name).write_bytes(b"something")
    text = sentence(tmp_path)
    assert "no DICOM images, but 2 image files: sub/a.nii.gz, sub/b.nrrd; give one of them." in text


def test_mosaics_are_refused_as_such(tmp_path):
    write_mr_series(tmp_path, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])
    assert "mosaics (many slices in one picture)" in sentence(tmp_path)


# --- several patients, studies, series


def test_images_of_two_patients_are_listed_and_not_chosen_from(tmp_path):
    write_series(tmp_path / "a", number=3, PatientID="A", PatientName=PATIENT)
    write_series(tmp_path / "b", places=range(20), number=4, PatientID="B", PatientName=PATIENT)
    text = sentence(tmp_path, CHEST_CT)
    assert text.startswith(
        "The folder holds images of 2 patients; choose a series with --series: patient 1: CT series 3"
    )
    assert "patient 2: CT series 4 (20 images" in text
    assert read_volume(tmp_path, 4).array.shape[0] == 20


def test_an_image_of_another_patient_that_is_no_use_to_the_task_does_not_stand_in_the_way(tmp_path):
    write_series(tmp_path / "a", number=3, PatientID="A")
    write_mr_series(tmp_path / "b", number=4, PatientID="B")
    assert read_volume_and_header(tmp_path, task=CHEST_CT)[1].modality == "CT"
    assert read_volume_and_header(tmp_path, task=BRAIN_MR)[1].modality == "MR"


def test_two_patients_under_one_series_uid_are_not_mixed(tmp_path):
    same = {"SeriesInstanceUID": "1.2.3.4"}
    write_series(tmp_path / "a", PatientID="A", **same)
    write_series(tmp_path / "b", places=np.arange(12) + 0.5, PatientID="B", **same)
    assert "2 patients" in sentence(tmp_path)
    assert "give its place in the list" in sentence(tmp_path, series="1.2.3.4")
    np.testing.assert_array_equal(read_volume(tmp_path, 1).array, HU)


def write_exam(folder):
    write_mr_series(folder, number=2, SeriesDescription="t2_flair_tra", EchoTime=95, InversionTime=2500)
    write_mr_series(folder, places=range(30), number=6, SeriesDescription="SWI_Images", EchoTime=20)
    write_mr_series(folder, places=range(40), number=7, SeriesDescription="t1_mprage", EchoTime=3)
    adc = ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]
    write_mr_series(folder, places=range(25), number=9, SeriesDescription="ep2d_diff_ADC", ImageType=adc)
    write_localizer(folder)


def test_of_an_exam_the_stroke_takes_the_flair_not_the_longest_series(tmp_path):
    write_exam(tmp_path)
    volume = read_volume_and_header(tmp_path, task=BRAIN_MR)[0]
    assert volume.name == "MR series 2"
    assert volume.notes[0] == (
        "Of 5 series in the folder, MR series 2 ('t2_flair_tra', 12 images, 2 mm thick) was chosen (FLAIR or DWI "
        "before other contrasts); --series takes another."
    )


def test_an_mr_is_taken_before_a_ct_for_a_stroke_and_the_ct_for_lungs(tmp_path):
    write_exam(tmp_path)
    write_series(tmp_path, places=range(60), number=12, SeriesDescription="Head 5.0", BodyPartExamined="HEAD")
    assert read_volume_and_header(tmp_path, task=BRAIN_MR)[0].name == "MR series 2"
    assert read_volume_and_header(tmp_path, task=CHEST_CT)[0].name == "CT series 12"
    write_series(tmp_path, number=14, SeriesDescription="Thorax")
    assert read_volume_and_header(tmp_path, task=CHEST_CT)[0].name == "CT series 14"


def test_dwi_is_taken_where_there_is_no_flair(tmp_path):
    write_mr_series(tmp_path, number=2, DiffusionBValue=1000.0, SeriesDescription="ep2d_diff")
    write_mr_series(tmp_path, places=range(30), number=3, DiffusionBValue=0.0, SeriesDescription="ep2d_diff")
    write_mr_series(tmp_path, places=range(30), number=4, SeriesDescription="t2_tse_tra", EchoTime=100)
    assert read_volume_and_header(tmp_path, task=BRAIN_MR)[0].name == "MR series 2"


def test_of_flair_and_dwi_the_flair_is_taken_and_the_note_says_why(tmp_path):
    write_mr_series(tmp_path, number=2, DiffusionBValue=1000.0, SeriesDescription="ep2d_diff")
    write_mr_series(tmp_path, number=3, SeriesDescription="t2_flair_tra", EchoTime=95)
    volume = read_volume_and_header(tmp_path, task=BRAIN_MR)[0]
    assert volume.name == "MR series 3"
    assert "FLAIR before DWI, as the network learned from FLAIR" in volume.notes[0]


def test_without_flair_and_dwi_the_reason_given_is_true(tmp_path):
    write_mr_series(tmp_path, number=2, SeriesDescription="t1_mprage", EchoTime=3)
    write_mr_series(tmp_path, places=range(30), number=3, SeriesDescription="SWI_Images", EchoTime=20)
    volume = read_volume_and_header(tmp_path, task=BRAIN_MR)[0]
    assert volume.name == "MR series 2" and "(the contrast in which strokes show best)" in volume.notes[0]
    write_mr_series(tmp_path, number=4, SeriesDescription="t2_tse_tra", EchoTime=100)
    assert "(T2 before other contrasts)" in read_volume_and_header(tmp_path, task=BRAIN_MR)[0].notes[0]


def test_a_folder_without_the_tasks_modality_is_refused_with_its_list(tmp_path):
    write_series(tmp_path, number=1)
    write_series(tmp_path, number=2)
    text = sentence(tmp_path, BRAIN_MR)
    assert text.startswith("None of the 2 series in the folder is an MR; it holds: CT series 1 (12 images")


@pytest.mark.parametrize(
    ("left", "taken"),
    [
        ({"StudyDate": "20200101"}, {"StudyDate": "20200301"}),
        ({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B60f"}),
        ({"SliceThickness": 5.0}, {"SliceThickness": 1.0}),
        ({"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED"]}, {}),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, {"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED"]}),
        ({"SeriesDescription": "Thorax Exspiration"}, {}),
        ({"BodyPartExamined": "HEAD"}, {}),
        (
            {"SliceThickness": 1.0, "step": 10.0, "ConvolutionKernel": "B70f"},
            {"SliceThickness": 5.0, "places": range(150)},
        ),
    ],
)
def test_of_two_ct_series_the_one_for_lungs_is_taken(tmp_path, left, taken):
    write_series(tmp_path, number=1, **{"places": range(30), **left})
    write_series(tmp_path, number=2, **{"places": range(30), **taken})
    assert read_volume_and_header(tmp_path, task=CHEST_CT)[0].name == "CT series 2"


# --- the list


def test_the_list_says_what_is_there_and_what_would_be_taken(tmp_path):
    write_exam(tmp_path)
    (tmp_path / "mask.nii.gz").write_bytes(b"not read for the list")
    save(without_pixels(STRUCTURED_REPORT, "SR"), tmp_path / "report")
    listing = list_folder(tmp_path, BRAIN_MR)
    assert [(one.number, one.chosen) for one in listing.series] == [
        (1, False),
        (2, True),
        (6, False),
        (7, False),
        (9, False),
    ]
    assert [one.map for one in listing.series] == ["", "", "", "", "ADC"]
    assert listing.series[0].kind == "localizer" and listing.series[1].description == "t2_flair_tra"
    assert listing.files == ("mask.nii.gz",)
    assert listing.notes == ("DICOM objects that are no images were left out: 1 SR.",)
    assert "FLAIR or DWI before other contrasts" in listing.choice
    assert listing.document()["series"][1]["groups"][0]["images"] == 12
    assert "Doe" not in str(listing) and "12345" not in str(listing)


def test_the_list_of_an_undecided_folder_says_why_nothing_would_be_taken(tmp_path):
    write_series(tmp_path / "a", number=3, PatientID="A")
    write_series(tmp_path / "b", number=4, PatientID="B")
    listing = list_folder(tmp_path, CHEST_CT)
    assert [one.patient for one in listing.series] == [1, 2]
    assert not any(one.chosen for one in listing.series)
    assert "2 patients" in listing.choice


# --- which image it was


def test_the_source_names_the_image_and_only_on_request_the_patient(tmp_path):
    elements = {"StudyDate": "20200305", "SeriesDescription": "Thorax 2.0", "StudyInstanceUID": "1.2.9"}
    paths = write_series(tmp_path / "exam", SeriesInstanceUID="1.2.8", **elements)
    source = read_volume(tmp_path / "exam").source
    assert (source.study_uid, source.series_uid, source.date) == ("1.2.9", "1.2.8", "2020-03-05")
    assert (source.series_description, source.modality, source.kernel) == ("Thorax 2.0", "CT", "B30f")
    assert (source.slice_thickness, source.slices, source.file) == (2.0, 12, "exam")
    assert source.spacing == pytest.approx((0.7, 0.8, 2.0))
    digests = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
    assert source.sha256 == hashlib.sha256("".join(digests).encode()).hexdigest()
    assert (source.patient_name, source.patient_id) == ("", "")
    named = read_volume_and_header(tmp_path / "exam", identify=True)[0].source
    assert (named.patient_name, named.patient_id) == ("Doe, Jane", "12345")


def test_the_digest_is_of_the_images_used_whatever_their_names(tmp_path):
    same = {"SeriesInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid()}
    write_mr_series(tmp_path / "x", 0, DiffusionBValue=0.0, **same)
    write_mr_series(tmp_path / "x", 500, number=4, DiffusionBValue=1000.0, **{**same, "SeriesNumber": 3})
    both = read_volume(tmp_path / "x").source
    for n, path in enumerate(sorted((tmp_path / "x").iterdir())):
        b = pydicom.dcmread(path).DiffusionBValue
        path.unlink() if b == 0 else path.rename(tmp_path / "x" / f"renamed{n}")
    alone = read_volume(tmp_path / "x").source
    assert both.slices == alone.slices == 12
    assert both.sha256 == alone.sha256
