"""Numbers of a segmented stroke, also after every edit."""
