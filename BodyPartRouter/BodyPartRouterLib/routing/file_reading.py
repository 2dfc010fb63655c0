"""One file read for the router: pixels, or a sentence that says why not, and the header elements that rules ask for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from BodyPartRouterLib.reading.header_values import Values
from LesionKitLib.run.errors import Cancelled, MissingResource, UnusableInput

if TYPE_CHECKING:
    from BodyPartRouterLib.reading.xray import Xray

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """xray: None when the pixels cannot be read, then error says why. stopped: reading it ended the process."""

    values: Values = field(default_factory=dict)
    xray: Xray | None = None
    error: str = ""
    stopped: bool = False


Reader = Callable[[Path, frozenset[str]], Reading]


def read_file(path: Path, keywords: frozenset[str]) -> Reading:
    """In this process. Raises MissingResource when a decoder is not installed, and Cancelled."""
    from BodyPartRouterLib.reading.xray_file import XrayFile

    values, untold = {}, ""
    try:
        with XrayFile(path) as file:
            values, unreadable = file.values(keywords)
            untold = f"The header's {', '.join(unreadable)}, which rules ask for, cannot be read." if unreadable else ""
            xray = file.xray()
        return Reading(values, error=untold) if untold else Reading(values, xray)
    except (Cancelled, MissingResource):
        raise
    except UnusableInput as error:
        return Reading(values, error=str(error))
    except MemoryError:
        return Reading(values, error="The image is too large for the memory of this computer.")
    except Exception as error:  # whatever a damaged file makes a decoder raise; its text may quote the header
        log.warning("An image could not be read: %s", type(error).__name__)
        return Reading(values, error=untold or "The file is damaged.")
