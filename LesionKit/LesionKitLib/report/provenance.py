"""What a result is of and what made it: in every JSON document, table and report the same, under the same names."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from LesionKitLib import __version__
from LesionKitLib.imaging.source import ImageSource
from LesionKitLib.imaging.volume import Volume

AI_NOT_REVIEWED = "AI, not reviewed"
AI_CORRECTED = "AI, corrected by a person, not reviewed"
AI_REVIEWED = "AI, reviewed by a person"


def analysis_date() -> str:
    """Today (UTC) as YYYY-MM-DD, or the day of SOURCE_DATE_EPOCH (reproducible-builds.org) where that is set.

    To the day: the same image analyzed twice gives the same bytes, besides the measured seconds, on one day.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    return time.strftime("%Y-%m-%d", time.gmtime(int(given) if given.isdigit() else None))


def review_of(editing: dict | None) -> str:
    """The review state of a result that people may have edited. editing: as LesionKitLib.mrml.editing's summary."""
    if editing is not None and editing.get("reviewed"):
        return AI_REVIEWED
    return AI_CORRECTED if editing is not None and editing.get("edits") else AI_NOT_REVIEWED


@dataclass(frozen=True)
class Provenance:
    """source: which image; id: of that image, the same in every file of its results; network, version: of the network;
    weights: sha256 of the weights by the model's name; review: AI_NOT_REVIEWED, AI_CORRECTED or AI_REVIEWED."""

    source: ImageSource
    id: str
    network: str
    version: str
    device: str
    weights: dict[str, str] = field(default_factory=dict)
    date: str = field(default_factory=analysis_date)
    review: str = AI_NOT_REVIEWED
    lesionkit: str = __version__

    def document(self) -> dict:
        """The keys that the JSON documents begin with."""
        return {
            "id": self.id,
            "source": self.source.document(),
            "lesionkit": self.lesionkit,
            "network": self.network,
            "version": self.version,
            "weights": self.weights,
            "device": self.device,
            "analysis_date": self.date,
            "review": self.review,
        }

    def columns(self) -> dict[str, object]:
        """The same for a table: column name -> the value of every row. Empty: not known."""
        document = self.document()
        source = document.pop("source")
        spacing = " x ".join(f"{mm:.6g}" for mm in source.pop("spacing") or ())
        weights = "; ".join(f"{name} {digest}" for name, digest in document.pop("weights").items())
        return {**source, "spacing": spacing, **document, "weights": weights}

    def facts(self) -> tuple[tuple[str, str], ...]:
        """For the top of a report: title and text, what is not known left out."""
        source = self.source
        patient = ", ".join(part for part in (source.patient_name, source.patient_id) if part)
        series = ", ".join(part for part in (source.modality, source.series_description, source.kernel) if part)
        facts = (
            ("Patient", patient),
            ("Study date", source.date),
            ("Series", series),
            ("File", source.file),
            ("Image", _grid(source)),
            ("Network", f"{self.network} {self.version}".strip()),
            ("Analyzed", f"{self.date}, LesionKit {self.lesionkit}"),
            ("Review", self.review),
        )
        return tuple((title, text) for title, text in facts if text)

    def details(self) -> tuple[tuple[str, str], ...]:
        """What identifies image and network beyond doubt."""
        source = self.source
        facts = (
            ("Study Instance UID", source.study_uid),
            ("Series Instance UID", source.series_uid),
            ("Image's SHA-256", source.sha256),
            ("Id in the tables", self.id),
            *((f"SHA-256 of {name}", digest) for name, digest in self.weights.items()),
            ("Device", self.device),
        )
        return tuple((title, text) for title, text in facts if text)


class Analysis(Protocol):
    """What the modules' results have in common."""

    volume: Volume
    network: str
    version: str
    device: str
    seconds: dict[str, float]
    measurements: dict
    notes: tuple[str, ...]
    date: str
    review: str


def provenance_of(result: Analysis, cards: list[dict]) -> Provenance:
    """What a result is of and what made it. cards: of the models whose weights were used."""
    return Provenance(
        image_source(result.volume), image_id(result.volume), result.network, result.version, result.device,
        weights_of(cards), result.date, result.review,
    )  # fmt: skip


def summary_of(result: Analysis, provenance: Provenance, **more) -> dict:
    """The JSON document of a result: provenance, seconds, measurements, ``more`` and at the end the notes."""
    seconds = {stage: round(value, 3) for stage, value in result.seconds.items()}
    return {**provenance.document(), "seconds": seconds, **result.measurements, **more, "notes": list(result.notes)}


def image_source(volume: Volume) -> ImageSource:
    """The volume's source; spacing and number of slices are the volume's own where the reader did not say them."""
    known = volume.source or ImageSource()
    spacing = known.spacing or tuple(round(float(mm), 6) for mm in volume.spacing)
    return replace(known, spacing=spacing, slices=known.slices or volume.array.shape[0])


def image_id(volume: Volume) -> str:
    """16 hexadecimal digits: of the source's digest, or, for an image that comes from no file, of voxels and place."""
    if volume.source is not None and volume.source.sha256:
        return volume.source.sha256[:16]
    digest = hashlib.sha256(np.ascontiguousarray(volume.ijk_to_ras).tobytes())
    digest.update(str((volume.array.dtype.str, volume.array.shape)).encode())
    for plane in volume.array:
        digest.update(np.ascontiguousarray(plane).tobytes())
    return digest.hexdigest()[:16]


def weights_of(cards: list[dict]) -> dict[str, str]:
    """sha256 of the weights by the name of the model, from model cards."""
    return {card["name"]: card["sha256"] for card in cards if card.get("sha256")}


def _grid(source: ImageSource) -> str:
    parts = []
    if source.slices:
        parts.append(f"{source.slices} slices")
    if source.spacing:
        parts.append(" × ".join(f"{mm:.2f}" for mm in source.spacing) + " mm")
    if source.slice_thickness:
        parts.append(f"{source.slice_thickness:g} mm thick")
    return ", ".join(parts)
