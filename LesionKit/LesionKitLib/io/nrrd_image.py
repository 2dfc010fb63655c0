"""NRRD images (.nrrd, .nhdr) to Volume."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from LesionKitLib.imaging.number_types import in_smallest_type
from LesionKitLib.imaging.volume import Volume

from .file_kind import stem_of
from .nrrd_file import read_nrrd_file
from .nrrd_geometry import axes_of, place, refuse_other_than_volume


def read_nrrd(path: Path) -> tuple[Volume, list[Path]]:
    """The image with notes on what its header leaves unsaid, and the files that it came from.

    Raises UnusableInput for what is no complete 3-D gray-value image or states no spacing, OSError.
    """
    file = read_nrrd_file(path)
    axes = axes_of(file.header)
    refuse_other_than_volume(file.header, axes)
    matrix, notes = place(file.header, axes)
    stored = space_array(file.array, axes.space)
    array = in_smallest_type(len(stored), lambda k: _native(stored[k]))
    return Volume(array, matrix, stem_of(path), notes), list(file.files)


def space_array(array: np.ndarray, space: tuple[int, ...]) -> np.ndarray:
    """The axes in space (counted from the fastest) as (k, j, i); the others must have length 1."""
    return array.reshape([array.shape[array.ndim - 1 - n] for n in reversed(space)])


def _native(plane: np.ndarray) -> np.ndarray:
    return plane.astype(plane.dtype.newbyteorder("="), copy=False)
