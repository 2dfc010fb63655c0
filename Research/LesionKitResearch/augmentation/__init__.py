"""Random views of training images, and lesions and images made by procedure."""
