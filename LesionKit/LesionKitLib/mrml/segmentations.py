"""Label maps as segments, and back, without ever touching what a person has drawn.

A label map whose values exclude each other becomes one layer, shared by its segments; several label maps (lungs,
lesions inside the lungs) become several layers and may overlap. Every segment written here carries a fingerprint of
its voxels. A segment whose voxels no longer match it was edited; one without a fingerprint was drawn by a person.

Writing again into the same segmentation:

- Nothing of it was edited or deleted: its segments get the new voxels and keep their IDs, names, colors and display
  settings. Segments that a person added stay as they are.
- Anything was edited or deleted, or it belongs to another volume: it stays as it is, whole, and the result becomes a
  new segmentation beside it. One segmentation thus always holds one coherent state, which can be measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import slicer
import vtk

from LesionKitLib.imaging.measures import bounding_box
from LesionKitLib.imaging.segment_class import SegmentClass

from .label_grids import LabelGrid, SegmentLabels, array_of, labels_on_grid
from .nodes import filled
from .oriented_images import image_from_labels
from .originals import OriginalSegment, store_original
from .volumes import local_ijk_to_ras

ALGORITHM_TYPE_TAG = "DICOM.SegmentAlgorithmType"
ALGORITHM_NAME_TAG = "DICOM.SegmentAlgorithmName"
FINGERPRINT_TAG = "LesionKit.Fingerprint"
CLASS_TAG = "LesionKit.Class"
TERMINOLOGY_TAG = "TerminologyEntry"
# of the model's segments, kept with its original
RESULT_TAGS = (TERMINOLOGY_TAG, CLASS_TAG, ALGORITHM_TYPE_TAG, ALGORITHM_NAME_TAG, FINGERPRINT_TAG)
EDITING_ATTRIBUTE = "LesionKit.Editing"  # of the node: what people did since, see editing.py
SEGMENTS_ATTRIBUTE = "LesionKit.Segments"  # of the node: IDs written, so that a deleted one is missed

TYPE_CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"
REGION_CONTEXT = "Anatomic codes - DICOM master list"
FILL_OPACITY = 0.2  # of findings; organs show their outline only, so that the image stays readable

_BINARY = "Binary labelmap"  # vtkSegmentationConverter's names
_SURFACE = "Closed surface"


@dataclass(frozen=True)
class Layer:
    """A label map uint8 [k, j, i] on the volume's grid, and what its values mean. filled: shown as areas."""

    labels: np.ndarray
    classes: Sequence[SegmentClass]
    filled: bool = True


def write_segmentation(layers: Sequence[Layer], volume_node, algorithm: str, segmentation=None):
    """The vtkMRMLSegmentationNode that now holds the layers: ``segmentation`` if can_update allows it, else a new one.

    It has the volume's voxel grid and stands under the volume's transform. algorithm: "LesionKit <model> <version>".
    Raises ValueError when a layer's shape is not the volume's.
    """
    shape = volume_node.GetImageData().GetDimensions()[::-1]
    for layer in layers:
        if layer.labels.shape != shape:
            raise ValueError("The result does not fit the volume; was the volume changed in the meantime?")
    name = f"{volume_node.GetName()} LesionKit" + ("" if segmentation is None else " (AI 2)")
    target = segmentation if segmentation is not None and can_update(segmentation, volume_node) else None
    with filled(volume_node.GetScene(), "vtkMRMLSegmentationNode", name, target) as node:
        had_surface = node.GetSegmentation().ContainsRepresentation(_SURFACE)
        _write_layers(node, layers, volume_node, algorithm)
    if had_surface:
        node.RemoveClosedSurfaceRepresentation()
        node.CreateClosedSurfaceRepresentation()
    return node


def _write_layers(segmentation, layers: Sequence[Layer], volume_node, algorithm: str) -> None:
    _adopt_geometry(segmentation, volume_node)
    matrix = local_ijk_to_ras(volume_node)
    segment_ids = [_write_layer(segmentation, layer, matrix, algorithm) for layer in layers]
    segmentation.SetAttribute(SEGMENTS_ATTRIBUTE, " ".join(sum(segment_ids, [])))
    kept = [
        (layer.labels, _described(segmentation, ids, layer)) for layer, ids in zip(layers, segment_ids, strict=True)
    ]
    store_original(segmentation, volume_node, kept)
    segmentation.RemoveAttribute(EDITING_ATTRIBUTE)


