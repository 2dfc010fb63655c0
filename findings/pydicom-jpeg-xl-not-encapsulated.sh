#!/usr/bin/env bash
# pydicom 3.0.2 cannot say whether JPEG XL's transfer syntaxes are encapsulated, so such an object cannot be written.
#
# One would expect: 1.2.840.10008.1.2.4.110 (JPEG XL Lossless, in PS3.5 since 2024) counts as a compressed, encapsulated
# transfer syntax like its neighbor HTJ2K (1.2.840.10008.1.2.4.201), or as one that is told to be unknown when writing.
# What happens: UID.is_encapsulated raises ValueError, and dcmwrite with it, on a valid object that was read whole.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pydicom==3.0.2 2>/dev/null
"$folder/venv/bin/python" - <<'PY'
import pydicom
from pydicom.uid import UID

htj2k, jpeg_xl = UID("1.2.840.10008.1.2.4.201"), UID("1.2.840.10008.1.2.4.110")
try:
    outcome = jpeg_xl.is_encapsulated
except ValueError as error:
    outcome = f"ValueError: {error}"
print("pydicom", pydicom.__version__)
print("HTJ2K is encapsulated:", htj2k.is_encapsulated)
print("JPEG XL:", outcome)
assert htj2k.is_encapsulated is True
assert isinstance(outcome, str)
print("as described")
PY
