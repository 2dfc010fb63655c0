"""Numbers of a segmentation: per class, side and third, per lesion, after every edit."""
