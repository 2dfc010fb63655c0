"""X-rays from DICOM, PNG and JPEG files: pixels with bones bright, and the facts of the header."""
