"""The semantic labels of StrokeSynth: numbers, names, colors and DICOM codes, and what other label maps become.

A code is (coding scheme, code value, meaning). Where each was found, by pydicom 3.0.2's tables of DICOM PS3.16:

- SCT 12738006 Brain, 65216001 Cerebrospinal Fluid, 35764002 Brain ventricle, 389081007 Gray Matter, 389080008 White
  Matter: CID 7153 central nervous system segmentation types. FMA 223151 Subcortical gray matter: the same.
- SCT 422504002 Ischemic stroke (disorder): in none of DICOM's groups; HL7's US Core examples and OHDSI's vocabulary
  (concept 4310996) list it.
"""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.segment_class import (
    ANATOMICAL_STRUCTURE,
    MORPHOLOGICALLY_ABNORMAL_STRUCTURE,
    Code,
    SegmentClass,
)
from LesionKitLib.run.errors import UnusableInput

BRAIN_CODE: Code = ("SCT", "12738006", "Brain")
MIN_LESION_ML = 0.02  # a component below is no lesion: 20 voxels of 1 mm, as in Platscher et al. 2020


# values of a semantic map, by which networks take their one-hot channels: 0 is background, the lesion comes last
BACKGROUND = 0
CSF = SegmentClass(
    "csf", 1, "CSF around the brain", (60, 60, 120), ANATOMICAL_STRUCTURE, ("SCT", "65216001", "Cerebrospinal Fluid")
)
VENTRICLES = SegmentClass(
    "ventricles", 2, "Ventricles", (88, 106, 215), ANATOMICAL_STRUCTURE, ("SCT", "35764002", "Brain ventricle")
)
GRAY = SegmentClass(
    "gray_matter", 3, "Gray matter", (200, 200, 160), ANATOMICAL_STRUCTURE, ("SCT", "389081007", "Gray Matter")
)
WHITE = SegmentClass(
    "white_matter", 4, "White matter", (250, 250, 225), ANATOMICAL_STRUCTURE, ("SCT", "389080008", "White Matter")
)
DEEP_GRAY = SegmentClass(
    "deep_gray_matter",
    5,
    "Deep gray matter",
    (124, 168, 130),
    ANATOMICAL_STRUCTURE,
    ("FMA", "223151", "Subcortical gray matter"),
)
LESION = SegmentClass(
    "lesion", 6, "Ischemic stroke lesion", (235, 64, 52), MORPHOLOGICALLY_ABNORMAL_STRUCTURE,
    ("SCT", "422504002", "Ischemic stroke"), region=BRAIN_CODE,
)  # fmt: skip
TISSUES = (CSF, VENTRICLES, GRAY, WHITE, DEEP_GRAY)
LABELS = (*TISSUES, LESION)
LABEL_COUNT = len(LABELS) + 1  # channels of a one-hot map, background included

# value in a label map of its own
BRAIN = SegmentClass("brain", 1, "Brain", (250, 250, 210), ANATOMICAL_STRUCTURE, BRAIN_CODE)

# Other names of the classes in segmentations of others
SYNONYMS = {LESION.key: ("stroke", "infarct", "infarction", "ischemia"), BRAIN.key: ("brain mask",)}

# FreeSurfer's numbers (FreeSurferColorLUT.txt); left and right together. 1xxx and 2xxx are its cortical parcels.
_FREESURFER = {
    BACKGROUND: (0, 30, 62),  # vessels are too thin to matter
    CSF.value: (24,),
    VENTRICLES.value: (4, 5, 14, 15, 43, 44, 72, 31, 63, 136, 137, 163, 164, 213, 221),
    GRAY.value: (3, 8, 17, 18, 42, 47, 53, 54, 220),
    WHITE.value: (2, 7, 16, 28, 41, 46, 60, 77, 78, 79, 80, 85, 192, 251, 252, 253, 254, 255),
    DEEP_GRAY.value: (10, 11, 12, 13, 26, 49, 50, 51, 52, 58),
    LESION.value: (25, 57),
}
_LATERAL = {
    1: (2, 3, 4, 5, 7, 8, 10, 11, 12, 13, 17, 18, 25, 26, 28, 30, 31, 78, *range(1000, 1100)),  # left
    2: (41, 42, 43, 44, 46, 47, 49, 50, 51, 52, 53, 54, 57, 58, 60, 62, 63, 79, *range(2000, 2100)),  # right
}
_EXTRA_CEREBRAL = range(500, 531)  # SynthSeg's codes for skull, scalp and what lies between them
SKULL_FIRST = LESION.value + 1  # where skull is wanted, it has the numbers from here on
SKULL_KINDS = 4


def semantic_from_freesurfer(labels: np.ndarray, skull: bool = False) -> np.ndarray:
    """A semantic map (uint8, same shape) from FreeSurfer's numbers.

    skull: whether skull and scalp become SKULL_FIRST and the numbers after it; otherwise they are background.
    Raises UnusableInput that names the numbers when a label is not known.
    """
    lookup = {value: ours for ours, values in _FREESURFER.items() for value in values}
    lookup |= {value: SKULL_FIRST + value % SKULL_KINDS if skull else BACKGROUND for value in _EXTRA_CEREBRAL}
    found, places = np.unique(labels, return_inverse=True)
    lookup |= {int(v): GRAY.value for v in found if 1000 <= v < 1100 or 2000 <= v < 2100}
    _refuse_unknown(found, lookup)
    return np.array([lookup[int(v)] for v in found], np.uint8)[places].reshape(labels.shape)


def semantic_from_labels(labels: np.ndarray) -> np.ndarray:
    """A semantic map from a label map in our numbers (0..6) or in FreeSurfer's; see semantic_from_freesurfer.

    A map whose labels all lie within 0..6 is taken as ours.
    """
    if labels.size and labels.min() >= 0 and labels.max() <= LESION.value:
        _refuse_unknown(np.unique(labels), dict.fromkeys(range(LABEL_COUNT), 0))
        return labels.astype(np.uint8)
    return semantic_from_freesurfer(labels)


def lateral_from_freesurfer(labels: np.ndarray) -> np.ndarray | None:
    """uint8, same shape: 1 where FreeSurfer's number is of a structure on the left, 2 on the right, 0 elsewhere.

    None for a map in our numbers, which name no side.
    """
    if not labels.size or labels.max() <= LESION.value:
        return None
    lookup = {value: side for side, values in _LATERAL.items() for value in values}
    found, places = np.unique(labels, return_inverse=True)
    return np.array([lookup.get(int(v), 0) for v in found], np.uint8)[places].reshape(labels.shape)


def _refuse_unknown(found: np.ndarray, known) -> None:
    unknown = [f"{value:g}" for value in found if float(value) not in known]
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise UnusableInput(
            f"The label map holds labels that are not known: {', '.join(unknown[:5])}{more}. "
            f"Known are 0 to {LESION.value} (see docs/stroke-labels.md) and FreeSurfer's numbers."
        )


def one_hot(semantic: np.ndarray) -> np.ndarray:
    """Semantic maps (..., h, w) as float32 channels (..., LABEL_COUNT, h, w)."""
    return (semantic[..., None, :, :] == np.arange(LABEL_COUNT)[:, None, None]).astype(np.float32)


def with_lesion(semantic: np.ndarray, lesion: np.ndarray) -> np.ndarray:
    """A copy of the semantic map with the lesion drawn over tissue; outside the brain the mask has no effect."""
    result = semantic.copy()
    result[lesion.astype(bool) & (semantic != BACKGROUND)] = LESION.value
    return result
