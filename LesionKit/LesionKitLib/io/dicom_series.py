"""DICOM series to Volume: which series to take, and its pixels in modality units (HU for CT).

Pixels are decoded by SimpleITK (GDCM: plain, RLE, JPEG, JPEG-Lossless, JPEG-LS, JPEG 2000), which applies each slice's
own rescale slope and intercept. Headers: see dicomheader.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume, affine
from LesionKitLib.run.errors import UnusableInput

from .dicom_header import COLOR, Frame, Header, Scan, scan_files
from .slice_stack import StackPlan, plan_stack

AIR_HU = -1024
NO_IMAGES = "There are no DICOM images in the folder (nor in the folders directly inside it)."


@dataclass(frozen=True)
class SeriesInfo:
    """One series of a folder, as a row of the table a user chooses from."""

    index: int  # 1-based, for ``series=``
    uid: str
    number: int | None
    modality: str
    kind: str  # see Header.kind
    orientation: str  # axial, coronal, sagittal, oblique, or "" when the images do not say
    images: int
    places: int  # different slice positions
    rows: int
    columns: int
    slice_thickness: float | None  # mm
    kernel: str
    contrast: bool
    usable: bool  # gray images with complete pixel data
    chosen: bool  # the one the rule takes


def read_dicom(path: str | Path, series: str | int | None = None) -> tuple[Volume, Header]:
    """A series as a Volume (int16 where lossless, else float32) and its technical header.

    path: a folder (its files and those of the folders directly inside it; names and order do not matter), or one file,
    which stands for its whole series in the same folder. series: a SeriesInstanceUID, a series number, or the 1-based
    index in list_series(). Without it, of several series this one is taken: CT before all else, then gray images
    with pixel data, then original before derived before secondary before localizer, then axial, then most slice
    positions, then thinner slices, then softer kernel (less noise in HU; lung and bone kernels last), then the lower
    number.
    Duplicates, gaps, filled slices and left-out images are named in Volume.notes. Raises UnusableInput.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    scan = scan_files(_files(folder, deep=path.is_dir()))
    groups = _series(scan)
    if not path.is_dir() and series is None:
        frames = _series_of_file(path, groups)
    else:
        _refuse_nothing(scan, groups)
        frames = _choose(groups, series)
    notes = []
    if path.is_dir() and len(groups) > 1:
        taken = "was asked for" if series is not None else "was chosen"
        notes.append(f"Of {len(groups)} series in the folder, {_describe(frames)} {taken}.")
    if scan.damaged:
        notes.append(f"{scan.damaged} damaged DICOM file(s) in the folder were left out.")
    return _build(frames, notes)


def list_series(folder: str | Path) -> list[SeriesInfo]:
    """The image series of a folder, in the order of their numbers. Raises UnusableInput when there is none."""
    scan = scan_files(_files(Path(folder), deep=True))
    groups = _series(scan)
    _refuse_nothing(scan, groups)
    chosen = max(groups, key=_score)
    return [_info(n + 1, frames, frames is chosen) for n, frames in enumerate(groups)]


def _files(folder: Path, deep: bool) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
        inner = [sorted(entry.iterdir()) for entry in entries if entry.is_dir()] if deep else []
    except PermissionError as error:
        raise UnusableInput("The folder cannot be opened: reading it is not permitted.") from error
    return [file for file in [*entries, *(file for files in inner for file in files)] if file.is_file()]


# --- choosing a series


def _series(scan: Scan) -> list[list[Frame]]:
    """Frames by series, in the order of the series numbers; frames in the order of acquisition and instance."""
    groups: dict[str, list[Frame]] = {}
    for frame in scan.frames:
        groups.setdefault(frame.header.series_uid, []).append(frame)
    for frames in groups.values():
        frames.sort(key=lambda frame: (frame.acquisition, frame.instance, frame.path.name, frame.frame))

    def rank(frames: list[Frame]):
        number = frames[0].header.series_number
        return (number is None, number or 0, frames[0].header.series_uid)

    return sorted(groups.values(), key=rank)


