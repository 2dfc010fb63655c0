"""The numbers of a result: per class, side and lung third, and the severity score. Defined in docs/measurements.md.

All is computed from voxel counts on the input's own grid, in any axis order; nothing is rounded before display.
"""

from __future__ import annotations

import numpy as np

from CovidLungQuantLib.labels import CONSOLIDATION, EFFUSION, GGO, LEFT_LUNG, LESIONS, RIGHT_LUNG
from LesionKitLib.imaging.measures import MIN_LESION_ML, CodeSums, bounding_box, mean_or_none, percent_or_none
from LesionKitLib.imaging.measures import components as connected_components
from LesionKitLib.imaging.volume import Volume, reorient_to_lps
from LesionKitLib.run.errors import UnusableInput

from .coverage import coverage_of
from .severity import severity
from .thirds import heights, third_index, third_limits

SIDES = {"both": (0, 1), "right": (0,), "left": (1,)}  # name -> indices of the side axis of the sums
THIRDS = {"all": (0, 1, 2), "upper": (2,), "middle": (1,), "lower": (0,)}
# What is measured, as sums of lesion classes. High opacity as in Grodecki et al. 2021 (arXiv 2104.00138).
GROUPS = {
    "ggo": (GGO.value,),
    "consolidation": (CONSOLIDATION.value,),
    "effusion": (EFFUSION.value,),
    "high_opacity": (CONSOLIDATION.value, EFFUSION.value),
}
ANY = tuple(lesion.value for lesion in LESIONS)

GROUP_TITLES = {"ggo": "GGO", "consolidation": "Consolidation", "effusion": "Effusion", "high_opacity": "High opacity"}


def measure(volume: Volume, lungs: np.ndarray, lesions: np.ndarray) -> dict:
    """All measurements, ready for JSON: {"total", "regions" (12 rows), "severity"}.

    volume: CT in HU; lungs: 0, 1 right, 2 left; lesions: 0, 1 GGO, 2 consolidation, 3 effusion; all of one shape
    [k, j, i] in any axis order, flip or oblique direction. Values are Python floats and ints, or None where a mean or
    a percentage has nothing to refer to; thirds and score are None where the lungs are cut off. Lesion outside both
    lungs is reported in total["outside_lung_ml"] only.
    Raises ValueError on shapes or labels that do not fit, UnusableInput when a voxel inside a lung is not a number.
    """
    _check_labels(volume, lungs, lesions)
    is_whole = coverage_of(volume, lungs).is_whole
    lps, lungs, lesions = _upright(volume, lungs, lesions)
    counts = _count_components(lungs, lesions, lps.voxel_ml)
    return assemble(_sum_up(lps, lungs, lesions), counts, _outside_voxels(lungs, lesions), lps.voxel_ml, is_whole)


def assemble(
    sums: CodeSums, components: dict[str, tuple[int, int]], outside_voxels: int, voxel_ml: float, is_whole: bool = True
) -> dict:
    """The measurements from what was counted.

    sums: of shape (2 sides right/left, 3 thirds lower/middle/upper, 4 classes 0-3). components: lesions on the (right,
    left) per group of GROUPS and for "any". is_whole: False where the lungs are cut off, so that thirds have no
    meaning. Raises UnusableInput when a sum is not a number.
    """
    if not np.isfinite(sums.values).all():
        raise UnusableInput("The image holds values inside the lungs that are not numbers.")
    regions = [
        _region(sums, side, third, voxel_ml) | (_lesion_counts(components, side) if third == "all" else {})
        for side in SIDES
        for third in THIRDS
    ]
    if not is_whole:
        regions = [row if row["third"] == "all" else _without_values(row) for row in regions]
    total = {key: value for key, value in regions[0].items() if key not in ("side", "third")}
    total["outside_lung_ml"] = outside_voxels * voxel_ml
    return {"total": total, "regions": regions, "severity": severity(sums.voxels, is_whole)}


def region(measurements: dict, side: str = "both", third: str = "all") -> dict:
    """The row of one side and third; raises KeyError when there is none."""
    for row in measurements["regions"]:
        if (row["side"], row["third"]) == (side, third):
            return row
    raise KeyError((side, third))


def to_rows(measurements: dict) -> tuple[list[str], list[list]]:
    """Header with units and one row per region, for CSV files and tables. Numbers are not rounded; None is no value."""
    columns = _columns()
    rows = [[row.get(key) for key in columns] for row in measurements["regions"]]
    return list(columns.values()), rows


def _columns() -> dict[str, str]:
    """Key of a region -> column title."""
    columns = {"side": "Lung", "third": "Third", "lung_ml": "Lung volume (ml)", "burden_percent": "Burden (% of lung)"}
    for group, title in GROUP_TITLES.items():
        columns[f"{group}_ml"] = f"{title} (ml)"
        columns[f"{group}_percent"] = f"{title} (% of lung)"
    for key, title in {"lung": "Lung", **GROUP_TITLES}.items():
        columns[f"{key}_mean_hu"] = f"{title} mean (HU)"
        columns[f"{key}_mass_g"] = f"{title} mass (g)"
    for key, title in {**GROUP_TITLES, "any": "All"}.items():
        columns[f"{key}_lesions"] = f"{title} lesions (count)"
    return columns


