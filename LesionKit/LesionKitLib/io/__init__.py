"""Files in and out: images, DICOM series, headers and segmentations; writing never leaves half a file."""
