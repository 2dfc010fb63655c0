"""DICOM objects of a result: read back by readers that are not ours, and without a validator's error."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_fixtures import PATIENT, write_enhanced_ct, write_series

from LesionKitLib.imaging.segment_class import ANATOMICAL_STRUCTURE, MORPHOLOGICALLY_ABNORMAL_STRUCTURE, SegmentClass
from LesionKitLib.imaging.source import ImageSource
from LesionKitLib.imaging.volume import LPS_IN_RAS
from LesionKitLib.io.dicom_objects.codes import ATTENUATION, BURDEN, CUBIC_CENTIMETER, HOUNSFIELD, MEAN, PERCENT, VOLUME
from LesionKitLib.io.dicom_objects.sr import Figure
from LesionKitLib.io.images import read_volume
from LesionKitLib.io.seg_nrrd import SegmentRecord, algorithm_tags
from LesionKitLib.report.dicom_objects import DOCUMENT, FIGURES, SEGMENTS, Findings, dicom_writers
from LesionKitLib.report.document import Facts, Report
from LesionKitLib.report.files import write_files
from LesionKitLib.report.provenance import Provenance
from LesionKitLib.run.errors import UnusableInput

LUNG = ("SCT", "39607008", "Lung")
ORGAN = SegmentClass(
    "right_lung", 1, "Right lung", (128, 174, 128), ANATOMICAL_STRUCTURE, LUNG, ("SCT", "24028007", "Right")
)
LESION = SegmentClass(
    "ggo", 1, "Ground-glass opacity", (255, 214, 10), MORPHOLOGICALLY_ABNORMAL_STRUCTURE,
    ("DCM", "112120", "Ground glass opacity"), region=LUNG,
)  # fmt: skip
ABSENT = replace(LESION, key="effusion", value=2, name="Pleural effusion")
COSINE, SINE = np.cos(np.radians(20)), np.sin(np.radians(20))
PATIENT_HEADER = {
    "FrameOfReferenceUID": "1.2.826.0.1.3680043.8.498.7", "PatientName": "Müller^Ä",
    "SpecificCharacterSet": "ISO_IR 100",
    "PatientBirthDate": "19500101", "PatientSex": "F", "StudyDate": "20260102", "StudyTime": "101112", "StudyID": "7",
    "AccessionNumber": "A1",
}  # fmt: skip
PLACES = range(12)


def axial(folder: Path) -> Path:
    write_series(folder, **PATIENT_HEADER)
    return folder


def oblique(folder: Path) -> Path:
    write_series(folder, orientation=(1, 0, 0, 0, COSINE, -SINE), **PATIENT_HEADER)
    return folder


def feet_first(folder: Path) -> Path:
    """Rows and slices run the other way round: patient's left to right, head to feet."""
    write_series(folder, orientation=(-1, 0, 0, 0, 1, 0), **PATIENT_HEADER)
    return folder


def single_slice(folder: Path) -> Path:
    write_series(folder, places=(4,), **PATIENT_HEADER)
    return folder


def filled_in(folder: Path) -> Path:
    """A slice is missing, and filled in by the reader."""
    write_series(folder, places=[n for n in PLACES if n != 5], **PATIENT_HEADER)
    return folder


def enhanced(folder: Path) -> Path:
    path = write_enhanced_ct(folder / "enhanced.dcm")
    data = pydicom.dcmread(path)
    for keyword, value in PATIENT_HEADER.items():
        setattr(data, keyword, value)
    data.save_as(path)
    return path


def without_frame_of_reference(folder: Path) -> Path:
    write_series(folder)
    return folder


SOURCES = (axial, oblique, feet_first, single_slice, filled_in, enhanced, without_frame_of_reference)


