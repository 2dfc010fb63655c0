"""The codes of what DICOM objects say about a result: one table of concepts, units and algorithm families.

A code is (coding scheme, code value, meaning). The codes of segments stand with the classes (each module's labels.py).
All but those of PRIVATE_SCHEME were looked up in pydicom 3.0.2's tables of DICOM PS3.16:

- SCT 118565006 Volume: CID 218, 7469; with UCUM cm3 of CID 7462 (1 cm3 is 1 ml).
- DCM 112031 Attenuation Coefficient: CID 218, 7469; derivation SCT 373098007 Mean of CID 7464; UCUM [hnsf'U] of CID 83.
- SCT 246206008 Number of lesions (observable entity).
- DCM 123110 Artificial Intelligence: CID 7162 surface processing and segmentation algorithm families.
- DCM 121322 Source image for image processing operation: CID 7202; DCM 113076 Segmentation: CID 7203.
- LN 25045-6 CT unspecified body region, LN 25056-3 MRI unspecified body region: procedures reported.

No code for these was found in SNOMED CT, LOINC, RadLex or DCM as far as these tables hold them; they are this project's
own, in the scheme 99LESIONKIT, defined in docs/dicom-export.md.
"""

from __future__ import annotations

from LesionKitLib.imaging.segment_class import Code

PRIVATE_SCHEME = "99LESIONKIT"

VOLUME: Code = ("SCT", "118565006", "Volume")
ATTENUATION: Code = ("DCM", "112031", "Attenuation Coefficient")
LESION_COUNT: Code = ("SCT", "246206008", "Number of lesions")
BURDEN: Code = (PRIVATE_SCHEME, "LK0001", "Lesion volume as percentage of lung volume")
CT_SEVERITY: Code = (PRIVATE_SCHEME, "LK0002", "CT severity score of six lung zones")
LUNG_VOLUME: Code = (PRIVATE_SCHEME, "LK0003", "Volume of both lungs")
HIGH_OPACITY_VOLUME: Code = (PRIVATE_SCHEME, "LK0004", "Volume of consolidation and pleural effusion")
PERCENT_OF_BRAIN: Code = (PRIVATE_SCHEME, "LK0005", "Lesion volume as percentage of brain volume")
PROBABILITY_OF_COVID: Code = (PRIVATE_SCHEME, "LK0006", "Probability of COVID-19 pneumonia")

MEAN: Code = ("SCT", "373098007", "Mean")

CUBIC_CENTIMETER: Code = ("UCUM", "cm3", "cubic centimeter")
HOUNSFIELD: Code = ("UCUM", "[hnsf'U]", "Hounsfield unit")
PERCENT: Code = ("UCUM", "%", "Percent")
NO_UNITS: Code = ("UCUM", "1", "no units")

ARTIFICIAL_INTELLIGENCE: Code = ("DCM", "123110", "Artificial Intelligence")
CT_PROCEDURE: Code = ("LN", "25045-6", "CT unspecified body region")
MR_PROCEDURE: Code = ("LN", "25056-3", "MRI unspecified body region")
SOURCE_IMAGE: Code = ("DCM", "121322", "Source image for image processing operation")
SEGMENTATION: Code = ("DCM", "113076", "Segmentation")
REPORT_TITLE: Code = ("DCM", "126000", "Imaging Measurement Report")


def coded(code: Code):
    """A code as pydicom's Code."""
    from pydicom.sr.coding import Code as DicomCode

    scheme, value, meaning = code
    return DicomCode(value, scheme, meaning)
