"""Label maps and folders of masks, as TotalSegmentator, nnU-Net and MONAI write them, and .seg.nrrd."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from LesionKitLib.imaging.masks import mask_of
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.io.file_kind import ending_of, stem_of
from LesionKitLib.io.images import read_volume
from LesionKitLib.io.seg_nrrd import read_seg_nrrd
from LesionKitLib.run.errors import UnusableInput

from .annotation import BACKGROUND, Annotation, Annotations, labels_on_grid, named
from .label_names import DATASET, NOTHING, names_in_json, names_in_nifti

MASKS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")


def read_slicer_segments(path: Path, image: Volume) -> Annotations:
    """The segments of a .seg.nrrd."""
    layers, records = read_seg_nrrd(path)
    moved = [labels_on_grid(layer, image) for layer in layers]
    notes = [*layers[0].notes, *(note for _, own in moved for note in own)]
    found = [
        Annotation(r.name or r.id, moved[r.layer][0] == r.value, r.type, r.modifier, dict(r.tags)) for r in records
    ]
    return named(found, notes)


def read_label_map(path: Path, image: Volume, names: Path | None = None) -> Annotations:
    """Each label of the map is a segment. names: a dataset.json or metadata.json; without it the one beside, or the
    file's own label table, else "label 1" and so on."""
    volume = read_volume(path)
    labels = _whole(volume)
    known = _names(path, names)
    moved, notes = labels_on_grid(labels, image)
    found = [n for n in np.unique(labels.array).tolist() if n != BACKGROUND]
    segments = [Annotation(known.get(n) or f"label {n}", moved == n) for n in found]
    if not segments:
        raise UnusableInput("The label map is empty: it holds no label but the background.")
    return named([s for s in segments if s.name.lower() not in NOTHING], [*volume.notes, *notes])


def read_masks(folder: Path, image: Volume) -> Annotations:
    """Each file of the folder is the mask of a segment, its name the segment's (TotalSegmentator's default)."""
    files = [path for path in sorted(folder.iterdir()) if ending_of(path) in MASKS]
    if not files:
        raise UnusableInput("The folder holds no masks (NIfTI, NRRD or MetaImage files).")
    segments, notes = [], []
    for path in files:
        volume = read_volume(path)
        if not volume.array.any():
            continue  # TotalSegmentator writes a file for each structure that it knows, found or not
        mask, own = mask_of(volume.array, f"mask '{stem_of(path)}'")
        moved, more = labels_on_grid(volume.with_array(mask.astype(np.uint8)), image)
        segments.append(Annotation(stem_of(path), moved != 0))
        notes += [*own, *more]
    return named(segments, notes)


def _whole(volume: Volume) -> Volume:
    from LesionKitLib.imaging.number_types import label_array

    try:
        return volume.with_array(label_array(volume.array))
    except ValueError as error:
        raise UnusableInput("The file holds other values than labels (whole numbers from 0).") from error


def _names(path: Path, names: Path | None) -> dict[int, str]:
    if names is not None:
        return names_in_json(names)
    if ending_of(path).startswith(".nii") and (found := names_in_nifti(path)):
        return found
    beside = [folder / DATASET for folder in (path.parent, path.parent.parent)]
    return next((names_in_json(file) for file in beside if file.is_file()), {})
