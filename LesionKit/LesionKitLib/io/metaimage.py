"""MetaImage files (.mha, .mhd) through SimpleITK, after their header has been checked.

ITK takes a missing ElementSpacing for 1 mm, a missing TransformMatrix for LPS, and reads damaged compressed voxels.
Fields: https://itk.org/Wiki/ITK/MetaIO/Documentation
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import numpy as np

from LesionKitLib.imaging.number_types import in_smallest_type
from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume, affine
from LesionKitLib.run.errors import UnusableInput

from .file_kind import stem_of
from .stated_geometry import ORIENTATION_NOTE, checked, checked_spacing, missing_spacing
from .unpacking import BZIP2, GZIP

INCOMPLETE = "The image file is damaged or cut short (truncated); copy it again."
_HEADER_BYTES = 1 << 16
_BLOCK = 1 << 22
_MATRIX = ("transformmatrix", "orientation", "rotation")  # three names of one field
_ORIGIN = ("offset", "origin", "position")
_UNITS = {"": "mm", "?": "mm", "mm": "mm", "cm": "cm", "um": "um"}
_ITK_IDENTITY = "RAI"  # ITK names axes by where they come from: this is an identity matrix


@dataclass(frozen=True)
class _MetaHeader:
    """fields: by their names in small letters. start: of the voxels, where they follow the header."""

    fields: dict[str, str]
    start: int

    def numbers(self, *names: str) -> list[float] | None:
        """The numbers of the first field of these names that there is. Raises UnusableInput."""
        for name in names:
            if name in self.fields:
                try:
                    return [float(word) for word in self.fields[name].split()]
                except ValueError as error:
                    raise UnusableInput(f"The field {name} of the MetaImage file holds no numbers.") from error
        return None

    def flag(self, name: str) -> bool:
        return self.fields.get(name, "").lower().startswith(("t", "1"))


def read_metaimage(path: Path) -> tuple[Volume, list[Path]]:
    """The image with notes on what its header leaves unsaid, and the files that it came from.

    Raises UnusableInput for what is no complete 3-D gray-value image or states no spacing, OSError.
    """
    header = _read_header(path)
    files = _data_files(header, path)
    if header.flag("compresseddata") and len(files) < 2:
        _check_packed(files[0] if files else path, 0 if files else header.start)
    matrix, notes = _place(header)
    image = _read_voxels(path, files, header)
    import SimpleITK as sitk

    stored = sitk.GetArrayViewFromImage(image)
    return Volume(in_smallest_type(len(stored), stored.__getitem__), matrix, stem_of(path), notes), [path, *files]


def _read_header(path: Path) -> _MetaHeader:
    with open(path, "rb") as stream:
        head = stream.read(_HEADER_BYTES)
    if head.startswith((GZIP, BZIP2)):
        raise UnusableInput("The file is a MetaImage that was compressed as a whole; unpack it and give what is in it.")
    fields, start = {}, 0
    for raw in head.splitlines(keepends=True):
        start += len(raw)
        key, separator, value = raw.decode("utf-8", errors="replace").partition("=")
        if not separator:
            break
        fields[key.strip().lower()] = value.strip()
        if key.strip().lower() == "elementdatafile":
            return _MetaHeader(fields, start)
    raise UnusableInput("The header of the MetaImage file is cut short: it names no ElementDataFile.")


def _data_files(header: _MetaHeader, path: Path) -> list[Path]:
    """The files that hold the voxels, none where they follow the header. Raises UnusableInput when one is missing."""
    value = header.fields["elementdatafile"]
    words = value.split()
    if value.upper() == "LOCAL":
        return []
    if words and words[0].upper() == "LIST":
        with open(path, "rb") as stream:
            stream.seek(header.start)
            names = [line.strip() for line in stream.read().decode("utf-8", errors="replace").splitlines()]
        names = [name for name in names if name]
    elif re.search(r"%\d*d", value) and len(words) >= 3:
        first, last, step = (int(word) for word in [*words[1:], "1"][:3])
        names = [words[0] % number for number in range(first, last + 1, max(step, 1))]
    else:
        names = [value]
    for name in names:
        if not (path.parent / name).is_file():
            raise UnusableInput(
                f"The data file {PureWindowsPath(name).name} that the MetaImage header names is missing; copy it, too."
            )
    return [path.parent / name for name in names]


def _read_voxels(path: Path, files: list[Path], header: _MetaHeader):
    """SimpleITK's image; double becomes float, exact to 1e-7, for half the memory."""
    import SimpleITK as sitk

    warnings = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        reader = sitk.ImageFileReader()
        reader.SetImageIO("MetaImageIO")
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        _refuse_shape(reader)
        _refuse_short(reader, path, files, header)
        if reader.GetDimension() == 4:
            reader.SetExtractSize([*reader.GetSize()[:3], 0])
        if reader.GetPixelID() == sitk.sitkFloat64:
            reader.SetOutputPixelType(sitk.sitkFloat32)
        return reader.Execute()
    except RuntimeError as error:
        raise UnusableInput("The MetaImage file cannot be read: its header and its voxels do not fit.") from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(warnings)


