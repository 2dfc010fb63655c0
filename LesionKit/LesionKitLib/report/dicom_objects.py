"""A result as objects for the archive: segments (SEG), measurements (SR) and, with ReportLab, the report (PDF)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.io.dicom_objects.sr import Figure
from LesionKitLib.io.seg_nrrd import SegmentRecord

from .document import Report
from .files import Writer
from .provenance import Provenance

FOLDER = "dicom"
SEGMENTS, FIGURES, DOCUMENT = f"{FOLDER}/segmentation.dcm", f"{FOLDER}/measurements.dcm", f"{FOLDER}/report.dcm"


@dataclass(frozen=True)
class Findings:
    """What the objects say. layers: label maps [k, j, i] on the volume's grid; records: which value is which segment.

    figures: segment id -> its numbers; overall: those of the whole image.
    """

    layers: Sequence[np.ndarray]
    records: Sequence[SegmentRecord]
    figures: Mapping[str, Sequence[Figure]]
    overall: Sequence[Figure]


def dicom_writers(
    volume: Volume, findings: Findings, provenance: Provenance, report: Report | None = None, paper: str = "a4"
) -> dict[str, Writer]:
    """Writers of the objects by the names of their files; all belong to the study of the volume's DICOM source.

    report: to be enclosed as PDF, None for none. The objects carry the patient and study of the source's own headers,
    whatever the report shows. Raises UnusableInput where the volume does not come from DICOM files that are there.
    """
    from LesionKitLib.io.dicom.source import source_headers
    from LesionKitLib.io.dicom_objects.pdf import encapsulated_pdf
    from LesionKitLib.io.dicom_objects.seg import segmentation_object
    from LesionKitLib.io.dicom_objects.sr import measurement_report

    headers, maker = source_headers(volume), _maker(findings, provenance)
    seg = segmentation_object(findings.layers, findings.records, volume, headers, maker)
    sr = measurement_report(seg, findings.records, findings.figures, findings.overall, headers, maker)
    objects = {SEGMENTS: seg, FIGURES: sr}
    if report is not None:
        named = bool(provenance.source.patient_name or provenance.source.patient_id)
        objects[DOCUMENT] = encapsulated_pdf(_pdf(report, paper), report.title, headers, maker, named)
    return {name: _writer(data) for name, data in objects.items()}


def _maker(findings: Findings, provenance: Provenance):
    from LesionKitLib.io.dicom_objects.seg import Maker

    digest = hashlib.sha256(repr((provenance, findings.records, findings.figures, findings.overall)).encode())
    for layer in findings.layers:
        digest.update(np.ascontiguousarray(layer).tobytes())
    identity = f"{provenance.source.series_uid} {digest.hexdigest()}"
    return Maker(provenance.network, provenance.version, provenance.date, provenance.review, identity)


def _pdf(report: Report, paper: str) -> bytes:
    from .pdf import write_pdf

    stream = io.BytesIO()
    write_pdf(report, stream, paper)
    return stream.getvalue()


def _writer(data) -> Writer:
    def write(path: Path) -> None:
        data.save_as(path, enforce_file_format=True)

    return write
