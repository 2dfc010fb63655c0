"""A segmentation of any kind, opened on an image to go on with: file or folder -> annotations -> label layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.segment_class import SegmentClass
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.io.dicom.file import is_dicom
from LesionKitLib.io.file_kind import ending_of
from LesionKitLib.io.seg_nrrd import SegmentRecord
from LesionKitLib.run.errors import UnusableInput

from .annotation import Annotations
from .dicom_seg import read_dicom_seg
from .label_map import read_label_map, read_masks, read_slicer_segments
from .matching import UNSURE, Match, match
from .rtstruct import read_rtstruct

SEG_STORAGE = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # Segmentation, Label Map Segmentation
RTSTRUCT_STORAGE = "1.2.840.10008.5.1.4.1.1.481.3"


@dataclass(frozen=True)
class Imported:
    """layers: label maps [k, j, i] on the image's grid, one for each group of classes; records: their segments."""

    layers: list[np.ndarray]
    records: list[SegmentRecord]
    matches: list[Match]
    notes: tuple[str, ...]

    @property
    def questions(self) -> list[Match]:
        """The segments of which a person has to say what they are."""
        return [found for found in self.matches if found.by == UNSURE]


def read_annotations(path: Path, image: Volume, names: Path | None = None) -> Annotations:
    """path: a DICOM SEG or RTSTRUCT, a .seg.nrrd, a label map, or a folder of masks or of one such DICOM object.

    names: see read_label_map. Raises UnusableInput, MissingResource.
    """
    path = Path(path)
    if not path.exists():
        raise UnusableInput(f"The segmentation '{path.name}' does not exist.")
    if path.is_dir():
        objects = [file for file in sorted(path.rglob("*")) if file.is_file() and _storage(file)]
        if len(objects) > 1:
            raise UnusableInput("The folder holds several DICOM segmentations; name one of them.")
        return _read_dicom(objects[0], image) if objects else read_masks(path, image)
    if is_dicom(path):
        return _read_dicom(path, image)
    if ending_of(path) == ".seg.nrrd":
        return read_slicer_segments(path, image)
    return read_label_map(path, image, names)


def _storage(path: Path) -> str:
    """The SOP class of a DICOM object that holds segments, else ""."""
    import pydicom

    if not is_dicom(path):
        return ""
    kind = str(pydicom.dcmread(path, specific_tags=["SOPClassUID"], stop_before_pixels=True).get("SOPClassUID", ""))
    return kind if kind in (*SEG_STORAGE, RTSTRUCT_STORAGE) else ""


def _read_dicom(path: Path, image: Volume) -> Annotations:
    kind = _storage(path)
    if not kind:
        raise UnusableInput("The DICOM file holds no segments; a segmentation (SEG) or structure set is needed.")
    return read_rtstruct(path, image) if kind == RTSTRUCT_STORAGE else read_dicom_seg(path, image)


def imported(
    annotations: Annotations,
    groups: Sequence[Sequence[SegmentClass]],
    synonyms: Mapping[str, Sequence[str]] | None = None,
    answers: Mapping[str, str] | None = None,
) -> Imported:
    """The annotations as label layers of known classes, ready for write_seg_nrrd or the scene.

    groups: the classes of each layer; those of one exclude each other. Segments of one class are united (the lobes of a
    lung); where classes of a layer overlap, the later one wins, and a note says so. Segments that are no known class,
    and those that need an answer first, are left out (matches).
    """
    classes = [item for group in groups for item in group]
    matches = [match(segment, classes, synonyms, answers) for segment in annotations.segments]
    layers, records, notes = [], [], list(annotations.notes)
    for number, group in enumerate(groups):
        layer, overlap = np.zeros(_shape(annotations), np.uint8), 0
        for item in group:
            own = [s for s, m in zip(annotations.segments, matches, strict=True) if m.found == item]
            if not own:
                continue
            mask = np.logical_or.reduce([segment.mask for segment in own])
            overlap += int((layer[mask] > 0).sum())
            layer[mask] = item.value
            records.append(SegmentRecord.of(item, number, own[0].tags))
        layers.append(layer)
        if overlap:
            names = ", ".join(item.name for item in group)
            notes.append(f"{overlap} voxels were in several of {names}; the last of them has them.")
    return Imported(layers, records, matches, tuple(notes))


def _shape(annotations: Annotations) -> tuple[int, int, int]:
    if not annotations.segments:
        raise UnusableInput("The segmentation holds no segments.")
    return annotations.segments[0].mask.shape