def can_update(segmentation, volume_node) -> bool:
    """Whether new results may be written into this segmentation: empty, or of this volume and unedited."""
    ids = segmentation.GetSegmentation().GetSegmentIDs()
    if not ids:
        return True
    role = segmentation.GetReferenceImageGeometryReferenceRole()
    if segmentation.GetNodeReference(role) is not volume_node:
        return False
    if segmentation.GetParentTransformNode() is not volume_node.GetParentTransformNode():
        return False
    written = (segmentation.GetAttribute(SEGMENTS_ATTRIBUTE) or "").split()
    return set(written) <= set(ids) and not any(is_edited(segmentation, segment_id) for segment_id in ids)


def is_edited(segmentation, segment_id: str) -> bool:
    """Whether a segment that was written here has other voxels now. False for a segment that a person made."""
    written = get_tag(segmentation.GetSegmentation().GetSegment(segment_id), FINGERPRINT_TAG)
    return bool(written) and written != _fingerprint(segmentation, segment_id)


def refresh_algorithm_types(segmentation) -> dict[str, str]:
    """Set DICOM.SegmentAlgorithmType by what the voxels say; returns segment ID -> type.

    AUTOMATIC: as the model left it (also again after undo); SEMIAUTOMATIC: edited since; MANUAL: made by a person.
    """
    types = {}
    for segment_id in segmentation.GetSegmentation().GetSegmentIDs():
        segment = segmentation.GetSegmentation().GetSegment(segment_id)
        if not get_tag(segment, FINGERPRINT_TAG):
            types[segment_id] = "MANUAL"
        else:
            types[segment_id] = "SEMIAUTOMATIC" if is_edited(segmentation, segment_id) else "AUTOMATIC"
        if get_tag(segment, ALGORITHM_TYPE_TAG) != types[segment_id]:  # setting a tag fires an event
            segment.SetTag(ALGORITHM_TYPE_TAG, types[segment_id])
    return types


def read_labels(segmentation, volume_node, classes: Sequence[SegmentClass]) -> np.ndarray:
    """uint8 [k, j, i] on the volume's grid, from whatever the segments of these classes now hold.

    Segments count by class, whoever made them: by the tag written here or, without it, by terminology (type, and
    modifier where the class has one). Where segments overlap, the later class in ``classes`` wins. Voxels outside the
    volume are left out. Segments in another geometry or under another transform keep their volumes as well as the
    volume's voxels can (see label_grids).
    """
    chosen = [(segment_id, label.value) for label in classes for segment_id in segments_of(segmentation, label)]
    return labels_on_grid(_segment_labels(segmentation, chosen), LabelGrid.of(volume_node))


def segment_mask(segmentation, segment_id: str, volume_node) -> np.ndarray:
    """bool [k, j, i] on the volume's grid of one segment, whatever its class; see read_labels."""
    return labels_on_grid(_segment_labels(segmentation, [(segment_id, 1)]), LabelGrid.of(volume_node)) > 0


def _segment_labels(segmentation, chosen: Sequence[tuple[str, int]]) -> list[SegmentLabels]:
    """Of (segment ID, wanted label) those that hold anything."""
    found = []
    for segment_id, label in chosen:
        image, value = _image_of(segmentation, segment_id)
        if image is not None:
            found.append(SegmentLabels(image, value, label, segmentation.GetParentTransformNode()))
    return found


def segments_of(segmentation, label: SegmentClass) -> list[str]:
    """IDs of the segments of this class."""
    content = segmentation.GetSegmentation()
    return [i for i in content.GetSegmentIDs() if _is_class(content.GetSegment(i), label)]


def terminology_entry(label: SegmentClass) -> str:
    """The class's codes in the form of Slicer's TerminologyEntry tag."""
    none = ("", "", "")
    codes = ["^".join(code or none) for code in (label.category, label.type, label.modifier, label.region, none)]
    return "~".join([TYPE_CONTEXT, *codes[:3], REGION_CONTEXT, *codes[3:]])


def get_tag(segment, name: str) -> str:
    """The tag's text, or ""."""
    value = vtk.reference("")
    return str(value) if segment.GetTag(name, value) else ""


def _adopt_geometry(segmentation, volume_node) -> None:
    parent = volume_node.GetParentTransformNode()
    segmentation.SetAndObserveTransformNodeID(parent.GetID() if parent else None)
    # after the transform: Slicer writes the geometry in the coordinates of the segmentation as it stands then
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    if segmentation.GetDisplayNode() is None:
        segmentation.CreateDefaultDisplayNodes()