def _refuse_nothing(scan: Scan, groups: list[list[Frame]]) -> None:
    if groups:
        return
    if scan.encrypted:
        raise UnusableInput("The DICOM files are encrypted; they hold no image that can be read.")
    if scan.damaged:
        raise UnusableInput("The DICOM files are damaged or cut short (truncated); copy the series again.")
    if scan.not_images:
        kinds = ", ".join(sorted(kind or "unknown" for kind in scan.not_images))
        raise UnusableInput(f"The DICOM files hold no images (only: {kinds}).")
    if scan.unreadable:
        raise UnusableInput("The DICOM files cannot be opened: reading them is not permitted.")
    raise UnusableInput(NO_IMAGES)


def _series_of_file(path: Path, groups: list[list[Frame]]) -> list[Frame]:
    """The series the file belongs to; the file alone where it is a picture without a place, such as an X-ray."""
    for frames in groups:
        own = [frame for frame in frames if frame.path.name == path.name]
        if own:
            return frames if own[0].position is not None or len(own) > 1 else own
    alone = scan_files([path])
    _refuse_nothing(alone, _series(alone))
    raise UnusableInput("The file is not a DICOM image.")


def _choose(groups: list[list[Frame]], series: str | int | None) -> list[Frame]:
    if series is None:
        return max(groups, key=_score)
    asked = str(series).strip()
    by_uid = [frames for frames in groups if frames[0].header.series_uid == asked]
    by_number = [frames for frames in groups if str(frames[0].header.series_number) == asked]
    by_index = [groups[int(asked) - 1]] if asked.isdigit() and 1 <= int(asked) <= len(groups) else []
    found = by_uid or by_number or by_index
    if not found:
        there = "; ".join(_describe(frames) for frames in groups)
        raise UnusableInput(f"There is no such series in the folder; it holds: {there}.")
    if len(found) > 1:
        raise UnusableInput(f"{len(found)} series have the number {asked}; give the SeriesInstanceUID instead.")
    return found[0]


def _score(frames: list[Frame]) -> tuple:
    header = _typical(frames).header
    kinds = ["localizer", "secondary", "derived", "original"]
    number = header.series_number
    return (
        header.modality == "CT",
        any(not frame.defect for frame in frames),
        kinds.index(header.kind),
        _orientation(frames) == "axial",
        _places(frames),
        -(header.slice_thickness or 99.0),
        -kernel_sharpness(header.kernel),
        -(number if number is not None else 10**9),
    )


def kernel_sharpness(kernel: str) -> int:
    """0 soft or medium, 1 unknown, 2 lung, bone or other edge-enhancing reconstruction kernel.

    Siemens B/D/I/Br.. numbers from 50 up are sharp, Canon FC from 30 up; others are told by their names.
    """
    name = kernel.upper().strip()
    if canon := re.match(r"FC(\d+)", name):
        return 2 if int(canon[1]) >= 30 else 0
    if siemens := re.match(r"[A-Z]{1,2}(\d\d)", name):
        return 2 if int(siemens[1]) >= 50 else 0
    if re.match(r"(LUNG|BONE|EDGE|DETAIL|SHARP|ULTRA|CHST|Y[A-E]?$|[DEL]$)", name):
        return 2
    return 0 if re.match(r"(STAND|SOFT|SMOOTH|MEDIUM|[ABC]$)", name) else 1


def _typical(frames: list[Frame]) -> Frame:
    """The frame standing for the series: one of the most common ImageType (a series may hold its own localizer)."""
    common = Counter(frame.header.image_type for frame in frames).most_common(1)[0][0]
    return next(frame for frame in frames if frame.header.image_type == common)


def _places(frames: list[Frame]) -> int:
    return len({tuple(np.round(frame.position, 1)) for frame in frames if frame.position is not None})


def _orientation(frames: list[Frame]) -> str:
    orientation = _typical(frames).orientation
    if orientation is None:
        return ""
    normal = np.abs(np.cross(orientation[:3], orientation[3:]))
    axis = int(np.argmax(normal))
    return ("sagittal", "coronal", "axial")[axis] if normal[axis] > 0.8 else "oblique"


def _info(index: int, frames: list[Frame], chosen: bool) -> SeriesInfo:
    typical = _typical(frames)
    return SeriesInfo(
        index=index,
        uid=typical.header.series_uid,
        number=typical.header.series_number,
        modality=typical.header.modality,
        kind=typical.header.kind,
        orientation=_orientation(frames),
        images=len(frames),
        places=_places(frames),
        rows=typical.shape[0],
        columns=typical.shape[1],
        slice_thickness=typical.header.slice_thickness,
        kernel=typical.header.kernel,
        contrast=typical.header.contrast,
        usable=not any(frame.defect for frame in frames),
        chosen=chosen,
    )