def findings_on(volume) -> Findings:
    """A lung and a lesion inside it, so overlapping, and a segment without a voxel."""
    lung, lesion = np.zeros((2, *volume.array.shape), np.uint8)
    depth = len(lung)
    lung[depth // 4 : depth - 1 or 1, 10:50, 5:40] = ORGAN.value
    lesion[depth // 3 : depth // 3 + max(depth // 4, 1), 20:31, 8:20] = LESION.value
    records = [SegmentRecord.of(ORGAN, 0, algorithm_tags("convlstm", "3.0.0"))]
    records += [SegmentRecord.of(item, 1, algorithm_tags("convlstm", "3.0.0")) for item in (LESION, ABSENT)]
    figures = {
        "right_lung": [Figure(VOLUME, 1234.5678901234, CUBIC_CENTIMETER)],
        "ggo": [Figure(VOLUME, 1 / 3, CUBIC_CENTIMETER), Figure(ATTENUATION, -512.25, HOUNSFIELD, MEAN)],
        "effusion": [Figure(VOLUME, 0.0, CUBIC_CENTIMETER)],
    }
    return Findings([lung, lesion], records, figures, [Figure(BURDEN, 12.5, PERCENT)])


def provenance_of(volume) -> Provenance:
    return Provenance(volume.source, "0" * 16, "convlstm", "3.0.0", "CPU", date="2026-03-04")


def write(path: Path, folder: Path, findings: Findings | None = None):
    volume = read_volume(path)
    findings = findings or findings_on(volume)
    report = Report("Chest CT", "CovidLungQuant", Facts((("Study date", "2026-01-02"),)), ())
    write_files(folder, dicom_writers(volume, findings, provenance_of(volume), report))
    return volume, findings


@pytest.fixture(scope="module", params=SOURCES, ids=lambda source: source.__name__)
def written(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param.__name__)
    volume, findings = write(request.param(folder / "in"), folder / "out")
    return volume, findings, folder / "out"


def program(name: str) -> str:
    """A program that a test package brought along, or that is installed."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def expected(findings: Findings, number: int) -> np.ndarray:
    record = findings.records[number]
    return findings.layers[record.layer] == record.value


def lps_points(volume, mask: np.ndarray) -> np.ndarray:
    """LPS mm of the mask's voxels (n, 3), sorted, rounded to 0.01 mm."""
    k, j, i = np.nonzero(mask)
    points = (volume.ijk_to_ras @ np.array([i, j, k, np.ones(len(k))]))[:3].T @ LPS_IN_RAS
    return sorted_points(points)


def sorted_points(points: np.ndarray) -> np.ndarray:
    points = np.round(points, 2) + 0.0
    return points[np.lexsort(points.T)]


def test_a_validator_finds_no_error_in_segments_measurements_and_report(written):
    *_, folder = written
    for name in (SEGMENTS, FIGURES, DOCUMENT):
        run = subprocess.run([program("dciodvfy"), "-new", str(folder / name)], capture_output=True, text=True)
        told = (run.stdout + run.stderr).splitlines()
        assert [line for line in told if "Error" in line] == [], name


def test_highdicom_reads_the_same_voxels_at_the_same_places(written):
    import highdicom as hd

    volume, findings, folder = written
    seg = hd.seg.segread(folder / SEGMENTS)
    for number in (0, 1):
        read = seg.get_volume(segment_numbers=[number + 1], combine_segments=True)
        k, j, i = np.nonzero(read.array)
        points = (read.affine @ np.array([k, j, i, np.ones(len(k))]))[:3].T
        assert np.allclose(sorted_points(points), lps_points(volume, expected(findings, number)), atol=0.02)
        assert np.allclose(sorted(read.spacing), sorted(volume.spacing), atol=1e-4)


def test_dcmqi_reads_the_same_voxels_at_the_same_places(written, tmp_path):
    import SimpleITK as sitk

    volume, findings, folder = written
    arguments = ["--inputDICOM", str(folder / SEGMENTS), "--outputDirectory", str(tmp_path), "--outputType", "nrrd"]
    subprocess.run([program("segimage2itkimage"), *arguments], check=True, capture_output=True)
    for number in (0, 1):
        image = sitk.ReadImage(str(tmp_path / f"{number + 1}.nrrd"))
        k, j, i = np.nonzero(sitk.GetArrayFromImage(image))
        matrix = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
        points = np.column_stack([i, j, k]) @ matrix.T + image.GetOrigin()
        assert np.allclose(sorted_points(points), lps_points(volume, expected(findings, number)), atol=0.02)


def test_simpleitk_reads_the_frames_of_each_segment(written):
    import SimpleITK as sitk

    volume, findings, folder = written
    if len(volume.array) == 1:  # ITK takes the distance between frames, which here all lie at one place
        with pytest.raises(RuntimeError, match="Zero-valued spacing"):
            sitk.ReadImage(str(folder / SEGMENTS))
        return
    frames = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / SEGMENTS))) > 0
    assert frames.sum() == sum(expected(findings, number).sum() for number in range(3))


