#!/usr/bin/env bash
# ITK's NIfTI reader adds scl_inter where scl_slope is 0, though the standard then means "no scaling".
#
# One would expect: nifti1.h says that data are scaled only if scl_slope is nonzero, so stored values come back unchanged.
# What happens: SimpleITK returns stored + scl_inter (a CT stored in HU comes out 1024 too low); nibabel returns the
# stored values.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check SimpleITK==2.5.7 nibabel==5.4.2 numpy==2.3.5 2>/dev/null
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
import nibabel as nib, numpy as np, SimpleITK as sitk

path = f"{sys.argv[1]}/image.nii"
stored = np.array([-1000, 0, 40, 100], np.int16).reshape(4, 1, 1)
nib.save(nib.Nifti1Image(stored, np.eye(4)), path)
with open(path, "r+b") as file:  # scl_slope and scl_inter stand at byte 112 of the header
    file.seek(112)
    file.write(np.array([0.0, -1024.0], "<f4").tobytes())
itk = sitk.GetArrayFromImage(sitk.ReadImage(path)).ravel().tolist()
other = np.asarray(nib.load(path).dataobj).ravel().tolist()
print("SimpleITK", sitk.Version_VersionString(), "nibabel", nib.__version__)
print("stored:   ", stored.ravel().tolist())
print("SimpleITK:", itk)
print("nibabel:  ", other)
assert other == stored.ravel().tolist()
assert itk == (stored.ravel() - 1024).tolist()
print("as described")
PY
