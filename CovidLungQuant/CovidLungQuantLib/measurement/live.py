"""Measurements that follow an edit: what changed is counted again, slice by slice, and nothing else.

The numbers are those of measurements.measure, to the last bit: the same sums per slice, added in the same order. What
moves with an edit elsewhere is looked after: the thirds (a lung's height may change) and the lung that lesion outside
both lungs counts for (the nearer center may change). Volumes whose axial slices are not level are measured anew as a
whole, because there a slice does not lie in one third; that takes about as long as measure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from CovidLungQuantLib.labels import LEFT_LUNG, LUNGS, RIGHT_LUNG, lungs_with_lesions, nearer_lung
from CovidLungQuantLib.segmentation.input_check import HU_LIMITS
from LesionKitLib.imaging.edit_comparison import comparison_row
from LesionKitLib.imaging.measures import CodeSums, bounding_box
from LesionKitLib.imaging.volume import Volume, reorient_to_lps

from .component_runs import LesionRuns
from .coverage import FieldOfView
from .measurements import ANY, GROUP_TITLES, GROUPS, assemble, measure
from .thirds import heights, level_third_limits, third_index

NO_LUNGS = "The segmentation holds no lung in this volume, so there is nothing to measure against."


@dataclass(frozen=True)
class Changes:
    """What an update found. values: of the classes whose voxels changed, in the lungs and in the lesions.

    slices: how many were counted again.
    """

    values: tuple[frozenset[int], frozenset[int]]
    slices: int


class LiveCounts:
    """Counts of one volume's labels that are kept up to date.

    volume: CT in HU; it is read again at every update and must not change. original: (lungs, lesions) as the model left
    them, uint8 [k, j, i] on the volume's grid, to compare with; None: nothing to compare with.
    """

    def __init__(self, volume: Volume, original: tuple[np.ndarray, np.ndarray] | None = None):
        self._volume = volume
        self._lps, _ = reorient_to_lps(volume)
        self._to_input = np.rint(np.linalg.inv(volume.ijk_to_ras) @ self._lps.ijk_to_ras).astype(int)
        shape = self._lps.array.shape
        self._is_level = heights(self._lps.ijk_to_ras, shape)[1] is None
        self._lungs = self._lesions = np.zeros(volume.array.shape, np.uint8)
        self._sums = [CodeSums.empty(8) for _ in range(shape[0])]  # right then left lung, 4 classes each
        self._outside: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # slice -> voxels (n, 2: j, i), their lungs
        self._profiles = np.zeros((2, shape[0], sum(shape[1:])), np.int64)  # per lung and slice, along j and along i
        self._runs = LesionRuns(shape)
        self._field = FieldOfView(self._lps)
        self._lung_profiles = np.zeros((shape[0], 1 + sum(shape[1:])), np.int64)  # beside the circle, along j, along i
        self._original = None  # codes, in LPS order
        self._shared = np.zeros((shape[0], 12, 12), np.int64)  # voxels per slice, code of the original, code now
        if original is not None:
            lungs, lesions = original
            lungs = lungs_with_lesions(lungs, lesions, volume.spacing)
            self._original = self._upright(_codes(lungs, lesions))
            for k, codes in enumerate(self._original):
                self._shared[k, :, 0] = np.bincount(codes.ravel(), minlength=12)

    @property
    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        """(lungs, lesions) as they were given last; do not write to them."""
        return self._lungs, self._lesions

    def update(self, lungs: np.ndarray, lesions: np.ndarray) -> Changes:
        """Take over new label maps (kept, not copied) and count what differs from those before."""
        changed, values = self._compare(lungs, lesions)
        self._lungs, self._lesions = lungs, lesions
        lungs, lesions = self._upright(lungs), self._upright(lesions)
        for k in changed:
            self._profile(k, lungs[k])
            outside = np.argwhere((lesions[k] > 0) & (lungs[k] == 0))
            self._outside[k] = (outside, np.zeros(len(outside), np.uint8))
        moved = self._assign_outside()
        again = {k: (lesions[k], self._with_outside(k, lungs[k])) for k in sorted({*changed, *moved})}
        for k, (lesion, lung) in again.items():
            self._count(k, lesion, lung)
        self._runs.replace(again)
        return Changes(values, len(again))

    def measurements(self) -> dict:
        """As measurements.measure of these label maps; raises ValueError when there is no lung."""
        if not self._profiles.any():
            raise ValueError(NO_LUNGS)
        if not self._is_level:
            lungs = lungs_with_lesions(self._lungs, self._lesions, self._volume.spacing)
            clipped = self._volume.with_array(np.clip(self._volume.array, *HU_LIMITS))
            return measure(clipped, lungs, self._lesions)
        voxel_ml = self._lps.voxel_ml
        return assemble(self._by_third(), self._runs.count(voxel_ml), 0, voxel_ml, self._is_whole())

    def comparison(self) -> list[dict]:
        """AI against corrected: a row for the lungs, for each group of classes and for all lesions.

        Keys: key, name, ai_ml, corrected_ml, delta_ml, dice, ai_percent, corrected_percent (of the lung; that of the
        lesions is the burden). dice is None where neither has a voxel; without an original all but the corrected is.
        """
        shared = self._shared.sum(0).reshape(3, 4, 3, 4)  # lung and lesion of the original, lung and lesion now
        rows = [self._compared("lung", "Lungs", shared, (0, *ANY), lung=True)]
        for group, classes in GROUPS.items():
            rows.append(self._compared(group, GROUP_TITLES[group], shared, classes))
        rows.append(self._compared("lesion", "All lesions (burden)", shared, ANY))
        return rows

    def changed_since_original(self) -> tuple[frozenset[int], frozenset[int]]:
        """(lung values, lesion values) whose voxels are not those of the original; empty without one."""
        if self._original is None:
            return frozenset(), frozenset()
        shared = self._shared.sum(0).reshape(3, 4, 3, 4)
        return _unequal(shared.sum((1, 3))), _unequal(shared.sum((0, 2)))

    def _compare(self, lungs: np.ndarray, lesions: np.ndarray) -> tuple[list[int], tuple[frozenset, frozenset]]:
        """Slices that differ, and the values that came or went: (of lungs, of lesions)."""
        slices, found = set(), []
        for old, new in ((self._lungs, lungs), (self._lesions, lesions)):
            values = set()
            if old is not new:
                for k, (before, after) in enumerate(zip(self._upright(old), self._upright(new), strict=True)):
                    if is_alike(before, after):
                        continue
                    differs = before != after
                    slices.add(k)
                    values |= {*np.unique(before[differs]).tolist(), *np.unique(after[differs]).tolist()}
            found.append(frozenset(values - {0}))
        return sorted(slices), tuple(found)

    def _upright(self, labels: np.ndarray) -> np.ndarray:
        """A view in LPS order, in which all is counted."""
        return reorient_to_lps(self._volume.with_array(labels))[0].array

    def _profile(self, k: int, lungs: np.ndarray) -> None:
        for n, label in enumerate(LUNGS):
            mask = lungs == label.value
            self._profiles[n, k] = np.concatenate([mask.sum(1), mask.sum(0)])

    def _assign_outside(self) -> list[int]:
        """Give lesion outside both lungs to one of them; returns the slices in which that changed."""
        slices = [k for k, (voxels, _) in self._outside.items() if len(voxels)]
        if not slices:
            return []
        kji = np.concatenate([np.insert(self._outside[k][0], 0, k, axis=1) for k in slices])
        sides = nearer_lung(self._input_index(kji), self._input_profiles(), self._volume.spacing)
        if sides is None:
            return []
        moved, first = [], 0
        for k in slices:
            voxels, before = self._outside[k]
            after = sides[first : first + len(voxels)]
            first += len(voxels)
            if not np.array_equal(before, after):
                self._outside[k] = (voxels, after)
                moved.append(k)
        return moved

    def _input_index(self, kji: np.ndarray) -> np.ndarray:
        """Indices (n, 3: k, j, i) in LPS order -> in the input's."""
        ijk = kji[:, ::-1] @ self._to_input[:3, :3].T + self._to_input[:3, 3]
        return ijk[:, ::-1]

    def _input_profiles(self) -> list[list[np.ndarray]]:
        """lung_profiles of the lungs as drawn, in the input's axes."""
        rows = self._lps.array.shape[1]
        result = []
        for by_slice in self._profiles:
            along = by_slice.sum(0)
            upright = [along[rows:], along[:rows], by_slice[:, :rows].sum(1)]  # i, j, k
            profiles = []
            for axis in (2, 1, 0):  # k, j, i of the input
                source = int(np.flatnonzero(self._to_input[axis, :3])[0])
                profiles.append(upright[source][:: self._to_input[axis, source]])
            result.append(profiles)
        return result

    def _with_outside(self, k: int, lungs: np.ndarray) -> np.ndarray:
        voxels, sides = self._outside.get(k, ((), ()))
        if not len(voxels):
            return lungs
        lungs = lungs.copy()
        lungs[tuple(voxels.T)] = sides
        return lungs

    def _count(self, k: int, lesions: np.ndarray, lungs: np.ndarray) -> None:
        """Sums of a slice, and what it shares with the original."""
        self._sums[k] = CodeSums.empty(8)
        box = bounding_box(lungs)
        if box is not None:
            inside = lungs[box] > 0
            codes = (lungs[box][inside].astype(np.intp) - 1) * 4 + lesions[box][inside]
            self._sums[k].add(codes, np.clip(self._lps.array[k][box], *HU_LIMITS)[inside])
        inside = lungs > 0
        circle = [self._field.circle_voxels(lungs, k)]
        self._lung_profiles[k] = np.concatenate([circle, inside.sum(1), inside.sum(0)])
        now = _codes(lungs, lesions)
        before = np.zeros_like(now) if self._original is None else self._original[k]
        self._shared[k] = np.bincount((before * np.uint8(12) + now).ravel(), minlength=144).reshape(12, 12)

    def _is_whole(self) -> bool:
        rows = self._lps.array.shape[1]
        along = self._lung_profiles.sum(0)
        by_slice = self._lung_profiles[:, 1 : 1 + rows].sum(1)
        return self._field.coverage([by_slice, along[1 : 1 + rows], along[1 + rows :]], int(along[0])).is_whole

    def _by_third(self) -> CodeSums:
        """Sums (2 sides, 3 thirds, 4 classes), added slice by slice from the feet upwards as measure does."""
        voxels = np.array([sums.voxels for sums in self._sums]).reshape(-1, 2, 4).sum(2)  # per slice and side
        used = np.flatnonzero(voxels.any(1))
        first, last = int(used[0]), int(used[-1]) + 1
        by_slice, _ = heights(self._lps.ijk_to_ras, (last - first, *self._lps.array.shape[1:]))
        limits = level_third_limits(np.insert(voxels[first:last], 0, 0, axis=1), by_slice)
        total = CodeSums(np.zeros((2, 3, 4), np.int64), np.zeros((2, 3, 4)), np.zeros((2, 3, 4)))
        for side, value in enumerate((RIGHT_LUNG.value, LEFT_LUNG.value)):
            thirds = third_index(by_slice, limits.get(value, (0.0, 0.0)))
            own = slice(4 * side, 4 * side + 4)
            for sums, third in zip(self._sums[first:last], thirds, strict=True):
                total.voxels[side, third] += sums.voxels[own]
                total.values[side, third] += sums.values[own]
                total.densities[side, third] += sums.densities[own]
        return total

    def _compared(self, key: str, name: str, shared: np.ndarray, classes, lung: bool = False) -> dict:
        """A row of comparison: voxels of these classes, or of the lungs."""
        a = np.zeros((3, 4), bool)
        a[1 if lung else 0 :, list(classes)] = True  # lesion is inside the lungs, unless there are none
        before, now = shared[a].sum(), shared[:, :, a].sum()
        both = shared[a][:, a].sum()
        lungs_before, lungs_now = shared[1:].sum(), shared[:, :, 1:].sum()
        known = self._original is not None
        return {
            **comparison_row(key, name, now, self._lps.voxel_ml, before if known else None, both),
            "ai_percent": float(100 * before / lungs_before) if known and not lung and lungs_before else None,
            "corrected_percent": float(100 * now / lungs_now) if not lung and lungs_now else None,
        }


