"""How much of a network's heat map lies inside the lungs of a CT: ``python heat_inside_lungs.py CT [--network jcs]``.

Prints one JSON document: the share of the activation (sum of the map's values) inside the lungs, inside the lungs and
10 mm around them, and inside the lesions that the network marked, and what it decided. --picture: a montage to look at.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

AROUND_MM = 10.0


def shares(heat: np.ndarray, lungs: np.ndarray, lesions: np.ndarray, spacing) -> dict[str, float | None]:
    """Parts of the sum of ``heat`` (k, j, i) in the masks; None where nothing is active.

    spacing: mm along (i, j, k).
    """
    from scipy.ndimage import distance_transform_edt

    total = float(heat.sum(dtype=np.float64))
    if not total:
        return {"lungs": None, "lungs_and_around": None, "lesions": None}
    near = distance_transform_edt(lungs == 0, sampling=tuple(spacing)[::-1]) <= AROUND_MM
    masks = {"lungs": lungs > 0, "lungs_and_around": near, "lesions": lesions > 0}
    return {name: float(heat[mask].sum(dtype=np.float64)) / total for name, mask in masks.items()}


def draw(result, path: str) -> None:
    """Six axial slices with the heat map over them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    from LesionKitLib.imaging.volume import reorient_to_lps

    image = reorient_to_lps(result.volume)[0].array
    heat = reorient_to_lps(result.volume.with_array(result.heatmap))[0].array
    lesions = reorient_to_lps(result.volume.with_array(result.lesions))[0].array
    lungs = reorient_to_lps(result.volume.with_array(result.lungs))[0].array
    inside = np.flatnonzero((lungs > 0).any((1, 2)))
    chosen = inside[np.rint(np.linspace(0.1, 0.9, 6) * (len(inside) - 1)).astype(int)]
    figure, axes = plt.subplots(2, 3, figsize=(12, 8), layout="constrained")
    for axis, k in zip(axes.ravel(), chosen, strict=True):
        axis.imshow(image[k], cmap="gray", vmin=-1350, vmax=150)
        axis.imshow(np.ma.masked_less(heat[k], 5), cmap="inferno", vmin=0, vmax=100, alpha=0.45)
        axis.contour(lungs[k] > 0, [0.5], colors="cyan", linewidths=0.6)
        if lesions[k].any():
            axis.contour(lesions[k] > 0, [0.5], colors="yellow", linewidths=0.8)
        axis.set_title(f"slice {k}")
        axis.axis("off")
    figure.savefig(path, dpi=80)


def main() -> None:
    from CovidLungQuantLib.pipeline import analyze
    from LesionKitLib.io.images import read_volume

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ct")
    parser.add_argument("--network", default="jcs")
    parser.add_argument("--picture", metavar="PNG")
    options = parser.parse_args()
    result = analyze(read_volume(options.ct), options.network)
    found = shares(result.heatmap, result.lungs, result.lesions, result.volume.spacing)
    if options.picture:
        draw(result, options.picture)
    burden = result.measurements["total"]["burden_percent"]
    print(json.dumps({"shares": found, "decision": result.decision, "burden_percent": burden, "notes": result.notes}))


if __name__ == "__main__":
    main()
