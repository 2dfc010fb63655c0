"""From the network's slices back to the volume's own grid: probabilities are interpolated, then decided."""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.run.progress import Progress

from .chest_box import ChestBox


def labels_on_native_grid(
    lps: Volume, box: ChestBox, probabilities: np.ndarray, sides: np.ndarray, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """(lungs, lesions) uint8 on the grid of ``lps``.

    probabilities: (n, 5, h, w) in the box: lung, any lesion, ground glass, consolidation, effusion. sides: (n, h, w),
    1 right, 2 left lung.
    """
    lungs, lesions = np.zeros(lps.array.shape, np.uint8), np.zeros(lps.array.shape, np.uint8)
    first, last = box.slices
    rows, columns = box.plane.covered(lps.array.shape[1:])
    inner = box.plane.moved(-rows.start, -columns.start)
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    for k in range(first, last):
        if k % 8 == 0:
            progress.report("bringing labels to the image", 0.85 + 0.12 * (k - first) / (last - first))
        low, high, share = slices_around(box, k)
        if not (sides[low].any() or sides[high].any()):
            continue
        stack = blend(probabilities[low], probabilities[high], share)
        left = blend((sides[low] == 2)[None] * stack[:1], (sides[high] == 2)[None] * stack[:1], share)
        lung, lesion, *kinds, left = inner.paste(np.concatenate([stack, left]), shape)
        labels = np.where(lesion > 0.5, 1 + np.argmax(kinds, 0), 0)
        inside = (lung > 0.5) | (labels > 0)
        lungs[k, rows, columns] = np.where(inside, np.where(left > 0.5 * lung, 2, 1), 0)
        lesions[k, rows, columns] = labels
    return lungs, lesions


def slices_around(box: ChestBox, k: int) -> tuple[int, int, float]:
    """The two of the network's slices that slice k of the volume lies between, and how far it is from the first."""
    at = min(max((k - box.slices[0] + 0.5) / box.step - 0.5, 0), box.model_slices - 1)
    return int(at), min(int(at) + 1, box.model_slices - 1), at - int(at)


def blend(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """(1 - share) a + share b, float32."""
    if share == 0:
        return a.astype(np.float32)
    return a.astype(np.float32) * np.float32(1 - share) + b.astype(np.float32) * np.float32(share)
