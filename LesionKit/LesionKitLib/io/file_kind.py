"""What a file is, by its content: names are often wrong."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from LesionKitLib.io.dicom.header import is_dicom

from .unpacking import GZIP, first_bytes

READABLE = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
FORMATS = "a DICOM folder or file, NIfTI (.nii, .nii.gz), NRRD (.nrrd) or MetaImage (.mha, .mhd)"

DICOM, NIFTI, NRRD, METAIMAGE = "DICOM", "NIfTI", "NRRD", "MetaImage"
_HEAD = 1024  # bytes that tell the kind
_NIFTI_SIZES = {348, 540}  # sizeof_hdr of NIfTI-1 and Analyze 7.5, and of NIfTI-2
_META_FIELD = re.compile(rb"\A\s*(ObjectType|NDims|Comment|ObjectSubType|DimSize)\s*=", re.IGNORECASE)
# what else is found under the name of an image, most often after a failed download
_OTHERS = (
    (re.compile(rb"\APK\x03\x04"), "a ZIP archive; unpack it and give the image in it"),
    (re.compile(rb"\A(7z\xbc\xaf|Rar!)"), "an archive; unpack it and give the image in it"),
    (re.compile(rb"\A.{257}ustar", re.DOTALL), "a tar archive; unpack it and give the image in it"),
    (re.compile(rb"\A\x28\xb5\x2f\xfd"), "compressed by Zstandard, which is not read; unpack it"),
    (re.compile(rb"\A(\x1f\x8b|BZh|\xfd7zXZ)"), "compressed twice; unpack it once"),
    (re.compile(rb"\A\s*<(!doctype|html|\?xml)", re.IGNORECASE), "a web page, not an image; download the image again"),
    (re.compile(rb"\Aversion https://git-lfs"), "a pointer of Git LFS, not an image; fetch the image itself"),
    (re.compile(rb"\A(\x89PNG|\xff\xd8\xff|GIF8|BM|II\*\0|MM\0\*)"), "a picture, not a volume in millimeters"),
    (re.compile(rb"\A%PDF"), "a PDF document, not an image"),
    (re.compile(rb"\A\x89HDF"), "an HDF5 file, which is not read; export the image as NIfTI or NRRD"),
    (re.compile(rb"\ACDF[\x01\x02]"), "a MINC (netCDF) file, which is not read; export the image as NIfTI or NRRD"),
)


def ending_of(path: Path) -> str:
    """The file's ending in small letters: .nii.gz, .seg.nrrd, .mha, ...; "" without one."""
    name = path.name.lower()
    double = re.search(r"(\.(nii|hdr|img)\.gz|\.seg\.nrrd)$", name)
    return double[0] if double else Path(name).suffix


def stem_of(path: Path) -> str:
    """The file's name without its ending."""
    ending = ending_of(path)
    return path.name[: -len(ending)] if ending else path.name


def is_readable_name(path: Path) -> bool:
    """Whether the name ends like an image that is read here (other than DICOM)."""
    return ending_of(path) in (*READABLE, ".seg.nrrd")


def kind_by_name(path: Path) -> str:
    """What the name of a readable file promises: NIFTI, NRRD or METAIMAGE."""
    ending = ending_of(path)
    if ending.endswith(("nrrd", ".nhdr")):
        return NRRD
    return METAIMAGE if ending in (".mha", ".mhd") else NIFTI


def kind_of(path: Path) -> str:
    """DICOM, NIFTI (NIfTI-1, NIfTI-2, Analyze 7.5), NRRD, METAIMAGE, or "" for anything else. Raises OSError."""
    head = first_bytes(path, _HEAD)
    if head.startswith(b"NRRD0"):
        return NRRD
    if _has_nifti_size(head) or (ending_of(path).startswith(".img") and header_beside(path)):
        return NIFTI
    if _META_FIELD.match(head):
        return METAIMAGE
    return DICOM if is_dicom(path) else ""


def header_beside(path: Path) -> Path | None:
    """The header (.hdr) of a pair's voxel file (.img), None where it is missing."""
    return _beside(path, "hdr")


def voxels_beside(path: Path) -> Path | None:
    """The voxel file (.img) of a pair's header (.hdr), None where it is missing."""
    return _beside(path, "img")


def sentence_for_unknown(path: Path) -> str:
    """Why a file of no known kind cannot be read, as far as its first bytes tell. Raises OSError."""
    if not path.stat().st_size:
        return "The input file is empty."
    with open(path, "rb") as stream:
        plain = stream.read(_HEAD)
    head = first_bytes(path, _HEAD)
    if plain.startswith(GZIP) and not head:
        return "The compressed file is damaged or cut short (truncated); copy it again."
    if not any(head):
        return "The file holds only zeros, no image."
    for pattern, what in _OTHERS:
        if pattern.search(head):
            return f"The file is {what}."
    if ending_of(path).startswith(".img"):
        return f"The header {stem_of(path)}.hdr that belongs to the file is missing beside it."
    if is_readable_name(path):
        return f"The file holds no {kind_by_name(path)} image, whatever its name says, and no other that is read here."
    return f"The file is in an unknown format; give {FORMATS}."


def _has_nifti_size(head: bytes) -> bool:
    if len(head) < 348:
        return False
    return any(struct.unpack_from(order + "i", head)[0] in _NIFTI_SIZES for order in "<>")


def _beside(path: Path, kind: str) -> Path | None:
    """The partner file of a pair, in the same or in other letters, packed or not."""
    for ending in (f".{kind}", f".{kind}.gz"):
        for name in (stem_of(path) + ending, stem_of(path) + ending.upper()):
            if (found := path.with_name(name)).is_file():
                return found
    return None
