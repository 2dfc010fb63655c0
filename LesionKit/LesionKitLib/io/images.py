"""Images from files to Volume, and label maps back to files.

Reads NIfTI (.nii, .nii.gz), NRRD, MetaImage (.mha, .mhd) through SimpleITK, and DICOM (see dicomio).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.volume import Volume, from_sitk, to_sitk
from LesionKitLib.run.errors import UnusableInput

from .atomic import atomic_file, shown
from .dicom_header import Header, is_dicom
from .dicom_series import SeriesInfo, fits_int16, list_series, read_dicom
from .file_check import check_file, restore_nonfinite
from .seg_nrrd import SegmentRecord, read_seg_nrrd, write_seg_nrrd

__all__ = [
    "READABLE", "Header", "SegmentRecord", "SeriesInfo", "list_series", "read_seg_nrrd", "read_volume",
    "read_volume_and_header", "write_labelmap", "write_seg_nrrd", "write_volume",
]  # fmt: skip

READABLE = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
WRITABLE = (".nii.gz", ".nii", ".nrrd", ".mha")
_FORMATS = "a DICOM folder or file, NIfTI (.nii, .nii.gz), NRRD (.nrrd) or MetaImage (.mha, .mhd)"
_INCOMPLETE = "The image file is damaged or cut short (truncated); copy it again."


def read_volume(path: str | os.PathLike, series: str | int | None = None) -> Volume:
    """The image at ``path``; see read_volume_and_header."""
    return read_volume_and_header(path, series)[0]


def read_volume_and_header(path: str | os.PathLike, series: str | int | None = None) -> tuple[Volume, Header]:
    """The image at ``path`` and what DICOM says about it (an empty Header for other formats).

    path: a .nii, .nii.gz, .nrrd, .mha or .mhd file, a DICOM folder, or one DICOM file, which stands for its series.
    series: which series of a DICOM folder (SeriesInstanceUID, number, or 1-based index); see dicomio.read_dicom for
    the rule without it. Values: rescaled (HU for CT); uint8 stays, else int16 where it holds every value exactly,
    else int32 (whole numbers) or float32. Memory: about twice the array.
    Raises UnusableInput with one sentence for everything that is no complete 3-D gray-value image.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise UnusableInput("The input does not exist.")
        if path.is_dir():
            return read_dicom(path, series)
        if _suffix(path) in READABLE:
            if series is not None:
                raise UnusableInput("A series can be chosen only where the input is DICOM.")
            return _read_file(path), Header()
        if is_dicom(path):
            return read_dicom(path, series)
        with open(path, "rb") as stream:
            empty = not stream.read(1)
        raise UnusableInput(
            "The input file is empty." if empty else f"The file is in an unknown format; give {_FORMATS}."
        )
    except PermissionError as error:
        raise UnusableInput("The input cannot be opened: reading it is not permitted.") from error
    except MemoryError as error:
        raise UnusableInput("The image is too large for this machine's memory.") from error


def write_labelmap(path: str | os.PathLike, array: np.ndarray, like: Volume) -> None:
    """A label map (k, j, i; uint8) on the grid of ``like`` as .nii.gz, .nii, .nrrd or .mha, compressed, all or nothing.

    Raises ValueError when the shape or the file ending does not fit, UnusableInput when it cannot be written.
    """
    write_volume(path, like.with_array(np.asarray(array, np.uint8)))


def write_volume(path: str | os.PathLike, volume: Volume) -> None:
    """An image in its own type of number as .nii.gz, .nii, .nrrd or .mha, compressed, all or nothing.

    Raises ValueError when the file ending does not fit, UnusableInput when it cannot be written.
    """
    import SimpleITK as sitk

    path = Path(path)
    if _suffix(path) not in WRITABLE:
        raise ValueError(f"an image is written as {', '.join(WRITABLE)}, not as '{path.name}'")
    image = to_sitk(volume)
    with atomic_file(path) as part:
        try:
            sitk.WriteImage(image, str(part), True)
            if not check_file(part)[0]:  # ITK writes a short NIfTI file without a word when the disk is full
                raise RuntimeError("short file")
        except RuntimeError as error:
            raise UnusableInput(f"'{shown(path)}' could not be written completely: the disk may be full.") from error


def _suffix(path: Path) -> str:
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix


def _read_file(path: Path) -> Volume:
    import SimpleITK as sitk

    whole, plain = check_file(path)
    if not whole:
        raise UnusableInput(_INCOMPLETE)
    warnings = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        _refuse_shape(reader)
        if reader.GetDimension() == 4:
            reader.SetExtractSize([*reader.GetSize()[:3], 0])
        if reader.GetPixelID() == sitk.sitkFloat64:
            reader.SetOutputPixelType(sitk.sitkFloat32)  # half the memory; float32 is exact to 1e-7
        image = reader.Execute()
    except RuntimeError as error:
        raise UnusableInput(_sentence(error)) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(warnings)
    if image.GetDimension() != 3:
        raise UnusableInput(f"The image has {image.GetDimension()} dimensions, but a 3-D volume is needed.")
    notes = _nifti_notes(reader) if _suffix(path).startswith(".nii") else ()
    grid = from_sitk(image[:1, :1, :1])  # one voxel: only its place is wanted
    array = _compact(sitk.GetArrayViewFromImage(image))
    if not plain:
        array = array.astype(np.float32, copy=False)
        restore_nonfinite(path, array)
    return Volume(array, grid.ijk_to_ras, _stem(path), notes)


def _refuse_shape(reader) -> None:
    size, dimension = reader.GetSize(), reader.GetDimension()
    if reader.GetNumberOfComponents() != 1:
        raise UnusableInput("The image has several values per voxel (color or vectors), but gray values are needed.")
    if dimension == 2:
        raise UnusableInput("The image is a single 2-D slice, but a 3-D volume is needed.")
    if dimension > 4 or (dimension == 4 and size[3] != 1):
        raise UnusableInput(f"The image has {dimension} dimensions ({size[3]} volumes); give one 3-D volume.")


def _sentence(error: RuntimeError) -> str:
    text = str(error)
    if "orthonormal" in text or "orthogonal" in text:
        return "The image's axes are not perpendicular (sheared); resample it to a straight grid first."
    return _INCOMPLETE


def _stem(path: Path) -> str:
    return path.name[: -len(_suffix(path))]


def _nifti_notes(reader) -> tuple[str, ...]:
    def code(key: str) -> str:
        return reader.GetMetaData(key) if reader.HasMetaDataKey(key) else "0"

    if code("qform_code") == code("sform_code") == "0":
        return ("The file does not say how the patient lies; left-right may be wrong.",)
    return ()


def _compact(values: np.ndarray) -> np.ndarray:
    """A copy in the smallest type that holds every value exactly: uint8 as it is, int16, int32, float32."""
    if values.dtype == np.uint8:
        return values.copy()
    if values.dtype.kind not in "iuf":
        raise UnusableInput("The image holds complex numbers, but gray values are needed.")
    if all(fits_int16(plane) for plane in values):
        return values.astype(np.int16)
    whole = values.dtype.kind in "iu" and values.min() >= -(2**31) and values.max() < 2**31
    return values.astype(np.int32 if whole else np.float32)