def overwritten_lung(
    before: tuple[np.ndarray, np.ndarray], now: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray] | None:
    """The lung that painting lesion over it has taken out of the lung segments; None when it has not.

    Gives the voxels (n, 3: k, j, i) and the lungs (n) that they belonged to. 3D Slicer's editor removes from the other
    segments whatever an effect gives the chosen one: a stroke's new voxels, or the whole segment (Margin, Smoothing,
    Islands, Threshold), also where it was before. before, now: (lungs, lesions). Where no lesion changed, the lungs
    were edited themselves, and that is left alone.
    """
    if not any((old != new).any() for old, new in zip(before[1], now[1], strict=True)):
        return None
    voxels, lungs = [], []
    for k in range(len(now[0])):
        mask = (before[0][k] > 0) & (now[0][k] == 0) & (now[1][k] > 0)
        if mask.any():
            voxels.append(np.insert(np.argwhere(mask), 0, k, axis=1))
            lungs.append(before[0][k][mask])
    return (np.concatenate(voxels), np.concatenate(lungs)) if voxels else None


def _codes(lungs: np.ndarray, lesions: np.ndarray) -> np.ndarray:
    """lung * 4 + lesion, 0 to 11."""
    return lungs * np.uint8(4) + lesions


def is_alike(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two slices of labels (uint8, one shape) are equal; eight voxels at a time where memory allows it."""
    forward = tuple(slice(None, None, -1 if step < 0 else 1) for step in before.strides)
    before, after = before[forward], after[forward]
    if before.flags.c_contiguous and after.flags.c_contiguous and before.nbytes % 8 == 0:
        before, after = (labels.reshape(-1).view(np.uint64) for labels in (before, after))
    return bool((before == after).all())


def _unequal(shared: np.ndarray) -> frozenset[int]:
    """Values other than 0 that some voxels have lost or gained."""
    moved = shared.sum(0) + shared.sum(1) - 2 * np.diag(shared)
    return frozenset(int(value) for value in np.flatnonzero(moved) if value)
