"""NIfTI-1, NIfTI-2 and Analyze 7.5 through nibabel: single files and pairs, compressed or not, whatever their names.

ITK is not used for them: it adds the intercept where scl_slope is 0, refuses axes that are off by 0.01 degrees, reads
truncated files and turns NaN into 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from LesionKitLib.imaging.number_types import in_smallest_type
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.run.errors import UnusableInput

from .file_kind import ending_of, header_beside, stem_of, voxels_beside
from .nifti_geometry import place
from .unpacking import Truncated, content_of, first_bytes

INCOMPLETE = "The image file is damaged or cut short (truncated); copy it again."
INVALID = "The header of the NIfTI file is invalid, so it cannot be read."
_PAIR, _SINGLE = b"ni1", b"n+1"
_ANALYZE_SIZE, _NIFTI2_SIZE = 348, 540


def read_nifti(path: Path) -> tuple[Volume, list[Path]]:
    """The image with what its header says of its place, and the files that it came from (two for a pair).

    path: the single file, or either file of a pair. Values are scaled as the header says; scl_slope 0 or NaN means that
    they are not (NIfTI-1, nifti1.h). Raises UnusableInput for what is no complete 3-D gray-value image, OSError.
    """
    head, voxels = _files(path)
    header = read_header(head)
    if voxels is None and not ending_of(path).startswith(".hdr") and not hasattr(header, "get_sform"):
        raise UnusableInput(INVALID)  # nothing says that it is one file of a pair
    if voxels is None:
        raise UnusableInput(f"The voxel file {stem_of(head)}.img that belongs to the header is missing beside it.")
    shape = _three_dimensional(header)
    matrix, notes = place(header, shape[::-1])
    scaling = _scaling(header)
    stored = _stored(header, voxels, shape)
    array = in_smallest_type(shape[2], lambda k: _plane(stored, k, scaling))
    return Volume(array, matrix, stem_of(path), notes), sorted({head, voxels})


def read_header(path: Path):
    """nibabel's header of a single file or of a pair's header file. Raises UnusableInput and OSError."""
    head = first_bytes(path, _NIFTI2_SIZE)
    kind = _header_class(head)
    try:
        return kind(head[: kind.template_dtype.itemsize], check=False)
    except Exception as error:  # nibabel raises many kinds on headers that are none
        raise UnusableInput(INCOMPLETE if len(head) < _ANALYZE_SIZE else INVALID) from error


def is_complete(path: Path) -> bool:
    """Whether a single NIfTI file holds all the bytes that its header speaks of. Raises OSError."""
    try:
        header = read_header(path)
        _stored(header, path, header.get_data_shape())
    except UnusableInput:
        return False
    return True


def _header_class(head: bytes):
    import nibabel

    sizes = {int.from_bytes(head[:4], order) for order in ("little", "big")}
    if _NIFTI2_SIZE in sizes:
        return nibabel.Nifti2Header if head[4:7] == b"n+2" else nibabel.nifti2.Nifti2PairHeader
    if head[344:347] == _SINGLE:
        return nibabel.Nifti1Header
    return nibabel.nifti1.Nifti1PairHeader if head[344:347] == _PAIR else nibabel.AnalyzeHeader


def _files(path: Path) -> tuple[Path, Path | None]:
    """The header's file and the voxels' (the same for a single file; None where it is missing)."""
    if ending_of(path).startswith(".img") and (head := header_beside(path)):
        return head, path
    return (path, path) if getattr(read_header(path), "is_single", False) else (path, voxels_beside(path))


def _three_dimensional(header) -> tuple[int, int, int]:
    """The lengths (i, j, k); axes of length 1 behind the third are dropped."""
    shape = header.get_data_shape()
    if _dtype(header).names or len([length for length in shape[4:] if length != 1]):  # the fifth axis: components
        raise UnusableInput("The image has several values per voxel (color or vectors), but gray values are needed.")
    if len(shape) == 2:
        raise UnusableInput("The image is a single 2-D slice, but a 3-D volume is needed.")
    if len(shape) < 3 or min(shape) < 1:
        raise UnusableInput("By its header the image has no voxels.")
    if max(shape[3:], default=1) > 1:
        raise UnusableInput(f"The image has {len(shape)} dimensions ({shape[3]} volumes); give one 3-D volume.")
    return tuple(int(length) for length in shape[:3])


def _dtype(header) -> np.dtype:
    try:
        dtype = header.get_data_dtype()
    except Exception as error:  # KeyError or HeaderDataError, by nibabel's version
        raise UnusableInput(
            f"The file's voxels are of a type that is not read (datatype {header['datatype']})."
        ) from error
    if dtype.names is None and dtype.kind not in "iufc":
        raise UnusableInput(f"The file's voxels are of a type that is not read (datatype {header['datatype']}).")
    return dtype


def _stored(header, path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The stored values in the header's axis order (i, j, k): of a plain file a map of the disk."""
    try:
        return np.ndarray(shape, _dtype(header), content_of(path), _offset(header), order="F")
    except (Truncated, TypeError, ValueError) as error:  # the content is shorter than the header says
        raise UnusableInput(INCOMPLETE) from error


def _offset(header) -> int:
    """Where the voxels begin. Single files have them behind the header even where vox_offset is left 0."""
    offset = float(header["vox_offset"])
    lowest = header.single_vox_offset if getattr(header, "is_single", False) else 0
    return max(int(offset), lowest) if np.isfinite(offset) else lowest


def _scaling(header) -> tuple[float, float] | None:
    """(slope, intercept), or None where the stored values are the image's."""
    from nibabel.spatialimages import HeaderDataError

    if not hasattr(header, "get_slope_inter"):
        return None
    try:
        slope, intercept = header.get_slope_inter()
    except HeaderDataError as error:
        raise UnusableInput("The scaling in the NIfTI header (scl_slope, scl_inter) is no number.") from error
    if slope is None or (slope, intercept) == (1, 0):
        return None
    return float(slope), float(intercept or 0)


def _plane(stored: np.ndarray, k: int, scaling: tuple[float, float] | None) -> np.ndarray:
    """Slice k (j, i), scaled, in the machine's byte order."""
    plane = stored[:, :, k].T
    if scaling is not None:
        return plane * np.float64(scaling[0]) + np.float64(scaling[1])
    return plane.astype(plane.dtype.newbyteorder("="), copy=False)
