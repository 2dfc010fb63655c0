"""Contours of a DICOM RT Structure Set (PS3.3 A.19), as masks on the image's grid. They are read, never written.

A voxel is inside where its center is; contours that lie inside others cut holes (even-odd rule). A contour that runs
through centers of voxels, as OpenCV's and so rt-utils' do, runs through voxels of the region, around holes too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from LesionKitLib.imaging.segment_class import Code
from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume
from LesionKitLib.run.errors import UnusableInput

from .annotation import Annotation, Annotations, named

PLANE = "CLOSED_PLANAR"
ON_CONTOUR = 0.01  # of a pixel: how far from a contour a center is on it
SLANT = 0.25  # of a slice: how far a contour's points may leave its slice


def read_rtstruct(path: Path, image: Volume) -> Annotations:
    """Regions with closed contours. Raises UnusableInput where contours do not lie in the image's slices."""
    import pydicom

    data = pydicom.dcmread(path)
    regions = {int(item.ROINumber): str(item.get("ROIName", "")) for item in data.get("StructureSetROISequence", [])}
    codes = {
        int(item.ReferencedROINumber): _code(item) for item in data.get("RTROIObservationsSequence", [])
    }  # fmt: skip
    segments, notes = [], []
    for item in data.get("ROIContourSequence", []):
        number = int(item.ReferencedROINumber)
        name = regions.get(number) or f"region {number}"
        contours = [
            np.asarray(contour.ContourData, float).reshape(-1, 3)
            for contour in item.get("ContourSequence", [])
            if contour.ContourGeometricType == PLANE
        ]
        mask, left = _filled(contours, image)
        if left:
            notes.append(f"{left} contours of '{name}' lie outside the image.")
        segments.append(Annotation(name, mask, codes.get(number)))
    if not any(segment.mask.any() for segment in segments):
        raise UnusableInput("The structure set holds no closed contour that lies in this image.")
    return named(segments, notes)


def _filled(contours: list[np.ndarray], image: Volume) -> tuple[np.ndarray, int]:
    """The mask, and how many contours lie outside the slices. contours: points (n, 3), LPS mm."""
    mask, left = np.zeros(image.array.shape, bool), 0
    outline = np.zeros_like(mask)
    to_ijk = np.linalg.inv(image.ijk_to_ras)
    for points in contours:
        places = (to_ijk @ np.c_[points @ LPS_IN_RAS, np.ones(len(points))].T).T[:, :3]
        k = round(float(places[:, 2].mean()))
        if np.abs(places[:, 2] - places[:, 2].mean()).max() > SLANT:
            raise UnusableInput("The contours do not lie in the slices of this image; open the series they are of.")
        if 0 <= k < len(mask):
            mask[k] ^= inside_of(places[:, :2], mask.shape[1:])
            outline[k] |= on_contour(places[:, :2], mask.shape[1:])
        else:
            left += 1
    return mask | outline, left


def inside_of(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixels (bool, rows j and columns i) whose center lies in the polygon. polygon: points (i, j)."""
    inside = np.zeros(shape, bool)
    x, y = polygon.T
    x2, y2 = np.roll(x, -1), np.roll(y, -1)
    columns = np.arange(shape[1])
    for j in range(max(0, int(np.ceil(y.min()))), min(shape[0], int(np.floor(y.max())) + 1)):
        crossed = (y <= j) != (y2 <= j)
        at = x[crossed] + (j - y[crossed]) * (x2 - x)[crossed] / (y2 - y)[crossed]
        inside[j] = np.searchsorted(np.sort(at), columns, side="right") % 2 == 1
    return inside


def on_contour(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixels (bool, rows j and columns i) whose center lies on an edge of the polygon. polygon: points (i, j)."""
    found = np.zeros(shape, bool)
    for start, end in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        low = np.maximum(np.ceil(np.minimum(start, end) - ON_CONTOUR), 0).astype(int)
        high = np.minimum(np.floor(np.maximum(start, end) + ON_CONTOUR), [shape[1] - 1, shape[0] - 1]).astype(int)
        if (low > high).any():
            continue
        j, i = np.mgrid[low[1] : high[1] + 1, low[0] : high[0] + 1]
        edge = end - start
        along = ((i - start[0]) * edge[0] + (j - start[1]) * edge[1]) / max(float(edge @ edge), 1e-12)
        along = np.clip(along, 0, 1)
        found[j, i] |= np.hypot(i - start[0] - along * edge[0], j - start[1] - along * edge[1]) <= ON_CONTOUR
    return found


def _code(item) -> Code | None:
    codes = item.get("RTROIIdentificationCodeSequence")
    if not codes:
        return None
    code = codes[0]
    return str(code.get("CodingSchemeDesignator", "")), str(code.get("CodeValue", "")), str(code.get("CodeMeaning", ""))
