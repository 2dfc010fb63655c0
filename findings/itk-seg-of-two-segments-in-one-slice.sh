#!/usr/bin/env bash
# SimpleITK cannot read a DICOM segmentation with several segments, all in one slice.
#
# One would expect: a valid SEG of one slice with two segments (two frames at one place, as a lesion within an organ gives)
# is read, as one of two slices with one segment is, which has two frames too.
# What happens: ReadImage raises "Zero-valued spacing is not supported", though the file states SpacingBetweenSlices.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check highdicom==0.28.2 pydicom==3.0.2 SimpleITK==2.5.7 2>/dev/null
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
import highdicom as hd
import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

STEP = 2.5
study, series, frame = generate_uid(), generate_uid(), generate_uid()


def ct(k):
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, generate_uid()
    data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, series, frame
    data.PatientID = data.PatientName = data.StudyID = data.AccessionNumber = data.PatientBirthDate = data.PatientSex = ""
    data.StudyDate = data.StudyTime = data.ReferringPhysicianName = ""
    data.Modality, data.SeriesNumber, data.InstanceNumber = "CT", 1, k + 1
    data.Rows = data.Columns = 4
    data.PixelSpacing, data.SliceThickness = [1.0, 1.0], STEP
    data.ImageOrientationPatient, data.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0.0, 0.0, k * STEP]
    return data


def written(slices, segments):
    described = [hd.seg.SegmentDescription(n + 1, f"part {n}", codes.SCT.AnatomicalStructure, codes.SCT.Lung, "MANUAL")
                 for n in range(segments)]
    images = [ct(k) for k in range(slices)]
    seg = hd.seg.Segmentation(images, np.ones((slices, 4, 4, segments), np.uint8), "BINARY", described, generate_uid(), 2,
                              generate_uid(), 1, "m", "n", "1", "s")
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.SpacingBetweenSlices = STEP
    path = f"{sys.argv[1]}/{slices}-{segments}.dcm"
    seg.save_as(path)
    return path


print("SimpleITK", sitk.Version_VersionString(), "highdicom", hd.__version__)
two = sitk.ReadImage(written(2, 1))
print("two slices, one segment: size", two.GetSize(), "spacing", two.GetSpacing())
try:
    one = sitk.ReadImage(written(1, 2))
    outcome = f"size {one.GetSize()} spacing {one.GetSpacing()}"
except RuntimeError as error:
    outcome = " ".join(str(error).split())[-190:]
print("one slice, two segments:", outcome)
assert "Zero-valued spacing is not supported" in outcome
print("as described")
PY
