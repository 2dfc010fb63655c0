"""The segmentation networks, each written from its paper. These files import torch; nothing imports them at start-up."""
