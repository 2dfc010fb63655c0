"""The pool of earlier images that a discriminator is shown (Shrivastava et al. 2017, arXiv 1612.07828)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

POOL = 50  # images


class ImagePool:
    """Up to ``size`` earlier images; half of the time an earlier one of its size is shown in place of the new one."""

    def __init__(self, size: int = POOL):
        self.size = size
        self.images: list[Tensor] = []

    def state_dict(self) -> dict[str, Tensor]:
        """The images by their place, for a training that is resumed."""
        return {str(place): image for place, image in enumerate(self.images)}

    def load_state_dict(self, images: dict[str, Tensor]) -> None:
        self.images = [images[str(place)] for place in range(len(images))]

    def exchange(self, images: Tensor, rng) -> Tensor:
        """images: (n, ...). rng: a NumPy generator. Returns as many, each new or earlier, and keeps the new ones."""
        import torch

        shown = []
        for image in images.detach():
            if len(self.images) < self.size:
                self.images.append(image)
                shown.append(image)
                continue
            slot = int(rng.integers(self.size))
            if rng.random() < 0.5 and self.images[slot].shape == image.shape:
                shown.append(self.images[slot].to(image.device))
                self.images[slot] = image
            else:
                shown.append(image)
        return torch.stack(shown)
