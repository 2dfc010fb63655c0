"""The model's own result, kept with the segmentation that people then correct.

It is an attribute of the segmentation node, so it lives and goes with the node, is cloned with it, and comes back with
a saved scene, as .mrml or .mrb. (A second, hidden node would not do: Slicer's Save dialog leaves hidden nodes out.)
The attribute holds the compressed label maps, some 100 to 300 kB for a chest CT of 512 x 512 x 120.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import slicer

from LesionKitLib.imaging.measures import bounding_box

from .volumes import local_ijk_to_ras

ORIGINAL_ATTRIBUTE = "LesionKit.Original"
_LEVEL = 6  # of compression; 1 is three times faster (0.03 s instead of 0.07 s) and twice as large


@dataclass(frozen=True)
class OriginalSegment:
    """A segment as the model made it. value: in its layer's label map; tags: those that are part of the result."""

    segment_id: str
    key: str
    value: int
    name: str
    color: tuple[float, float, float]
    tags: dict[str, str]


@dataclass(frozen=True)
class OriginalLayer:
    """labels: uint8 [k, j, i] of the box that begins at voxel ``first`` (k, j, i)."""

    labels: np.ndarray
    first: tuple[int, int, int]
    segments: tuple[OriginalSegment, ...]


@dataclass(frozen=True)
class Original:
    """What the model found. shape (k, j, i) and ijk_to_ras (4 x 4, in the node's own coordinates) of the volume."""

    shape: tuple[int, int, int]
    ijk_to_ras: np.ndarray
    layers: tuple[OriginalLayer, ...]

    def labels(self, keys: Sequence[str], values: Sequence[int] | None = None) -> np.ndarray:
        """Label map of the volume's shape in which class keys[n] has the value values[n]; without values, n + 1."""
        values = dict(zip(keys, values or range(1, len(keys) + 1), strict=True))
        result = np.zeros(self.shape, np.uint8)
        for layer in self.layers:
            lookup = np.zeros(256, np.uint8)
            for segment in layer.segments:
                if segment.key in values:
                    lookup[segment.value] = values[segment.key]
            if lookup.any():
                box = tuple(slice(a, a + n) for a, n in zip(layer.first, layer.labels.shape, strict=True))
                np.maximum(result[box], lookup[layer.labels], out=result[box])
        return result

    def fits(self, volume_node) -> bool:
        """Whether the volume still has the grid that the model saw."""
        same = volume_node.GetImageData().GetDimensions()[::-1] == self.shape
        return same and np.allclose(local_ijk_to_ras(volume_node), self.ijk_to_ras, atol=1e-4)


def store_original(segmentation, volume_node, layers: Sequence[tuple[np.ndarray, Sequence[OriginalSegment]]]) -> None:
    """Keep these label maps (uint8, the volume's shape) in the segmentation node; replaces what was kept before."""
    head = {"shape": volume_node.GetImageData().GetDimensions()[::-1], "layers": []}
    head["ijk_to_ras"] = local_ijk_to_ras(volume_node).tolist()
    voxels = b""
    for labels, segments in layers:
        box = bounding_box(labels) or (slice(0, 1),) * 3
        crop = np.ascontiguousarray(labels[box], np.uint8)
        described = [vars(segment) for segment in segments]
        head["layers"].append({"first": [part.start for part in box], "shape": crop.shape, "segments": described})
        voxels += crop.tobytes()
    packed = zlib.compress(json.dumps(head).encode() + b"\0" + voxels, _LEVEL)
    segmentation.SetAttribute(ORIGINAL_ATTRIBUTE, base64.urlsafe_b64encode(packed).decode())


def read_original(segmentation) -> Original | None:
    """What store_original stored, or None where nothing is kept or it cannot be read."""
    text = segmentation.GetAttribute(ORIGINAL_ATTRIBUTE)
    if not text:
        return None
    try:
        head, _, voxels = zlib.decompress(base64.urlsafe_b64decode(text)).partition(b"\0")
        head = json.loads(head)
        layers, start = [], 0
        for layer in head["layers"]:
            size = int(np.prod(layer["shape"]))
            labels = np.frombuffer(voxels, np.uint8, size, start).reshape(layer["shape"])
            segments = tuple(OriginalSegment(**described) for described in layer["segments"])
            layers.append(OriginalLayer(labels, tuple(layer["first"]), segments))
            start += size
        return Original(tuple(head["shape"]), np.array(head["ijk_to_ras"]), tuple(layers))
    except (ValueError, KeyError, TypeError, zlib.error):
        return None


def revert_to_ai(segmentation, segment_id: str | None = None) -> bool:
    """Give a segment (None: all) the voxels that the model found; returns whether anything could be reverted.

    Other segments keep their voxels, and overlap is kept: where a person has painted another class over this one, both
    then hold the voxel, and measuring counts it as it counts any overlap. With None, segments that were deleted come
    back. For undo, save the editor's state first.
    """
    original = read_original(segmentation)
    if original is None:
        return False
    wanted = [
        (layer, segment)
        for layer in original.layers
        for segment in layer.segments
        if segment_id in (None, segment.segment_id)
    ]
    content = segmentation.GetSegmentation()
    reverted = False
    for layer, segment in wanted:
        if content.GetSegment(segment.segment_id) is None:
            if segment_id is not None:
                continue
            _bring_back(content, segment)
        reverted = True
        _set_voxels(segmentation, segment.segment_id, _image(original, layer, segment.value))
    return reverted


def _bring_back(content, segment: OriginalSegment) -> None:
    empty = slicer.vtkSegment()
    empty.SetName(segment.name)
    empty.SetColor(*segment.color)
    for tag, value in segment.tags.items():
        empty.SetTag(tag, value)
    content.AddSegment(empty, segment.segment_id)


def _image(original: Original, layer: OriginalLayer, value: int):
    """vtkOrientedImageData of one segment, 0 and 1."""
    from .oriented_images import image_from_labels

    return image_from_labels(layer.labels == value, original.ijk_to_ras, layer.first)


def _set_voxels(segmentation, segment_id: str, image) -> None:
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(image, segmentation, segment_id, logic.MODE_REPLACE)
