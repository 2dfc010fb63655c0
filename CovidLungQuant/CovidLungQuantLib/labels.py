"""The classes that CovidLungQuant knows: numbers in label maps, names, colors and DICOM codes, and how they overlap.

A code is (coding scheme, code value, meaning). Where each was found, by pydicom 3.0.2's tables of DICOM PS3.16:

- SCT 39607008 Lung: CID 7155 thoracic segmentation types; Slicer's general anatomy list.
- SCT 3120008 Pleura: CID 7155; Slicer's lists.
- SCT 24028007 Right, SCT 7771000 Left: CID 244 laterality; Slicer's lists, as modifiers of Lung.
- DCM 112120 Ground glass opacity: CID 6102 and 6104, chest findings.
- SCT 60046008 Pleural effusion: CID 645 and 8134.
- SCT 95436008 Lung consolidation: in none of DICOM's groups; OHDSI's vocabulary (concept 4318404) and the HL7 guide
  ig-lt-lung list it, as a disorder.

Ground glass opacity has a younger SNOMED CT code too, 1217294009 (HL7 guides); DICOM's own is taken because every
DICOM reader can look it up. SCT 50196008, sometimes given for it, is perialveolar fibrosis of lung.
"""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.measures import bounding_box
from LesionKitLib.imaging.segment_class import (
    ANATOMICAL_STRUCTURE,
    MORPHOLOGICALLY_ABNORMAL_STRUCTURE,
    Code,
    SegmentClass,
)

LUNG: Code = ("SCT", "39607008", "Lung")
PLEURA: Code = ("SCT", "3120008", "Pleura")
RIGHT: Code = ("SCT", "24028007", "Right")
LEFT: Code = ("SCT", "7771000", "Left")


# values in the lung label map
RIGHT_LUNG = SegmentClass("right_lung", 1, "Right lung", (128, 174, 128), ANATOMICAL_STRUCTURE, LUNG, RIGHT)
LEFT_LUNG = SegmentClass("left_lung", 2, "Left lung", (111, 184, 210), ANATOMICAL_STRUCTURE, LUNG, LEFT)
LUNGS = (RIGHT_LUNG, LEFT_LUNG)
SIDES = ("right", "left")  # of LUNGS

# values in the lesion label map; 0 is none
GGO = SegmentClass(
    "ggo", 1, "Ground-glass opacity", (255, 214, 10), MORPHOLOGICALLY_ABNORMAL_STRUCTURE,
    ("DCM", "112120", "Ground glass opacity"), region=LUNG,
)  # fmt: skip
CONSOLIDATION = SegmentClass(
    "consolidation", 2, "Consolidation", (235, 64, 52), MORPHOLOGICALLY_ABNORMAL_STRUCTURE,
    ("SCT", "95436008", "Lung consolidation"), region=LUNG,
)  # fmt: skip
EFFUSION = SegmentClass(
    "effusion", 3, "Pleural effusion", (52, 120, 246), MORPHOLOGICALLY_ABNORMAL_STRUCTURE,
    ("SCT", "60046008", "Pleural effusion"), region=PLEURA,
)  # fmt: skip
LESIONS = (GGO, CONSOLIDATION, EFFUSION)

# Other names of the classes in segmentations of others; a name that several have is a question to the user.
_ANY_LESION = ("lesion", "lesions", "infection", "covid", "pneumonia")
SYNONYMS = {
    GGO.key: ("ground glass", "groundglass", "gg", *_ANY_LESION),
    CONSOLIDATION.key: ("consolidations", *_ANY_LESION),
    EFFUSION.key: ("pleural fluid", "hydrothorax"),
    RIGHT_LUNG.key: ("lungs right", "lung r", "rightlung"),
    LEFT_LUNG.key: ("lungs left", "lung l", "leftlung"),
}


def lungs_with_lesions(lungs: np.ndarray, lesions: np.ndarray, spacing) -> np.ndarray:
    """Lung label map (k, j, i) in which every lesion voxel is lung, as the definition of burden asks.

    The networks' lesions lie in the lungs by construction; what a person draws need not. A lesion voxel outside both
    lungs goes to the lung whose center is nearer. spacing: mm along (i, j, k). Returns ``lungs`` itself when nothing
    lies outside or there is no lung at all, else a copy.
    """
    box = bounding_box(lesions)
    if box is None:
        return lungs
    outside = np.argwhere((lesions[box] > 0) & (lungs[box] == 0)) + [part.start for part in box]
    if not len(outside):
        return lungs
    sides = nearer_lung(outside, [lung_profiles(lungs == c.value) for c in LUNGS], spacing)
    if sides is None:
        return lungs
    result = lungs.copy()
    result[tuple(outside.T)] = sides
    return result


def nearer_lung(outside: np.ndarray, profiles: list[list[np.ndarray]], spacing) -> np.ndarray | None:
    """For voxels (n, 3: k, j, i) the label of the lung whose center is nearer; None when there is no lung.

    profiles: lung_profiles of the right and the left lung. spacing: mm along (i, j, k).
    """
    step = np.asarray(spacing, float)[::-1]
    centers = {c.value: _center(profile) for c, profile in zip(LUNGS, profiles, strict=True)}
    present = [value for value, center in centers.items() if center is not None]
    if not present:
        return None
    distances = [np.linalg.norm((outside - centers[value]) * step, axis=1) for value in present]
    return np.array(present, np.uint8)[np.argmin(distances, axis=0)]


def lung_profiles(mask: np.ndarray) -> list[np.ndarray]:
    """How many voxels of the mask each index along k, j and i holds."""
    return [mask.sum(axis=other) for other in ((1, 2), (0, 2), (0, 1))]


def _center(profiles: list[np.ndarray]) -> np.ndarray | None:
    """Mean index (k, j, i); None when there are no voxels."""
    if not profiles[0].any():
        return None
    return np.array([np.average(np.arange(len(n)), weights=n) for n in profiles])