def test_each_frame_refers_to_the_image_at_its_place(written):
    _, _, folder = written
    seg = pydicom.dcmread(folder / SEGMENTS)
    places = {}
    for file in (folder.parent / "in").iterdir():
        source = pydicom.dcmread(file, stop_before_pixels=True)
        for n, frame in enumerate(source.get("PerFrameFunctionalGroupsSequence", [source]), 1):
            position = frame.get("PlanePositionSequence", [frame])[0].ImagePositionPatient
            places[source.SOPInstanceUID, n] = np.array(position, float)
    for frame in seg.PerFrameFunctionalGroupsSequence:
        own = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        near = [key for key, place in places.items() if np.linalg.norm(place - own) < 0.01]
        named = [
            (item.ReferencedSOPInstanceUID, int(item.get("ReferencedFrameNumber", 1)))
            for derivation in frame.get("DerivationImageSequence", [])
            for item in derivation.SourceImageSequence
        ]
        assert named == near


def test_the_measurements_are_read_back_beside_the_segment_that_they_are_of(written):
    import highdicom as hd

    _, findings, folder = written
    report = hd.sr.srread(folder / FIGURES)
    seg = pydicom.dcmread(folder / SEGMENTS)
    groups = report.content.get_volumetric_roi_measurement_groups()
    assert len(groups) == 3
    for number, (group, record) in enumerate(zip(groups, findings.records, strict=True), 1):
        assert group.referenced_segment.referenced_sop_instance_uid == seg.SOPInstanceUID
        assert group.referenced_segment.referenced_segment_numbers == [number]
        assert group.tracking_uid == seg.SegmentSequence[number - 1].TrackingUID
        values = {one.name.value: one.value for one in group.get_measurements()}
        wanted = {figure.concept[1]: figure.value for figure in findings.figures[record.id]}
        assert values == pytest.approx(wanted, rel=1e-8)
    (whole,) = report.content.get_image_measurement_groups()
    assert [(m.name.value, m.value, m.unit.value) for m in whole.get_measurements()] == [("LK0001", 12.5, "%")]


def test_the_objects_belong_to_the_patient_and_study_of_their_source(written):
    _, _, folder = written
    source = pydicom.dcmread(next((folder.parent / "in").iterdir()), stop_before_pixels=True)
    for name in (SEGMENTS, FIGURES, DOCUMENT):
        data = pydicom.dcmread(folder / name)
        for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyID", "AccessionNumber"):
            assert str(data.get(keyword) or "") == str(source.get(keyword) or ""), (name, keyword)
    seg = pydicom.dcmread(folder / SEGMENTS)
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID


def test_segments_carry_codes_laterality_site_and_algorithm(written):
    _, _, folder = written
    lung, lesion, _ = pydicom.dcmread(folder / SEGMENTS).SegmentSequence
    kind = lung.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning) == ("39607008", "Right")
    assert lesion.AnatomicRegionSequence[0].CodeValue == "39607008"
    assert lesion.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    algorithm = lesion.SegmentationAlgorithmIdentificationSequence[0]
    assert (lesion.SegmentAlgorithmType, algorithm.AlgorithmName, algorithm.AlgorithmVersion) == (
        "AUTOMATIC", "LesionKit convlstm", "3.0.0",
    )  # fmt: skip


