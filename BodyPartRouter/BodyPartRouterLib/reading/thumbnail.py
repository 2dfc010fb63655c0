"""A small picture of an X-ray."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .xray import Xray


def thumbnail(xray: Xray, size: int = 200) -> np.ndarray:
    """uint8 (rows, columns), the longer side ``size`` pixels, in true proportions."""
    from PIL import Image

    picture = Image.fromarray((np.clip(xray.pixels, 0, 1) * 255).astype(np.uint8))
    height, width = picture.height * xray.aspect, float(picture.width)
    scale = size / max(height, width)
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(picture.resize(shape, Image.Resampling.BILINEAR, reducing_gap=2.0))
