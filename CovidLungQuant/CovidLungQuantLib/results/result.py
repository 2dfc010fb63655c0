"""What an analysis of a chest CT gives."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from CovidLungQuantLib.measurement.findings import Finding
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.report.provenance import AI_NOT_REVIEWED, Provenance, analysis_date, provenance_of, summary_of


@dataclass(frozen=True)
class CovidResult:
    """lungs: uint8 on the input's grid, 0 none, 1 right, 2 left. lesions: 0 none, 1 ground glass, 2 consolidation,
    3 effusion.

    seconds: read, infer, total. measurements: see measurements.measure. decision: covid_probability and positive, or
    None where the network decides nothing. heatmap: uint8 0..100 on the input's grid, or None. notes: sentences for the
    user. findings: the lesions one by one, the largest first. date: of the analysis. review: see provenance.
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
    date: str = field(default_factory=analysis_date)
    review: str = AI_NOT_REVIEWED

    def provenance(self) -> Provenance:
        """What this is of and what made it; the weights are those installed under the network's name."""
        from CovidLungQuantLib.networks.registry import cards_of

        return provenance_of(self, cards_of(self.network))

    def summary(self) -> dict:
        """The document of ``covid --json`` and measurements.json."""
        decision = self.decision or {"covid_probability": None, "positive": None}
        findings = [finding.row() for finding in self.findings]
        return summary_of(self, self.provenance(), decision=decision, findings=findings)
