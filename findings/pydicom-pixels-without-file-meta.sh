#!/usr/bin/env bash
# pydicom's pixel_array(file) fails on a data set without file meta information that dcmread(force=True) reads whole.
#
# One would expect: a data set stored without preamble and meta information (Implicit VR Little Endian, as old senders
# leave it) is read by dcmread(..., force=True), which tells its encoding; pixel_array(path) knows as much.
# What happens: the same file gives its pixels through the encoding that dcmread found, but pixel_array(path) raises
# AttributeError and asks for the transfer syntax.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pydicom==3.0.2 numpy==2.3.5 2>/dev/null
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
import numpy as np
import pydicom
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import ImplicitVRLittleEndian

data = pydicom.Dataset()
data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", pydicom.uid.generate_uid()
data.Rows = data.Columns = 2
data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
data.BitsAllocated = data.BitsStored = 8
data.HighBit, data.PixelRepresentation = 7, 0
data.PixelData = bytes([1, 2, 3, 4])
path = f"{sys.argv[1]}/bare.dcm"
pydicom.dcmwrite(path, data, implicit_vr=True, little_endian=True, enforce_file_format=False)
read = pydicom.dcmread(path, force=True)
pixels, _ = get_decoder(ImplicitVRLittleEndian).as_array(read, raw=True)
try:
    outcome = pixel_array(path).tolist()
except AttributeError as error:
    outcome = f"{type(error).__name__}: {error}"
print("pydicom", pydicom.__version__)
print("dcmread found (implicit, little endian):", read.original_encoding)
print("decoded with that encoding:", pixels.tolist())
print("pixel_array(path):", outcome)
assert read.original_encoding == (True, True) and np.array_equal(pixels, [[1, 2], [3, 4]])
assert isinstance(outcome, str) and "transfer_syntax_uid" in outcome
print("as described")
PY
