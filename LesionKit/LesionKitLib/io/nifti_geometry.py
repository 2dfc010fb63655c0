"""Where a NIfTI image lies: its header may say so twice, and the two may differ.

The standard leaves the choice between qform and sform to the reader. Here it is ITK's, and so 3D Slicer's: the sform
where its code is 1 (scanner) or there is no qform, else the qform. nibabel, FSL and SPM take the sform whenever its
code is above 0. Where the two differ, a note names both places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.grids import (
    SAME_PLACE_MM,
    SAME_SPACING,
    SHEAR_TOLERANCE,
    axes_text,
    largest_distance,
    middle_of,
    position_text,
    shear_of,
    spacing_of,
    spacing_text,
)

from .stated_geometry import MM, ORIENTATION_NOTE, checked, checked_spacing, unoriented

_UNITS = {1: "m", 2: "mm", 3: "um"}  # of xyzt_units; 0, unknown, is taken as millimeters, which it means in practice
_SCANNER = 1


@dataclass(frozen=True)
class _Form:
    """A qform or sform. matrix: 4 x 4 to RAS in the file's unit, None where it is none."""

    name: str
    code: int
    matrix: np.ndarray | None

    @property
    def valid(self) -> bool:
        return self.matrix is not None and np.isfinite(shear_of(self.matrix)) and np.linalg.det(self.matrix) != 0

    def text(self, shape: tuple[int, int, int], scale: float) -> str:
        """Its name and the place it gives."""
        middle = position_text(scale * middle_of(self.matrix, shape))
        size = spacing_text(scale * spacing_of(self.matrix))
        axes = axes_text(self.matrix)
        return f"by its {self.name} (code {self.code}) the middle lies at {middle}, axes to {axes}, voxels of {size}"


def place(header, shape: tuple[int, int, int]) -> tuple[np.ndarray, tuple[str, ...]]:
    """ijkToRAS (4 x 4, mm) of a nibabel header for an array of this shape (k, j, i), and notes on what was found.

    Raises UnusableInput where the header gives no usable geometry.
    """
    if not hasattr(header, "get_sform"):  # Analyze 7.5 knows a spacing and nothing else
        return _by_spacing(header, "mm")
    unit = _UNITS.get(int(header["xyzt_units"]) & 7, "mm")
    forms = [form for form in (_sform(header), _qform(header)) if form.code > 0]
    notes = [
        f"The {form.name} of the file (code {form.code}) is invalid and was left out."
        for form in forms
        if not form.valid
    ]
    valid = [form for form in forms if form.valid]
    if not valid:
        matrix, unit_notes = _by_spacing(header, unit)
        return matrix, (*notes, *unit_notes)
    taken = _choose(valid)
    matrix, unit_notes = checked(taken.matrix, unit)
    if len(valid) == 2:
        notes += _disagreement(valid, taken, shape, MM[unit])
    elif taken.name == "sform":
        notes += _other_spacing(header, taken, MM[unit])
    return matrix, (*notes, *unit_notes)


def _by_spacing(header, unit: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The grid of a header that gives no orientation. SPM marks mirrored Analyze files by a negative pixdim."""
    spacing = checked_spacing(np.abs(np.asarray(header["pixdim"][1:4], float)), "voxel size (pixdim)")
    matrix, notes = checked(unoriented(spacing), unit)
    return matrix, (*notes, ORIENTATION_NOTE)


def _sform(header) -> _Form:
    matrix, code = header.get_sform(coded=True)
    return _Form("sform", int(code), matrix)


def _qform(header) -> _Form:
    from nibabel.spatialimages import HeaderDataError

    code = int(header["qform_code"])
    try:
        matrix = header.get_qform(coded=True)[0] if code > 0 else None
    except (HeaderDataError, ValueError):  # a quaternion longer than 1, a negative voxel size
        matrix = None
    return _Form("qform", code, matrix)


def _choose(valid: list[_Form]) -> _Form:
    """The one that ITK takes; the other where that one is sheared, as after an affine registration."""
    straight = [form for form in valid if shear_of(form.matrix) <= SHEAR_TOLERANCE] or valid
    if len(straight) == 1 or straight[0].code == _SCANNER:
        return straight[0]
    return straight[1]


def _disagreement(forms: list[_Form], taken: _Form, shape: tuple[int, int, int], scale: float) -> list[str]:
    if scale * largest_distance(forms[0].matrix, forms[1].matrix, shape) <= SAME_PLACE_MM:
        return []
    both = ", ".join(form.text(shape, scale) for form in forms)
    mirrored = np.linalg.det(forms[0].matrix) * np.linalg.det(forms[1].matrix) < 0
    which = "two places, mirrored to each other," if mirrored else "two places"
    return [f"The file gives {which} for the image: {both}; the {taken.name} was taken."]


def _other_spacing(header, sform: _Form, scale: float) -> list[str]:
    stated, used = np.abs(np.asarray(header["pixdim"][1:4], float)), spacing_of(sform.matrix)
    if not np.isfinite(stated).all() or stated.min() <= 0 or np.abs(stated / used - 1).max() <= SAME_SPACING:
        return []
    return [
        f"The file gives two voxel sizes: {spacing_text(scale * used)} by its sform and "
        f"{spacing_text(scale * stated)} by its pixdim; the sform was taken."
    ]
