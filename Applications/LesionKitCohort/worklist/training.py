"""What training takes from a worklist: reviewed readings as label maps, and splits by patient."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.io.annotations.annotation import labels_on_grid
from LesionKitLib.io.images import read_volume
from LesionKitLib.io.seg_nrrd import read_seg_nrrd
from LesionKitLib.run.errors import UnusableInput

from .store import REVIEWED, Worklist


@dataclass(frozen=True)
class Example:
    """A reviewed case. labels: a .seg.nrrd; patient: for splits."""

    case: str
    image: str
    labels: Path
    patient: str


@dataclass(frozen=True)
class LabeledVolume:
    """An example read: labels uint8 [k, j, i] on the image's grid, values by place in the list of segments."""

    example: Example
    image: Volume
    labels: np.ndarray


def reviewed(worklist: Worklist) -> list[Example]:
    """One for each case that was reviewed and saved, in the worklist's order; of several readings the latest.

    Raises UnusableInput where there is none.
    """
    latest = {}
    for reading in sorted(worklist.readings(REVIEWED), key=lambda reading: reading.changed):
        if reading.file is not None:
            latest[reading.case_id] = reading.file
    examples = [Example(c.id, c.image, latest[c.id], c.patient) for c in worklist.cases() if c.id in latest]
    if not examples:
        raise UnusableInput("The worklist has no reviewed case with a segmentation.")
    return examples


def segments_in(examples: Sequence[Example]) -> list[str]:
    """Ids of all segments of the examples, those of lower layers first, as lesions lie in organs."""
    found: dict[str, tuple[int, int]] = {}
    for example in examples:
        for record in read_seg_nrrd(example.labels)[1]:
            found.setdefault(record.id, (record.layer, record.value))
    return sorted(found, key=lambda name: found[name])


def labeled(examples: Sequence[Example], segments: Sequence[str]) -> Iterator[LabeledVolume]:
    """Image and labels of each example; where segments overlap, the later of the list has the voxel."""
    for example in examples:
        image = read_volume(example.image)
        layers, records = read_seg_nrrd(example.labels)
        moved = [labels_on_grid(layer, image)[0] for layer in layers]
        labels = np.zeros(image.array.shape, np.uint8)
        by_id = {record.id: record for record in records}
        for value, name in enumerate(segments, 1):
            if name in by_id:
                labels[moved[by_id[name].layer] == by_id[name].value] = value
        yield LabeledVolume(example, image, labels)


def folds_of(examples: Sequence[Example], folds: int = 5, seed: int = 0) -> dict[str, int]:
    """Case -> fold. All cases of a patient are in one fold; folds are as equal in cases as whole patients allow.

    Raises UnusableInput where there are fewer patients than folds.
    """
    cases: dict[str, list[str]] = {}
    for example in examples:
        cases.setdefault(example.patient, []).append(example.case)
    if len(cases) < folds:
        raise UnusableInput(f"{len(cases)} patients cannot be split into {folds} folds; give fewer (--folds).")
    patients = sorted(cases)
    random.Random(seed).shuffle(patients)
    patients.sort(key=lambda patient: -len(cases[patient]))
    sizes, result = [0] * folds, {}
    for patient in patients:
        fold = sizes.index(min(sizes))
        sizes[fold] += len(cases[patient])
        result |= dict.fromkeys(cases[patient], fold)
    return result
