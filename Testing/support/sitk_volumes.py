"""What SimpleITK reads as a Volume, to compare our readers with it."""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume, affine


def from_sitk(image, name: str = "", notes: tuple[str, ...] = ()) -> Volume:
    """A Volume from a 3-D scalar SimpleITK image (whose geometry is LPS)."""
    import SimpleITK as sitk

    direction = LPS_IN_RAS @ np.reshape(image.GetDirection(), (3, 3))
    matrix = affine(image.GetSpacing(), direction, LPS_IN_RAS @ np.array(image.GetOrigin()))
    return Volume(sitk.GetArrayFromImage(image), matrix, name, notes)