def _check_labels(volume: Volume, lungs: np.ndarray, lesions: np.ndarray) -> None:
    for labels, name, highest in ((lungs, "lungs", LEFT_LUNG.value), (lesions, "lesions", EFFUSION.value)):
        if labels.shape != volume.array.shape:
            raise ValueError(f"{name} of shape {labels.shape} do not fit the image {volume.array.shape}")
        if labels.size and (labels.max() > highest or labels.min() < 0):
            raise ValueError(f"{name} hold labels other than 0 to {highest}")


def _upright(volume: Volume, lungs: np.ndarray, lesions: np.ndarray):
    """Everything LPS-oriented (so that sums run in one order whatever the input's) and cut to the lungs' box."""
    lps, _ = reorient_to_lps(volume)
    arrays = [lps.array] + [reorient_to_lps(volume.with_array(a))[0].array for a in (lungs, lesions)]
    box = bounding_box((arrays[1] > 0) | (arrays[2] > 0)) or (slice(0, 1),) * 3
    image, lungs, lesions = (np.ascontiguousarray(a[box]) for a in arrays)
    matrix = lps.ijk_to_ras.copy()
    matrix[:3, 3] = 0  # only directions and spacing are used below
    return Volume(image, matrix), lungs.astype(np.uint8, copy=False), lesions.astype(np.uint8, copy=False)


def _sum_up(lps: Volume, lungs: np.ndarray, lesions: np.ndarray) -> CodeSums:
    """Sums of shape (2 sides right/left, 3 thirds lower/middle/upper, 4 classes 0-3), slice by slice in one pass."""
    sums = CodeSums.empty(24)
    limits = third_limits(lungs, lps.ijk_to_ras)
    cuts = np.array([limits.get(value, (0.0, 0.0)) for value in (RIGHT_LUNG.value, LEFT_LUNG.value)])
    by_slice, in_slice = heights(lps.ijk_to_ras, lungs.shape)
    for k, codes in enumerate(lungs):
        inside = codes > 0
        side = codes[inside].astype(np.intp) - 1
        if in_slice is None:
            third = third_index(by_slice[k], (cuts[:, 0], cuts[:, 1]))[side]
        else:
            third = third_index(by_slice[k] + in_slice[inside], (cuts[side, 0], cuts[side, 1]))
        sums.add((side * 3 + third) * 4 + lesions[k][inside], lps.array[k][inside])
    shape = (2, 3, 4)
    return CodeSums(sums.voxels.reshape(shape), sums.values.reshape(shape), sums.densities.reshape(shape))


def _region(sums: CodeSums, side: str, third: str, voxel_ml: float) -> dict:
    part = np.ix_(SIDES[side], THIRDS[third])
    voxels, values, densities = (a[part].sum((0, 1)) for a in (sums.voxels, sums.values, sums.densities))
    row = {"side": side, "third": third}
    whole = int(voxels.sum())
    for key, classes in {"lung": (0, *ANY), **GROUPS}.items():
        classes = list(classes)
        count = int(voxels[classes].sum())
        row[f"{key}_ml"] = count * voxel_ml
        if key != "lung":
            row[f"{key}_percent"] = percent_or_none(count, whole)
        row[f"{key}_mean_hu"] = mean_or_none(values[classes].sum(), count)
        row[f"{key}_mass_g"] = float(densities[classes].sum() * voxel_ml)
    row["burden_percent"] = percent_or_none(voxels[list(ANY)].sum(), whole)
    return row


def _without_values(row: dict) -> dict:
    return {key: value if key in ("side", "third") else None for key, value in row.items()}


def _count_components(lungs: np.ndarray, lesions: np.ndarray, voxel_ml: float) -> dict[str, tuple[int, int]]:
    """Per group and for any: how many lesions are right and left. A lesion on both sides belongs to its larger part."""
    result = {}
    for group, classes in {**GROUPS, "any": ANY}.items():
        lookup = np.isin(np.arange(len(ANY) + 1), classes)
        mask = lookup[lesions]
        box = bounding_box(mask)
        if box is None:
            result[group] = (0, 0)
            continue
        inside = mask[box] & (lungs[box] > 0)
        labels, sizes = connected_components(inside, voxel_ml, MIN_LESION_ML)
        left = np.bincount(labels[lungs[box] == LEFT_LUNG.value], minlength=len(sizes) + 1)[1:]
        on_left = int((left * 2 > sizes).sum())
        result[group] = (len(sizes) - on_left, on_left)
    return result


def _lesion_counts(components: dict[str, tuple[int, int]], side: str) -> dict[str, int]:
    return {f"{group}_lesions": sum(counts[n] for n in SIDES[side]) for group, counts in components.items()}


def _outside_voxels(lungs: np.ndarray, lesions: np.ndarray) -> int:
    return int(np.count_nonzero((lesions > 0) & (lungs == 0)))
