#!/usr/bin/env bash
# SimpleITK stacks the frames of an enhanced CT in file order, 1 mm apart, wherever they lie.
#
# One would expect: frames of an Enhanced CT object (PS3.3 A.38) carry Plane Position and Pixel Measures each; frames stored
# alternately from two stacks' ends, 5 mm apart, form a volume ordered by position with a spacing of 5 mm.
# What happens: the volume has the file's order and a spacing of 1.0 mm along the slices, without a warning.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check SimpleITK==2.5.7 pydicom==3.0.2 numpy==2.3.5 2>/dev/null
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
import numpy as np, pydicom, SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

def item(**elements):
    data = Dataset()
    for name, value in elements.items():
        setattr(data, name, value)
    return Sequence([data])

order = [0, 3, 1, 2]  # place of each frame along the patient, in file order
path = f"{sys.argv[1]}/enhanced.dcm"
meta = FileMetaDataset()
meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = EnhancedCTImageStorage, generate_uid()
meta.TransferSyntaxUID = ExplicitVRLittleEndian
data = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = (generate_uid() for _ in range(3))
data.Modality, data.PhotometricInterpretation, data.SamplesPerPixel = "CT", "MONOCHROME2", 1
data.ImageType, data.NumberOfFrames = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], len(order)
data.Rows = data.Columns = 4
data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
data.SharedFunctionalGroupsSequence = item(
    PixelMeasuresSequence=item(PixelSpacing=[1, 1], SliceThickness=5),
    PlaneOrientationSequence=item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
    PixelValueTransformationSequence=item(RescaleIntercept=0, RescaleSlope=1, RescaleType="HU"),
)
data.PerFrameFunctionalGroupsSequence = Sequence(
    [
        item(
            PlanePositionSequence=item(ImagePositionPatient=[0, 0, 5.0 * place]),
            FrameContentSequence=item(DimensionIndexValues=[place + 1], StackID="1", InStackPositionNumber=place + 1),
        )[0]
        for place in order
    ]
)
data.PixelData = np.stack([np.full((4, 4), 100 * place, np.int16) for place in order]).tobytes()
data.save_as(path, enforce_file_format=True)

image = sitk.ReadImage(path)
values = sitk.GetArrayFromImage(image)[:, 0, 0].tolist()
print("SimpleITK", sitk.Version_VersionString())
print("places of the frames in the file:", order, "at 5 mm; values are 100 times the place")
print("SimpleITK: values along the slices", values, "spacing", image.GetSpacing())
assert values == [100 * place for place in order] and image.GetSpacing()[2] == 1.0
print("as described")
PY