def _refuse_shape(reader) -> None:
    size, dimension = reader.GetSize(), reader.GetDimension()
    if reader.GetNumberOfComponents() != 1:
        raise UnusableInput("The image has several values per voxel (color or vectors), but gray values are needed.")
    if dimension != 3 and (dimension != 4 or size[3] != 1):
        raise UnusableInput(f"The image has {dimension} dimensions ({size[-1]} volumes); give one 3-D volume.")


def _refuse_short(reader, path: Path, files: list[Path], header: _MetaHeader) -> None:
    """Raw voxels are counted; text and packed ones cannot be."""
    import SimpleITK as sitk

    if header.flag("compresseddata") or not header.flag("binarydata") and "binarydata" in header.fields:
        return
    there = sum(file.stat().st_size for file in files) if files else path.stat().st_size - header.start
    bytes_each = sitk.Image(1, 1, reader.GetPixelID()).GetSizeOfPixelComponent()
    if there < int(np.prod(reader.GetSize(), dtype=np.int64)) * bytes_each:
        raise UnusableInput(INCOMPLETE)


def _check_packed(file: Path, start: int) -> None:
    """Raises UnusableInput where a zlib or gzip stream is not whole or its checksum wrong."""
    unpack = zlib.decompressobj(wbits=47)
    try:
        with open(file, "rb") as stream:
            stream.seek(start)
            while not unpack.eof and (chunk := unpack.unconsumed_tail or stream.read(1 << 18)):
                unpack.decompress(chunk, _BLOCK)
    except zlib.error as error:
        raise UnusableInput(INCOMPLETE) from error
    if not unpack.eof:
        raise UnusableInput(INCOMPLETE)


def _place(header: _MetaHeader) -> tuple[np.ndarray, tuple[str, ...]]:
    """ijkToRAS (4 x 4, mm), and notes."""
    dimensions = int((header.numbers("ndims") or [3])[0])
    if dimensions == 2:
        raise UnusableInput("The image is a single 2-D slice, but a 3-D volume is needed.")
    spacing = header.numbers("elementspacing", "elementsize")
    if spacing is None:
        raise missing_spacing("ElementSpacing")
    spacing = checked_spacing(spacing, "ElementSpacing")
    given = header.numbers(*_MATRIX)
    directions = np.eye(3)
    if given is not None:
        directions = _directions(given, dimensions)
    origin = np.array((header.numbers(*_ORIGIN) or [0.0] * 3)[:3])
    if len(origin) < 3:
        raise UnusableInput("The Offset of the MetaImage file does not fit its three axes.")
    unit = _UNITS.get(header.fields.get("distanceunits", "").lower(), "mm")
    matrix, notes = checked(affine(spacing, LPS_IN_RAS @ directions, LPS_IN_RAS @ origin), unit)
    stated = given is not None or header.fields.get("anatomicalorientation", "").upper() == _ITK_IDENTITY
    return matrix, notes if stated else (*notes, ORIENTATION_NOTE)


def _directions(values: list[float], dimensions: int) -> np.ndarray:
    """Unit columns of the TransformMatrix, which lists the direction of each axis in turn."""
    if len(values) == dimensions**2 and dimensions >= 3:
        matrix = np.reshape(values, (dimensions, dimensions))[:3, :3].T
        lengths = np.linalg.norm(matrix, axis=0)
        if np.isfinite(matrix).all() and lengths.min() > 0 and abs(np.linalg.det(matrix / lengths)) > 1e-3:
            return matrix / lengths
    raise UnusableInput("The TransformMatrix of the MetaImage file is no rotation, so the image has no place.")