def test_the_enclosed_report_is_the_pdf(written):
    _, _, folder = written
    data = pydicom.dcmread(folder / DOCUMENT)
    assert data.EncapsulatedDocument.startswith(b"%PDF-") and data.BurnedInAnnotation == "NO"
    assert data.EncapsulatedDocument[: data.EncapsulatedDocumentLength].rstrip().endswith(b"%%EOF")


def test_a_result_without_any_voxel_is_written_and_read_back_empty(tmp_path):
    import highdicom as hd

    volume = read_volume(axial(tmp_path / "in"))
    full = findings_on(volume)
    write(tmp_path / "in", tmp_path / "out", replace(full, layers=[np.zeros_like(layer) for layer in full.layers]))
    seg = hd.seg.segread(tmp_path / "out" / SEGMENTS)
    assert len(seg.SegmentSequence) == 3 and not seg.pixel_array.any()
    run = subprocess.run([program("dciodvfy"), "-new", seg.filename], capture_output=True, text=True)
    assert "Error" not in run.stdout + run.stderr


def test_a_segment_drawn_by_hand_names_no_algorithm_and_a_corrected_one_is_semiautomatic(tmp_path):
    volume = read_volume(axial(tmp_path / "in"))
    full = findings_on(volume)
    by_hand = replace(full.records[0], tags={"DICOM.SegmentAlgorithmType": "MANUAL"})
    corrected = replace(full.records[1], tags={**full.records[1].tags, "DICOM.SegmentAlgorithmType": "SEMIAUTOMATIC"})
    write(tmp_path / "in", tmp_path / "out", replace(full, records=[by_hand, corrected]))
    lung, lesion = pydicom.dcmread(tmp_path / "out" / SEGMENTS).SegmentSequence
    assert lung.SegmentAlgorithmType == "MANUAL" and "SegmentAlgorithmName" not in lung
    assert lesion.SegmentAlgorithmType == "SEMIAUTOMATIC" and lesion.SegmentAlgorithmName == "LesionKit convlstm"


def test_the_same_result_gives_the_same_bytes_and_another_one_other_uids(tmp_path):
    axial(tmp_path / "in")
    volume, findings = write(tmp_path / "in", tmp_path / "a")
    write(tmp_path / "in", tmp_path / "b")
    for name in (SEGMENTS, FIGURES, DOCUMENT):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    changed = findings.layers[1].copy()
    changed[0, 0, 0] = LESION.value
    write(tmp_path / "in", tmp_path / "c", replace(findings, layers=[findings.layers[0], changed]))
    uids = [pydicom.dcmread(tmp_path / place / SEGMENTS).SOPInstanceUID for place in "ac"]
    assert len(set(uids)) == 2


def test_an_image_that_is_no_dicom_is_refused_with_one_sentence(tmp_path):
    volume = read_volume(axial(tmp_path / "in"))
    for source in (None, ImageSource(file="ct.nii.gz")):
        with pytest.raises(UnusableInput, match="needs a DICOM series"):
            dicom_writers(replace(volume, source=source), findings_on(volume), provenance_of(volume))


def test_a_source_that_went_away_is_told(tmp_path):
    volume = read_volume(axial(tmp_path / "in"))
    shutil.rmtree(tmp_path / "in")
    with pytest.raises(UnusableInput, match="no longer where they were read"):
        dicom_writers(volume, findings_on(volume), provenance_of(volume))


def test_where_the_files_of_an_image_lie_is_in_no_document(tmp_path):
    volume = read_volume(axial(tmp_path / "in"))
    assert volume.source.files
    told = json.dumps(provenance_of(volume).document()) + repr(provenance_of(volume))
    assert str(tmp_path) not in told and PATIENT.split("^")[0] not in told
