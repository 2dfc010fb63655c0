"""What an analysis of a brain MR gives."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.report.provenance import AI_NOT_REVIEWED, Provenance, analysis_date, provenance_of, summary_of


@dataclass(frozen=True)
class StrokeResult:
    """lesion, brain: uint8 0/1 on the input's grid. tissues: semantic map (see labels.py) without lesion, or None.

    seconds: read, align, infer, total. measurements: see measurements.measure. to_image: 4 x 4, MNI RAS mm to the
    image's RAS mm. notes: sentences for the user. date: of the analysis. review: see provenance.
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
    date: str = field(default_factory=analysis_date)
    review: str = AI_NOT_REVIEWED

    def cards(self) -> list[dict]:
        """The card of the model, where the network is an installed one."""
        from LesionKitLib.models.registry import find_model
        from LesionKitLib.run.errors import MissingResource
        from StrokeSynthLib.networks.registry import NETWORKS

        try:
            return [find_model(self.network, [NETWORKS.library]).card] if self.version else []
        except MissingResource:
            return []

    def provenance(self) -> Provenance:
        """What this is of and what made it."""
        return provenance_of(self, self.cards())

    def lesions(self) -> list[dict]:
        """The lesions of the measurements, the largest first, with the arterial territory of each."""
        from StrokeSynthLib.measurement.territories import lesion_territories

        places = lesion_territories(self.volume, self.lesion, self.to_image)
        return [{**lesion, **place} for lesion, place in zip(self.measurements["components"], places, strict=True)]

    def summary(self) -> dict:
        """The document of ``stroke segment --json`` and measurements.json."""
        return summary_of(self, self.provenance(), components=self.lesions())
