"""An X-ray as the router knows it: upright gray pixels, bones bright, and the technical facts of its header."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

EXTREME = 0.01  # of the range: as dark or as bright as it gets


@dataclass(frozen=True)
class HeaderFacts:
    """Technical facts of a header, never about who the person is. All empty for PNG and JPEG files."""

    body_part: str = ""  # BodyPartExamined, as it stands
    study_description: str = ""
    series_description: str = ""
    view: str = ""  # ViewPosition: PA, AP, LL, ...
    age_years: float | None = None  # PatientAge
    modality: str = ""


@dataclass(frozen=True)
class Xray:
    """pixels: float32 (rows, columns), 0..1, bones bright. frames: how many the file holds.

    Of several frames the first is taken. notes: sentences on what was done that a user should know.
    spacing: mm between rows and between columns on the detector or in the patient, None when not known.
    aspect: height of a pixel over its width (spacing or PixelAspectRatio).
    colored: share of the pixels whose color is another one than a single tint of the whole explains, 0 for gray.
    """

    pixels: np.ndarray
    header: HeaderFacts = field(default_factory=HeaderFacts)
    frames: int = 1
    notes: tuple[str, ...] = ()
    spacing: tuple[float, float] | None = None
    aspect: float = 1.0
    colored: float = 0.0


def flatness(pixels: np.ndarray) -> tuple[float, float]:
    """Share of the pixels that are exactly as their right neighbor: of all, and of those that are neither the darkest
    nor the brightest (borders and clipped values of an X-ray are). Drawn pictures have much of both, detectors' noise
    leaves little."""
    same = pixels[:, 1:] == pixels[:, :-1]
    if not same.size:
        return 0.0, 0.0
    values = pixels[:, 1:]
    between = (values > pixels.min() + EXTREME) & (values < pixels.max() - EXTREME)
    return float(same.mean()), float(same[between].mean()) if between.any() else 0.0
