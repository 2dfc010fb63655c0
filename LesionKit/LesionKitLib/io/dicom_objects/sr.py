"""Measurements as a DICOM Comprehensive SR by TID 1500 (PS3.16), which refers to the segments of a Segmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from LesionKitLib import __version__
from LesionKitLib.imaging.segment_class import Code
from LesionKitLib.io.dicom.source import finish
from LesionKitLib.io.seg_nrrd import SegmentRecord

from .codes import CT_PROCEDURE, MR_PROCEDURE, PRIVATE_SCHEME, REPORT_TITLE, coded
from .seg import MANUAL, MANUFACTURER, Maker, algorithm_type_of, tracking_of


@dataclass(frozen=True)
class Figure:
    """One number. concept: what it is of; unit: UCUM; derivation: such as MEAN."""

    concept: Code
    value: float
    unit: Code
    derivation: Code | None = None


def measurement_report(
    seg, records: Sequence[SegmentRecord], figures: Mapping[str, Sequence[Figure]], overall: Sequence[Figure],
    headers: Sequence, maker: Maker,
):  # fmt: skip
    """A highdicom ComprehensiveSR.

    seg, records: of segmentation_object. figures: segment id -> its numbers; overall: those of the whole image. It is
    complete and unverified: nobody has signed it.
    """
    import highdicom as hd

    modality = str(headers[0].Modality)
    groups = [
        _segment_group(seg, number, record, figures[record.id], maker)
        for number, record in enumerate(records, 1)
        if figures.get(record.id)
    ]
    if overall:
        groups.append(_overall_group(headers, overall, maker))
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=_observer(maker)),
        procedure_reported=coded(CT_PROCEDURE if modality == "CT" else MR_PROCEDURE),
        imaging_measurements=groups,
        title=coded(REPORT_TITLE),
    )
    report = hd.sr.ComprehensiveSR(
        evidence=[seg, *headers],
        content=content[0],
        series_instance_uid=maker.uid("measurements series"),
        series_number=int(headers[0].get("SeriesNumber") or 0) * 100 + 92,
        sop_instance_uid=maker.uid("measurements"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description=f"{maker.name} {maker.version}: measurements"[:64],
    )
    report.ManufacturerModelName = maker.name[:64]
    report.SoftwareVersions = __version__
    report.CodingSchemeIdentificationSequence = [_private_scheme()]
    finish(report, maker.date)
    return report


def _private_scheme():
    """Who is responsible for the codes of PRIVATE_SCHEME (PS3.3 C.12.1.1.2)."""
    from pydicom.dataset import Dataset

    scheme = Dataset()
    scheme.CodingSchemeDesignator = PRIVATE_SCHEME
    scheme.CodingSchemeName = "LesionKit measurements"
    scheme.CodingSchemeResponsibleOrganization = MANUFACTURER
    return scheme


def _observer(maker: Maker):
    import highdicom as hd

    return hd.sr.ObserverContext(
        observer_type=coded(("DCM", "121007", "Device")),
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=maker.uid("observer"), name=MANUFACTURER, manufacturer_name=MANUFACTURER,
            model_name=f"{maker.network} {maker.version}".strip(),
        ),
    )  # fmt: skip


def _algorithm(maker: Maker):
    import highdicom as hd

    return hd.sr.AlgorithmIdentification(name=maker.name, version=maker.version or __version__)


def _segment_group(seg, number: int, record: SegmentRecord, figures: Sequence[Figure], maker: Maker):
    import highdicom as hd

    series = seg.ReferencedSeriesSequence[0]
    name, uid = tracking_of(record, series.SeriesInstanceUID)
    site = record.region or record.type
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=uid, identifier=name),
        referenced_segment=hd.sr.ReferencedSegment(
            sop_class_uid=seg.SOPClassUID,
            sop_instance_uid=seg.SOPInstanceUID,
            segment_number=number,
            source_series=hd.sr.SourceSeriesForSegmentation(referenced_series_instance_uid=series.SeriesInstanceUID),
        ),
        finding_category=coded(record.category),
        finding_type=coded(record.type),
        finding_sites=[
            hd.sr.FindingSite(
                anatomic_location=coded(site), laterality=coded(record.modifier) if record.modifier else None
            )
        ],
        algorithm_id=None if algorithm_type_of(record) == MANUAL else _algorithm(maker),
        measurements=[_measurement(figure) for figure in figures],
    )


def _overall_group(headers: Sequence, figures: Sequence[Figure], maker: Maker):
    import highdicom as hd

    uid = maker.uid("whole image")
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=uid, identifier="Whole image"),
        algorithm_id=_algorithm(maker),
        measurements=[_measurement(figure) for figure in figures],
        source_images=[hd.sr.SourceImageForMeasurementGroup.from_source_image(headers[0])],
    )


def _measurement(figure: Figure):
    import highdicom as hd

    return hd.sr.Measurement(
        name=coded(figure.concept),
        value=_decimal(figure.value),
        unit=coded(figure.unit),
        derivation=coded(figure.derivation) if figure.derivation else None,
    )


def _decimal(value: float) -> float:
    """Rounded so that it fits the 16 characters of a DICOM decimal string."""
    return float(f"{value:.9g}")
