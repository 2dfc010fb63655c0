"""The public sets that StrokeSynth learns from: FLAIR slices with lesions, 3-D lesion masks, anatomical label maps.

Formats are those of docs/data.md. Validation patients are only given out when they are asked for by ``split``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.volume import Volume, reorient_to_lps
from LesionKitLib.run.errors import UnusableInput

SPLITS = ("train", "val", "all")
PLANES = ("axial", "coronal", "sagittal")
SEQUENCES = ("flair", "dwi")
EXCLUDED = frozenset({"sub-303", "sub-1373", "sub-1395"})  # masks of more than 600 ml that look wrong
MIN_LESION_PIXELS = 20  # as in the paper; smaller ones are counted, but not scored


@dataclass(frozen=True)
class SliceSet:
    """2-D slices of one plane. images: uint8 (n, h, w); masks: bool, the same; ids: patients; split: train or val.

    As pictures: anterior or superior up; axial and coronal with the patient's right at the left, sagittal with anterior
    at the left. brain_masks: bool (n, h, w); None where every pixel above 0 is brain.
    """

    plane: str
    images: np.ndarray
    masks: np.ndarray
    ids: np.ndarray
    split: np.ndarray
    brain_masks: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)

    @functools.cached_property
    def areas(self) -> np.ndarray:
        """Lesion pixels of each slice."""
        return self.masks.sum((1, 2))

    @functools.cached_property
    def brains(self) -> np.ndarray:
        """Brain pixels, bool (n, h, w)."""
        return self.images > 0 if self.brain_masks is None else self.brain_masks

    def __getitem__(self, rows) -> SliceSet:
        """Some rows, by a slice, an index array or a mask."""
        parts = (self.images, self.masks, self.ids, self.split, self.brain_masks)
        return SliceSet(self.plane, *(None if part is None else np.ascontiguousarray(part[rows]) for part in parts))


def read_slices(soop: Path, plane: str = "axial", split: str = "train", sequence: str = "flair") -> SliceSet:
    """The slices of a plane from a folder like soop; split: train, val or all. EXCLUDED patients are left out.

    sequence: flair or dwi, the beginning of the file's name. Where the file says which slice of a head each is (array
    slice) and heads are shown with skull, the brain is found as in volumes (stroke_brain_masks.py).

    Raises UnusableInput when the file is missing or is not such a file.
    """
    from .stroke_brain_masks import with_brain_masks

    table = _load(Path(soop) / f"{sequence}_{plane}.npz", ("images", "masks_packed", "ids", "split"))
    images = table["images"]
    masks = np.unpackbits(table["masks_packed"], axis=-1, count=images.shape[2]).astype(bool)
    rows = _chosen(table["ids"], table["split"], split)
    numbers = table["slice"][rows] if "slice" in table else None
    images, brains = with_brain_masks(images[rows], table["ids"][rows], numbers)
    return SliceSet(plane, images, masks[rows], table["ids"][rows], table["split"][rows], brains)


@dataclass(frozen=True)
class MaskSet:
    """3-D lesion masks, kept as bits and unpacked one at a time.

    shape: (i, j, k) of the grid; ijk_to_ras: its place. ids, split: one per mask.
    """

    shape: tuple[int, int, int]
    ijk_to_ras: np.ndarray
    ids: np.ndarray
    split: np.ndarray
    boxes: np.ndarray
    packed: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.packed)

    def volume(self, number: int) -> Volume:
        """Mask ``number`` as a bool Volume in LPS order (array k, j, i; i to the left, j to posterior, k up)."""
        box = self.boxes[number]
        size = box[:, 1] - box[:, 0]
        mask = np.zeros(self.shape, bool)
        bits = np.unpackbits(self.packed[number], count=int(np.prod(size))).reshape(size)
        mask[tuple(slice(a, b) for a, b in box)] = bits
        return reorient_to_lps(Volume(mask.transpose(2, 1, 0), self.ijk_to_ras, str(self.ids[number])))[0]

    def __iter__(self) -> Iterator[Volume]:
        return (self.volume(number) for number in range(len(self)))


def read_masks(folder: Path, split: str = "train") -> MaskSet:
    """The 3-D lesion masks of the folders soop or lesymap. Raises UnusableInput as read_slices."""
    path = Path(folder) / "masks3d.npz"
    table = _load(path, ("packed", "offset", "box", "shape", "affine", "ids"))
    ids, offset = table["ids"], table["offset"]
    splits = table["split"] if "split" in table else _splits_of(Path(folder) / "index.csv", ids)
    rows = _chosen(ids, splits, split)
    packed = tuple(table["packed"][offset[row] : offset[row + 1]] for row in rows)
    shape = tuple(int(n) for n in table["shape"])
    return MaskSet(shape, table["affine"], ids[rows], splits[rows], table["box"][rows], packed)


def read_label_maps(folder: Path, split: str = "train", skull: bool = False) -> Iterator[Volume]:
    """The maps of the folder synthseg_labels as semantic maps, uint8 in LPS order, one at a time.

    skull: see labels.semantic_from_freesurfer.
    """
    from LesionKitLib.io.images import read_volume
    from StrokeSynthLib.labels import semantic_from_freesurfer

    index = Path(folder) / "index.csv"
    for name in _split_names(index, split):
        volume, _ = reorient_to_lps(read_volume(Path(folder) / f"{name}.nii.gz"))
        yield volume.with_array(semantic_from_freesurfer(volume.array, skull))


def _load(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise UnusableInput(f"'{path}' does not exist; --data must name a folder as docs/data.md describes it.")
    try:
        with np.load(path) as file:
            table = {key: file[key] for key in file.files}
    except (OSError, ValueError) as error:
        raise UnusableInput(f"'{path.name}' cannot be read as an .npz file.") from error
    lacking = [key for key in keys if key not in table]
    if lacking:
        raise UnusableInput(f"'{path.name}' lacks {', '.join(lacking)}.")
    return table


def _chosen(ids: np.ndarray, splits: np.ndarray, split: str) -> np.ndarray:
    if split not in SPLITS:
        raise UnusableInput(f"The split '{split}' is not known; choose one of {', '.join(SPLITS)}.")
    wanted = np.ones(len(ids), bool) if split == "all" else splits == split
    rows = np.flatnonzero(wanted & ~np.isin(ids, list(EXCLUDED)))
    if not len(rows):
        raise UnusableInput(f"The data hold nothing of the split '{split}'.")
    return rows


def _splits_of(index: Path, ids: np.ndarray) -> np.ndarray:
    splits = {row["id"]: row["split"] for row in _rows(index)}
    return np.array([splits.get(str(name), "") for name in ids])


def _split_names(index: Path, split: str) -> list[str]:
    rows = _rows(index)
    ids, splits = np.array([r["id"] for r in rows]), np.array([r["split"] for r in rows])
    return [str(name) for name in ids[_chosen(ids, splits, split)]]


def _rows(index: Path) -> list[dict]:
    import csv

    if not index.is_file():
        raise UnusableInput(f"'{index}' does not exist; --data must name a folder as docs/data.md describes it.")
    with index.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