def _write_layer(segmentation, layer: Layer, matrix: np.ndarray, algorithm: str) -> list[str]:
    """Creates or refills the layer's segments; one event with all voxels in place tells observers in the end."""
    content = segmentation.GetSegmentation()
    image = image_from_labels(layer.labels, matrix)
    existing = {label.key: _own_segment(segmentation, label) for label in layer.classes}
    _release([segment_id for segment_id in existing.values() if segment_id], content)
    segment_ids = []
    for label in layer.classes:
        segment_id = existing[label.key]
        if segment_id:
            segment = content.GetSegment(segment_id)
            segment.AddRepresentation(_BINARY, image)
            segment.SetLabelValue(label.value)
        else:
            segment_id = _add_segment(content, label, image)
            segment = content.GetSegment(segment_id)
            _style(segmentation.GetDisplayNode(), segment_id, layer.filled)
        segment.SetTag(CLASS_TAG, label.key)
        segment.SetTag(ALGORITHM_TYPE_TAG, "AUTOMATIC")
        segment.SetTag(ALGORITHM_NAME_TAG, algorithm)
        segment.SetTag(FINGERPRINT_TAG, _fingerprint(segmentation, segment_id))
        segment_ids.append(segment_id)
    image.Modified()
    return segment_ids


def _described(segmentation, segment_ids: list[str], layer: Layer) -> list[OriginalSegment]:
    """What the model's original keeps of the segments besides their voxels."""
    content = segmentation.GetSegmentation()
    described = []
    for segment_id, label in zip(segment_ids, layer.classes, strict=True):
        segment = content.GetSegment(segment_id)
        tags = {tag: get_tag(segment, tag) for tag in RESULT_TAGS}
        described.append(
            OriginalSegment(segment_id, label.key, label.value, segment.GetName(), segment.GetColor(), tags)
        )
    return described


def _own_segment(segmentation, label: SegmentClass) -> str | None:
    """The segment of this class that was written here before (can_update has seen to it that it is unedited)."""
    content = segmentation.GetSegmentation()
    for segment_id in segments_of(segmentation, label):
        if get_tag(content.GetSegment(segment_id), FINGERPRINT_TAG):
            return segment_id
    return None


def _release(segment_ids: Iterable[str], content) -> None:
    """Take the segments' old voxels out of layers that stay in use by others (Slicer packs segments into layers)."""
    ours = set(segment_ids)
    for segment_id in ours:
        if not set(content.GetSegmentIDsForLayer(content.GetLayerIndex(segment_id))) <= ours:
            content.SeparateSegmentLabelmap(segment_id)


def _add_segment(content, label: SegmentClass, image) -> str:
    segment = slicer.vtkSegment()
    segment.SetName(label.name)
    segment.SetColor(*(channel / 255 for channel in label.color))
    segment.SetTag(TERMINOLOGY_TAG, terminology_entry(label))
    segment.AddRepresentation(_BINARY, image)
    segment.SetLabelValue(label.value)
    segment_id = content.GenerateUniqueSegmentID(label.key)
    content.AddSegment(segment, segment_id)
    return segment_id


def _style(display, segment_id: str, filled: bool) -> None:
    display.SetSegmentVisibility2DOutline(segment_id, True)
    display.SetSegmentVisibility2DFill(segment_id, filled)
    display.SetSegmentOpacity2DFill(segment_id, FILL_OPACITY)


def _is_class(segment, label: SegmentClass) -> bool:
    key = get_tag(segment, CLASS_TAG)
    if key:
        return key == label.key
    parts = get_tag(segment, TERMINOLOGY_TAG).split("~")
    if len(parts) < 4:
        return False
    if parts[2].split("^")[:2] != list(label.type[:2]):
        return False
    return label.modifier is None or parts[3].split("^")[:2] == list(label.modifier[:2])


def _fingerprint(segmentation, segment_id: str) -> str:
    """Hash of the segment's ID and voxels in the grid, whatever the layer's extent and label value are.

    With the ID, because a duplicated segment takes the tags along and must not count as the model's own.
    """
    image, value = _image_of(segmentation, segment_id)
    digest = hashlib.blake2b(segment_id.encode(), digest_size=16)
    mask = None if image is None else array_of(image) == value
    box = bounding_box(mask) if mask is not None else None
    if box is not None:
        corner = np.array(image.GetExtent()[::2])[::-1] + [part.start for part in box]
        digest.update(np.array([*corner, *mask[box].shape], np.int64).tobytes())
        digest.update(np.packbits(mask[box]).tobytes())
    return digest.hexdigest()


def _image_of(segmentation, segment_id: str):
    """(vtkOrientedImageData shared by the layer, label value of the segment), or (None, 0) when it has no voxels."""
    segment = segmentation.GetSegmentation().GetSegment(segment_id)
    image, value = segment.GetRepresentation(_BINARY), segment.GetLabelValue()
    if image is None:  # drawn as a surface
        image, value = slicer.vtkOrientedImageData(), 1
        if not segmentation.GetBinaryLabelmapRepresentation(segment_id, image):
            return None, 0
    if image.IsEmpty() or image.GetPointData().GetScalars() is None:
        return None, 0
    return image, value
