"""Pictures with a label for the whole slice, COVID-19 or not, in the format of ct/classify (docs/data.md)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from CovidLungQuantLib.segmentation.frames import place_frame

from .covid import UNKNOWN, Sequence, read_picture, roomy

SPLITS = ("train", "calibration", "val", "all")
CALIBRATION_PART = 7  # one of so many patients of the training split is held out to calibrate decisions
COVID, NOT_COVID, NOT_KNOWN = 1, 0, -1


@dataclass(frozen=True)
class DecisionPicture:
    """gray: uint8 (h, w); covid: 1 or 0; patient: empty where not known."""

    source: str
    name: str
    patient: str
    gray: np.ndarray
    covid: int


def decision_pictures(folder: Path, split: str) -> Iterator[DecisionPicture]:
    """The pictures of a split of SPLITS.

    "calibration" are the patients of the training split that is_held_out names, and "train" is the rest of it: nobody
    is trained on whom decisions are calibrated with. "all" takes every row, whatever its split.
    Raises UnusableInput when the folder has no such index, or no picture of that split.
    """
    import pandas as pd

    from LesionKitLib.run.errors import UnusableInput

    path = folder / "index.csv"
    if not path.exists():
        raise UnusableInput("The data folder holds no index.csv.")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise UnusableInput("The table index.csv cannot be read.") from error
    lacking = [name for name in ("id", "split", "label") if name not in table]
    if lacking:
        raise UnusableInput(f"The table index.csv has no column '{lacking[0]}'.")
    for name in ("patient", "source"):
        if name not in table:
            table[name] = ""
    rows = [row for row in table.itertuples(index=False) if _is_in(row, split)]
    if not rows:
        raise UnusableInput(f"The data folder has no image of the split '{split}'.")
    for row in rows:
        gray = read_picture(_find(folder / "img", row.id))
        source = row.source or folder.resolve().name
        yield DecisionPicture(source, row.id, row.patient, gray, int(row.label == "covid"))


def is_held_out(patient: str) -> bool:
    """Whether a patient of the training split calibrates decisions instead of training networks."""
    return bool(patient) and zlib.crc32(patient.encode()) % CALIBRATION_PART == 0


def _is_in(row, split: str) -> bool:
    if split == "all":
        return True
    if split in ("train", "calibration"):
        return row.split == "train" and is_held_out(row.patient) == (split == "calibration")
    return row.split in (("val", "eval_only") if split == "val" else (split,))


def _find(folder: Path, name: str) -> Path:
    from LesionKitLib.run.errors import UnusableInput

    for ending in (".jpg", ".png", ".jpeg"):
        if (folder / (name + ending)).exists():
            return folder / (name + ending)
    raise UnusableInput(f"The picture {name} that the index names is missing.")


def decision_sequences(folder: Path, split: str = "train") -> dict[tuple[str, int], list[Sequence]]:
    """Single slices in frames for training, by source and label; nothing is known of their pixels."""
    found: dict[tuple[str, int], list[Sequence]] = {}
    for item in decision_pictures(folder, split):
        found.setdefault((item.source, item.covid), []).append(decision_sequence(item))
    return found


def decision_sequence(item: DecisionPicture) -> Sequence:
    """The picture in a frame for training; nothing is known of its pixels."""
    image = roomy(place_frame(item.gray / 255.0)).cut(item.gray).round().astype(np.uint8)[None]
    nothing = np.full(image.shape, UNKNOWN, np.uint8)
    return Sequence(f"classify/{item.source}", image, nothing, nothing, np.array([NOT_KNOWN]), 0.0)


def decision_of(source: str, diagnoses: dict[str, str], lesion: np.ndarray, infected: np.ndarray) -> np.ndarray:
    """What the slices (t, h, w) of a training view say about COVID-19: 1, 0, or -1 not known.

    Only HU volumes say anything (diagnoses: source -> covid, cap or normal), because they come as infected and healthy
    slices of one kind of picture: a set of nothing but COVID-19 would teach its style instead. A slice into which
    lesions were computed says nothing (its lesion pixels are known), nor does a healthy slice of a COVID-19 patient.
    """
    decisions = np.full(len(lesion), NOT_KNOWN)
    diagnosis = diagnoses.get(source)
    if diagnosis is None:
        return decisions
    real = (infected == 0) | (lesion == UNKNOWN).any((1, 2))
    if diagnosis == "covid":
        decisions[real & (infected == 1)] = COVID
    else:
        decisions[real] = NOT_COVID
    return decisions
