"""Images from files to Volume, and label maps back to files: the way in for every format.

NIfTI and Analyze are read through nibabel, NRRD with pynrrd's headers, MetaImage through SimpleITK, DICOM by
dicom.series. What a file is, is told by its content, not by its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.number_types import label_array
from LesionKitLib.imaging.source import ImageSource
from LesionKitLib.imaging.volume import Volume, to_sitk
from LesionKitLib.io.dicom.choice import ANY
from LesionKitLib.io.dicom.header import Header
from LesionKitLib.io.dicom.listing import SeriesInfo, list_series
from LesionKitLib.io.dicom.series import read_dicom
from LesionKitLib.run.errors import UnusableInput

from .atomic import atomic_file, shown
from .digest import files_digest
from .file_kind import DICOM, METAIMAGE, NIFTI, NRRD, ending_of, kind_of, sentence_for_unknown
from .image_folder import image_in
from .metaimage import read_metaimage
from .nifti import is_complete, read_nifti
from .nrrd_image import read_nrrd
from .seg_nrrd import SegmentRecord, read_seg_nrrd, write_seg_nrrd

__all__ = [
    "Header", "SegmentRecord", "SeriesInfo", "list_series", "read_seg_nrrd", "read_volume",
    "read_volume_and_header", "write_labelmap", "write_seg_nrrd", "write_volume",
]  # fmt: skip

NOT_KNOWN = "The image does not say who the patient is, so the results do not either."
WRITABLE = (".nii.gz", ".nii", ".nrrd", ".mha")
_READERS: dict[str, Callable[[Path], tuple[Volume, list[Path]]]] = {
    NIFTI: read_nifti,
    NRRD: read_nrrd,
    METAIMAGE: read_metaimage,
}


def read_volume(path: str | os.PathLike, series: str | int | None = None) -> Volume:
    """The image at ``path``; see read_volume_and_header."""
    return read_volume_and_header(path, series)[0]


def read_volume_and_header(
    path: str | os.PathLike,
    series: str | int | None = None,
    group: str | int | None = None,
    task: str = ANY,
    identify: bool = False,
) -> tuple[Volume, Header]:
    """The image at ``path`` and what DICOM says about it (an empty Header for other formats).

    path: a NIfTI, Analyze, NRRD or MetaImage file, a folder with one of them, a DICOM folder or DICOMDIR, or one DICOM
    file, which stands for its series. series: which series of a DICOM folder (SeriesInstanceUID, number, or 1-based
    index); group: which of the series' groups of images; task: "chest_ct", "brain_mr" or "any", by whose rules both are
    chosen without them; identify: whether Volume.source names the patient; see dicom.series.read_dicom.
    Values: rescaled (HU for CT); uint8 stays, else int16 where it holds every value exactly, else int32 (whole numbers)
    or float32. Volume.source names the file; Volume.notes say what the file leaves unsaid. Memory: about twice the
    array.
    Raises UnusableInput with one sentence for everything that is no complete 3-D gray-value image.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise UnusableInput("The input does not exist.")
        if not path.is_dir() and not path.is_file():
            raise UnusableInput("The input is neither a file nor a folder.")  # a pipe would be waited for without end
        image = image_in(path) if path.is_dir() else path
        kind = DICOM if image is None else kind_of(image)
        if kind == DICOM:
            volume, header = read_dicom(image or path, series, group, task, identify)
            return _identified(volume) if identify else volume, header
        if kind not in _READERS:
            raise UnusableInput(sentence_for_unknown(image))
        if series is not None or group is not None:
            raise UnusableInput("A series can be chosen only where the input is DICOM.")
        volume = _with_source(image, *_READERS[kind](image))
        return _identified(volume) if identify else volume, Header()
    except PermissionError as error:
        raise UnusableInput("The input cannot be opened: reading it is not permitted.") from error
    except MemoryError as error:
        raise UnusableInput("The image is too large for this machine's memory.") from error
    except OSError as error:
        raise UnusableInput(f"The input cannot be read: {error.strerror or 'the disk reports an error'}.") from error


def write_labelmap(path: str | os.PathLike, array: np.ndarray, like: Volume) -> None:
    """A label map (k, j, i) on the grid of ``like`` as .nii.gz, .nii, .nrrd or .mha, compressed, all or nothing.

    It is written as uint8, or as uint16 where a label is above 255. Raises ValueError when the shape, the labels or the
    file ending do not fit, UnusableInput when it cannot be written.
    """
    write_volume(path, like.with_array(label_array(array)))


def write_volume(path: str | os.PathLike, volume: Volume) -> None:
    """An image in its own type of number as .nii.gz, .nii, .nrrd or .mha, compressed, all or nothing.

    Raises ValueError when the file ending does not fit, UnusableInput when it cannot be written.
    """
    import SimpleITK as sitk

    path = Path(path)
    if ending_of(path) not in WRITABLE:
        raise ValueError(f"an image is written as {', '.join(WRITABLE)}, not as '{path.name}'")
    image = to_sitk(volume)
    with atomic_file(path) as part:
        try:
            sitk.WriteImage(image, str(part), True)
            # ITK writes a short NIfTI file without a word when the disk is full
            if ending_of(path).startswith(".nii") and not is_complete(part):
                raise RuntimeError("short file")
        except RuntimeError as error:
            raise UnusableInput(f"'{shown(path)}' could not be written completely: the disk may be full.") from error


def _identified(volume: Volume) -> Volume:
    """The volume, with a note where it was asked who the patient is and the image does not say."""
    known = volume.source.patient_name or volume.source.patient_id
    return volume if known else replace(volume, notes=(*volume.notes, NOT_KNOWN))


def _with_source(path: Path, volume: Volume, files: list[Path]) -> Volume:
    """The volume with where it came from. path: the file that was asked for; files: all that it consists of."""
    source = ImageSource(
        spacing=tuple(float(length) for length in volume.spacing),
        slices=len(volume.array),
        file=path.name,
        sha256=files_digest(files),
    )
    return replace(volume, source=source)