def _name(header: Header) -> str:
    number = "" if header.series_number is None else f" {header.series_number}"
    return f"{header.modality or 'DICOM'} series{number}"


def _describe(frames: list[Frame]) -> str:
    header = _typical(frames).header
    facts = [f"{len(frames)} image{'s' if len(frames) > 1 else ''}"]
    if header.slice_thickness:
        facts.append(f"{header.slice_thickness:g} mm thick")
    if header.kernel:
        facts.append(f"kernel {header.kernel}")
    if header.kind != "original":
        facts.append(header.kind)
    return f"{_name(header)} ({', '.join(facts)})"


# --- building the volume


def _build(frames: list[Frame], notes: list[str]) -> tuple[Volume, Header]:
    header = _typical(frames).header
    defects = Counter(frame.defect for frame in frames if frame.defect)
    if defects:
        defect, count = defects.most_common(1)[0]
        which = "All images" if count == len(frames) else f"{count} of {len(frames)} images"
        raise UnusableInput(f"{which} of the {_name(header)} are {defect}.")
    if len(frames) == 1 and (frames[0].position is None or frames[0].orientation is None):
        return _flat(frames[0], notes), header
    frames = _consistent(frames, notes)
    frames = _one_acquisition(frames, notes)
    header = _typical(frames).header
    row, column, normal = _axes(frames[0])
    positions = np.array([frame.position for frame in frames])
    plan = plan_stack(positions, normal)
    step = plan.step or header.slice_thickness or 1.0
    matrix = affine(
        (*frames[0].spacing, step),
        LPS_IN_RAS @ np.column_stack([row, column, normal]),
        LPS_IN_RAS @ positions[plan.order[0]],
    )
    array = _load([frames[index] for index in plan.order], plan)
    return Volume(array, matrix, _name(header), (*notes, *plan.notes)), header


def _flat(frame: Frame, notes: list[str]) -> Volume:
    """One image that does not say where it lies (X-rays, screen captures): a volume of one slice at the origin."""
    plan = StackPlan((0,), np.zeros(1, int), np.zeros(1), None)
    thickness = frame.header.slice_thickness or 1.0
    matrix = affine((*(frame.spacing or (1.0, 1.0)), thickness))
    return Volume(_load([frame], plan), matrix, _name(frame.header), tuple(notes))


def _consistent(frames: list[Frame], notes: list[str]) -> list[Frame]:
    """The largest group of frames of one size, spacing and orientation; it must hold more than half of them."""
    groups: list[list[Frame]] = []
    for frame in frames:
        for group in groups:
            if _alike(frame, group[0]):
                group.append(frame)
                break
        else:
            groups.append([frame])
    largest = max(groups, key=len)
    modality = largest[0].header.modality
    if largest[0].position is None or largest[0].orientation is None:
        raise UnusableInput(f"The {modality} images do not say where they lie in the patient, so they form no volume.")
    if largest[0].spacing is None:
        raise UnusableInput(f"The {modality} images do not state their pixel size.")
    left_out = len(frames) - len(largest)
    if 2 * len(largest) <= len(frames):
        raise UnusableInput("The images of the series have different sizes or orientations, so they form no volume.")
    if left_out:
        notes.append(f"{left_out} image(s) of another size or orientation were left out.")
    return largest


def _alike(one: Frame, other: Frame) -> bool:
    if one.shape != other.shape:
        return False
    for a, b, tolerance in (
        (one.orientation, other.orientation, 5e-3),
        (one.spacing, other.spacing, 0.01),
        (one.position and (0.0,), other.position and (0.0,), 1.0),
    ):
        if (a is None) != (b is None) or (a is not None and not np.allclose(a, b, rtol=0, atol=tolerance)):
            return False
    return True


