"""Segmentations as 3D Slicer's .seg.nrrd: label layers with named, colored, coded segments.

The fields are those of Slicer's developer guide ("Segmentation labelmap file format"). Segments of one layer share one
label map and do not overlap; segments in different layers may (a lesion lies inside its lung).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.number_types import label_array
from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume
from LesionKitLib.run.errors import UnusableInput

from .atomic import atomic_file
from .file_kind import stem_of
from .nrrd_file import read_nrrd_file
from .nrrd_geometry import NrrdAxes, axes_of, place
from .nrrd_image import space_array

Code = tuple[str, str, str]  # coding scheme, value, meaning

CATEGORY_CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"
ANATOMY_CONTEXT = "Anatomic codes - DICOM master list"
_NO_CODE: Code = ("", "", "")
_CATEGORY: Code = ("SCT", "85756007", "Tissue")
_TIME = re.compile(rb"# on [0-9: -]+\(GMT\)\.")


@dataclass(frozen=True)
class SegmentRecord:
    """What the file says about one segment. color: sRGB 0-255. layer, value: where its voxels are."""

    name: str
    id: str
    layer: int
    value: int
    color: tuple[int, int, int]
    category: Code = _CATEGORY
    type: Code = _CATEGORY
    modifier: Code | None = None
    region: Code | None = None  # anatomic region of a finding
    region_modifier: Code | None = None
    tags: dict[str, str] = field(default_factory=dict)  # further tags, e.g. {"Segmentation.Status": "completed"}

    @classmethod
    def of(cls, segment_class, layer: int = 0, tags: dict[str, str] | None = None) -> SegmentRecord:
        """From a class description with key, value, name, color, category, type, modifier, region."""
        c = segment_class
        return cls(c.name, c.key, layer, c.value, c.color, c.category, c.type, c.modifier, c.region, None, tags or {})

    @property
    def terminology(self) -> str:
        """Slicer's TerminologyEntry value."""
        codes = ["^".join(_plain(code or _NO_CODE)) for code in (self.category, self.type, self.modifier)]
        region = ["^".join(_plain(code or _NO_CODE)) for code in (self.region, self.region_modifier)]
        return "~".join([CATEGORY_CONTEXT, *codes, ANATOMY_CONTEXT, *region])


def algorithm_tags(network: str, version: str) -> dict[str, str]:
    """Segment tags that say a segment was made by a model (DICOM PS3.3 C.8.20.2, Segment Algorithm Type and Name)."""
    return {
        "DICOM.SegmentAlgorithmType": "AUTOMATIC",
        "DICOM.SegmentAlgorithmName": f"LesionKit {network} {version}".rstrip(),
    }


def write_seg_nrrd(
    path: str | os.PathLike, layers: Sequence[np.ndarray], segments: Sequence[SegmentRecord], like: Volume
) -> None:
    """Writes a .seg.nrrd, gzip-compressed, all or nothing.

    layers: label maps (k, j, i; labels up to 65535) on the grid of ``like``; more than one makes the file 4-D.
    segments: each names a layer and a value in it. Raises ValueError when they do not fit together, UnusableInput when
    the file cannot be written.
    """
    import nrrd

    if not str(path).lower().endswith(".seg.nrrd"):
        raise ValueError(f"a segmentation file ends in .seg.nrrd, not '{Path(path).name}'")
    arrays = [like.with_array(label_array(layer)).array for layer in layers]
    _check(arrays, segments)
    dtype = np.result_type(*arrays)
    header = {**_geometry(like, len(arrays), dtype), **_segmentation_fields()}
    for number, segment in enumerate(segments):
        header.update(_segment_fields(number, segment, like.array.shape))
    # the layer is the file's fastest axis
    data = arrays[0] if len(arrays) == 1 else np.stack(arrays, axis=-1, dtype=dtype)
    with atomic_file(path) as part:
        nrrd.write(str(part), data, header, index_order="C", compression_level=4)
        _leave_out_time(part)


def _leave_out_time(path: Path) -> None:
    """pynrrd writes the time into a comment of the header; without it the same segments give the same bytes."""
    with path.open("r+b") as file:
        comment = _TIME.search(file.read(256))
        if comment is not None:
            file.seek(comment.start())
            file.write(b"#".ljust(comment.end() - comment.start(), b" "))


def read_seg_nrrd(path: str | os.PathLike) -> tuple[list[Volume], list[SegmentRecord]]:
    """The label layers (uint8 or as stored) and the segments of a .seg.nrrd written here or by Slicer, of any age.

    Files from before Slicer 4.11 name no layers: their segments have one each, in order. Raises UnusableInput when it
    is no segmentation, is damaged, or does not say where it lies.
    """
    path = Path(path)
    try:
        file = read_nrrd_file(path)
    except FileNotFoundError as error:
        raise UnusableInput("The segmentation file does not exist.") from error
    numbers = _numbers(file.header)
    if not numbers:
        raise UnusableInput("The NRRD file holds no segments; it is an image, not a segmentation.")
    axes = axes_of(file.header)
    if len(axes.space) != 3 or len(axes.other) > 1:
        raise UnusableInput("The segmentation file has other axes than three in space and one of layers.")
    matrix, notes = place(file.header, axes)
    try:
        arrays = [label_array(layer) for layer in _layers(file.array, axes)]
    except ValueError as error:
        raise UnusableInput("The segmentation file holds other values than labels (whole numbers from 0).") from error
    ordered = len(arrays) > 1 and not any(f"Segment{number}_Layer" in file.header for number in numbers)
    segments = [_parse(file.header, number, layer if ordered else 0) for layer, number in enumerate(numbers)]
    for segment in segments:
        if segment.layer >= len(arrays):
            raise UnusableInput(f"The segment '{segment.name}' points to a layer that the segmentation file lacks.")
    return [
        Volume(
            array, matrix, stem_of(path), (*notes, *_unnamed(array, [s.value for s in segments if s.layer == layer]))
        )
        for layer, array in enumerate(arrays)
    ], segments


