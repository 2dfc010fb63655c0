"""Names of delivered files and folders: the same image always gets the same name, and none leaves its folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from BodyPartRouterLib.reading.header_values import Values

LONGEST_PART = 64
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_UID = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*))+")
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{kind}{n}" for kind in ("COM", "LPT") for n in range(1, 10))}  # Windows


def placeholders(folder: str) -> set[str]:
    """The names in braces: "class" and DICOM keywords."""
    return set(_PLACEHOLDER.findall(folder))


def safe_part(text: str) -> str:
    """One part of a path from any text: letters, digits, '.', '_', '-', no dot at either end, never empty.

    So neither "../..", "C:", "/etc", a NUL nor a name of a Windows device gets through.
    """
    part = re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:LONGEST_PART].strip(".")
    if not part:
        return "none"
    return f"_{part}" if part.split(".")[0].upper() in _RESERVED else part


def fill_folder(folder: str, label: str, values: Values, base: Path) -> Path:
    """The absolute folder that a rule names, header values made safe."""
    known = {"class": (label,), **values}
    filled = _PLACEHOLDER.sub(lambda match: safe_part("_".join(known.get(match[1], ()))), folder)
    return Path(os.path.normpath(base / filled))


def file_name(path: Path, uid: str, digest: str) -> str:
    """<SOP Instance UID>.dcm, or for a file without a valid one its own name and the beginning of its sha256."""
    if _UID.fullmatch(uid) and len(uid) <= 64:
        return f"{uid}.dcm"
    suffix = path.suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,5}", path.suffix) else ".dcm"
    return f"{safe_part(path.stem)}-{digest[:12]}{suffix.lower()}"


def other_name(name: str, digest: str) -> str:
    """For another image that claims the same name."""
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-{digest[:12]}{dot}{suffix}"
