"""What an analysis of a brain MR gives."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from LesionKitLib.imaging.volume import Volume


@dataclass(frozen=True)
class StrokeResult:
    """lesion, brain: uint8 0/1 on the input's grid. tissues: semantic map (see labels.py) without lesion, or None.

    seconds: read, align, infer, total. measurements: see measurements.measure. to_image: 4 x 4, MNI RAS mm to the
    image's RAS mm. notes: sentences for the user.
    """

    volume: Volume
    lesion: np.ndarray
    brain: np.ndarray
    tissues: np.ndarray | None
    network: str
    version: str
    device: str
    seconds: dict[str, float]
    measurements: dict
    to_image: np.ndarray
    notes: tuple[str, ...] = field(default=())

    def summary(self) -> dict:
        """The document of ``stroke segment --json`` and measurements.json."""
        return {
            "network": self.network,
            "version": self.version,
            "device": self.device,
            "seconds": {k: round(v, 3) for k, v in self.seconds.items()},
            **self.measurements,
            "notes": list(self.notes),
        }
