"""Chest CT with masks by radiologists: infection and lungs (ct20, medseg9), pleural effusion in HU (plethora)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from CovidLungQuantLib.segmentation.frames import FRAME, LUNGS_IN_FRAME, FramePlacement, place_frame

from .covid import (
    ANY_LESION,
    UNKNOWN,
    Sequence,
    hu_sequence,
    lungs_by_threshold,
    read_label_picture,
    read_picture,
    roomy,
)
from .gray_window import as_lung_window, series_levels

EFFUSION = 3
NEAR_MM = 20.0  # dense tissue so close to an effusion may be tumor or collapse, which plethora does not label
AERATED_HU = -600.0  # a darker lung voxel is no lesion


@dataclass(frozen=True)
class MaskedSeries:
    """Slices of one series, feet to head: gray uint8 (h, w), lesion (values of datasets.covid) and lung (0, 1)."""

    name: str
    grays: list[np.ndarray]
    lesions: list[np.ndarray]
    lungs: list[np.ndarray]


def masked_series(folder: Path, split: str = "train", without: Collection[str] = ()) -> Iterator[MaskedSeries]:
    """The series of ct20 (infection of unknown kind) or medseg9 (ground glass and consolidation).

    without: patients that are left out.
    """
    import pandas as pd

    typed = (folder / "split.csv").exists()
    table = pd.read_csv(folder / ("split.csv" if typed else "index.csv"), dtype={"id": str})
    order = "k" if typed else "order_in_series"
    table = table[(table["split"] == split) & ~table["patient"].isin(list(without))]
    for name, rows in table.groupby("series"):
        rows = rows.sort_values(order)
        grays = [read_picture(folder / "img" / f"{i}.jpg") for i in rows["id"]]
        labels = [read_label_picture(folder / "lab" / f"{i}.png", typed) for i in rows["id"]]
        lungs = [read_label_picture(folder / "lung" / f"{i}.png", False) > 0 for i in rows["id"]]
        if typed:  # where the kind was inferred from the gray value, only that there is a lesion is known
            inferred = rows["label_inferred"].to_numpy().astype(bool)
            lesions = [np.where(lab > 0, ANY_LESION, 0) if n else lab for lab, n in zip(labels, inferred, strict=True)]
        else:
            lesions = [(lab > 0) * ANY_LESION for lab in labels]
        lungs = [(lung | (lesion > 0)).astype(np.uint8) for lung, lesion in zip(lungs, lesions, strict=True)]
        yield MaskedSeries(str(name), grays, [lesion.astype(np.uint8) for lesion in lesions], lungs)


def masked_sequences(folder: Path, without: Collection[str] = (), weight: float = 1.0) -> list[Sequence]:
    """Whole training series in one frame each, so that slices stay neighbors. without: patients left out."""
    sequences = []
    for series in masked_series(folder, "train", without):
        levels = series_levels([gray / 255.0 for gray in series.grays])
        whole = [as_lung_window(gray / 255.0, levels) for gray in series.grays]
        place = roomy(_series_placement(series.lungs))
        sequences.append(_sequence(folder.name, place, whole, series.lesions, series.lungs, weight))
    return sequences


def masked_slices(folder: Path, without: Collection[str] = (), every: int = 2, weight: float = 1.0) -> list[Sequence]:
    """Every n-th training slice (neighbors are alike), each in the frame that a picture of unknown pixel size gets.

    without: patients left out.
    """
    slices = []
    for series in masked_series(folder, "train", without):
        for n in range(0, len(series.grays), every):
            whole = as_lung_window(series.grays[n] / 255.0)
            place = roomy(place_frame(whole))
            slices.append(_sequence(folder.name, place, [whole], [series.lesions[n]], [series.lungs[n]], weight))
    return slices


def effusion_sequences(folder: Path, split: str = "train") -> list[Sequence]:
    """Volumes in HU with pleural effusion; dense tissue beside it and in the lungs is unknown."""
    import pandas as pd
    from scipy import ndimage

    from LesionKitLib.imaging.volume import reorient_to_lps
    from LesionKitLib.io.images import read_volume
    from LesionKitLib.io.mask_files import read_mask

    table = pd.read_csv(folder / "index.csv")
    sequences = []
    for name in table[(table["split"] == split) & (table["weak_label"] == 0)]["id"]:
        volume, _ = reorient_to_lps(read_volume(folder / f"{name}.nii.gz"))
        effusion = reorient_to_lps(read_mask(folder / f"{name}_effusion.nii.gz", "effusion mask"))[0].array > 0
        hu = np.asarray(volume.array, np.int16)
        lung = lungs_by_threshold(hu, volume.spacing)
        lung[effusion] = 1
        near = ndimage.distance_transform_edt(~effusion, sampling=volume.spacing[::-1]) < NEAR_MM
        lesion = np.where((lung == 1) & (hu > AERATED_HU), UNKNOWN, 0).astype(np.uint8)
        lesion[near & (hu > AERATED_HU)] = UNKNOWN
        lesion[effusion] = EFFUSION
        lung[near & (lung == 0) & (hu > AERATED_HU)] = UNKNOWN
        infected = np.full(len(hu), -1)
        sequences.append(hu_sequence(f"plethora/{name}", hu, lesion, lung, volume.spacing, infected))
    return sequences


def _sequence(source: str, place: FramePlacement, whole, lesions, lungs, weight: float) -> Sequence:
    image = np.stack([place.cut(255 * gray) for gray in whole]).round().astype(np.uint8)
    lesion, lung = (np.stack([place.cut_labels(m) for m in masks]) for masks in (lesions, lungs))
    return Sequence(source, image, lesion, lung, (lesion > 0).any((1, 2)).astype(int), weight)


def _series_placement(lungs: list[np.ndarray]) -> FramePlacement:
    """A frame about the lungs of a series, which have one width: that of its widest slice."""
    union = np.any([lung > 0 for lung in lungs], 0)
    rows, columns = np.flatnonzero(union.any(1)), np.flatnonzero(union.any(0))
    step = max((rows[-1] - rows[0]) / LUNGS_IN_FRAME[0], (columns[-1] - columns[0]) / LUNGS_IN_FRAME[1])
    middle = ((rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2)
    corner = [m - step * size / 2 for m, size in zip(middle, FRAME, strict=True)]
    return FramePlacement(*corner, (step, step), FRAME)
