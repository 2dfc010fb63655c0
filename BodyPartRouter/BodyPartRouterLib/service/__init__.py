"""``lesionkit route serve``: a DICOM storage service that keeps, classifies and passes on what it is sent."""