def _unnamed(labels: np.ndarray, named: Sequence[int]) -> tuple[str, ...]:
    """A note on labels that belong to no segment."""
    left = sorted(set(np.flatnonzero(np.bincount(labels.ravel())).tolist()) - {0, *named})
    if not left:
        return ()
    return (f"The segmentation file holds voxels of no segment (labels {', '.join(map(str, left))}).",)


def _layers(array: np.ndarray, axes: NrrdAxes) -> list[np.ndarray]:
    """The label maps (k, j, i); the axis of the layers is usually, not always, the file's fastest."""
    if not axes.other:
        return [space_array(array, axes.space)]
    stacked = np.moveaxis(array, array.ndim - 1 - axes.other[0], 0)
    return [np.ascontiguousarray(layer) for layer in stacked]


def _check(arrays: list[np.ndarray], segments: Sequence[SegmentRecord]) -> None:
    if not arrays or not segments:
        raise ValueError("a segmentation needs at least one layer and one segment")
    for what, keys in (
        ("id", [s.id for s in segments]),
        ("layer and value", [(s.layer, s.value) for s in segments]),
    ):
        twice = [key for key, count in Counter(keys).items() if count > 1]
        if twice:
            raise ValueError(f"two segments have the same {what}: {twice[0]}")
    for segment in segments:
        if not (0 <= segment.layer < len(arrays) and 1 <= segment.value <= 65535):
            raise ValueError(f"segment {segment.id!r} points to layer {segment.layer}, value {segment.value}")


def _geometry(like: Volume, layers: int, dtype: np.dtype) -> dict:
    axes = (LPS_IN_RAS @ like.ijk_to_ras[:3, :3]).T  # one row per axis i, j, k
    origin = LPS_IN_RAS @ like.ijk_to_ras[:3, 3]
    kinds = ["domain"] * 3
    if layers > 1:
        kinds, axes = ["list", *kinds], np.vstack([np.full(3, np.nan), axes])  # NaN is written as none
    return {
        "type": dtype.name,
        "space": "left-posterior-superior",
        "space directions": axes,
        "space origin": origin,
        "kinds": kinds,
        "encoding": "gzip",
    }


def _segmentation_fields() -> dict[str, str]:
    return {
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_ConversionParameters": "",
        "Segmentation_SourceRepresentation": "Binary labelmap",
        "Segmentation_MasterRepresentation": "Binary labelmap",  # the same under its name before Slicer 5.3
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }


def _segment_fields(number: int, segment: SegmentRecord, shape: tuple[int, int, int]) -> dict[str, str]:
    tags = {"TerminologyEntry": segment.terminology, **segment.tags}
    fields = {
        "ID": segment.id,
        "Name": segment.name,
        "NameAutoGenerated": "0",
        "Color": " ".join(f"{channel / 255:.6f}" for channel in segment.color),
        "ColorAutoGenerated": "0",
        "Layer": str(segment.layer),
        "LabelValue": str(segment.value),
        "Extent": " ".join(f"0 {length - 1}" for length in reversed(shape)),
        "Tags": "".join(f"{key}:{value}|" for key, value in tags.items()),
    }
    return {f"Segment{number}_{key}": value for key, value in fields.items()}


def _plain(code: Code) -> list[str]:
    """The parts without the characters that separate fields in Slicer's tag strings."""
    return ["".join(" " if letter in "~^|\n" else letter for letter in part) for part in code]


def _numbers(header: dict) -> list[int]:
    keys = [key[len("Segment") : -len("_ID")] for key in header if key.startswith("Segment") and key.endswith("_ID")]
    return sorted(int(key) for key in keys if key.isdigit())


def _parse(header: dict, number: int, layer: int) -> SegmentRecord:
    def get(key: str, default: str = "") -> str:
        return str(header.get(f"Segment{number}_{key}", default))

    tags = dict(item.split(":", 1) for item in get("Tags").split("|") if ":" in item)
    parts = tags.pop("TerminologyEntry", "").split("~")
    codes = [_code(parts[n]) if n < len(parts) else None for n in range(7)]
    return SegmentRecord(
        name=get("Name"),
        id=get("ID"),
        layer=int(get("Layer", str(layer))),
        value=int(get("LabelValue", "1")),
        color=tuple(round(255 * float(channel)) for channel in get("Color", "0.5 0.5 0.5").split()),
        category=codes[1] or _CATEGORY,
        type=codes[2] or _CATEGORY,
        modifier=codes[3],
        region=codes[5],
        region_modifier=codes[6],
        tags=tags,
    )


def _code(text: str) -> Code | None:
    parts = text.split("^")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 and parts[1] else None
