"""The values of an image, read without a copy of it."""

from __future__ import annotations

import numpy as np

from LesionKitLib.run.errors import UnusableInput


def value_range(array: np.ndarray) -> tuple[float, float]:
    """Lowest and highest value of an image (k, j, i), read plane by plane.

    Raises UnusableInput for values that are no numbers (NaN, infinity), for other than gray values, and where all are
    the same.
    """
    if array.dtype.kind == "f":
        bad = sum(int(plane.size - np.isfinite(plane).sum()) for plane in array)
        if bad:
            raise UnusableInput(
                f"The image holds {bad} voxels that are not numbers (NaN or infinity); export it again."
            )
    elif array.dtype.kind not in "iu":
        raise UnusableInput("The image does not hold gray values.")
    low, high = float(min(plane.min() for plane in array)), float(max(plane.max() for plane in array))
    if low == high:
        raise UnusableInput(f"All voxels have the same value ({low:g}); the image is empty.")
    return low, high
