"""What an analysis of a chest CT gives."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from CovidLungQuantLib.measurement.findings import Finding
from LesionKitLib.imaging.volume import Volume


@dataclass(frozen=True)
class CovidResult:
    """lungs: uint8 on the input's grid, 0 none, 1 right, 2 left. lesions: 0 none, 1 ground glass, 2 consolidation,
    3 effusion.

    seconds: read, infer, total. measurements: see measurements.measure. decision: covid_probability and positive, or
    None where the network decides nothing. heatmap: uint8 0..100 on the input's grid, or None. notes: sentences for the
    user. findings: the lesions one by one, the largest first.
    """

    volume: Volume
    lungs: np.ndarray
    lesions: np.ndarray
    network: str
    version: str
    device: str
    seconds: dict[str, float]
    measurements: dict
    decision: dict | None = None
    heatmap: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())
    findings: tuple[Finding, ...] = field(default=())

    def summary(self) -> dict:
        """The document of ``covid --json`` and measurements.json."""
        return {
            "network": self.network,
            "version": self.version,
            "device": self.device,
            "seconds": {k: round(v, 3) for k, v in self.seconds.items()},
            **self.measurements,
            "decision": self.decision or {"covid_probability": None, "positive": None},
            "findings": [finding.row() for finding in self.findings],
            "notes": list(self.notes),
        }
