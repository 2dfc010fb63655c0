"""Masks that people give: what in them is the mask, and what is no mask at all.

Masks come as 0 and 1, as 0 and any other number, as probabilities, or resampled by splines, which leaves values a
little below 0 and above 1 all over the image: "anything above 0" is then everything.
"""

from __future__ import annotations

import numpy as np

from LesionKitLib.run.errors import UnusableInput

CUT = 0.5
OVERSHOOT = 0.5  # a cubic spline goes beyond 0 and 1 by less at an edge in three directions
_SHOWN = 8  # labels named in a sentence


def mask_of(values: np.ndarray, name: str = "mask") -> tuple[np.ndarray, tuple[str, ...]]:
    """The mask (bool, the shape of ``values``) that an image of one means, and notes on what was decided.

    Whole numbers: the one value that is not 0. Fractions around 0 to 1: what reaches 0.5, with a note. NaN is outside.
    name: what the mask is called in sentences. Raises UnusableInput for several labels, negative numbers, other ranges
    and for a probability that nowhere reaches 0.5.
    """
    if values.dtype == bool:
        return values, ()
    if values.dtype.kind not in "iuf":
        raise UnusableInput(f"The {name} does not hold numbers that could be a mask.")
    notes: tuple[str, ...] = ()
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        values = np.where(np.isfinite(values), values, 0)
        notes = (f"The {name} holds voxels that are no numbers; they count as outside.",)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if values.dtype.kind != "f" or bool((values == np.rint(values)).all()):
        return values == _one_label(values, low, high, name), notes
    if low < -OVERSHOOT or high > 1 + OVERSHOOT:
        raise UnusableInput(
            f"The {name} is no mask: it holds values from {low:.3g} to {high:.3g}; give 0 outside and 1 inside."
        )
    if high < CUT:
        raise UnusableInput(f"The {name} is no mask: its highest value is {high:.3g}, and a mask begins at {CUT}.")
    cut = f"The {name} holds values from {low:.3g} to {high:.3g}, not 0 and 1 alone; it was cut at {CUT}."
    return values >= CUT, (*notes, cut)


def _one_label(values: np.ndarray, low: float, high: float, name: str) -> float:
    """The only value beside 0; 1 for an empty mask. Raises UnusableInput where there are more."""
    different = np.unique(values).tolist()
    found = [value for value in different if value != 0]
    if low >= 0 and len(found) <= 1:
        return found[0] if found else 1
    if len(found) > _SHOWN:
        raise UnusableInput(
            f"The {name} is no mask: it holds {len(different)} different values from {low:g} to {high:g}; "
            "give 0 outside and 1 inside."
        )
    labels = ", ".join(f"{value:g}" for value in found)
    raise UnusableInput(f"The {name} holds several labels ({labels}); give a mask of the one that is meant.")


def labels_of(values: np.ndarray, known: tuple[int, ...], name: str = "label map") -> np.ndarray:
    """``values`` as uint8 labels. Raises UnusableInput that names those that are none of ``known`` and not 0."""
    unknown = [value for value in np.unique(values).tolist() if value not in (0, *known)]
    if unknown:
        shown = ", ".join(f"{value:g}" for value in unknown[:_SHOWN])
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        raise UnusableInput(
            f"The {name} holds labels that are not known: {shown}{more}; known are {', '.join(map(str, known))}."
        )
    return values.astype(np.uint8)
