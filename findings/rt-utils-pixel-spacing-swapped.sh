#!/usr/bin/env bash
# rt-utils takes the first number of PixelSpacing for the distance between columns; DICOM has it between rows.
#
# One would expect: a pixel in column 10 lies 10 times the spacing between columns (PixelSpacing's second number, PS3.3
# 10.7.1.3) from the first pixel; the contour around it is written there.
# What happens: the contour lies at 10 times the spacing between rows. rt-utils reads its own contours back rightly, as
# both ways have the same mistake; other programs see the region stretched, and rt-utils theirs.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check rt-utils==1.2.7 pydicom==3.0.2 2>/dev/null
"$folder/venv/bin/python" - "$folder" <<'PY'
import importlib.metadata
import pathlib
import sys

import numpy as np
import pydicom
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from rt_utils import RTStructBuilder

ROWS_APART, COLUMNS_APART, SIZE = 2.0, 1.0, 32
folder = pathlib.Path(sys.argv[1], "series")
folder.mkdir()
study, series, frame = generate_uid(), generate_uid(), generate_uid()
for k in range(3):
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, generate_uid()
    data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, series, frame
    data.PatientID = data.PatientName = data.StudyID = data.PatientBirthDate = data.PatientSex = data.PatientAge = ""
    data.StudyDate = data.StudyTime = data.AccessionNumber = data.StudyDescription = data.SeriesDescription = ""
    data.Modality, data.InstanceNumber, data.SliceThickness = "CT", k + 1, 1.0
    data.Rows = data.Columns = SIZE
    data.PixelSpacing = [ROWS_APART, COLUMNS_APART]
    data.ImageOrientationPatient, data.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0.0, 0.0, float(k)]
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 15, 0, 1
    data.PhotometricInterpretation, data.PixelData = "MONOCHROME2", bytes(2 * SIZE * SIZE)
    data.save_as(folder / f"{k}.dcm", enforce_file_format=True)
mask = np.zeros((SIZE, SIZE, 3), bool)
mask[5:9, 10:21, 1] = True  # rows 5 to 8, columns 10 to 20
builder = RTStructBuilder.create_new(dicom_series_path=str(folder))
builder.add_roi(mask=mask, name="box")
contour = builder.ds.ROIContourSequence[0].ContourSequence[0]
x, y, _ = np.asarray(contour.ContourData, float).reshape(-1, 3).T
print("rt-utils", importlib.metadata.version("rt-utils"), "pydicom", pydicom.__version__)
print(f"columns 10 to 20, {COLUMNS_APART} mm apart: x from {x.min()} to {x.max()} mm (10 to 20 expected)")
print(f"rows 5 to 8, {ROWS_APART} mm apart: y from {y.min()} to {y.max()} mm (10 to 16 expected)")
assert (x.min(), x.max(), y.min(), y.max()) == (20.0, 40.0, 5.0, 8.0)
print("as described")
PY
