"""Reading DICOM: headers, folders, groups of a series, the choice among them, pixels and geometry."""
