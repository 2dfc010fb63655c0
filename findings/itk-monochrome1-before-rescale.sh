#!/usr/bin/env bash
# SimpleITK's DICOM reader inverts MONOCHROME1 pixels, and does so before the rescale.
#
# One would expect: PhotometricInterpretation says how pixels are shown (PS3.3 C.7.6.3.1.2), and MONOCHROME1 is allowed
# for CT, so a CT's Hounsfield units are the same with MONOCHROME1 and MONOCHROME2: slope * stored + intercept.
# What happens: the reader replaces a stored value v of 12 bits by 4095 - v and then rescales: air of -1024 HU comes out as 3071.
# pydicom keeps the values.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check SimpleITK==2.5.7 pydicom==3.0.2 numpy==2.3.5 2>/dev/null
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
import numpy as np, pydicom, SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

def write(path, photometric):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID = data.SeriesInstanceUID = generate_uid()
    data.Modality, data.PhotometricInterpretation, data.SamplesPerPixel = "CT", photometric, 1
    data.Rows = data.Columns = 4
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = 1, -1024, "HU"
    data.PixelSpacing, data.ImageOrientationPatient, data.ImagePositionPatient = [1, 1], [1, 0, 0, 0, 1, 0], [0, 0, 0]
    data.PixelData = np.array([[0, 24, 1024, 2000]] * 4, np.uint16).tobytes()
    data.save_as(path, enforce_file_format=True)

for photometric in ("MONOCHROME2", "MONOCHROME1"):
    write(f"{sys.argv[1]}/{photometric}.dcm", photometric)
itk = {p: sitk.GetArrayFromImage(sitk.ReadImage(f"{sys.argv[1]}/{p}.dcm"))[0, 0].tolist() for p in ("MONOCHROME2", "MONOCHROME1")}
one = pydicom.dcmread(f"{sys.argv[1]}/MONOCHROME1.dcm")
own = (one.pixel_array[0].astype(int) + int(one.RescaleIntercept)).tolist()
print("SimpleITK", sitk.Version_VersionString(), "pydicom", pydicom.__version__)
print("SimpleITK MONOCHROME2:", itk["MONOCHROME2"])
print("SimpleITK MONOCHROME1:", itk["MONOCHROME1"])
print("pydicom   MONOCHROME1:", own)
assert itk["MONOCHROME2"] == own == [-1024, -1000, 0, 976]
assert itk["MONOCHROME1"] == [3071, 3047, 2047, 1071]
print("as described")
PY
