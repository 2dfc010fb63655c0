"""DICOM series to Volume: the folder is looked through, a series and a group of its images chosen, the volume built.

Which images belong together: dicom.grouping. Which are taken: dicom.choice. Where slices lie: slice_stack. Their
pixels: dicom.pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.number_types import fits_int16
from LesionKitLib.imaging.source import ImageSource
from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume, affine
from LesionKitLib.io.digest import file_digest, join_digests
from LesionKitLib.run.errors import UnusableInput

from .choice import ANY, Choice, choose, choose_of_series, name_of
from .file import read_dicom_file
from .folder import files_beside, is_media_directory, left_out_notes, refuse_nothing, walk
from .gantry_tilt import Shear
from .grouping import Group, Series, series_of
from .header import Frame, Header, scan_files
from .pixels import PixelReader
from .slice_stack import StackPlan, plan_stack
from .values import text


def read_dicom(
    path: str | Path,
    series: str | int | None = None,
    group: str | int | None = None,
    task: str = ANY,
    identify: bool = False,
) -> tuple[Volume, Header]:
    """A series as a Volume (int16 where lossless, else float32) and its technical header.

    path: a folder (its files and those of all folders below it; names and order do not matter), a DICOMDIR, which
    stands for its folder, or one file, which stands for the images that belong to it in the same folder.
    series: a SeriesInstanceUID, a series number, or the 1-based place in dicom.listing.list_series(). group: of a
    series that holds several images of one place (b-values, kernels, phases) the place in its list, or its label.
    Without them the rules of dicom.choice for the task ("chest_ct", "brain_mr", "any") choose. identify: fill in the
    patient's name and ID in Volume.source. What was chosen, filled in and left out is named in Volume.notes.
    Raises UnusableInput.
    """
    path = Path(path)
    if not path.is_dir() and is_media_directory(path):
        path = path.parent
    whole = path.is_dir()
    tree = walk(path) if whole else files_beside(path)
    scan = scan_files(tree.files)
    found = series_of(scan.frames)
    if whole or series is not None:
        refuse_nothing(scan, path if whole else path.parent)
        choice = choose(found, series, group, task)
    else:
        choice = _choice_for_file(path, found, group, task)
    volume, header = _build(choice)
    notes = (*choice.notes, *(left_out_notes(scan, tree) if whole else ()), *volume.notes)
    volume = replace(volume, notes=tuple(dict.fromkeys(notes)))
    source = _source(choice.group, header, path, volume, identify)
    return replace(volume, source=source), header


def _choice_for_file(path: Path, found: Sequence[Series], group: str | int | None, task: str) -> Choice:
    """The images that belong to the file; the file alone where it has no place in a patient, such as an X-ray."""
    for series in found:
        own = [one for one in series.groups if any(frame.path == path for frame in (*one.frames, *one.duplicates))]
        if not own:
            continue
        frames = [frame for one in own for frame in (*one.frames, *one.duplicates) if frame.path == path]
        if frames[0].position is None and len(frames) == 1:
            alone = replace(own[0], frames=tuple(frames), duplicates=())
            return Choice(Series((alone,)), alone, ())
        return choose_of_series(series, own, group, task)
    refuse_nothing(scan_files([path]), None)
    raise UnusableInput("The file is not a DICOM image.")


# --- building the volume


def _build(choice: Choice) -> tuple[Volume, Header]:
    frames, name = choice.group.frames, name_of(choice.series)
    header = choice.group.typical.header
    _refuse_defects(choice)
    first = frames[0]
    notes = [*_duplicate_notes(choice.group), *dict.fromkeys(one.rescale.note for one in frames if one.rescale.note)]
    if len(frames) == 1 and (first.position is None or first.orientation is None):
        return replace(_flat(first, name), notes=tuple(notes)), header
    if first.position is None or first.orientation is None:
        raise UnusableInput(
            f"The {header.modality} images do not say where they lie in the patient, so they form no volume."
        )
    if first.spacing is None:
        raise UnusableInput(f"The {header.modality} images do not state their pixel size.")
    rotation = _rotation(first)
    positions = np.array([frame.position for frame in frames])
    plan = plan_stack(positions, rotation[:, 2])
    if plan.step is None and not header.slice_thickness:
        notes.append("The single image does not state its thickness; 1 mm was assumed.")
    step = plan.step or header.slice_thickness or 1.0
    matrix = affine((*first.spacing, step), LPS_IN_RAS @ rotation, LPS_IN_RAS @ positions[plan.order[0]])
    shear = None
    if plan.aside is not None:
        along = (positions @ rotation[:, 2])[list(plan.order)]
        shear = Shear.of(plan.aside, along, rotation, first.spacing)
        matrix[:3, 3] -= matrix[:3, :2] @ shear.corner
    array = _load([frames[index] for index in plan.order], plan, shear)
    return Volume(array, matrix, name, (*notes, *plan.notes)), header


def _refuse_defects(choice: Choice) -> None:
    frames, name = choice.group.frames, name_of(choice.series)
    defects = Counter(frame.defect for frame in frames if frame.defect)
    if not defects:
        return
    defect, count = defects.most_common(1)[0]
    if count == len(frames):
        raise UnusableInput(f"All images of the {name} are {defect}.")
    numbers = sorted(frame.instance for frame in frames if frame.defect == defect)
    shown = ", ".join(map(str, numbers[:5])) + (" and others" if count > 5 else "")
    which = f" (instance number{'' if count == 1 else 's'} {shown})" if any(numbers) else ""
    are = "is" if count == 1 else "are"
    raise UnusableInput(f"{count} of {len(frames)} images of the {name}{which} {are} {defect}.")


def _duplicate_notes(group: Group) -> list[str]:
    count = len(group.duplicates)
    if not count:
        return []
    normal = np.cross(group.frames[0].orientation[:3], group.frames[0].orientation[3:])
    places = sorted(float(np.dot(frame.position, normal)) for frame in group.duplicates)
    shown = ", ".join(f"{place:.1f}" for place in places[:5]) + (" and others" if count > 5 else "")
    noun = "1 duplicated slice was" if count == 1 else f"{count} duplicated slices were"
    return [f"{noun} left out (equal pixels, at slice position {shown} mm)."]


def _flat(frame: Frame, name: str) -> Volume:
    """One image that does not say where it lies (X-rays, screen captures): a volume of one slice at the origin."""
    plan = StackPlan((0,), np.zeros(1, int), np.zeros(1), None)
    thickness = frame.header.slice_thickness or 1.0
    matrix = affine((*(frame.spacing or (1.0, 1.0)), thickness))
    return Volume(_load([frame], plan), matrix, name)


def _rotation(frame: Frame) -> np.ndarray:
    """3 x 3, LPS: unit vectors along a row, a column and the normal; of axes that headers rounded the nearest ones."""
    axes = np.array([frame.orientation[:3], frame.orientation[3:]])
    lengths = np.linalg.norm(axes, axis=1)
    if np.abs(lengths - 1).max() > 0.01 or abs(axes[0] @ axes[1]) > 0.01:
        raise UnusableInput("The images give an impossible orientation, so they form no volume.")
    left, _, right = np.linalg.svd(axes / lengths[:, None], full_matrices=False)
    row, column = left @ right
    return np.column_stack([row, column, np.cross(row, column)])


def _load(frames: Sequence[Frame], plan: StackPlan, shear: Shear | None = None) -> np.ndarray:
    """(k, j, i) built slice by slice: int16, or float32 from the first slice on that int16 cannot hold exactly.

    shear: of a tilted gantry, whose slices are straightened. At most two files are held beside the result.
    """
    pixels = PixelReader()

    def read(index: int) -> np.ndarray:
        return pixels(frames[index]) if shear is None else shear.straightened(pixels(frames[index]), index)

    array = np.empty((len(plan.lower), *(frames[0].shape if shear is None else shear.shape(frames[0].shape))), np.int16)
    for n, (lower, weight) in enumerate(zip(plan.lower, plan.weight, strict=True)):
        values = read(int(lower))
        if weight > 0:
            values = _mixed(values, read(int(lower) + 1), float(weight))
        if array.dtype == np.int16 and not fits_int16(values):
            array = array.astype(np.float32)
        array[n] = values
    return array


def _mixed(below: np.ndarray, above: np.ndarray, weight: float) -> np.ndarray:
    mixed = below * np.float32(1 - weight) + above * np.float32(weight)
    return np.rint(mixed).astype(np.int32) if below.dtype.kind in "iu" and above.dtype.kind in "iu" else mixed


# --- which image it is


def _source(group: Group, header: Header, path: Path, volume: Volume, identify: bool) -> ImageSource:
    files = sorted({frame.path for frame in group.frames})
    with ThreadPoolExecutor(max_workers=2) as pool:  # hashing releases the interpreter; the files are in the cache
        digests = list(pool.map(file_digest, files))
    name, identity = _patient(files[0]) if identify else ("", "")
    return ImageSource(
        study_uid=header.study_uid,
        series_uid=header.series_uid,
        series_description=header.description,
        date=header.date,
        modality=header.modality,
        kernel=header.kernel,
        slice_thickness=header.slice_thickness,
        spacing=tuple(float(value) for value in volume.spacing),
        slices=len(group.frames),
        file=path.name or path.resolve().name,
        sha256=join_digests(digests),
        patient_name=name,
        patient_id=identity,
        files=tuple(files),
    )


def _patient(file: Path) -> tuple[str, str]:
    """Name, as people read it, and ID (PS3.3 C.7.1.1)."""
    data = read_dicom_file(file, ["PatientName", "PatientID", "SpecificCharacterSet"]).data
    written = str(data.get("PatientName", "") or "").split("=")[0]
    parts = [part.strip() for part in written.split("^")]  # family, given, middle, prefix, suffix
    return ", ".join(part for part in parts if part), text(data.get("PatientID"))
