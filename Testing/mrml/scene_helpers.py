"""What the tests of this folder share and import by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import slicer

from CovidLungQuantLib.measurement.measurements import measure
from CovidLungQuantLib.results.result import CovidResult

MODULE_FILE = Path(__file__).parents[2] / "CovidLungQuant" / "CovidLungQuant.py"


@dataclass
class Chest:
    """CT, lungs and lesions on one grid; two boxes for lungs, a lesion of each class."""

    hu: np.ndarray
    lungs: np.ndarray
    lesions: np.ndarray
    ijk_to_ras: np.ndarray

    def node(self, name="CT"):
        return slicer.util.addVolumeFromArray(self.hu, self.ijk_to_ras, name)


class FakeAnalyze:
    """Answers with the label maps it holds; ``calls`` keeps what it was asked."""

    def __init__(self, chest: Chest):
        self.lungs, self.lesions = chest.lungs, chest.lesions
        self.calls = []

    def __call__(self, volume, network="convlstm", device="auto", progress=None):
        self.calls.append(SimpleNamespace(volume=volume, network=network, device=device, progress=progress))
        return CovidResult(
            volume=volume,
            lungs=self.lungs,
            lesions=self.lesions,
            network=network,
            version="1.2",
            device="CPU, 1 thread",
            seconds={"read": 0.0, "infer": 0.5, "total": 0.6},
            measurements=measure(volume, self.lungs, self.lesions),
            notes=("The slices lie 6 mm apart.", "Small lesions may be missed."),
        )


def mask_of(segmentation, name: str, volume_node) -> np.ndarray:
    """Voxels of the segment of this name by Slicer's own exporter, boolean [k, j, i] on the volume's grid."""
    segment_id = segmentation.GetSegmentation().GetSegmentIdBySegmentName(name)
    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment_id, volume_node) > 0


def edit(segmentation, name: str, mask: np.ndarray, volume_node) -> None:
    """Replace the voxels of the segment of this name the way Slicer's editor does."""
    segment_id = segmentation.GetSegmentation().GetSegmentIdBySegmentName(name)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), segmentation, segment_id, volume_node)


def draw(segmentation, name: str, mask: np.ndarray, volume_node) -> str:
    """A segment made by a person; returns its ID."""
    segment_id = segmentation.GetSegmentation().AddEmptySegment("", name)
    edit(segmentation, name, mask, volume_node)
    return segment_id
