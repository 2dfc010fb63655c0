"""Numbers of a segmented stroke: volumes, lesion components, sides. Milliliters; positions in MNI mm (RAS)."""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.lesion_components import LesionComponent, lesion_components
from LesionKitLib.imaging.volume import Volume
from StrokeSynthLib.labels import MIN_LESION_ML, TISSUES

from .side import hemispheres_by_alignment, side_of

HEADER = ("component", "ml", "side", "mni_x", "mni_y", "mni_z")


def measure(
    volume: Volume, lesion: np.ndarray, brain: np.ndarray, to_image: np.ndarray, tissues: np.ndarray | None = None
) -> dict:
    """Measure a lesion mask (k, j, i) on the volume's grid.

    to_image: MNI mm to the image's mm. Keys: lesion_ml, lesions (26-connected components of at least MIN_LESION_ML),
    side (see side.side_of), largest_ml, brain_ml, lesion_percent (of the brain, None without a brain), components
    [{ml, side, center_mni}] from the largest, tissues_ml {key: ml} where tissues are known.
    """
    lesion = lesion > 0
    to_mni = np.linalg.inv(to_image) @ volume.ijk_to_ras
    hemispheres = hemispheres_by_alignment(lesion.shape, to_mni)
    found = [_row(one, hemispheres, to_image) for one in stroke_components(volume, lesion)]
    whole_ml, brain_ml = float(lesion.sum() * volume.voxel_ml), float((brain > 0).sum() * volume.voxel_ml)
    result = {
        "lesion_ml": whole_ml,
        "lesions": len(found),
        "side": side_of(hemispheres[lesion]),
        "largest_ml": found[0]["ml"] if found else 0.0,
        "brain_ml": brain_ml,
        "lesion_percent": 100 * whole_ml / brain_ml if brain_ml else None,
        "components": found,
    }
    if tissues is not None:
        counts = np.bincount(tissues.ravel(), minlength=len(TISSUES) + 1)
        result["tissues_ml"] = {c.key: float(counts[c.value] * volume.voxel_ml) for c in TISSUES}
    return result


def stroke_components(volume: Volume, lesion: np.ndarray) -> list[LesionComponent]:
    """The lesions of a mask (k, j, i) on the volume's grid, from MIN_LESION_ML on, the largest first."""
    return lesion_components(volume, (lesion > 0).astype(np.uint8), MIN_LESION_ML)


def _row(component: LesionComponent, hemispheres: np.ndarray, to_image: np.ndarray) -> dict:
    center = np.linalg.solve(to_image, [*component.center, 1.0])
    return {
        "ml": component.ml,
        "side": side_of(hemispheres[component.box][component.mask]),
        "center_mni": [round(float(x), 1) for x in center[:3]],
    }


def to_rows(measurements: dict) -> tuple[tuple[str, ...], list[tuple]]:
    """Header and rows of a table: all components together, then each."""
    rows = [("all", measurements["lesion_ml"], measurements["side"], "", "", "")]
    for number, component in enumerate(measurements["components"], 1):
        rows.append((number, component["ml"], component["side"], *component["center_mni"]))
    return HEADER, rows
