"""Tiny folders in the formats of the public data sets (docs/data.md), with pictures made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from chest_fixtures import BlockChest, block_chest

SIZE = (128, 128)
BURDENED = np.zeros(SIZE, bool)
BURDENED[60:84, 30:50] = True
HELD_ASIDE = ("p6", "p11")  # names of patients who calibrate decisions


def picture(shape=SIZE, lesion: np.ndarray | None = None) -> np.ndarray:
    """8-bit: a bright body in black air, two dark lungs, and a bright lesion."""
    rows, columns = shape
    gray = np.zeros(shape)
    gray[rows // 10 : -rows // 10, columns // 16 : -columns // 16] = 220
    gray[rows // 4 : 3 * rows // 4, columns // 6 : columns * 11 // 24] = 60
    gray[rows // 4 : 3 * rows // 4, columns * 13 // 24 : -columns // 6] = 60
    if lesion is not None:
        gray[lesion] = 150
    return gray.astype(np.uint8)


def _save(folder: Path, name: str, gray: np.ndarray, label: np.ndarray, ending: str) -> None:
    from PIL import Image

    for part in ("img", "lab"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    Image.fromarray(gray).save(folder / "img" / f"{name}{ending}")
    Image.fromarray(label).save(folder / "lab" / f"{name}.png")


def _table(path: Path, header: str, rows: list[tuple]) -> None:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")


def sirm_folder(folder: Path) -> Path:
    """Slices 000 (train), 001 and 002 (val, one group), 022 (train, not fully labeled), 003 (train, residue)."""
    rows = []
    for name, group, split, effusion in (
        ("000", 0, "train", 200), ("001", 1, "val", 200), ("002", 1, "val", 0), ("022", 2, "train", 0),
        ("003", 3, "train", 40),
    ):  # fmt: skip
        label = np.where(BURDENED, 1, 0).astype(np.uint8)
        label[60:66, 30:50] = 2
        label.ravel()[np.flatnonzero(BURDENED)[-effusion:] if effusion else []] = 3
        _save(folder, name, picture(lesion=BURDENED), label, ".png")
        rows.append((name, group, split, (label == 1).sum(), (label == 2).sum(), (label == 3).sum()))
    _table(folder / "split.csv", "id,group,split,ggo_px,consolidation_px,effusion_px", rows)
    return folder


def pseudo_folder(folder: Path) -> Path:
    """A train series of 3 slices, a val series of 2, and the series that runs from head to feet; sizes vary."""
    rows = []
    for series, split, count in (("corona001", "train", 3), ("corona002", "val", 2), ("radiop7_85703_0", "train", 2)):
        for n in range(count):
            shape = (112 + n, 128)
            lesion = np.zeros(shape, bool)
            lesion[50 : 60 + 10 * n, 30:40] = True
            name = f"{series}_{n:04d}"
            _save(folder, name, picture(shape, lesion), lesion.astype(np.uint8), ".jpg")
            # written backwards: the order is the index's, not the file's
            rows.insert(0, (name, series, series, split, n, n, count, lesion.sum(), 128, shape[0], 128, shape[0]))
    header = "id,patient,series,split,source_slice_no,order_in_series,n_in_series,pseudo_lesion_px,width,height"
    _table(folder / "index.csv", header + ",orig_width,orig_height", rows)
    return folder


def classify_folder(folder: Path, repeat: int = 1) -> Path:
    """Pictures with a label for the whole: two sources, of which one names patients; "held" calibrates."""
    from PIL import Image

    (folder / "img").mkdir(parents=True, exist_ok=True)
    rows = []
    for source, patient, split, label in (
        ("SARS", "", "train", "covid"), ("SARS", "", "train", "noncovid"),
        ("UCSD", "a", "train", "covid"), ("UCSD", "b", "train", "noncovid"),
        ("UCSD", HELD_ASIDE[0], "train", "covid"), ("UCSD", HELD_ASIDE[1], "train", "noncovid"),
        ("UCSD", "v", "val", "covid"), ("UCSD", "w", "val", "noncovid"),
    ):  # fmt: skip
        for _ in range(repeat):
            name = f"{len(rows):03d}"
            Image.fromarray(picture(lesion=BURDENED if label == "covid" else None)).save(folder / "img" / f"{name}.jpg")
            rows.append((name, patient, split, label, source))
    _table(folder / "index.csv", "id,patient,split,label,source", rows)
    return folder


def mosmed_folder(folder: Path) -> Path:
    """Two slices for evaluation only; one has no lesion."""
    rows = []
    for n, lesion in enumerate((BURDENED, BURDENED & False)):
        _save(folder, f"study_{n}", picture(lesion=lesion), lesion.astype(np.uint8), ".jpg")
        rows.append((f"study_{n}", f"study_{n}", "eval_only", 10, 20, lesion.sum(), 0.9))
    _table(folder / "index.csv", "study,patient,split,slice_index_0based,n_slices,lesion_px,pixel_mm", rows)
    return folder


def volumes_folder(folder: Path, split: str = "train", spacing=(4.0, 4.0, 8.0)) -> BlockChest:
    """One HU volume p001.nii.gz with a yes / no for each slice (where the boxes' lesions are)."""
    import SimpleITK as sitk

    from LesionKitLib.imaging.volume import to_sitk

    folder.mkdir(parents=True, exist_ok=True)
    chest = block_chest(spacing)
    sitk.WriteImage(to_sitk(chest.volume), str(folder / "p001.nii.gz"))
    infected = (chest.lesions > 0).any((1, 2)).astype(int)
    rows = [("p001", "P001", split, "covid", k, k, value) for k, value in enumerate(infected)]
    _table(folder / "labels.csv", "id,patient,split,diagnosis,k,source_k,infected", rows[::-1])
    return chest


LUNG = np.zeros(SIZE, bool)
LUNG[32:96, 21:58] = LUNG[32:96, 69:106] = True


def _save_masked(folder: Path, name: str, label: np.ndarray) -> None:
    from PIL import Image

    _save(folder, name, picture(lesion=label > 0), label, ".jpg")
    (folder / "lung").mkdir(exist_ok=True)
    Image.fromarray(LUNG.astype(np.uint8) * 255).save(folder / "lung" / f"{name}.png")


def ct20_folder(folder: Path) -> Path:
    """A train series of 3 slices, listed from head to feet, and a val series of 1; 0 / 1 infection, lungs."""
    rows = []
    for series, split, count in (("corona001", "train", 3), ("corona003", "val", 1)):
        for n in reversed(range(count)):
            name = f"{series}_{n:03d}"
            label = (BURDENED * 1).astype(np.uint8)
            label[: 60 + 4 * n] = 0  # less lesion the higher the slice, so that the order can be seen
            _save_masked(folder, name, label)
            rows.append((name, series, series, split, n, label.sum(), LUNG.sum()))
    _table(folder / "index.csv", "id,patient,series,split,order_in_series,lesion_px,lung_px", rows)
    return folder


def medseg9_folder(folder: Path) -> Path:
    """One train series: a slice with both kinds, one whose kind was inferred, one without lesion; and a val slice."""
    rows = []
    for n, (split, inferred, lesion) in enumerate(
        (("train", 0, True), ("train", 1, True), ("train", 0, False), ("val", 0, True))
    ):
        label = np.where(BURDENED & lesion, 1, 0).astype(np.uint8)
        label[60:66, 30:50] *= 2
        name, patient = f"v1_{n:03d}", "radiop7" if split == "train" else "radiop40"
        _save_masked(folder, name, label)
        kinds = (label == 1).sum(), (label == 2).sum(), 0
        rows.append((name, patient, split, *kinds, n, patient, f"{patient}_1", inferred, LUNG.sum()))
    header = "id,group,split,ggo_px,consolidation_px,effusion_px,k,patient,series,label_inferred,lung_px"
    _table(folder / "split.csv", header, rows)
    return folder


def plethora_folder(folder: Path) -> BlockChest:
    """A train volume whose consolidation is called an effusion, a weakly labeled one, and one for validation."""
    from LesionKitLib.io.images import write_labelmap, write_volume

    chest = block_chest((4.0, 4.0, 8.0))
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        ("lung1_001", "LUNG1-001", "train", 0),
        ("lung1_002", "LUNG1-002", "train", 1),
        ("lung1_003", "3", "val", 0),
    ]
    for name, *_ in rows:
        write_volume(folder / f"{name}.nii.gz", chest.volume)
        write_labelmap(folder / f"{name}_effusion.nii.gz", (chest.lesions == 2).astype(np.uint8), chest.volume)
    _table(folder / "index.csv", "id,patient,split,weak_label", rows)
    return chest
