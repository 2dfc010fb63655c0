"""One segment of somebody's segmentation, on the grid of the image that it belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from LesionKitLib.imaging.segment_class import Code
from LesionKitLib.imaging.volume import Volume, to_sitk
from LesionKitLib.run.errors import UnusableInput

GRID_MM = 0.01  # how far the voxels of two grids that are one may lie apart
BACKGROUND = 0


@dataclass(frozen=True)
class Annotation:
    """name: as the file has it; mask: bool [k, j, i] on the image's grid; type, modifier: DICOM codes, if it has any;
    tags: of 3D Slicer, where the file says how the segment was made."""

    name: str
    mask: np.ndarray
    type: Code | None = None
    modifier: Code | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Annotations:
    """Of one file or folder. notes: sentences about what reading found."""

    segments: tuple[Annotation, ...]
    notes: tuple[str, ...] = ()


def named(segments: Sequence[Annotation], notes: Sequence[str] = ()) -> Annotations:
    """Annotations whose names differ (name, name 2, ...), as an answer about one must not touch another."""
    return Annotations(tuple(_with_own_names(segments)), tuple(dict.fromkeys(notes)))


def _with_own_names(segments: Sequence[Annotation]) -> Iterator[Annotation]:
    taken: set[str] = set()
    for segment in segments:
        name, number = segment.name, 1
        while name in taken:
            number += 1
            name = f"{segment.name} {number}"
        taken.add(name)
        yield replace(segment, name=name)


def labels_on_grid(labels: Volume, image: Volume) -> tuple[np.ndarray, tuple[str, ...]]:
    """A label map [k, j, i] on the grid of ``image`` by nearest neighbor, and notes about what that did.

    Raises UnusableInput where labels are given and none of them lies in the image.
    """
    if _same_grid(labels, image):
        return labels.array, ()
    import SimpleITK as sitk

    moved = sitk.GetArrayFromImage(
        sitk.Resample(to_sitk(labels), to_sitk(image), sitk.Transform(), sitk.sitkNearestNeighbor, float(BACKGROUND))
    )
    before = float((labels.array != BACKGROUND).sum()) * labels.voxel_ml
    if before and not moved.any():
        raise UnusableInput("The segmentation does not lie on this image: none of its voxels falls into it.")
    after = float((moved != BACKGROUND).sum()) * image.voxel_ml
    if abs(after - before) <= 0.001 * before:
        return moved, ()
    return moved, (f"The segmentation lay on another grid; on the image's it has {after:.1f} of {before:.1f} ml.",)


def _same_grid(one: Volume, other: Volume) -> bool:
    if one.array.shape != other.array.shape:
        return False
    corner = np.array([*reversed([n - 1 for n in one.array.shape]), 1.0])
    ends = (np.array([0.0, 0, 0, 1]), corner)
    return all(np.linalg.norm((one.ijk_to_ras - other.ijk_to_ras) @ end) <= GRID_MM for end in ends) and bool(
        np.abs(one.ijk_to_ras - other.ijk_to_ras)[:3, :3].max() <= GRID_MM
    )
