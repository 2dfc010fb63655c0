"""A network's probabilities as they are kept beside a result: 8 bit, on the network's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TOP = 255  # stands for a probability of 1


@dataclass(frozen=True)
class ProbabilityMap:
    """values (classes, k, j, i) uint8: probability of each class but the background, 0..TOP; they sum to TOP at most.

    ijk_to_ras: 4 x 4 mm, of this grid, which is usually coarser than the image's. Raises ValueError for other arrays.
    """

    values: np.ndarray
    ijk_to_ras: np.ndarray

    def __post_init__(self):
        if self.values.ndim != 4 or self.values.dtype != np.uint8:
            raise ValueError("Probabilities are kept as 8-bit numbers (classes, k, j, i).")

    @classmethod
    def of(cls, probabilities: np.ndarray, ijk_to_ras: np.ndarray) -> ProbabilityMap:
        """From probabilities 0..1 (classes without the background, k, j, i) of any float type."""
        values = np.empty(probabilities.shape, np.uint8)
        for kept, given in zip(values, probabilities, strict=True):
            for n, plane in enumerate(given):  # one plane at a time needs no second volume of memory
                kept[n] = np.rint(np.clip(plane.astype(np.float32), 0, 1) * TOP)
        return cls(values, np.asarray(ijk_to_ras, float))

    @property
    def classes(self) -> int:
        """With the background."""
        return len(self.values) + 1

    @property
    def voxel_ml(self) -> float:
        return abs(float(np.linalg.det(self.ijk_to_ras[:3, :3]))) / 1000

    def on_grid(self, shape: tuple[int, ...], ijk_to_ras: np.ndarray) -> np.ndarray:
        """Probabilities (classes with the background first, *shape) float32 on another grid, linear.

        shape: (k, j, i) of that grid, ijk_to_ras: its 4 x 4. Beyond this map all is background.
        """
        from scipy import ndimage

        matrix = np.linalg.inv(self.ijk_to_ras) @ np.asarray(ijk_to_ras, float)
        step, start = matrix[:3, :3][::-1, ::-1], matrix[:3, 3][::-1]  # in numpy's order of axes
        if np.abs(step - np.diag(np.diag(step))).max() < 1e-6 and np.diag(step).min() > 0:
            step = np.diag(step)  # parallel axes: separable, and faster
        result = np.empty((self.classes, *shape), np.float32)
        for out, part in zip(result[1:], self.values, strict=True):
            ndimage.affine_transform(part, step, start, shape, output=out, order=1, mode="constant")
        result[1:] /= TOP
        result[0] = np.clip(1 - result[1:].sum(0), 0, 1)
        return result
