"""DICOM objects that leave: segmentations, measurements, encapsulated reports, and their codes."""
