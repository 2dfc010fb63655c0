"""Where an NRRD image lies: its axes in space, their directions, and the units of length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.grids import spacing_of
from LesionKitLib.imaging.volume import LPS_IN_RAS
from LesionKitLib.run.errors import UnusableInput

from .stated_geometry import ORIENTATION_NOTE, checked, checked_spacing, missing_spacing, unoriented

# NRRD's anatomical spaces, each also with "-time" and by its initials; to RAS
_SPACES = {
    "right-anterior-superior": np.eye(3),
    "left-anterior-superior": np.diag([-1.0, 1.0, 1.0]),
    "left-posterior-superior": LPS_IN_RAS,
}
_TO_RAS = {
    alias: matrix
    for name, matrix in _SPACES.items()
    for initials in ["".join(word[0] for word in name.split("-"))]
    for alias in (name, f"{name}-time", initials, f"{initials}t")
}
_DOMAIN = {"domain", "space", "none", "???"}  # kinds of axes that may run through the patient
_LISTS = {"list", "time"}
_UNITS = {
    "": "mm", "???": "mm", "mm": "mm", "millimeter": "mm", "millimeters": "mm", "cm": "cm", "centimeter": "cm",
    "centimeters": "cm", "m": "m", "meter": "m", "meters": "m", "um": "um", "\u00b5m": "um", "\u03bcm": "um",
    "micron": "um", "microns": "um", "micrometer": "um", "micrometers": "um",
}  # fmt: skip


@dataclass(frozen=True)
class NrrdAxes:
    """The axes of a file, fastest first. space: the three that run through the patient. other: those that do not."""

    space: tuple[int, ...]
    other: tuple[int, ...]
    kinds: tuple[str, ...]


def axes_of(header: dict) -> NrrdAxes:
    """Told by ``space directions`` (none for axes outside space), else by ``kinds``."""
    count = int(header["dimension"])
    kinds = tuple(str(kind).lower() for kind in header.get("kinds", ["???"] * count))
    kinds = kinds if len(kinds) == count else ("???",) * count
    directions = header.get("space directions")
    if directions is not None and len(directions) == count:
        space = [n for n in range(count) if np.isfinite(np.asarray(directions[n], float)).all()]
    else:
        space = [n for n in range(count) if kinds[n] in _DOMAIN]
    return NrrdAxes(tuple(space), tuple(n for n in range(count) if n not in space), kinds)


def refuse_other_than_volume(header: dict, axes: NrrdAxes) -> None:
    """Raises UnusableInput for color, several volumes, single slices."""
    sizes = [int(n) for n in header["sizes"]]
    for n in axes.other:
        if sizes[n] > 1 and axes.kinds[n] not in _LISTS | _DOMAIN:
            raise UnusableInput(
                "The image has several values per voxel (color or vectors), but gray values are needed."
            )
    volumes = int(np.prod([sizes[n] for n in (*axes.other, *axes.space[3:])]))
    if volumes > 1 or len(axes.space) > 3:
        raise UnusableInput(f"The image has {len(sizes)} dimensions ({volumes} volumes); give one 3-D volume.")
    if len(axes.space) < 3:
        raise UnusableInput("The image is a single 2-D slice, but a 3-D volume is needed.")


def place(header: dict, axes: NrrdAxes) -> tuple[np.ndarray, tuple[str, ...]]:
    """ijkToRAS (4 x 4, mm) of the three axes in space, and notes on what the file leaves unsaid.

    Raises UnusableInput where it states no spacing, or none that can be.
    """
    _refuse_misfit(header)
    unit, notes = _unit(header, axes)
    directions = header.get("space directions")
    if directions is None:
        if "spacings" not in header:
            raise missing_spacing("'space directions' or 'spacings'")
        spacing = checked_spacing([header["spacings"][n] for n in axes.space], "field 'spacings'")
        matrix, unit_notes = checked(unoriented(spacing), unit)
        return matrix, (*notes, *unit_notes, ORIENTATION_NOTE)
    to_ras = _TO_RAS.get(str(header.get("space", "")).strip().lower())
    rows = np.array([directions[n] for n in axes.space], float)[:, :3]
    if rows.shape != (3, 3) or spacing_of(rows).min() <= 0:
        raise UnusableInput("The field 'space directions' of the file is no set of three directions.")
    matrix = np.eye(4)
    matrix[:3, :3] = rows.T
    origin = np.asarray(header.get("space origin", np.zeros(3)), float)[:3]
    matrix[:3, 3] = np.where(np.isfinite(origin), origin, 0)
    turn = np.eye(4)
    turn[:3, :3] = LPS_IN_RAS if to_ras is None else to_ras
    matrix, unit_notes = checked(turn @ matrix, unit)
    return matrix, (*notes, *unit_notes, *(() if to_ras is not None else (ORIENTATION_NOTE,)))


def _refuse_misfit(header: dict) -> None:
    """Raises UnusableInput that names a field with other than as many entries as it needs."""
    count = int(header["dimension"])
    fits = {
        "spacings": lambda value: len(value) == count,
        "space directions": lambda value: len(value) == count and all(len(row) >= 3 for row in value),
        "space origin": lambda value: len(value) >= 3,
    }
    for field, fit in fits.items():
        if header.get(field) is not None and not fit(header[field]):
            raise UnusableInput(f"The field '{field}' of the NRRD file does not fit its {count} axes.")


def _unit(header: dict, axes: NrrdAxes) -> tuple[str, tuple[str, ...]]:
    """The unit of length: of the space, else of the axes; and a note where it is not known."""
    if "space units" in header:
        units = [str(unit) for unit in header["space units"][:3]]
    else:
        units = [str(header["units"][n]) for n in axes.space if n < len(header.get("units", ()))]
    found = {_UNITS.get(unit.strip().lower()) for unit in units} or {"mm"}
    if len(found) == 1 and None not in found:
        return found.pop(), ()
    shown = ", ".join(dict.fromkeys(units))
    return "mm", (f"The file gives its lengths in '{shown}', which is no unit known here; millimeters were taken.",)
