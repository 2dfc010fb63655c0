"""Which image a result is of: what a reader needs to find it again, and nothing that tells who the patient is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ImageSource:
    """Where a volume came from. Empty or None: not known, as for formats that do not say.

    study_uid, series_uid, series_description, date (study date, YYYY-MM-DD), modality, kernel: from the DICOM header.
    slice_thickness: mm. spacing: mm between voxel centers along (i, j, k). slices: how many images or planes were used.
    file: name of the file or folder, without its path. sha256: of the file's bytes; of a series, of the sorted
    digests of its files. patient_name, patient_id: only filled where a user asked for them (--identify). files: the
    DICOM files that were read, for DICOM objects that are to join them in their study; never written anywhere.
    """

    study_uid: str = ""
    series_uid: str = ""
    series_description: str = ""
    date: str = ""
    modality: str = ""
    kernel: str = ""
    slice_thickness: float | None = None
    spacing: tuple[float, float, float] | None = None
    slices: int | None = None
    file: str = ""
    sha256: str = ""
    patient_name: str = ""
    patient_id: str = ""
    files: tuple[Path, ...] = field(default=(), repr=False, compare=False)

    def document(self) -> dict:
        """As JSON: the keys of the command-line contract, None for what is not known."""
        fields = {
            "study_uid": self.study_uid,
            "series_uid": self.series_uid,
            "series_description": self.series_description,
            "date": self.date,
            "modality": self.modality,
            "kernel": self.kernel,
            "slice_thickness": self.slice_thickness,
            "file": self.file,
            "sha256": self.sha256,
            "spacing": list(self.spacing) if self.spacing else None,
            "slices": self.slices,
        }
        if self.patient_name or self.patient_id:
            fields |= {"patient_name": self.patient_name, "patient_id": self.patient_id}
        return {key: None if value == "" else value for key, value in fields.items()}
