"""What is in a folder, as a table that a user chooses a series from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from LesionKitLib.run.errors import UnusableInput

from .choice import ANY, choose, patient_numbers
from .folder import files_beside, image_files, is_media_directory, left_out_notes, walk
from .grouping import Group, Series, series_of
from .header import Scan, scan_files


@dataclass(frozen=True)
class GroupInfo:
    """One group of a series' images, as a row of the table."""

    index: int  # 1-based, for ``group=``
    label: str  # what tells it from the others; "" where it is the only one
    images: int
    places: int  # different slice positions
    chosen: bool


@dataclass(frozen=True)
class SeriesInfo:
    """One series of a folder, as a row of the table a user chooses from."""

    index: int  # 1-based, for ``series=``
    uid: str
    number: int | None
    description: str
    modality: str
    kind: str  # see Header.kind
    map: str  # ADC, CBF, ...; "" for images
    orientation: str  # axial, coronal, sagittal, oblique, or "" when the images do not say
    images: int
    places: int  # different slice positions
    rows: int
    columns: int
    slice_thickness: float | None  # mm
    kernel: str
    contrast: bool
    study_uid: str
    date: str  # of the study, YYYY-MM-DD
    patient: int  # a number for each patient, from 1 on
    usable: bool  # gray images with complete pixel data
    chosen: bool  # the one the task's rule takes
    groups: tuple[GroupInfo, ...]


@dataclass(frozen=True)
class Listing:
    """What is in a folder. choice: what the task's rule takes of it, or why it takes nothing."""

    series: tuple[SeriesInfo, ...]
    files: tuple[str, ...]  # NIfTI, NRRD and MetaImage files
    notes: tuple[str, ...]  # what else there is
    choice: str

    def document(self) -> dict:
        """As JSON."""
        return {
            "series": [asdict(one) for one in self.series],
            "files": list(self.files),
            "notes": list(self.notes),
            "choice": self.choice,
        }


def list_folder(path: str | Path, task: str = ANY) -> Listing:
    """The image series and image files of a folder, DICOMDIR or disc; of a file, of the folder it lies in.

    Raises UnusableInput where the folder does not exist or may not be read.
    """
    path = Path(path)
    if not path.exists():
        raise UnusableInput("The input does not exist.")
    folder = path if path.is_dir() else path.parent
    tree = walk(folder) if path.is_dir() or is_media_directory(path) else files_beside(path)
    scan = scan_files(tree.files)
    found = series_of(scan.frames)
    taken, choice = _choice(found, task)
    files = image_files(scan.other)
    return Listing(
        series=tuple(_infos(found, taken)),
        files=tuple(file.relative_to(folder).as_posix() for file in files),
        notes=tuple(left_out_notes(scan, tree)),
        choice=choice or _without_series(scan, len(files)),
    )


def list_series(folder: str | Path, task: str = ANY) -> list[SeriesInfo]:
    """The image series of a folder, in the order of their numbers; see list_folder."""
    return list(list_folder(folder, task).series)


def _choice(found: list[Series], task: str) -> tuple[Group | None, str]:
    if not found:
        return None, ""
    try:
        choice = choose(found, None, None, task)
    except UnusableInput as error:
        return None, str(error)
    return choice.group, " ".join(choice.notes) or "There is one series, and it is taken."


def _without_series(scan: Scan, files: int) -> str:
    if files:
        return "There is no DICOM series; the image files are read one at a time."
    unusable = scan.damaged + scan.without_image + scan.encrypted
    return "There are no images that can be read." if unusable else "There are no images."


def _infos(found: list[Series], taken: Group | None) -> list[SeriesInfo]:
    patients = patient_numbers(found)
    return [_info(n, one, taken, patients) for n, one in enumerate(found, start=1)]


def _info(index: int, series: Series, taken: Group | None, patients: dict[str, int]) -> SeriesInfo:
    typical = series.typical
    header = typical.header
    several = len(series.groups) > 1
    groups = tuple(
        GroupInfo(n, group.label if several else "", len(group.frames), group.places, group is taken)
        for n, group in enumerate(series.groups, start=1)
    )
    return SeriesInfo(
        index=index,
        uid=header.series_uid,
        number=header.series_number,
        description=header.description,
        modality=header.modality,
        kind=header.kind,
        map=header.map_name,
        orientation=series.groups[0].orientation,
        images=series.images,
        places=max(group.places for group in series.groups),
        rows=typical.shape[0],
        columns=typical.shape[1],
        slice_thickness=header.slice_thickness,
        kernel=header.kernel,
        contrast=header.contrast,
        study_uid=header.study_uid,
        date=header.date,
        patient=patients[typical.patient],
        usable=not any(frame.defect for group in series.groups for frame in group.frames),
        chosen=any(group.chosen for group in groups),
        groups=groups,
    )
