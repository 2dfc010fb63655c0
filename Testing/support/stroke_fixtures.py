"""Brains for tests: the bundled template turned into images, and tiny folders in the formats of the public data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from LesionKitLib.imaging.volume import Volume
from StrokeSynthLib.labels import LABELS, LESION
from StrokeSynthLib.segmentation.template import SOOP_BOX, SOOP_SHAPE, load_template

GRAYS = {c.value: gray for c, gray in zip(LABELS, (50, 40, 130, 100, 120, 230), strict=True)}
CENTER, RADIUS = (100, 95, 110), 12  # k, j, i on the standard grid: white matter of the left hemisphere


def lesion_mask(shape, center=CENTER, radius: float = RADIUS) -> np.ndarray:
    """A ball, bool."""
    k, j, i = np.indices(shape)
    return (k - center[0]) ** 2 + (j - center[1]) ** 2 + (i - center[2]) ** 2 <= radius**2


def brain(step: int = 2, noise: float = 3.0) -> tuple[Volume, np.ndarray]:
    """(image, lesion): a FLAIR-like stripped brain made of the template, every ``step`` mm; int16 and bool."""
    labels = load_template().labels
    lesion = lesion_mask(labels.array.shape) & (labels.array > 0)
    values = np.where(lesion, LESION.value, labels.array)
    lookup = np.array([GRAYS.get(n, 0) for n in range(LESION.value + 1)])
    gray = lookup[values] + noise * np.random.default_rng(0).standard_normal(values.shape)
    gray = np.where(values > 0, np.maximum(gray, 1), 0).astype(np.int16)
    cut = (slice(None, None, step),) * 3
    matrix = labels.ijk_to_ras @ np.diag([step, step, step, 1.0])
    return Volume(np.ascontiguousarray(gray[cut]), matrix, "brain"), lesion[cut]


CONTRASTS = {  # csf, ventricles, gray, white, deep gray, lesion; bone, scalp
    "flair": ((50, 40, 130, 100, 120, 230), (15, 110)),
    "t2": ((240, 250, 130, 90, 110, 200), (15, 120)),
    "t1": ((50, 40, 120, 170, 140, 80), (15, 220)),
    "dwi": ((40, 30, 120, 105, 110, 250), (5, 20)),
}


def head(contrast: str = "t2", step: int = 2, noise: float = 0.0, bias: float = 0.0) -> tuple[Volume, float]:
    """(image, milliliters of the brain): the template with bone and scalp around it and a neck; int16.

    noise: standard deviation of both channels of a magnitude image. bias: the gain rises by this share to the front.
    """
    from scipy import ndimage

    labels = load_template().labels
    array = np.pad(labels.array[::step, ::step, ::step], [(40 // step, 30 // step), *[(30 // step, 30 // step)] * 2])
    inner = array > 0
    away = ndimage.distance_transform_edt(~inner) * step
    k, j, i = np.indices(array.shape) * step
    middle = np.array(array.shape) * step / 2
    neck = (np.hypot(j - middle[1] - 15, i - middle[2]) < 60) & (k < 80)
    tissue, (bone, scalp) = CONTRASTS[contrast]
    gray = np.where((away < 16) | neck, scalp, 0)
    gray = np.where((away > 1) & (away < 8), bone, gray)
    gray = np.where(inner, np.array([0, *tissue])[array], gray).astype(float)
    gray *= 1 + bias * (middle[1] - j) / middle[1]
    rng = np.random.default_rng(1)
    if noise:
        gray = np.hypot(gray + noise * rng.standard_normal(gray.shape), noise * rng.standard_normal(gray.shape))
    matrix = labels.ijk_to_ras @ np.diag([step, step, step, 1.0])
    volume = Volume(np.rint(gray).astype(np.int16), matrix, "head")
    return volume, float(inner.sum()) * volume.voxel_ml


class BrightNetwork:
    """Stands in for the segmentation network: lesion is what is far brighter than the rest, brain is all that shows."""

    def __init__(self, limit: float = 0.5):
        self.limit = limit

    def to(self, _device):
        return self

    def __call__(self, images):
        import torch

        own = images[:, 0]
        return torch.stack([(own - self.limit) * 100, (own + 0.99) * 100], 1)


def soop_folder(folder: Path, planes=("axial",), patients: int = 6, size=None) -> Path:
    """soop/ with slices and masks of made patients, the last third val; returns ``folder``."""
    soop = folder / "soop"
    soop.mkdir(parents=True, exist_ok=True)
    labels = load_template().labels.array[SOOP_BOX]
    lookup = np.array([GRAYS.get(n, 0) for n in range(LESION.value + 1)], np.uint8)
    rng = np.random.default_rng(3)
    masks, ids = [], np.array([f"sub-{n}" for n in range(patients)])
    split = np.array(["val" if n >= patients * 2 // 3 else "train" for n in range(patients)])
    for _ in range(patients):
        center = (68 + rng.integers(-4, 5), rng.integers(90, 99), 117 + rng.integers(-6, 7))
        masks.append(lesion_mask(SOOP_SHAPE, center, 9) & (labels > 0))
    for plane in planes:
        picked = [_picture(np.where(mask, LESION.value, labels), plane) for mask in masks]
        truth = np.stack([value == LESION.value for value in picked])
        images = np.stack([lookup[value] for value in picked])
        np.savez_compressed(
            soop / f"flair_{plane}.npz", images=images, masks_packed=np.packbits(truth, axis=-1), ids=ids, split=split
        )
    _write_masks(soop / "masks3d.npz", masks, ids, split)
    return folder


def _picture(volume: np.ndarray, plane: str) -> np.ndarray:
    from StrokeSynthLib.segmentation.slice_views import PUBLIC_INDEX, plane_slice

    return plane_slice(volume, plane, PUBLIC_INDEX[plane])


def _write_masks(path: Path, masks, ids, split) -> None:
    """Masks as the public file has them: axes (i, j, k) to the left, anterior, superior, boxes of bits."""
    boxes, packed, offset = [], [], [0]
    for mask in masks:
        own = mask.transpose(2, 1, 0)[:, ::-1]
        points = np.argwhere(own)
        low, high = points.min(0), points.max(0) + 1
        bits = np.packbits(own[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].ravel())
        boxes.append(np.stack([low, high], 1))
        packed.append(bits)
        offset.append(offset[-1] + len(bits))
    affine = np.array([[-1.0, 0, 0, 78], [0, 1, 0, -112], [0, 0, 1, -50], [0, 0, 0, 1]])
    np.savez_compressed(
        path, packed=np.concatenate(packed), offset=np.array(offset), box=np.array(boxes, np.int32),
        shape=np.array(SOOP_SHAPE[::-1]), affine=affine, ids=ids, split=split,
    )  # fmt: skip


def synthseg_folder(folder: Path, names=("seg_01", "seg_02")) -> Path:
    """synthseg_labels/ with coarse maps in FreeSurfer's numbers, all train; returns ``folder``."""
    import SimpleITK as sitk

    from LesionKitLib.imaging.volume import to_sitk

    maps = folder / "synthseg_labels"
    maps.mkdir(parents=True, exist_ok=True)
    numbers = np.array([0, 24, 4, 3, 2, 10, 25], np.int16)
    labels = load_template().labels
    values = numbers[labels.array]
    values[(values == 0) & lesion_mask(values.shape, (80, 95, 78), 70)] = 507  # some scalp
    for name in names:
        sitk.WriteImage(to_sitk(labels.with_array(values)), str(maps / f"{name}.nii.gz"), True)
    rows = ["id,patient,split", *(f"{name},{name},train" for name in names)]
    (maps / "index.csv").write_text("\n".join(rows) + "\n")
    return folder
