"""The smallest type of number that holds an image's values exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from LesionKitLib.run.errors import UnusableInput


def in_smallest_type(count: int, plane: Callable[[int], np.ndarray]) -> np.ndarray:
    """``count`` planes plane(0), plane(1), ... as one array (k, j, i).

    uint8 stays; else int16 where it holds every value exactly, else int32 (whole numbers) or float32. Planes are asked
    for one at a time, twice. Raises UnusableInput for values that are no gray values.
    """
    if count < 1 or plane(0).size < 1:
        raise UnusableInput("By its header the image has no voxels.")
    first = plane(0)
    if first.dtype.kind not in "iuf":
        raise UnusableInput("The image holds complex or other composed numbers, but gray values are needed.")
    array = np.empty((count, *first.shape), first.dtype if first.dtype == np.uint8 else _smallest(count, plane))
    with np.errstate(over="ignore"):  # beyond float32 a value becomes infinity, which the input checks name
        for number in range(count):
            array[number] = plane(number)
    return array


def label_array(labels: np.ndarray) -> np.ndarray:
    """A label map in the smallest unsigned type: uint8, else uint16.

    Raises ValueError for values that are no labels: fractions, negative numbers, numbers above 65535.
    """
    labels = np.asarray(labels)
    if labels.dtype in (bool, np.uint8):
        return labels.astype(np.uint8, copy=False)
    low, high = (labels.min(), labels.max()) if labels.size else (0, 0)
    if labels.dtype.kind not in "iuf" or not (low >= 0 and high <= np.iinfo(np.uint16).max):
        raise ValueError(f"labels are whole numbers from 0 to {np.iinfo(np.uint16).max}, not {low} to {high}")
    if labels.dtype.kind == "f" and not (labels == np.rint(labels)).all():
        raise ValueError("labels are whole numbers, but the label map holds fractions")
    return labels.astype(np.uint8 if high <= np.iinfo(np.uint8).max else np.uint16)


def fits_int16(values: np.ndarray) -> bool:
    """Whether int16 holds every value exactly (NaN and infinity do not)."""
    if values.dtype in (np.int16, np.int8, np.uint8):
        return True
    low, high = values.min(), values.max()
    if not (low >= -32768 and high <= 32767):
        return False
    return values.dtype.kind in "iu" or bool((np.rint(values) == values).all())


def _smallest(count: int, plane: Callable[[int], np.ndarray]) -> type:
    smallest = np.int16
    for number in range(count):
        values = plane(number)
        if smallest == np.int16 and fits_int16(values):
            continue
        if values.dtype.kind not in "iu" or values.min() < -(2**31) or values.max() >= 2**31:
            return np.float32
        smallest = np.int32
    return smallest
