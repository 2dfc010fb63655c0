"""A report as an Encapsulated PDF (PS3.3 A.45.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from LesionKitLib import __version__
from LesionKitLib.io.dicom.source import finish

from .seg import MANUFACTURER, Maker

PDF_STORAGE = "1.2.840.10008.5.1.4.1.1.104.1"
_PATIENT_AND_STUDY = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge", "PatientSize",
    "PatientWeight", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber",
    "ReferringPhysicianName", "ClinicalTrialSponsorName", "ClinicalTrialProtocolID", "ClinicalTrialProtocolName",
    "ClinicalTrialSiteID", "ClinicalTrialSiteName", "ClinicalTrialSubjectID",
)  # fmt: skip


def encapsulated_pdf(pdf: bytes, title: str, headers: Sequence, maker: Maker, names_patient: bool):
    """A pydicom data set. names_patient: whether the pages show who the patient is (Burned In Annotation)."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.sequence import Sequence as DicomSequence
    from pydicom.uid import ExplicitVRLittleEndian

    source = headers[0]
    data = Dataset()
    for keyword in _PATIENT_AND_STUDY:
        if keyword in source:
            data[keyword] = source[keyword]
    data.SOPClassUID = PDF_STORAGE
    data.SOPInstanceUID = maker.uid("report", hashlib.sha256(pdf).hexdigest())
    data.Modality = "DOC"
    data.SeriesInstanceUID = maker.uid("report series")
    data.SeriesNumber = int(source.get("SeriesNumber") or 0) * 100 + 93
    data.SeriesDescription = f"{maker.name} {maker.version}: report"[:64]
    data.InstanceNumber = 1
    data.ConversionType = "WSD"
    data.Manufacturer, data.ManufacturerModelName = MANUFACTURER, maker.name[:64]
    data.SoftwareVersions = data.DeviceSerialNumber = __version__
    data.AcquisitionDateTime = ""
    data.BurnedInAnnotation = "YES" if names_patient else "NO"
    data.DocumentTitle = title
    data.ConceptNameCodeSequence = DicomSequence()
    data.SourceInstanceSequence = DicomSequence([_reference(header) for header in headers])
    data.MIMETypeOfEncapsulatedDocument = "application/pdf"
    data.EncapsulatedDocumentLength = len(pdf)
    data.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = PDF_STORAGE
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    finish(data, maker.date)
    return data


def _reference(header):
    from pydicom.dataset import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    return item
