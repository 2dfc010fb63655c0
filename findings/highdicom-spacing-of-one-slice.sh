#!/usr/bin/env bash
# highdicom writes 1 mm between slices into a segmentation made from a Volume of one slice, whatever the volume's own step.
#
# One would expect: a Volume knows its spacing in all three directions, so SpacingBetweenSlices is the step that it states
# (2.5 mm here), as it is for two slices.
# What happens: with two slices 2.5 is written, with one slice 1.0; readers that build a volume from it get another height.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check highdicom==0.28.2 pydicom==3.0.2 2>/dev/null
"$folder/venv/bin/python" - <<'PY'
import highdicom as hd
import numpy as np
import pydicom
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


def written(slices):
    images = [ct(k) for k in range(slices)]
    volume = hd.Volume(np.ones((slices, 4, 4), np.uint8), np.array([[0, 0, 1, 0], [0, 1, 0, 0], [STEP, 0, 0, 0], [0, 0, 0, 1.0]]),
                       coordinate_system="PATIENT", frame_of_reference_uid=frame)
    segment = hd.seg.SegmentDescription(1, "lung", codes.SCT.AnatomicalStructure, codes.SCT.Lung, "MANUAL")
    seg = hd.seg.Segmentation(images, volume, "BINARY", [segment], generate_uid(), 2, generate_uid(), 1, "m", "n", "1", "s")
    return float(seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices), volume.spacing


print("highdicom", hd.__version__, "pydicom", pydicom.__version__)
found = {slices: written(slices) for slices in (2, 1)}
for slices, (spacing, own) in found.items():
    print(f"{slices} slice(s): the Volume states {own[0]} mm, SpacingBetweenSlices is {spacing}")
assert found[2][0] == STEP and found[1][0] == 1.0
print("as described")
PY
