"""How well readers agree on segments: overlap, distance, volume, chance-corrected agreement, and a consensus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.metrics import dice, limits_of_agreement
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.io.file_kind import ending_of
from LesionKitLib.io.images import read_volume
from LesionKitLib.io.seg_nrrd import read_seg_nrrd
from LesionKitLib.run.errors import UnusableInput

GRID_MM = 0.01  # how far the corners of two grids that are one may lie apart
COLUMNS = ("case", "segment", "reader_a", "reader_b", "dice", "hd95_mm", "a_ml", "b_ml", "difference_ml", "kappa")


@dataclass(frozen=True)
class Reading:
    """One reader's segments of one case. masks: name -> bool [k, j, i] on the grid of ``volume``."""

    volume: Volume
    masks: Mapping[str, np.ndarray]


def read_segments(path: Path) -> Reading:
    """Of a .seg.nrrd its segments by name; of a label map its labels, "label 1" and so on. Raises UnusableInput."""
    if ending_of(path) == ".seg.nrrd":
        layers, records = read_seg_nrrd(path)
        return Reading(layers[0], {r.name: layers[r.layer].array == r.value for r in records})
    volume = read_volume(path)
    if not np.issubdtype(volume.array.dtype, np.integer):
        raise UnusableInput(f"'{path.name}' holds other values than labels (whole numbers).")
    return Reading(volume, {f"label {n}": volume.array == n for n in np.unique(volume.array) if n > 0})


def cases_of(readers: Sequence[Path]) -> dict[str, list[Path]]:
    """Case -> each reader's file. readers: a file each, one case; or a folder each, in which equal names are one case.

    Raises UnusableInput where they are mixed, or no name is in all of them.
    """
    if not all(path.exists() for path in readers):
        raise UnusableInput("A reader's file or folder does not exist.")
    if all(path.is_file() for path in readers):
        return {readers[0].name: list(readers)}
    if not all(path.is_dir() for path in readers):
        raise UnusableInput("Give a file of each reader, or a folder of each.")
    names = [{file.name for file in path.iterdir() if file.is_file()} for path in readers]
    shared = sorted(set.intersection(*names))
    if not shared:
        raise UnusableInput("The readers' folders hold no file of the same name.")
    return {name: [path / name for path in readers] for name in shared}


def pair_rows(case: str, readings: Sequence[Reading]) -> list[dict]:
    """A row for each segment of each pair of readers; a segment that a reader lacks is empty. See COLUMNS."""
    _refuse_other_grids(readings)
    names = list(dict.fromkeys(name for reading in readings for name in reading.masks))
    nothing = np.zeros(readings[0].volume.array.shape, bool)
    rows = []
    for name in names:
        masks = [reading.masks.get(name, nothing) for reading in readings]
        for a, b in combinations(range(len(masks)), 2):
            found = _compare(masks[a], masks[b], readings[0].volume)
            rows.append({"case": case, "segment": name, "reader_a": a + 1, "reader_b": b + 1, **found})
    return rows


def _refuse_other_grids(readings: Sequence[Reading]) -> None:
    first = readings[0].volume
    for reading in readings[1:]:
        same = reading.volume.array.shape == first.array.shape
        if not same or np.abs(reading.volume.ijk_to_ras - first.ijk_to_ras).max() > GRID_MM:
            raise UnusableInput("The readers' segmentations lie on different grids; bring them to one first.")


def _compare(a: np.ndarray, b: np.ndarray, volume: Volume) -> dict:
    ml = [float(mask.sum() * volume.voxel_ml) for mask in (a, b)]
    overlap = dice(a, b)
    return {
        "dice": None if np.isnan(overlap) else overlap,
        "hd95_mm": hausdorff_95(a, b, volume.spacing),
        "a_ml": ml[0],
        "b_ml": ml[1],
        "difference_ml": ml[1] - ml[0],
        "kappa": cohen_kappa(a, b),
    }


def hausdorff_95(a: np.ndarray, b: np.ndarray, spacing) -> float | None:
    """The larger of both directions' 95th percentile of surface distances in mm; None where a mask is empty.

    A surface is the voxels of a mask with a face towards its outside (Taha and Hanbury 2015, BMC Med Imaging 15:29).
    spacing: mm along (i, j, k).
    """
    from scipy import ndimage

    if not a.any() or not b.any():
        return None
    surfaces = [mask & ~ndimage.binary_erosion(mask) for mask in (a, b)]
    step = np.asarray(spacing, float)[::-1]
    towards = [ndimage.distance_transform_edt(~surface, sampling=step) for surface in surfaces]
    return float(max(np.percentile(towards[1][surfaces[0]], 95), np.percentile(towards[0][surfaces[1]], 95)))


def cohen_kappa(a: np.ndarray, b: np.ndarray) -> float | None:
    """Agreement of two readers over all voxels, corrected for chance (Cohen 1960); None where chance explains all."""
    p, q = float(a.mean()), float(b.mean())
    chance = p * q + (1 - p) * (1 - q)
    return None if chance >= 1 else float(((a == b).mean() - chance) / (1 - chance))


def fleiss_kappa(masks: Sequence[np.ndarray]) -> float | None:
    """Agreement of two or more readers over all voxels, corrected for chance (Fleiss 1971, Psychol Bull 76:378).

    None where chance explains all.
    """
    readers = len(masks)
    inside = np.sum(masks, axis=0, dtype=np.int64)
    agreed = float((inside**2 + (readers - inside) ** 2 - readers).mean() / (readers * (readers - 1)))
    share = float(inside.mean() / readers)
    chance = share**2 + (1 - share) ** 2
    return None if chance >= 1 else (agreed - chance) / (1 - chance)


def reader_rows(case: str, readings: Sequence[Reading]) -> list[dict]:
    """For each segment Fleiss' kappa of all readers; a segment that a reader lacks is empty."""
    names = list(dict.fromkeys(name for reading in readings for name in reading.masks))
    nothing = np.zeros(readings[0].volume.array.shape, bool)
    return [
        {"case": case, "segment": name, "readers": len(readings),
         "fleiss_kappa": fleiss_kappa([reading.masks.get(name, nothing) for reading in readings])}
        for name in names
    ]  # fmt: skip


def summary_rows(rows: Sequence[dict]) -> list[dict]:
    """For each segment and pair of readers: cases, mean Dice, and bias and limits of agreement of the volumes in ml.

    Bland and Altman 1986, Lancet 327:307; differences are the second reader's less the first's.
    """
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault((row["segment"], row["reader_a"], row["reader_b"]), []).append(row)
    found = []
    for (segment, a, b), own in groups.items():
        overlaps = [row["dice"] for row in own if row["dice"] is not None]
        bias, low, high = limits_of_agreement([row["a_ml"] for row in own], [row["b_ml"] for row in own])
        found.append({
            "segment": segment, "reader_a": a, "reader_b": b, "cases": len(own),
            "dice": float(np.mean(overlaps)) if overlaps else None,
            "bias_ml": bias, "low_ml": low, "high_ml": high,
        })  # fmt: skip
    return found


def consensus(masks: Sequence[np.ndarray]) -> np.ndarray:
    """The consensus of two or more masks by STAPLE (Warfield 2004, IEEE TMI 23:903): probability of at least one half.

    Where the masks are all equal, that mask.
    """
    import SimpleITK as sitk

    if all(np.array_equal(mask, masks[0]) for mask in masks[1:]):
        return masks[0]
    images = [sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in masks]
    return sitk.GetArrayFromImage(sitk.STAPLE(images, 1.0)) >= 0.5
