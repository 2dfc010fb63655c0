"""Segments as a DICOM Segmentation (PS3.3 A.51) by highdicom: binary, one frame per segment and slice that it touches.

Binary and not LABELMAP: lesions lie in lungs and brain, so segments overlap, and most readers know no other kind.
highdicom and not dcmqi: it is Python without a process of its own, and takes overlapping and empty segments in one
object.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from LesionKitLib import __version__
from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume
from LesionKitLib.io.dicom.source import derived_uid, finish
from LesionKitLib.io.seg_nrrd import SegmentRecord

from .codes import ARTIFICIAL_INTELLIGENCE, SEGMENTATION, SOURCE_IMAGE, coded

MANUFACTURER = "LesionKit"
MANUAL = "MANUAL"
SAME_PLACE_MM = 0.01


@dataclass(frozen=True)
class Maker:
    """What made the objects. network, version: of the model; date: of the analysis, YYYY-MM-DD; review: its state.

    identity: differs whenever the objects' contents do; their UIDs are derived from it.
    """

    network: str
    version: str
    date: str
    review: str
    identity: str

    @property
    def name(self) -> str:
        return f"{MANUFACTURER} {self.network}"

    def uid(self, *what: str) -> str:
        return derived_uid(self.identity, *what)


def tracking_of(record: SegmentRecord, series_uid: str) -> tuple[str, str]:
    """Tracking ID and UID of a segment: the same in every object about this segment of this series."""
    return record.name, derived_uid(series_uid, "segment", record.id)


def algorithm_type_of(record: SegmentRecord) -> str:
    """How the segment was made, of its tags; MANUAL where they do not say."""
    return record.tags.get("DICOM.SegmentAlgorithmType", MANUAL)


def segmentation_object(
    layers: Sequence[np.ndarray], records: Sequence[SegmentRecord], volume: Volume, headers: Sequence, maker: Maker
):
    """A highdicom Segmentation of all segments, empty ones too.

    layers: label maps [k, j, i] on the volume's grid; records: which value of which layer is which segment; headers:
    see dicom.source.source_headers. Frames refer to the images at their places; those of filled-in slices to none.
    """
    import highdicom as hd

    box = _slices_with_any(layers, records)
    masks = np.stack([layers[r.layer][box] == r.value for r in records], axis=-1).astype(np.uint8)
    number = int(headers[0].get("SeriesNumber") or 0)
    seg = hd.seg.Segmentation(
        source_images=list(headers),
        pixel_array=hd.Volume(
            masks,
            _affine(volume, box.start),
            coordinate_system="PATIENT",
            frame_of_reference_uid=headers[0].FrameOfReferenceUID,
            channels={"SegmentNumber": list(range(1, len(records) + 1))},
        ),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _description(n, record, headers[0].SeriesInstanceUID, maker) for n, record in enumerate(records, 1)
        ],
        series_instance_uid=maker.uid("segmentation series"),
        series_number=number * 100 + 91,
        sop_instance_uid=maker.uid("segmentation"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=maker.name[:64],
        software_versions=__version__,
        device_serial_number=__version__,
        content_label="LESIONKIT",
        content_description=f"{maker.name} {maker.version}"[:64],
        series_description=f"{maker.name} {maker.version}: segments"[:64],
    )
    _name_dimensions(seg, maker.uid("dimensions"))
    _state_distance(seg, volume)
    _refer_to_images(seg, headers)
    finish(seg, maker.date)
    return seg


def _slices_with_any(layers: Sequence[np.ndarray], records: Sequence[SegmentRecord]) -> slice:
    """From the first slice with a segment to the last; the first of the image where there is none."""
    used = np.zeros(len(layers[0]), bool)
    for record in records:
        used |= (layers[record.layer] == record.value).any((1, 2))
    where = np.flatnonzero(used)
    return slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(0, 1)


def _affine(volume: Volume, first: int) -> np.ndarray:
    """4 x 4 from (k, j, i), k counted from slice ``first``, to LPS mm, as highdicom wants it."""
    matrix = np.eye(4)
    matrix[:3, :3] = (LPS_IN_RAS @ volume.ijk_to_ras[:3, :3])[:, ::-1]
    matrix[:3, 3] = LPS_IN_RAS @ (volume.ijk_to_ras @ [0, 0, first, 1])[:3]
    return matrix


def _description(number: int, record: SegmentRecord, series_uid: str, maker: Maker):
    import highdicom as hd

    name, uid = tracking_of(record, series_uid)
    kind = algorithm_type_of(record)
    algorithm = hd.AlgorithmIdentificationSequence(
        name=maker.name[:64], family=coded(ARTIFICIAL_INTELLIGENCE), version=maker.version or __version__,
        source=MANUFACTURER,
    )  # fmt: skip
    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=record.name,
        segmented_property_category=coded(record.category),
        segmented_property_type=coded(record.type),
        algorithm_type=kind,
        algorithm_identification=None if kind == MANUAL else algorithm,
        tracking_id=name,
        tracking_uid=uid,
        anatomic_regions=[coded(record.region)] if record.region else None,
        display_color=hd.color.CIELabColor.from_rgb(*record.color),
    )
    if record.modifier:
        kinds = description.SegmentedPropertyTypeCodeSequence[0]
        kinds.SegmentedPropertyTypeModifierCodeSequence = [hd.sr.CodedConcept.from_code(coded(record.modifier))]
    if record.region and record.region_modifier:
        region = description.AnatomicRegionSequence[0]
        region.AnatomicRegionModifierSequence = [hd.sr.CodedConcept.from_code(coded(record.region_modifier))]
    return description


def _state_distance(seg, volume: Volume) -> None:
    """highdicom 0.28.2 writes 1 mm between slices where there is only one; the volume knows its own step."""
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    if "SpacingBetweenSlices" in measures:
        measures.SpacingBetweenSlices = float(f"{volume.spacing[2]:.9g}")


def _refer_to_images(seg, headers: Sequence) -> None:
    """highdicom refers to source images only where every slice has one; here each slice that has one names it."""
    frames = seg.PerFrameFunctionalGroupsSequence
    if any(frame.get("DerivationImageSequence") for frame in frames):
        return
    places = list(_image_places(headers))
    positions = np.array([position for position, _, _ in places])
    for frame in frames:
        own = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        distances = np.linalg.norm(positions - own, axis=1)
        nearest = int(distances.argmin())
        if distances[nearest] < SAME_PLACE_MM:
            frame.DerivationImageSequence = [_derivation(*places[nearest][1:])]


def _image_places(headers: Sequence) -> Iterator[tuple[np.ndarray, object, int | None]]:
    """For each image its position (LPS mm), its header, and its frame's number, None where the file has one frame."""
    for header in headers:
        frames = header.get("PerFrameFunctionalGroupsSequence")
        if not frames:
            yield np.array(header.ImagePositionPatient, float), header, None
        for number, frame in enumerate(frames or (), 1):
            yield np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float), header, number


def _derivation(header, number: int | None):
    """An item of the Derivation Image macro (PS3.3 C.7.6.16.2.6)."""
    import highdicom as hd
    from pydicom.dataset import Dataset

    image, item = Dataset(), Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    if number is not None:
        image.ReferencedFrameNumber = number
    image.SpatialLocationsPreserved = "YES"
    image.PurposeOfReferenceCodeSequence = [hd.sr.CodedConcept.from_code(coded(SOURCE_IMAGE))]
    item.SourceImageSequence = [image]
    item.DerivationCodeSequence = [hd.sr.CodedConcept.from_code(coded(SEGMENTATION))]
    return item


def _name_dimensions(seg, uid: str) -> None:
    """The organization of dimensions gets a UID that depends on nothing but the content."""
    for item in (*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
