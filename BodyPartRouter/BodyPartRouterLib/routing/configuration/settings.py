"""Settings of the DICOM service, the section "service" of a rules file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

DATA = "lesionkit-router"
METRICS_PORT = 9114


@dataclass(frozen=True)
class ServiceSettings:
    """data: folder of inbox, journal and held images. address: where to listen; allow: calling AE titles, () any.
    more_ae_titles: that callers may ask for besides ae_title. tls: files, as server_context takes them, None without;
    base: relative ones lie below it. max_associations: established at once, and of these from one address.

    A waiting sender is answered "out of resources" when less than min_free_mb would be left on the disk, or when its
    object is larger than max_object_mb. attempts, first_wait_s, longest_wait_s: of a delivery, the wait doubling each
    time. quiet_s: a series or study without a new image for so long is complete. stow_*, page_*: where DICOMweb and the
    page for people are, and the environment variables with the tokens that let in. keep_days: how long the journal
    remembers a delivered image, so that one sent twice is delivered once.
    """

    data: Path = Path(DATA)
    address: str = "127.0.0.1"
    ae_title: str = "LESIONKIT"
    allow: tuple[str, ...] = ()
    max_object_mb: float = 128.0
    max_associations: int = 16
    max_associations_from_one: int = 10
    more_ae_titles: tuple[str, ...] = ()
    tls: dict | None = field(default=None, hash=False)
    min_free_mb: float = 512.0
    batch: int = 16
    batch_wait_s: float = 0.3
    metrics_port: int | None = METRICS_PORT
    attempts: int = 20
    first_wait_s: float = 2.0
    longest_wait_s: float = 300.0
    keep_days: float = 30.0
    quiet_s: float = 60.0
    stow_port: int | None = None
    stow_token_variable: str | None = None
    page_port: int | None = None
    page_address: str = "127.0.0.1"
    page_token_variable: str | None = None
    base: Path = Path()

    @classmethod
    def from_entries(cls, entries: dict, base: Path) -> ServiceSettings:
        """entries: as the schema allows them; a relative folder lies below ``base``."""
        entries = dict(entries)
        for name in ("allow", "more_ae_titles"):
            if name in entries:
                entries[name] = tuple(title.strip() for title in entries[name])
        found = replace(cls(), **entries, base=base)
        return replace(found, data=base / found.data)
