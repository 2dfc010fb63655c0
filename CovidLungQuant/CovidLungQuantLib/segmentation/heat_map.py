"""What spoke for a network's decision, as a picture on the volume's grid (class activation mapping)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LesionKitLib.imaging.volume import Volume

from .chest_box import ChestBox
from .frames import FramePlacement
from .native_grid import blend, slices_around


def heat_map(
    lps: Volume, box: ChestBox, activations: Sequence[np.ndarray | None], full: Sequence[float]
) -> np.ndarray | None:
    """uint8 0..100 on the grid of ``lps``: how much each place spoke for the decision; None where no network says.

    activations: of each network (slices of the box, h, w), logit units. full: of each the evidence shown as 100, which
    the strongest places of COVID-19 pictures reach. Several maps are averaged.
    """
    shares = [np.clip(a / top, 0, 1) for a, top in zip(activations, full, strict=True) if a is not None]
    if not shares:
        return None
    heat = np.mean(shares, 0)
    out = np.zeros(lps.array.shape, np.uint8)
    plane = box.plane
    coarse = tuple(
        step * size / cells for step, size, cells in zip(plane.step, plane.shape, heat.shape[1:], strict=True)
    )
    place = FramePlacement(plane.top, plane.left, coarse, heat.shape[1:])
    for k in range(*box.slices):
        low, high, share = slices_around(box, k)
        out[k] = np.rint(100 * place.paste(blend(heat[low], heat[high], share), lps.array.shape[1:]))
    return out