def _one_acquisition(frames: list[Frame], notes: list[str]) -> list[Frame]:
    """Acquisitions that cover the same ground (phases, repeats) are not one volume: the one of most slices is kept.

    Acquisitions that follow each other along the patient stay together.
    """
    numbers = Counter(frame.acquisition for frame in frames)
    if len(numbers) == 1:
        return frames
    normal = _axes(frames[0])[2]
    extents = {}
    for number in numbers:
        offsets = [float(np.dot(frame.position, normal)) for frame in frames if frame.acquisition == number]
        extents[number] = (min(offsets), max(offsets))
    kept: list[int] = []
    for number in sorted(numbers, key=lambda number: (-numbers[number], number)):
        low, high = extents[number]
        shared = [min(high, extents[other][1]) - max(low, extents[other][0]) for other in kept]
        if not any(overlap >= 0 and overlap >= 0.5 * (high - low) for overlap in shared):
            kept.append(number)
    result = [frame for frame in frames if frame.acquisition in kept]
    if len(result) < len(frames):
        notes.append(
            f"The series repeats the same region {len(numbers) - len(kept) + 1} times; "
            f"the {len(result)} slices of the longest acquisition were taken."
        )
    return result


def _axes(frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors (LPS) along a row, a column and the normal."""
    row, column = np.array(frame.orientation[:3]), np.array(frame.orientation[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if max(abs(length - 1) for length in lengths) > 0.01 or abs(row @ column) > 0.01:
        raise UnusableInput("The images give an impossible orientation, so they form no volume.")
    row = row / lengths[0]
    column = column - row * (row @ column)
    column = column / np.linalg.norm(column)
    return row, column, np.cross(row, column)


def _load(frames: list[Frame], plan: StackPlan) -> np.ndarray:
    """(k, j, i) built slice by slice: int16, or float32 from the first slice on that int16 cannot hold exactly.

    At most two slices are held beside the result.
    """
    decode = lru_cache(maxsize=2)(_decode)  # a multi-frame file is decoded once, and interpolation needs two slices

    def pixels(index: int) -> np.ndarray:
        frame = frames[index]
        stack = decode(frame.path)
        if frame.frame >= len(stack):
            raise UnusableInput("A DICOM image holds fewer frames than its header says; copy the series again.")
        return _clean(stack[frame.frame], frame)

    array = np.empty((len(plan.lower), *frames[0].shape), np.int16)
    for n, (lower, weight) in enumerate(zip(plan.lower, plan.weight, strict=True)):
        values = pixels(int(lower))
        if weight > 0:
            values = _mixed(values, pixels(int(lower) + 1), float(weight))
        if array.dtype == np.int16 and not fits_int16(values):
            array = array.astype(np.float32)
        array[n] = values
    return array


def _mixed(below: np.ndarray, above: np.ndarray, weight: float) -> np.ndarray:
    mixed = below * np.float32(1 - weight) + above * np.float32(weight)
    return np.rint(mixed).astype(np.int32) if below.dtype.kind in "iu" and above.dtype.kind in "iu" else mixed


def fits_int16(values: np.ndarray) -> bool:
    """Whether int16 holds every value exactly (NaN and infinity do not)."""
    if values.dtype in (np.int16, np.int8, np.uint8):
        return True
    low, high = values.min(), values.max()
    if not (low >= -32768 and high <= 32767):
        return False
    return values.dtype.kind in "iu" or bool((np.rint(values) == values).all())


def _decode(path: Path) -> np.ndarray:
    """(frames, rows, columns) in modality units."""
    import SimpleITK as sitk

    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise UnusableInput(
            "A DICOM image cannot be decoded: its pixel data are damaged, encrypted or in an unknown compression."
        ) from error
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise UnusableInput(f"The images are {COLOR}.")
    array = sitk.GetArrayFromImage(image)
    return array[np.newaxis] if array.ndim == 2 else array


def _clean(values: np.ndarray, frame: Frame) -> np.ndarray:
    """CT padding (outside the scanner's field) becomes air.

    A padding value within tissue (some files declare 0 = water) counts only where it fills the picture's corner.
    """
    if values.shape != frame.shape:
        raise UnusableInput("A DICOM image has another size than its header says; copy the series again.")
    if frame.padding is None or frame.header.modality != "CT":
        return values
    low, high = frame.padding
    if high > -900 and low < 3072 and not low <= values[0, 0] <= high:
        return values
    padded = (values >= low) & (values <= high)
    return np.where(padded, values.dtype.type(AIR_HU), values) if values.dtype.kind != "u" else values
