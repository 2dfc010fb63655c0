"""The segmentation networks, each written from its paper. They import torch; nothing imports them at start-up."""
